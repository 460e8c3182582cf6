"""Cells of a table that a spreadsheet will open."""

from __future__ import annotations

from typing import Final

_FORMULA_STARTS: Final = tuple("=+-@\t\r")
"""A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection)."""


def harmless(cell: str | int | float) -> str | int | float:
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
