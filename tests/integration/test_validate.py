"""`dlcli validate`: every mistake of every file in one run, for people, for scripts and for GitHub."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from dlcli.config import compose
from tests.integration.conftest import CONFIGS, Cli

MARKED = """\
vars: {hidden: 32, width: [1, 2]}
data: {name: digits, «limits: 100, split: {valid: «2}}
model:
  layers:
    - conv2d: {out_channels: 8, kernel_size: «0}
    - «rleu
    - conv2d: {«filters: 8, kernel_size: 3}
    - max_pool2d: {kernel_size: 2, name: «forward}
    - flatten: {from: «nowhere}
    - linear: «${vars.hiden}
    - linear: «${1 / 0}
    - linear: «many
    - «7
    - dropout: «2
  outputs: «3
  limits: {memory: «lots}
«trian: {epochs: 1}
train:
  epochs: «0
  batch_size: «3.5
  optimizer: {name: «adamm}
  schedule: «{name: step}
  loss: {name: cross_entropy, label_smoothing: «-1}
  metrics: [«acuracy]
"""
"""More than 20 mistakes, of all kinds and in all sections; « stands before each."""
TWENTY = MARKED.replace("«", "")


def _places() -> list[tuple[int, int]]:
    """Line and column of each mistake in the text without the marks."""
    lines = enumerate(MARKED.splitlines(), start=1)
    return [
        (number, sum(map(len, line.split("«")[:mark])) + 1) for number, line in lines for mark in range(1, line.count("«") + 1)
    ]


PLACES = _places()


@pytest.fixture
def twenty(cli: Cli, tmp_path: Path) -> Path:
    """The same as a file."""
    path = tmp_path / "twenty.yaml"
    path.write_text(TWENTY)
    return path


def test_twenty_mistakes_are_reported_in_one_run(cli: Cli, twenty: Path) -> None:
    """Each with its line, in the order of the text, and the number of all of them at the end."""
    outcome = cli("validate", "twenty.yaml")
    assert outcome.code == 2
    found = [(int(line), int(column)) for line, column in re.findall(r"--> twenty\.yaml:(\d+):(\d+)", outcome.err)]
    assert len(PLACES) >= 20
    assert found == PLACES
    assert outcome.out == f"1 config checked: {len(PLACES)} errors\n"


def test_json_has_all_of_them_too(cli: Cli, twenty: Path) -> None:
    """One object on stdout, with the keys that scripts rely on."""
    outcome = cli("validate", "twenty.yaml", "--json")
    assert outcome.code == 2
    assert outcome.json["valid"] is False
    diagnostics = outcome.json["diagnostics"]
    assert [(one["line"], one["column"]) for one in diagnostics] == PLACES
    for one in diagnostics:
        assert {"severity", "code", "file", "line", "column", "message", "help"} <= one.keys()
        assert (one["severity"], one["file"]) == ("error", "twenty.yaml")


def test_github_gets_one_annotation_a_mistake(cli: Cli, twenty: Path) -> None:
    """Each on a line of its own, and nothing else on stdout."""
    outcome = cli("validate", "twenty.yaml", "--github")
    assert outcome.code == 2
    pattern = r"::error file=twenty\.yaml,line=(\d+),col=(\d+),title=[a-z-]+::.+"
    found = [re.fullmatch(pattern, line) for line in outcome.out.splitlines()]
    assert [(int(match[1]), int(match[2])) for match in found if match] == PLACES
    assert None not in found


def test_github_reads_special_characters_as_they_were(cli: Cli, tmp_path: Path) -> None:
    """`%`, `:`, `,` and line ends in a file's name or in a message are escaped, so that none of them ends the annotation."""
    path = tmp_path / "a,b:50%.yaml"
    path.write_text('data: digits\nmodel: {layers: [flatten, linear: 10]}\n"100%\\n::x, y": 1\n')
    (line,) = cli("validate", path.name, "--github").out.splitlines()
    properties, _, message = line.removeprefix("::error ").partition("::")
    assert "file=a%2Cb%3A50%25.yaml,line=3,col=1," in properties
    assert message.startswith("a config has no key `100%25%0A::x, y`%0A")


def test_no_message_can_move_the_cursor_of_a_terminal(cli: Cli, tmp_path: Path) -> None:
    """Escape sequences in a config are not sent to the terminal."""
    (tmp_path / "a.yaml").write_text('data: digits\nmodel: {layers: [flatten, linear: 10]}\n"\\e[31m\\a": 1\n')
    outcome = cli("validate", "a.yaml")
    assert outcome.code == 2
    assert "\x1b" not in outcome.err
    assert "\a" not in outcome.err


def test_a_config_comes_from_standard_input(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-`: places name <stdin>."""
    compose._standard_input.cache_clear()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(TWENTY.encode())))
    outcome = cli("validate", "-", "--json")
    compose._standard_input.cache_clear()
    assert outcome.code == 2
    assert [(one["file"], one["line"], one["column"]) for one in outcome.json["diagnostics"]] == [
        ("<stdin>", line, column) for line, column in PLACES
    ]


def test_several_files_are_checked_in_one_run(cli: Cli, twenty: Path, quick: Path) -> None:
    """A good file, a bad one and one that is not there: each has its own answers."""
    outcome = cli("validate", "quick.yaml", "twenty.yaml", "absent.yaml", "--json")
    assert outcome.code == 2
    files = [one["file"] for one in outcome.json["diagnostics"] if one["severity"] == "error"]
    assert files == ["twenty.yaml"] * len(PLACES) + ["absent.yaml"]


def test_what_is_right_passes(cli: Cli, quick: Path) -> None:
    """Exit code 0, and one line that says so; the configs that come with dlcli too, also under --strict."""
    outcome = cli("validate", "quick.yaml")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "1 config checked: no mistake found\n"
    outcome = cli("validate", *sorted(CONFIGS.glob("*.yaml")), "--strict")
    assert outcome.code == 0, outcome.err


def test_strict_lets_no_warning_pass(cli: Cli, quick: Path) -> None:
    """A warning alone is exit code 0, under --strict 2; under --json `valid` says the same."""
    quick.write_text(quick.read_text().replace("- relu", "- relu\n    - relu"))
    plain, strict = cli("validate", "quick.yaml", "--json"), cli("validate", "quick.yaml", "--json", "--strict")
    assert (plain.code, plain.json["valid"]) == (0, True)
    assert (strict.code, strict.json["valid"]) == (2, False)
    assert {one["severity"] for one in strict.json["diagnostics"]} == {"warning"}
    assert "--strict" in cli("validate", "quick.yaml", "--strict").out


def test_an_override_is_checked_with_the_config(cli: Cli, quick: Path) -> None:
    """--set is part of what is checked, and its mistakes name it."""
    outcome = cli("validate", "quick.yaml", "--set", "train.epochs=x")
    assert outcome.code == 2
    assert "--> --set train.epochs:1:14" in outcome.err
    assert cli("validate", "quick.yaml", "--set", "train.epochs").code == 2


def test_a_single_mistake_needs_no_count(cli: Cli, quick: Path) -> None:
    """`train` prints the mistake and no line that says that there is one; of several it says how many."""
    quick.write_text(quick.read_text().replace("- relu", "- rellu"))
    outcome = cli("train", "quick.yaml")
    assert outcome.code == 2
    assert "mistake" not in outcome.err
    quick.write_text(quick.read_text().replace("epochs", "epoch"))
    assert "error: the config has 2 mistakes" in cli("train", "quick.yaml").err


def test_noise_is_reported_up_to_a_limit(cli: Cli, tmp_path: Path) -> None:
    """Of thousands of mistakes the first 100 are shown, and that there are more."""
    (tmp_path / "noise.yaml").write_text("data: digits\nmodel:\n  layers:\n" + "    - rleu\n" * 3000)
    diagnostics = cli("validate", "noise.yaml", "--json").json["diagnostics"]
    assert len(diagnostics) == 101
    assert json.dumps(diagnostics[-1]).count("more than 100 mistakes") == 1


def test_an_excerpt_fits_the_terminal(tmp_path: Path) -> None:
    """On a narrow terminal no line wraps, so that the carets stand under the mistake."""
    config = tmp_path / "wide.yaml"
    config.write_text(f"data: digits\nmodel: {{layers: [flatten, {'relu, ' * 30}rleu, {'tanh, ' * 30}linear: 10]}}\n")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 60))
    command = [sys.executable, "-c", "from dlcli.cli.main import main; main()", "validate", config.name]
    subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs, check=False, timeout=60)
    shown = os.read(ours, 10_000).decode().splitlines()
    os.close(theirs)
    os.close(ours)
    excerpt, carets = shown[2:4]
    assert max(len(excerpt), len(carets)) <= 60
    assert excerpt[carets.index("^") :].startswith("rleu")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [("schema",), ("validate", "-", "--json")])
def test_a_full_disk_behind_stdout_is_told(arguments: tuple[str, ...]) -> None:
    """Whoever writes the output to a file must not take half of it for the whole: exit code 6."""
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "dlcli", *arguments]
        done = subprocess.run(command, input="data: digits\n", stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 6
    assert "error: the disk that stdout goes to is full" in done.stderr
