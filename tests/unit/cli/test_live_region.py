"""Lines drawn in place: what a terminal shows of them, whatever is printed meanwhile and however its size changes."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from threading import Thread
from typing import Any

import pytest

from dlcli.cli.live_region import LiveRegion, Span
from tests.unit.cli.terminal_screen import TerminalScreen


class Terminal(io.StringIO):
    """A stream that is a terminal, and its screen."""

    encoding = "utf-8"

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        super().__init__()
        self.screen = TerminalScreen(columns, lines)
        self.num_writes = 0

    def write(self, text: str) -> int:
        self.num_writes += 1
        self.screen.write(text)
        return len(text)

    def isatty(self) -> bool:
        return True


class Region(LiveRegion):
    """Asks the screen for its size, as the real one asks the system."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(terminal)
        self._screen = terminal.screen

    @property
    def size(self) -> os.terminal_size:
        return os.terminal_size((self._screen.columns, self._screen.lines))


def lines(*texts: str) -> list[list[Span]]:
    return [[Span(text)] for text in texts]


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_what_is_drawn_takes_the_place_of_what_was_drawn_before() -> None:
    """Fewer lines, more lines, none; what stood there before stays, and each drawing is one write."""
    terminal = Terminal()
    terminal.screen.write("$ dlcli train\n")
    region = Region(terminal)
    for drawn in (["a", "bbbb", "c"], ["dd", "e"], ["f", "g", "h", "i"], []):
        region.draw(lines(*drawn))
        assert terminal.screen.rows == ["$ dlcli train", *drawn]
        assert terminal.screen.is_ready
    assert terminal.num_writes == 4


def test_what_is_printed_goes_above_and_stays() -> None:
    """In its order, and the lines are there once."""
    terminal = Terminal()
    region = Region(terminal)
    region.draw(lines("bar 1", "more"))
    region.print_above("first\n")
    region.draw(lines("bar 2", "more"))
    region.print_above("second\nthird\n")
    assert terminal.screen.rows == ["first", "second", "third", "bar 2", "more"]


@pytest.mark.parametrize("width", range(1, 30, 4))
def test_no_line_is_longer_than_the_terminal(width: int) -> None:
    """Of spans of all kinds, as many characters as there is room for; the terminal never breaks a line."""
    terminal = Terminal(columns=width)
    region = Region(terminal)
    for _ in range(3):
        region.draw([[Span("0123456789", "1"), Span("abcdefghij"), Span("klmnop", "32")], [Span("x" * 100)]])
    whole = "0123456789abcdefghijklmnop"
    assert terminal.screen.rows == [text for text in (whole[: width - 1], "x" * (width - 1)) if text]
    assert terminal.screen.wrapped == 0


@pytest.mark.parametrize("height", [1, 2, 3, 10])
def test_what_is_drawn_fits_into_the_height(height: int) -> None:
    """Nothing of it leaves at the top, where it could not be drawn over any more."""
    terminal = Terminal(lines=height)
    region = Region(terminal)
    for _ in range(3):
        region.draw(lines(*"abcdefgh"))
    assert terminal.screen.rows == list("abcdefgh")[: height - 1]
    assert terminal.screen.scrolled == []


@pytest.mark.parametrize("narrow", [79, 50, 40, 17])
def test_a_terminal_that_gets_narrower_shows_the_lines_once(narrow: int) -> None:
    """Its long lines become several rows, all of which are drawn over; what stood above stays. Wider again, the same."""
    terminal = Terminal(columns=80)
    region = Region(terminal)
    terminal.screen.write("before\n")
    region.draw(lines("x" * 79, "short", "y" * 60))
    terminal.screen.resize(narrow)
    region.draw(lines("new", "lines"))
    assert terminal.screen.rows == ["before", "new", "lines"]
    terminal.screen.resize(80)
    region.draw(lines("z" * 79))
    assert terminal.screen.rows == ["before", "z" * 79]


def test_output_of_others_goes_above(monkeypatch: pytest.MonkeyPatch) -> None:
    """A print to stdout or stderr, each line once it is whole; then the streams are what they were."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", out := Terminal())
    region = Region(terminal)
    with region.printing_above():
        region.draw(lines("bar"))
        print("to stdout")
        print("beg", end="", file=sys.stderr)
        assert terminal.screen.rows == ["to stdout", "bar"]
        print("un\nand", end="", file=sys.stderr, flush=True)
        assert sys.stderr.isatty()
    assert terminal.screen.rows == ["to stdout", "begun", "and", "bar"]
    assert (sys.stdout, sys.stderr, out.num_writes) == (out, terminal, 0)


def test_what_a_thread_writes_waits_for_what_another_is_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The begin of a line is neither lost nor doubled, however late in the work of the one the other comes."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)

    class Interrupting(str):
        """A text during whose taking another thread prints."""

        def __radd__(self, begun: str) -> str:
            other.start()
            other.join(timeout=0.1)
            return begun + str(self)

    with Region(terminal).printing_above():
        stream = sys.stderr
        other = Thread(target=lambda: stream.write("other\n"))
        stream.write("be")
        stream.write(Interrupting("gun\n"))
        other.join()
    assert terminal.screen.rows == ["begun", "other"]


def test_a_line_that_is_never_ended_is_shown_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an error ends the block."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with suppress(ZeroDivisionError), Region(terminal).printing_above():
        print("half a line", end="", file=sys.stderr)
        raise ZeroDivisionError
    assert terminal.screen.rows == ["half a line"]
    assert sys.stderr is terminal


@pytest.mark.parametrize("out", [io.StringIO(), None], ids=["a pipe", "closed"])
def test_what_goes_to_a_pipe_stays_there(out: io.StringIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result of a command may be read by another."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", out)
    with Region(terminal).printing_above():
        print("a result")
        assert sys.stdout is out
    assert terminal.screen.rows == []
    assert out is None or out.getvalue() == "a result\n"


def test_there_are_no_colours_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR the same lines without looks."""
    drawn = [[Span("epoch", "1"), Span(" 1")]]
    colourful, plain = Terminal(), Terminal()
    Region(colourful).draw(drawn)
    monkeypatch.setenv("NO_COLOR", "1")
    Region(plain).draw(drawn)
    assert colourful.screen.rows == plain.screen.rows == ["epoch 1"]
    assert (colourful.screen.styles, plain.screen.styles) == ({"1", "0"}, set())


@pytest.mark.parametrize(("encoding", "can"), [("utf-8", True), ("ascii", False), ("latin-1", False), (None, False)])
def test_characters_that_the_terminal_lacks_are_known(encoding: str | None, can: bool) -> None:
    """By its encoding; where that is not known, only those of ASCII."""
    terminal: Any = Terminal()
    terminal.encoding = encoding
    region = Region(terminal)
    assert region.can_show("▁█") is can
    assert region.can_show("#-")


def test_the_size_is_that_of_the_terminal() -> None:
    """As the system has it, also when it changes; 80 columns and 24 lines of one that does not say, or is no more."""
    import fcntl
    import struct
    import termios

    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        region = LiveRegion(terminal)
        assert region.size == (80, 24)
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
        assert region.size == (60, 20)
        os.close(ours)
    assert region.size == LiveRegion(io.StringIO()).size == (80, 24)
