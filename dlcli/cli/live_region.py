"""Lines at the end of what a terminal shows, drawn over again in place; what is printed meanwhile goes above them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TextIO, cast

from dlcli.cli.console import losable

_DEFAULT_SIZE: Final = os.terminal_size((80, 24))
_AT_ONCE, _SHOWN = "\033[?2026h", "\033[?2026l"
"""A terminal that knows them shows what is between them in one go; others ignore them."""
_NO_WRAP, _WRAP = "\033[?7l", "\033[?7h"
_CLEAR_LINE, _CLEAR_BELOW = "\033[K", "\033[J"


class Span(NamedTuple):
    """A piece of a line.

    Attributes:
        text: each of its characters takes one column.
        style: how it looks, by its number in the terminal's codes, for example `1;32`; plain where it is empty.
    """

    text: str
    style: str = ""


Line = Sequence[Span]


class LiveRegion:
    """The lines and the terminal.

    Each drawing is one write, and leaves the cursor, which is always to be seen, at the begin of the line below: whatever ends
    the process, the terminal is as it should be. A terminal that is lost is drawn on no more.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._terminal = stream
        self._stream = losable(stream)
        self._lines: list[Line] = []
        self._has_colours = not os.environ.get("NO_COLOR")
        self.lock = threading.RLock()

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines, of now."""
        try:
            size = os.get_terminal_size(self._terminal.fileno())
        except (OSError, ValueError):  # replaced, closed or lost
            return _DEFAULT_SIZE
        return size if all(size) else _DEFAULT_SIZE

    def can_show(self, text: str) -> bool:
        """Whether the terminal's encoding has these characters."""
        try:
            text.encode(getattr(self._terminal, "encoding", None) or "ascii")
        except UnicodeEncodeError:
            return False
        return True

    def draw(self, lines: Sequence[Line]) -> None:
        """Puts lines in the place of those drawn before; what does not fit into the terminal's size is cut."""
        self._write("", lines)

    def print_above(self, text: str) -> None:
        """Adds lines above, which stay there."""
        self._write(text, self._lines)

    def _write(self, above: str, lines: Sequence[Line]) -> None:
        with self.lock:
            columns, height = self.size
            up = sum(max(1, -(-_length(line) // columns)) for line in self._lines)  # a line that became too long takes several
            self._lines = [_cut(line, columns - 1) for line in lines[: height - 1]]
            drawn = "".join(f"{self._painted(line)}{_CLEAR_LINE}\n" for line in self._lines)
            back = f"\r\033[{up}A" if up else "\r"
            passed = f"{_CLEAR_BELOW}{above}" if above else ""
            self._stream.write(f"{_AT_ONCE}{back}{passed}{_NO_WRAP}{drawn}{_CLEAR_BELOW}{_WRAP}{_SHOWN}")
            self._stream.flush()

    def _painted(self, line: Line) -> str:
        if not self._has_colours:
            return "".join(span.text for span in line)
        return "".join(f"\033[{span.style}m{span.text}\033[0m" if span.style else span.text for span in line)

    @contextmanager
    def printing_above(self) -> Iterator[None]:
        """Until the end of the block, what is written to stderr, and to stdout where that is a terminal too, goes above."""
        before, above = (sys.stdout, sys.stderr), _Above(self, self._terminal)
        sys.stderr = cast("TextIO", above)
        if sys.stdout is not None and sys.stdout.isatty():
            sys.stdout = cast("TextIO", _Above(self, sys.stdout))
        replaced = sys.stdout, sys.stderr
        try:
            yield
        finally:
            for stream in replaced:
                if isinstance(stream, _Above):
                    stream.end()
            sys.stdout, sys.stderr = before


class _Above:
    """A stream whose lines go above those of a region, each once it is whole, whichever thread writes it."""

    def __init__(self, region: LiveRegion, stream: TextIO) -> None:
        self._region = region
        self._stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        with self._region.lock:
            whole, newline, self._begun = (self._begun + text).rpartition("\n")
            if newline:
                self._region.print_above(whole + newline)
        return len(text)

    def flush(self) -> None:
        """A line that has only begun waits for its end."""

    def end(self) -> None:
        if self._begun:
            self.write("\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _length(line: Line) -> int:
    return sum(len(span.text) for span in line)


def _cut(line: Line, columns: int) -> list[Span]:
    cut, left = [], columns
    for span in line:
        cut.append(Span(span.text[: max(left, 0)], span.style))
        left -= len(span.text)
    return cut
