"""A table in a text file: rows of cells, the names of its columns in the first."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from dlcli.config.tree import shortened
from dlcli.data.sources.columns import Cells, Table
from dlcli.data.sources.text_file import TextFile, number_in
from dlcli.errors import DataError

_DELIMITERS: Final = ",;\t|"
_HEADER: Final = "write the names of the columns into the first line, each once"
_CHUNK: Final = 4096
"""Rows whose cells are turned into numbers at once."""


def read_names(file: TextFile) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        DataError: there are none, two are equal, or the file is no text.
    """
    with file.opened() as text:
        first = next(_rows(file.path, text), None)
    if first is None:
        raise DataError(f"{file.path} is empty", help=_HEADER)
    line, names = first
    place = f"{file.path}:{line}"
    if all(number_in(name) is not None for name in names):
        what = f"{place}: the first row is all numbers, {shortened(', '.join(names))}, expected the names of the columns"
        raise DataError(what, help=_HEADER)
    numbers: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            help = f"{_HEADER}; from pandas: frame.to_csv(path, index=False)"
            raise DataError(f"{place}: column {number} has no name", help=help)
        if numbers.setdefault(name, number) != number:
            raise DataError(f"{place}: columns {numbers[name]} and {number} are both called `{name}`", help=_HEADER)
    return names


def read_columns(file: TextFile, numbers: tuple[str, ...], texts: tuple[str, ...]) -> Table:
    """Reads columns of a file whose names were read.

    Args:
        file: the same.
        numbers: names of the columns whose numbers are asked for.
        texts: names of the columns whose cells are asked for as they are, and as numbers too.

    Raises:
        DataError: there are no rows, a row has more or fewer cells than the header, or the quotes don't match.
    """
    lines = array("q")
    with file.opened() as text:
        rows = _rows(file.path, text)
        _, names = next(rows)
        columns = {name: Cells(name in texts) for name in names if name in numbers or name in texts}
        while chunk := list(islice(rows, _CHUNK)):
            for line, row in chunk:
                if len(row) != len(names):
                    what = f"{file.path}:{line}: the row has {len(row)} cells, and the header {len(names)}"
                    help = 'write as many in each row; a cell that holds the delimiter stands in quotes: "a, b"'
                    raise DataError(what, help=help)
                lines.append(line)
            for name, cells in zip(names, zip(*(row for _, row in chunk), strict=True), strict=True):
                if name in columns:
                    columns[name].extend(cells)
    if not lines:
        raise DataError(f"{file.path} has a header and no rows", help="write a row for each sample or step of time")
    return Table(file.path, np.array(lines), {name: cells.column() for name, cells in columns.items()})


def _rows(path: Path, text: TextIO) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The line that each row begins in and its cells, without the spaces around them; blank lines are passed over."""
    reader = csv.reader(text, delimiter=_delimiter(text), skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, tuple(map(str.strip, row))
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
