"""Figures: drawings that fit into a page, and files for whoever takes them elsewhere."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from dlcli.app.pages.figures import FAINT, INK, SERIES, Figure, Rows, drawn, label, save
from dlcli.errors import ResourceError
from tests.unit.app.pages.markup import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

HOSTILE = "<script>alert(1)</script>\u202e$x^2$ {{ 7 * 7 }} \x00\x1b[31m \ud800 &amp; \"'\n</svg>=1+1"


def figure(name: str = "curve", text: str = "a text", numbers: Rows = (("a", "b"), (1, 2.5))) -> Figure:
    """A drawing with lines, bars, marks and texts."""

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        axes.plot([1, 2, 3], [1, 4, 2], "o-", label=label(text))
        axes.bar([1, 2], [1, 2], color=SERIES[1], tick_label=[label(text), "b"])
        axes.text(1, 1, label(text), color=FAINT)
        axes.set_title(label(text), color=INK)
        axes.legend()

    return drawn(name, text, "How to read it.", numbers, paint)


def test_a_drawing_is_an_element_of_a_page() -> None:
    """Well-formed, with a name for those who don't see it, and with nothing active or from elsewhere."""
    found = figure()
    root = ET.fromstring(found.svg)  # noqa: S314 - our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.attrib["aria-label"] == "a text"
    assert root.attrib["role"] == "img"
    markup = Markup(found.svg)
    assert markup.odd == []
    assert "a text" in markup.text


def test_names_are_unique_on_a_page() -> None:
    """Each begins with that of its figure, and what is referred to is there: else one drawing would clip another."""
    markup = Markup(figure("one").svg + figure("two").svg)
    assert len(set(markup.ids)) == len(markup.ids)
    assert all(name.startswith(("one-", "two-")) for name in markup.ids)
    assert markup.references
    assert markup.references <= set(markup.ids)


def test_colours_are_those_of_the_page() -> None:
    """By their names, so that they change in the dark; in a file of its own they are colours, on paper."""
    found = figure()
    assert INK not in found.svg
    assert "fill: var(--ink)" in found.svg
    assert "stroke: var(--series-1)" in found.svg
    assert "var(" not in found.file
    assert INK in found.file
    ET.fromstring(found.file)  # noqa: S314 - our own


def test_the_same_drawing_is_the_same_file() -> None:
    """No date, no random name."""
    assert figure().svg == figure().svg


def test_texts_of_strangers_are_texts() -> None:
    """No element, no mathematics, no mark of direction, nothing that is no character."""
    found = figure(text=HOSTILE, numbers=((HOSTILE,), ("=1+1",), (None,)))
    assert Markup(found.svg).odd == []
    assert "&lt;U+202E&gt;" in found.svg
    assert "$x" in found.svg
    for text in (found.svg, found.file):
        ET.fromstring(text.encode(errors="strict"))  # noqa: S314 - our own
        assert not {"\u202e", "\x00", "\x1b", "\ud800"} & set(text)


def test_a_label_is_one_short_line() -> None:
    """Shortened, without line breaks, and quick for a text without an end."""
    assert label("a\nb\tc") == "a b c"
    assert label("x" * 100, 10) == "xxxxxxx..."
    assert label("x" * 10**8, 10) == "xxxxxxx..."
    assert label("\u202eabc") == "<U+202E>abc"
    assert label(3.5) == "3.5"


def test_missing_letters_are_no_warning() -> None:
    """The fonts of matplotlib lack many scripts; a browser has them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "日本" in figure(text="日本 שלום").svg


def test_numbers_are_a_table_for_a_spreadsheet() -> None:
    """As they are; what is missing is empty, and no text is a formula."""
    found = figure(numbers=(("name", "value"), ("=SUM(A1)", 1.5), ("-3", None), ("a,b\n", 2)))
    assert list(csv.reader(io.StringIO(found.csv))) == [
        ["name", "value"], ["'=SUM(A1)", "1.5"], ["-3", ""], ["a,b\n", "2"],
    ]  # fmt: skip


def test_figures_are_saved_as_drawings_and_numbers(tmp_path: Path) -> None:
    """Each by its name, in a folder that is made where it is missing."""
    save([figure("one"), figure("two")], tmp_path / "plots")
    save([figure("one")], tmp_path / "plots")
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["one.csv", "one.svg", "two.csv", "two.svg"]
    assert (tmp_path / "plots/one.svg").read_text() == figure("one").file


def test_no_figure_is_written_where_a_link_leads(tmp_path: Path) -> None:
    """A stranger's run may hold one."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "plots").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResourceError, match="is a link"):
        save([figure()], tmp_path / "plots")
    assert list((tmp_path / "elsewhere").iterdir()) == []


_TRACES = """
import json, os, sys
started, written = [], []

def note(event, arguments):
    if event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.fork"):
        started.append(str(arguments[0]))
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(arguments[0])
    if event == "os.mkdir":
        written.append(str(arguments[0]))

sys.addaudithook(note)
sys.dont_write_bytecode = True
from dlcli.app.pages.figures import drawn
before = dict(os.environ)
figure = drawn("a", "A", "", [["a"]], lambda canvas: canvas.subplots().plot([1, 2]))
print(json.dumps({"started": started, "written": written, "environment": dict(os.environ) == before}))
"""


@pytest.mark.parametrize("chosen", [None, "their-own"])
def test_matplotlib_leaves_no_traces(chosen: str | None, tmp_path: Path) -> None:
    """On a machine where it never ran: no program asked for fonts, no list of fonts or settings kept, no setting changed.

    Not even where a person has chosen a folder for it: the list that we make lacks their fonts.
    """
    (tmp_path / "tmp").mkdir()
    environment = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "PATH": "/usr/bin:/bin"}
    environment |= {"MPLCONFIGDIR": str(tmp_path / chosen)} if chosen else {}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", _TRACES], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    noted = json.loads(done.stdout)
    assert noted["started"] == []
    assert noted["environment"]
    assert [path for path in noted["written"] if not path.startswith((str(tmp_path / "tmp"), "/dev/null"))] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
    assert done.stderr == ""
