"""Columns of a table: their cells as numbers and as texts."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dlcli.config.tree import shortened
from dlcli.config.values import LARGEST_FLOAT
from dlcli.data.sources.text_file import number_in
from dlcli.errors import DataError


@dataclass(frozen=True)
class Column:
    """The cells of a column.

    Attributes:
        numbers: float64 (rows,), NaN where a cell is no number.
        texts: the cells as they are; None where they were not asked for.
        is_numeric: whether it is meant to hold numbers: more cells do, or nearly do, than hold other texts.
        odd_row: the first row whose cell is no number, if there is one.
        odd_cell: that cell; None where it is not known any more.
    """

    numbers: NDArray[np.float64]
    texts: tuple[str, ...] | None
    is_numeric: bool
    odd_row: int | None
    odd_cell: str | None

    def at(self, rows: NDArray[np.int64]) -> Column:
        """The cells of these rows, in their order."""
        numbers = self.numbers[rows]
        texts = tuple(map(self.texts.__getitem__, rows.tolist())) if self.texts is not None else None
        odd_row = _first(np.isnan(numbers))
        odd_cell = None
        if odd_row is not None:
            odd_cell = texts[odd_row] if texts is not None else self.odd_cell if rows[odd_row] == self.odd_row else None
        return Column(numbers, texts, self.is_numeric, odd_row, odd_cell)


def _first(flags: NDArray[np.bool_]) -> int | None:
    return int(flags.argmax()) if flags.any() else None


@dataclass(frozen=True)
class Table:
    """A table in memory.

    Attributes:
        path: of the file.
        lines: int64 (rows,), the line that each row begins in, or the number of the row from 1.
        columns: by name, in the order of the file.
        counted: what `lines` counts.
    """

    path: Path
    lines: NDArray[np.int64]
    columns: Mapping[str, Column]
    counted: Literal["line", "row"] = "line"

    def at(self, rows: NDArray[np.int64]) -> Table:
        """These rows, in their order."""
        columns = {name: column.at(rows) for name, column in self.columns.items()}
        return Table(self.path, self.lines[rows], columns, self.counted)

    def place(self, row: int) -> str:
        """FILE:LINE of a row; of a file without lines the number of the row."""
        return f"{self.path}:{self.lines[row]}" if self.counted == "line" else f"{self.path}: row {self.lines[row]}"

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The numbers (rows,) of a column.

        Raises:
            DataError: not all of its cells are numbers.
        """
        column = self.columns[name]
        if column.odd_row is not None:
            cell = f"holds '{shortened(column.odd_cell)}'" if column.odd_cell else "is empty"
            cell = "holds no number" if column.odd_cell is None else cell
            what = f"{self.place(column.odd_row)}: column `{name}` {cell}, expected a number like 12.5, at most 1e38"
            help = "fill the cell in or remove the row; data.features names the columns to read"
            raise DataError(what, help=help)
        return column.numbers


@dataclass
class Cells:
    """A column as it is read."""

    with_texts: bool
    numbers: array[float] = field(default_factory=lambda: array("d"))
    texts: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    """Texts that were there before: equal ones are kept once."""
    votes: int = 0
    """Cells that are numbers or nearly (`nan`, `1,5`, `1e99`), less those that are other texts."""
    odd_row: int | None = None
    odd_cell: str | None = None

    def extend(self, cells: Sequence[str]) -> None:
        """Adds cells without the spaces around them."""
        numbers = _all_numbers(cells)
        if numbers is not None:
            self.votes += len(cells)
            self.numbers.frombytes(numbers.tobytes())
        else:
            for cell in cells:
                self._add(cell)
        if self.with_texts:
            self.texts.extend(self.known.setdefault(cell, cell) for cell in cells)

    def column(self) -> Column:
        texts = tuple(self.texts) if self.with_texts else None
        return Column(np.array(self.numbers), texts, self.votes > 0, self.odd_row, self.odd_cell)

    def _add(self, cell: str) -> None:
        number = number_in(cell)
        if number is not None:
            self.votes += 1
            self.numbers.append(number)
            return
        if self.odd_row is None:
            self.odd_row, self.odd_cell = len(self.numbers), cell
        if cell:
            self.votes += 1 if _is_nearly_a_number(cell) else -1
        self.numbers.append(np.nan)


def _all_numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """What `number_in` gives of each, at once; None where one is no number."""
    try:
        numbers = np.fromiter(map(float, cells), dtype=np.float64, count=len(cells))
    except ValueError:
        return None
    are_all = bool((np.abs(numbers) <= LARGEST_FLOAT).all()) and "_" not in "".join(cells)
    return numbers if are_all else None


def _is_nearly_a_number(cell: str) -> bool:
    """Whether it is one with a decimal comma or separated thousands, or is one that is not finite in float32."""
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return False
    return True
