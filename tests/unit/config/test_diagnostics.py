"""How mistakes are shown: the line, the caret, the help; and what a misspelt word is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.config import compose, experiment
from dlcli.config.diagnostics import ConfigError, Diagnostic, Place, Report, Source, did_you_mean
from dlcli.config.layers import LAYERS
from tests.unit.config.configs import PROFILE, facts_of, write

CNN = """\
# What a small CNN looks like.
data: {name: mnist, fallback: digits}
train:
  epochs: 3
  loss: cross_entropy
model:
  layers:
    - conv2d: {out_channels: 32, kernel_size: 3}
    - relu
    - max_pool2d: 2
    # here `flatten` is missing
    - linear: 64
    - relu
    - linear: ${data.num_classes}
"""

SHOWN = """\
error[shape]: `linear` reads the last axis, and its input is an image (C=32, H=13, W=13)
  --> configs/cnn.yaml:12:7
   12 |     - linear: 64
      |       ^^^^^^
  its input comes from `max_pool2d` (line 10)
  help: put `- flatten` before it: it gives 5408 features"""


def test_a_wrong_shape_is_shown_as_the_design_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the design, letter by letter: it is the one mistake of this file."""
    write(tmp_path / "configs" / "cnn.yaml", CNN)
    monkeypatch.chdir(tmp_path)
    composed = compose.load("configs/cnn.yaml")
    with pytest.raises(ConfigError) as caught:
        experiment.resolve(composed, facts_of)
    assert str(caught.value) == SHOWN
    assert caught.value.exit_code == 2


def test_as_json_a_mistake_has_the_fields_of_the_contract() -> None:
    """Scripts get severity, code, file, line, column, message and help, and the other places."""
    place = Place(Source("a.yaml", "x: 1\n"), 1, 4)
    related = (("from here", Place(Source("b.yaml", "y"), 2, 3)),)
    assert Diagnostic("range", "too small", place, help="more", related=related).as_json() == {
        "severity": "error",
        "code": "range",
        "file": "a.yaml",
        "line": 1,
        "column": 4,
        "message": "too small",
        "help": "more",
        "related": [{"message": "from here", "file": "b.yaml", "line": 2, "column": 3}],
    }


def test_for_github_a_mistake_is_one_line_with_its_place() -> None:
    """A workflow command: what would end it or its fields is written as GitHub decodes it, `%` first of all."""
    place = Place(Source("aX,b:c.yaml", "x: 1\n"), 3, 4)
    shown = Diagnostic("a:b", "100 %\ntoX: small", place, help="more, please").as_github()
    assert shown == "::error file=aX%2Cb%3Ac.yaml,line=3,col=4,title=a%3Ab::100 %25%0AtoX: small%0Ahelp: more, please"
    warned = Diagnostic("lint", "odd\r", Place(Source("a.yaml", "x"), 1, 1), severity="warning").as_github()
    assert warned == "::warning file=a.yaml,line=1,col=1,title=lint::odd%0D"


def test_in_a_log_a_mistake_is_one_line() -> None:
    """Place, message, help if there is one, and the code."""
    place = Place(Source("a.yaml", "x: 1\n"), 1, 4)
    assert Diagnostic("range", "too small", place, help="take more").in_one_line() == "a.yaml:1:4: too small; take more [range]"
    assert Diagnostic("range", "too small", place).in_one_line() == "a.yaml:1:4: too small [range]"


@pytest.mark.parametrize(
    ("line", "column", "length", "text"),
    [(1, 4, 5, "value"), (2, 1, 1, "b"), (2, 1, 100, "b: c"), (2, 9, 1, ""), (3, 1, 1, "")],
)
def test_a_place_knows_what_stands_there(line: int, column: int, length: int, text: str) -> None:
    """As much of its line as there is; nothing behind the end."""
    assert Place(Source("a.yaml", "a: value\nb: c"), line, column, length).text == text


def test_noise_is_cut_after_a_hundred_mistakes() -> None:
    """The first hundred in the order of the text, then where looking stopped; what was told already does not count."""
    source, report = Source("a.yaml", "x\n" * 200), Report()
    for line in range(100, 0, -1):
        for _ in range(2):
            report.error("code", "message", Place(source, line, 1))
    with pytest.raises(ConfigError) as caught:
        report.error("code", "message", Place(source, 150, 1))
    found = caught.value.diagnostics
    assert [mistake.place.line for mistake in found] == [*range(1, 101), 150]
    assert (found[-1].code, found[-1].message) == ("limit", "more than 100 mistakes: the rest of the config was not looked at")


def _caret(text: str, column: int, length: int = 1) -> tuple[str, str]:
    """The line that is shown, and what stands above the carets."""
    lines = Diagnostic("code", "message", Place(Source("a.yaml", text), 1, column, length)).render().splitlines()
    shown, carets = lines[2].split(" | ", 1)[1], lines[3].split(" | ", 1)[1]
    return shown, "".join(sign for sign, mark in zip(shown, carets, strict=False) if mark == "^")


@pytest.mark.parametrize(
    ("text", "column", "length", "under"),
    [
        ("key: value", 6, 5, "value"),
        ("größe: wert", 8, 4, "wert"),
        ("a:\tvalue", 4, 5, "value"),
        ("key: value", 6, 500, "value"),
        ("x" * 5_000 + "value" + "y" * 5_000, 5_001, 5, "value"),
        ("value" + "y" * 5_000, 1, 5, "value"),
        ("y" * 5_000 + "value", 5_001, 5, "value"),
    ],
)
def test_the_caret_stands_under_the_mistake(text: str, column: int, length: int, under: str) -> None:
    """In short lines and in the part that is shown of very long ones."""
    shown, marked = _caret(text, column, length)
    assert marked == under
    assert len(shown) <= 160


@pytest.mark.parametrize("width", [30, 60, 80, 160])
@pytest.mark.parametrize("column", [1, 40, 300, 596])
def test_no_line_is_wider_than_the_terminal(width: int, column: int) -> None:
    """The excerpt and its carets fit, so that they stand under each other; what is cut off is marked."""
    text = "".join(f"{number:03}" for number in range(200))
    lines = Diagnostic("code", "m", Place(Source("a.yaml", text), 1, column, 5)).render(width).splitlines()
    shown, carets = lines[2].split(" | ", 1)[1], lines[3].split(" | ", 1)[1]
    assert len(lines[2]) <= width
    assert len(lines[3]) <= width
    assert shown[carets.index("^") : carets.index("^") + 5] == text[column - 1 : column + 4]
    assert shown.startswith("…") == (not text.startswith(shown[:3]))
    assert shown.endswith("…") == (not text.endswith(shown[-3:]))


def test_nothing_in_a_line_can_steer_the_terminal() -> None:
    """A config from a stranger may hold escape sequences: they are not printed."""
    shown, marked = _caret("a: \x1b[31mred\x1b[0m\x07 \u202evalue", 4)
    assert shown.isprintable()
    assert marked == " "


@PROFILE
@given(text=st.text(max_size=400), line=st.integers(1, 5), column=st.integers(1, 500), length=st.integers(1, 500))
def test_any_place_can_be_shown(text: str, line: int, column: int, length: int) -> None:
    """A place past the end of a line or of the text is no reason to fail while telling of a mistake."""
    shown = Diagnostic("code", "message", Place(Source("a.yaml", text), line, column, length)).render().splitlines()
    assert shown[:2] == ["error[code]: message", f"  --> a.yaml:{line}:{column}"]
    assert len(shown) in {2, 4}


def test_related_places_in_other_files_are_named() -> None:
    """A place in the same file is a line; one in another file is its file, line and column."""
    here, there = Source("a.yaml", "x: 1\n"), Source("b.yaml", "y: 2\n")
    related = (("first here", Place(here, 1, 1)), ("then there", Place(there, 1, 4)))
    shown = Diagnostic("code", "message", Place(here, 1, 1), related=related).render()
    assert "  first here (line 1)\n  then there (b.yaml:1:4)" in shown


def test_mistakes_are_shown_in_the_order_of_the_text() -> None:
    """However they were found."""
    source, report = Source("a.yaml", "a: 1\nb: 2\n"), Report()
    for line, column in ((2, 4), (1, 4), (2, 1)):
        report.error("code", "message", Place(source, line, column))
    with pytest.raises(ConfigError) as caught:
        report.raise_if_any()
    assert [(mistake.place.line, mistake.place.column) for mistake in caught.value.diagnostics] == [(1, 4), (2, 1), (2, 4)]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("con2d", "conv2d"),
        ("Conv2d", "conv2d"),
        ("Conv2D", "conv2d"),
        ("conv-2d", "conv2d"),
        ("maxpool2d", "max_pool2d"),
        ("MaxPool2d", "max_pool2d"),
        ("BatchNorm2d", "batch_norm2d"),
        ("LSTM", "lstm"),
        ("ReLU", "relu"),
        ("LogSoftmax", "log_softmax"),
        ("droput", "dropout"),
        ("flaten", "flatten"),
        ("liner", "linear"),
        ("TimeDistributed", "time_distributed"),
    ],
)
def test_misspelt_layers_are_recognised(word: str, meant: str) -> None:
    """Slips of the finger, torch's own spelling, and forgotten underscores."""
    assert did_you_mean(word, LAYERS) == f"did you mean `{meant}`?"


def test_a_long_list_names_the_command_that_shows_it() -> None:
    """Nobody reads sixty names in a line of help."""
    names = [f"n{number:02}" for number in range(20)]
    assert did_you_mean("xyz", names[:12], "dlcli list") == "known: " + ", ".join(f"`{name}`" for name in names[:12])
    told = did_you_mean("xyz", names, "dlcli list")
    assert told is not None
    assert told.endswith("`n11`, ... (20 in all; `dlcli list` lists them)")
    assert "n12" not in told


def test_a_word_that_resembles_nothing_gets_the_list() -> None:
    """Better all that can be said than a wild guess."""
    assert did_you_mean("xyz", ["relu", "add"]) == "known: `add`, `relu`"
    assert did_you_mean("xyz", []) is None
