"""IDX files, the format of MNIST: a magic number, the sizes of the axes, then the values, all big-endian."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np

from dlcli.data.raw import Array
from dlcli.errors import DataError

_TYPES: Final[Mapping[int, np.dtype[Any]]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MOST_AXES: Final = 8
_LARGEST: Final = 1 << 32
"""Bytes. A damaged header must not make a machine run out of memory."""


@dataclass(frozen=True)
class IdxFile:
    """What an IDX file holds.

    Attributes:
        values: as the header says, in the byte order of the machine.
        sha256: of the whole file, uncompressed.
    """

    values: Array
    sha256: str


def read_idx(path: Path, mend: str) -> IdxFile:
    """Reads and checks an IDX file, compressed with gzip if its name ends in .gz.

    Args:
        path: the file.
        mend: what helps against a damaged file.

    Raises:
        DataError: it can't be read, is no IDX file, or is longer or shorter than it says.
    """
    opener = cast("Callable[[Path, str], BinaryIO]", gzip.open if path.suffix == ".gz" else open)
    try:
        with opener(path, "rb") as file:
            return _read(file, path, mend)
    except EOFError as error:
        raise DataError(f"{path} is cut off: the compressed data ends too early", help=mend) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}", help=mend) from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}", help="check the file's permissions") from error


def _read(file: BinaryIO, path: Path, mend: str) -> IdxFile:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _MOST_AXES:
        raise DataError(f"{path} is no IDX file: it begins with {magic.hex(' ') or 'nothing'}", help=mend)
    kind = _TYPES[magic[2]]
    axes = file.read(4 * magic[3])
    if len(axes) < 4 * magic[3]:
        raise DataError(f"{path} is cut off inside its header", help=mend)
    sizes = tuple(int.from_bytes(axes[at : at + 4], "big") for at in range(0, len(axes), 4))
    expected = kind.itemsize * int(np.prod(sizes, dtype=object))
    content = file.read(min(expected, _LARGEST) + 1)
    if len(content) != expected:
        found = f"only {len(content)}" if len(content) < expected else "more"
        raise DataError(f"{path} is damaged: its header {list(sizes)} says {expected} bytes, and it has {found}", help=mend)
    values = np.frombuffer(content, dtype=kind).reshape(sizes)
    digest = hashlib.sha256(magic + axes)
    digest.update(content)
    return IdxFile(values.astype(kind.newbyteorder("=")), digest.hexdigest())
