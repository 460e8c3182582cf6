"""A terminal, as far as dlcli's codes go: what it shows after a text was written to it."""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"\033\[(\??)([\d;]*)([A-Za-z])")


class TerminalScreen:
    """Rows of characters with a cursor; lines break at the edge, and the first rows leave at the top, as on any terminal.

    Attributes:
        scrolled: the rows that have left at the top.
        wrapped: how often a line broke at the edge.
        styles: the codes for looks that came.
    """

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self.columns, self.lines = columns, lines
        self.scrolled: list[str] = []
        self.wrapped = 0
        self.styles: set[str] = set()
        self._rows = [""]
        self._row = self._column = 0
        self._wraps = True
        self._is_cursor_shown = True

    @property
    def rows(self) -> list[str]:
        """What it shows, without empty rows at the end."""
        rows = [row.rstrip() for row in self._rows]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def is_ready(self) -> bool:
        """Whether a shell's prompt would stand at the begin of an empty line, with a cursor, and long lines would break."""
        return self._column == 0 and not self._rows[self._row].strip() and self._is_cursor_shown and self._wraps

    def write(self, text: str) -> None:
        """Shows a text with the codes in it."""
        place = 0
        for code in _CODE.finditer(text):
            self._show(text[place : code.start()])
            self._obey(*code.groups())
            place = code.end()
        self._show(text[place:])

    def resize(self, columns: int) -> None:
        """Makes it narrower or wider; rows that are too long become several, as in most terminals."""
        at = self._row
        rows: list[str] = []
        for number, row in enumerate(self._rows):
            if number == at:
                self._row = len(rows)
            text = row.rstrip()
            rows += [text[start : start + columns] for start in range(0, max(len(text), 1), columns)]
        self._rows, self.columns = rows, columns
        self._scroll()

    def _show(self, text: str) -> None:
        for char in text:
            if char == "\r":
                self._column = 0
            elif char == "\n":
                self._new_line()
            else:
                assert char.isprintable(), repr(char)
                self._put(char)

    def _put(self, char: str) -> None:
        if self._column == self.columns:
            if not self._wraps:
                self._column -= 1
            else:
                self.wrapped += 1
                self._new_line()
        row = self._rows[self._row].ljust(self._column)
        self._rows[self._row] = row[: self._column] + char + row[self._column + 1 :]
        self._column += 1

    def _new_line(self) -> None:
        self._column = 0
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append("")
        self._scroll()

    def _scroll(self) -> None:
        while len(self._rows) > self.lines:
            self.scrolled.append(self._rows.pop(0))
            self._row -= 1

    def _obey(self, private: str, numbers: str, letter: str) -> None:
        if private:
            self._switch(numbers, on=letter == "h")
        elif letter == "A":
            self._row = max(0, self._row - int(numbers or 1))
        elif letter == "K":
            self._rows[self._row] = self._rows[self._row][: self._column]
        elif letter == "J":
            self._rows[self._row] = self._rows[self._row][: self._column]
            del self._rows[self._row + 1 :]
        else:
            assert letter == "m", letter
            self.styles.add(numbers)

    def _switch(self, number: str, *, on: bool) -> None:
        if number == "7":
            self._wraps = on
        elif number == "25":
            self._is_cursor_shown = on
        else:
            assert number == "2026", number
