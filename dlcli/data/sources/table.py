"""A table in a file, of whichever kind."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from dlcli.data.sources import delimited, parquet
from dlcli.data.sources.columns import Table
from dlcli.data.sources.text_file import TextFile
from dlcli.errors import DataError

_LARGEST: Final = 2 * 10**9
"""Bytes of a file: its numbers are all in memory at once."""


def table_file(path: Path) -> TextFile:
    """A file that may hold a table.

    Raises:
        DataError: it is a folder, or can't be looked at.
    """
    if path.is_dir():
        what = f"{path} is a folder, expected a table"
        raise DataError(what, help="give the .csv file; for class folders use `name: image_folder`")
    return TextFile.at(path)


def read_header(file: TextFile) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        DataError: there are none, two are equal, or the file is too large or damaged.
    """
    if file.size > _LARGEST:
        what = f"{file.path} has {file.size / 1e9:.1f} GB, and tables of at most {_LARGEST / 1e9:.0f} GB are read"
        raise DataError(what, help="keep fewer rows or columns, or save the numbers as an .npz file for `name: arrays`")
    return parquet.read_names(file) if _is_parquet(file) else delimited.read_names(file)


@lru_cache(maxsize=1)
def read_table(file: TextFile, numbers: tuple[str, ...], texts: tuple[str, ...]) -> Table:
    """Reads columns of a file whose header was read.

    Args:
        file: the same.
        numbers: names of the columns whose numbers are asked for.
        texts: names of the columns whose cells are asked for as they are, and as numbers too.

    Raises:
        DataError: there are no rows, or the file is damaged.
    """
    return parquet.read_columns(file, numbers, texts) if _is_parquet(file) else delimited.read_columns(file, numbers, texts)


def _is_parquet(file: TextFile) -> bool:
    return file.path.suffix.lower() in parquet.SUFFIXES
