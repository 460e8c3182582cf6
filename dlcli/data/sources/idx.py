"""IDX files, the format of MNIST: a magic number, the sizes of the axes, then the values, all big-endian."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final

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
_LARGEST: Final = 1 << 28
"""Bytes of the values, several times what the data sets have whose files these are."""


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
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _read(file, path, mend)
    except EOFError as error:
        raise DataError(f"{path} is cut off: the compressed data ends too early", help=mend) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}", help=mend) from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}", help="check the file's permissions") from error


def _read(file: BufferedIOBase, path: Path, mend: str) -> IdxFile:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _MOST_AXES:
        raise DataError(f"{path} is no IDX file: it begins with {magic.hex(' ') or 'nothing'}", help=mend)
    kind = _TYPES[magic[2]]
    axes = file.read(4 * magic[3])
    if len(axes) < 4 * magic[3]:
        raise DataError(f"{path} is cut off inside its header", help=mend)
    sizes = tuple(int.from_bytes(axes[at : at + 4], "big") for at in range(0, len(axes), 4))
    expected = kind.itemsize * int(np.prod(sizes, dtype=object))
    says = f"{path} is damaged: its header {list(sizes)} says {expected:,} bytes"
    if expected > _LARGEST:
        raise DataError(f"{says}, and at most {_LARGEST:,} are read", help=mend)
    content = np.empty(expected, dtype=np.uint8)
    found = file.readinto(content.data)
    if found < expected or file.read(1):
        raise DataError(f"{says}, and it has {'more' if found == expected else f'only {found:,}'}", help=mend)
    digest = hashlib.sha256(magic + axes)
    digest.update(content.data)
    return IdxFile(content.view(kind).reshape(sizes).astype(kind.newbyteorder("="), copy=False), digest.hexdigest())
