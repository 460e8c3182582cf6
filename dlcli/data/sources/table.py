"""A table in a text file: rows of cells, the names of its columns in the first."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, TextIO

import numpy as np
from numpy.typing import NDArray

from dlcli.config.tree import shortened
from dlcli.data.sources.text_file import TextFile, number_in
from dlcli.errors import DataError

_LARGEST: Final = 2 * 10**9
"""Bytes of a file: its numbers are all in memory at once."""
_DELIMITERS: Final = ",;\t|"
_HEADER: Final = "write the names of the columns into the first line, each once"


@dataclass(frozen=True)
class Column:
    """The cells of a column.

    Attributes:
        numbers: float64 (rows,), NaN where a cell is no number.
        texts: the cells as they are; None where they were not asked for.
        is_numeric: whether it is meant to hold numbers: more cells do, or nearly do, than hold other texts.
        odd_row: the first row whose cell is no number, if there is one.
        odd_cell: that cell.
    """

    numbers: NDArray[np.float64]
    texts: tuple[str, ...] | None
    is_numeric: bool
    odd_row: int | None
    odd_cell: str


@dataclass(frozen=True)
class Table:
    """A table in memory.

    Attributes:
        path: of the file.
        lines: int64 (rows,), the line that each row begins in.
        columns: by name, in the order of the file.
    """

    path: Path
    lines: NDArray[np.int64]
    columns: Mapping[str, Column]

    def place(self, row: int) -> str:
        """FILE:LINE of a row."""
        return f"{self.path}:{self.lines[row]}"

    def numbers(self, name: str) -> NDArray[np.float64]:
        """The numbers (rows,) of a column.

        Raises:
            DataError: not all of its cells are numbers.
        """
        column = self.columns[name]
        if column.odd_row is not None:
            cell = f"holds '{shortened(column.odd_cell)}'" if column.odd_cell else "is empty"
            what = f"{self.place(column.odd_row)}: column `{name}` {cell}, expected a number like 12.5, at most 1e38"
            help = "fill the cell in or remove the row; data.features names the columns to read"
            raise DataError(what, help=help)
        return column.numbers


@dataclass
class _Cells:
    """A column as it is read."""

    numbers: array[float] = field(default_factory=lambda: array("d"))
    texts: list[str] = field(default_factory=list)
    votes: int = 0
    """Cells that are numbers or nearly (`nan`, `1,5`, `1e99`), less those that are other texts."""
    odd_row: int | None = None
    odd_cell: str = ""

    def add(self, cell: str) -> None:
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

    def column(self, *, with_texts: bool) -> Column:
        texts = tuple(self.texts) if with_texts else None
        return Column(np.array(self.numbers), texts, self.votes > 0, self.odd_row, self.odd_cell)


def _is_nearly_a_number(cell: str) -> bool:
    """Whether it is one with a decimal comma or separated thousands, or is one that is not finite in float32."""
    try:
        float(cell.replace(",", ""))
    except ValueError:
        return False
    return True


def read_header(file: TextFile) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        DataError: there are none, two are equal, or the file is too large or no text.
    """
    if file.size > _LARGEST:
        what = f"{file.path} has {file.size / 1e9:.1f} GB, and tables of at most {_LARGEST / 1e9:.0f} GB are read"
        raise DataError(what, help="keep fewer rows or columns, or save the numbers as an .npz file for `name: arrays`")
    with file.opened() as text:
        first = next(_rows(file.path, text), None)
    if first is None:
        raise DataError(f"{file.path} is empty", help=_HEADER)
    line, names = first
    place = f"{file.path}:{line}"
    if all(number_in(name) is not None for name in names):
        what = f"{place}: the first row is all numbers, {shortened(', '.join(names))}, expected the names of the columns"
        raise DataError(what, help=_HEADER)
    for number, name in enumerate(names, 1):
        if not name:
            help = f"{_HEADER}; from pandas: frame.to_csv(path, index=False)"
            raise DataError(f"{place}: column {number} has no name", help=help)
        if name in names[: number - 1]:
            raise DataError(f"{place}: columns {names.index(name) + 1} and {number} are both called `{name}`", help=_HEADER)
    return names


@lru_cache(maxsize=1)
def read_table(file: TextFile, numbers: tuple[str, ...], texts: tuple[str, ...]) -> Table:
    """Reads columns of a file whose header was read.

    Args:
        file: the same.
        numbers: names of the columns whose numbers are asked for.
        texts: names of the columns whose cells are asked for as they are, and as numbers too.

    Raises:
        DataError: there are no rows, a row has more or fewer cells than the header, or the quotes don't match.
    """
    lines = array("q")
    known: dict[str, str] = {}
    with file.opened() as text:
        rows = _rows(file.path, text)
        _, names = next(rows)
        wanted = [(names.index(name), _Cells(), name in texts) for name in names if name in numbers or name in texts]
        for line, row in rows:
            if len(row) != len(names):
                what = f"{file.path}:{line}: the row has {len(row)} cells, and the header {len(names)}"
                raise DataError(what, help='write as many in each row; a cell that holds the delimiter stands in quotes: "a, b"')
            lines.append(line)
            for at, cells, with_texts in wanted:
                cell = row[at]
                cells.add(cell)
                if with_texts:
                    cells.texts.append(known.setdefault(cell, cell))
    if not lines:
        raise DataError(f"{file.path} has a header and no rows", help="write a row for each sample or step of time")
    columns = {names[at]: cells.column(with_texts=with_texts) for at, cells, with_texts in wanted}
    return Table(file.path, np.array(lines), columns)


def _rows(path: Path, text: TextIO) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The line that each row begins in and its cells, without the spaces around them; blank lines are passed over."""
    reader = csv.reader(text, delimiter=_delimiter(text), skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, tuple(cell.strip() for cell in row)
            line = reader.line_num + 1
    except csv.Error as error:
        what = f"{path}:{line}: the row that begins here can't be read: {error}"
        raise DataError(what, help='a quote inside a quoted cell is written twice: "the ""best"" one"') from error


def _delimiter(text: TextIO) -> str:
    """The one that splits the first row into the most cells.

    Not `csv.Sniffer`: cells that hold another delimiter mislead it, and its time grows with the square of what it looks at.
    """
    delimiter = max(_DELIMITERS, key=lambda delimiter: _cells_of_first_row(text, delimiter))
    text.seek(0)
    return delimiter


def _cells_of_first_row(text: TextIO, delimiter: str) -> int:
    text.seek(0)
    try:
        return len(next(filter(None, csv.reader(text, delimiter=delimiter, skipinitialspace=True)), ()))
    except csv.Error:
        return 0
