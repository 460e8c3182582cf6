"""Tables for a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from dlcli.app.spreadsheet import Cell, as_csv, harmless


@pytest.mark.parametrize("cell", ["=1+1", "+1 or 2", "-x", "@SUM", "\tx", "\rx"])
def test_a_cell_that_begins_like_a_formula_is_a_text(cell: str) -> None:
    """With a mark before it that spreadsheets know."""
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["a=1", "", "-1.5", "+3", "1e-5", -3, 2.5])
def test_other_cells_stay(cell: str | float) -> None:
    """Numbers too, also where they are texts."""
    assert harmless(cell) == cell


def test_rows_can_be_read_back() -> None:
    """Also cells with commas, quotes and line breaks; what is missing is empty, and heads are guarded as all texts are."""
    rows: list[list[Cell]] = [["=name", "b"], ['a,"b"\nc', None], [-1.5, "@x"]]
    text = as_csv(iter(rows))
    assert list(csv.reader(io.StringIO(text))) == [["'=name", "b"], ['a,"b"\nc', ""], ["-1.5", "'@x"]]
    assert as_csv([]) == ""
