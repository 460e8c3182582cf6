"""A table in a Parquet file, read by pyarrow: what the same table gives as a text file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, Final

import numpy as np

from dlcli.config.values import LARGEST_FLOAT
from dlcli.data.sources.columns import Cells, Column, Table
from dlcli.data.sources.text_file import TextFile
from dlcli.errors import DataError

SUFFIXES: Final = (".parquet", ".pq")
_LARGEST: Final = 4 * 10**9
"""Bytes of the numbers that are in memory at once."""
_MOST_CHARACTERS: Final = 131_072
"""Of a cell, as in a text file."""
_CHUNK: Final = 4096
"""Rows whose cells are turned into numbers at once."""
_INDEX: Final = re.compile(r"__index_level_[0-9]+__")
"""What pandas calls an index without a name."""


def read_names(file: TextFile) -> tuple[str, ...]:
    """The names of the columns, without an index of pandas that only numbers the rows.

    Raises:
        DataError: there are none, two are equal, the file is damaged, or pyarrow is not installed.
    """
    with _opened(file) as (arrow, content):
        fields = list(content.schema_arrow)
    names = tuple(field.name for field in fields if not (_INDEX.fullmatch(field.name) and arrow.types.is_integer(field.type)))
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"two columns of {file.path} are called `{twice}`", help="give each column a name of its own")
    if not names:
        raise DataError(f"{file.path} has no columns", help="write a column for each feature and for what is to be predicted")
    return names


def read_columns(file: TextFile, numbers: tuple[str, ...], texts: tuple[str, ...]) -> Table:
    """Reads columns of a file whose names were read.

    Args:
        file: the same.
        numbers: names of the columns whose numbers are asked for.
        texts: names of the columns whose cells are asked for as texts too; of dates as ISO 8601 writes them.

    Raises:
        DataError: there are no rows, or too many, a cell is too long, or the file is damaged.
    """
    with _opened(file) as (arrow, content):
        once = [field.name for field in content.schema_arrow if _is_text(arrow, field.type)]
    with _opened(file, once) as (arrow, content):
        names = [name for name in content.schema_arrow.names if name in numbers or name in texts]
        rows = content.metadata.num_rows
        if rows == 0:
            raise DataError(f"{file.path} has columns and no rows", help="write a row for each sample or step of time")
        if rows * len(names) * 8 > _LARGEST:
            what = f"{file.path} has {rows:,} rows of {len(names)} columns, and at most {_LARGEST // 8:,} numbers are read"
            raise DataError(what, help="keep fewer rows, or name the columns to read with data.features")
        nested = {field.name for field in content.schema_arrow if arrow.types.is_nested(field.type)}
        read = content.read(columns=[name for name in names if name not in nested])
        columns = {
            name: _nested(rows)
            if name in nested
            else _column(arrow, read.column(name), f"{file.path}: column `{name}`", with_texts=name in texts)
            for name in names
        }
    return Table(file.path, np.arange(1, rows + 1), columns, "row")


def _is_text(arrow: Any, kind: Any) -> bool:
    """Whether a column holds texts, which are read as places in a list of those that differ, so that none is repeated."""
    kinds = arrow.types
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_binary(kind) or kinds.is_large_binary(kind))


@contextmanager
def _opened(file: TextFile, read_dictionary: list[str] | None = None) -> Iterator[tuple[Any, Any]]:
    """Pyarrow and the open file; what goes wrong with either is told."""
    try:
        import pyarrow  # noqa: PLC0415  # an extra, and slow to import
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        what = f"{file.path} is a Parquet file, and pyarrow, which reads these, can't be imported ({error})"
        help = "install it: pip install pyarrow (it comes with the extra `tables` of dlcli); or write the table as a .csv file"
        raise DataError(what, help=help) from error
    try:
        with pyarrow.parquet.ParquetFile(file.path, read_dictionary=read_dictionary) as content:
            yield pyarrow, content
    except (pyarrow.ArrowException, OSError, ValueError, ArithmeticError, LookupError) as error:
        reason = str(error).strip().partition("\n")[0]
        help = "write the file anew, from pandas: frame.to_parquet(path)"
        raise DataError(f"{file.path} can't be read as a Parquet file: {reason}", help=help) from error


def _column(arrow: Any, values: Any, place: str, *, with_texts: bool) -> Column:
    kinds = arrow.types
    if kinds.is_dictionary(values.type):
        if _is_text(arrow, values.type.value_type):
            return _column_of_texts(values, place, with_texts=with_texts)
        values = values.cast(values.type.value_type)
    if kinds.is_integer(values.type) or kinds.is_floating(values.type) or kinds.is_decimal(values.type):
        return _column_of_numbers(arrow, values, with_texts=with_texts)
    if kinds.is_timestamp(values.type):
        values = values.cast(arrow.timestamp("us", values.type.tz), safe=False)
    cells = Cells(with_texts)
    cells.extend([_text(value) for value in values.to_pylist()])
    return cells.column()


def _column_of_texts(values: Any, place: str, *, with_texts: bool) -> Column:
    """Of a column that is read as places in lists of texts."""
    cells = Cells(with_texts)
    for part in values.chunks:
        entries = [_text(value) for value in part.dictionary.to_pylist()]
        longest = max(map(len, entries), default=0)
        if longest > _MOST_CHARACTERS:
            what = f"{place} has a cell of {longest:,} characters, and at most {_MOST_CHARACTERS:,} are read"
            raise DataError(what, help="leave the column out of the file, or shorten its texts")
        for start in range(0, len(part), _CHUNK):
            places = part.indices.slice(start, _CHUNK).to_pylist()
            cells.extend(["" if place is None else entries[place] for place in places])
    return cells.column()


def _nested(rows: int) -> Column:
    """Of a column of lists or other nested values, which is not read: its few bytes can stand for very many values."""
    cell = "a nested value"
    return Column(np.full(rows, np.nan), (cell,) * rows, is_numeric=False, odd_row=0, odd_cell=cell)


def _column_of_numbers(arrow: Any, values: Any, *, with_texts: bool) -> Column:
    numbers = np.array(values.cast(arrow.float64(), safe=False).to_numpy())
    with np.errstate(invalid="ignore"):
        odd = ~(np.abs(numbers) <= LARGEST_FLOAT)
    odd_row = int(odd.argmax()) if odd.any() else None
    odd_cell = None if odd_row is None else _text(values[odd_row].as_py())
    numbers[odd] = np.nan
    texts = tuple(map(_text, values.to_pylist())) if with_texts else None
    return Column(numbers, texts, is_numeric=True, odd_row=odd_row, odd_cell=odd_cell)


def _text(value: object) -> str:
    """What stands in the cell of a text file for a value."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value).strip()
