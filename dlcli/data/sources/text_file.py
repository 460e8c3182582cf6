"""Files of text, and the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from dlcli.config.values import LARGEST_FLOAT
from dlcli.errors import DataError


@dataclass(frozen=True)
class TextFile:
    """A file as it was when it was looked at. Equal ones hold the same, so what was read of one need not be read again.

    Attributes:
        path: absolute.
        size: in bytes.
        modified: when it was written to, in nanoseconds.
    """

    path: Path
    size: int
    modified: int

    @classmethod
    def at(cls, path: Path) -> TextFile:
        """The file as it is now.

        Raises:
            DataError: it can't be looked at.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise _unreadable(path, error) from error
        return cls(path.absolute(), status.st_size, status.st_mtime_ns)

    @contextmanager
    def opened(self) -> Iterator[TextIO]:
        """The text, with the line ends it has.

        Raises:
            DataError: it can't be read, or is not UTF-8.
        """
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as text:
                yield text
        except UnicodeDecodeError as error:
            what = f"{self.path}:{self._first_undecodable_line()}: this line is not UTF-8 text"
            raise DataError(what, help="save the file as text in UTF-8") from error
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def content(self) -> bytes:
        """The bytes, whatever they mean.

        Raises:
            DataError: it can't be read.
        """
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def _first_undecodable_line(self) -> int:
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return number
        return 1


def number_in(text: str) -> float | None:
    """The decimal number that a text is; None where it is none that float32 can hold."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= LARGEST_FLOAT and "_" not in text else None


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} can't be read: {error.strerror or error}", help="check the file and its permissions")
