"""Tables as files that a spreadsheet will open."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

Cell = str | int | float | None

_FORMULA_STARTS: Final = tuple("=+-@\t\r")
"""A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection)."""


def as_csv(rows: Iterable[Iterable[Cell]]) -> str:
    """The rows as comma-separated values: a cell of None is empty, and no text is a formula."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([harmless(cell) for cell in row] for row in rows)
    return file.getvalue()


def harmless(cell: Cell) -> Cell:
    """The cell with a `'` before it where it is a text that a spreadsheet would take for a formula; numbers stay as they are."""
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
