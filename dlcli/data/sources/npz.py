"""The arrays inside an .npz file, by name; what they hold is read when it is needed."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.lib import format as npy

from dlcli.config.tree import shortened
from dlcli.data.raw import Array
from dlcli.data.sources.growth import check_growth
from dlcli.errors import DataError

_PACKINGS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What NumPy writes. Other ways of packing can ask for memory of their own."""
_LONGEST_HEADER: Final = 1 << 16
"""Bytes."""


@dataclass(frozen=True)
class Header:
    """What an array is, from its first bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


def read_headers(path: Path) -> dict[str, Header]:
    """The shapes and types of all arrays of a file.

    Raises:
        DataError: it is no .npz file, is damaged, or an array holds Python objects, which only a pickle can bring.
    """
    with _damage_reported(path), zipfile.ZipFile(path) as archive:
        members = {name.removesuffix(".npy"): archive.getinfo(name) for name in archive.namelist() if name.endswith(".npy")}
        headers = {name: _header(archive, member) for name, member in members.items()}
    for name, header in headers.items():
        if header.dtype.hasobject:
            help = f"write numbers: np.savez(..., {name}=np.asarray({name}, dtype='float32'))"
            raise DataError(f"{name} in {path} holds Python objects, and is not read for safety's sake", help=help)
    help = "write it without packing it: np.savez(path, ...); or give fewer samples"
    check_growth(f"all in {path}", sum(member.file_size for member in members.values()), path.stat().st_size, help)
    return headers


def read_array(path: Path, name: str) -> Array:
    """One array of a file whose headers were read.

    Raises:
        DataError: it is damaged.
    """
    with _damage_reported(path), zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
        array: Array = npy.read_array(member, allow_pickle=False)
        return array


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    """What an array is; that it has as many values as it says, so that no more are made room for."""
    if member.compress_type not in _PACKINGS:
        raise ValueError(f"{member.filename} is packed in a way that NumPy does not use")
    with archive.open(member) as content:
        begin = io.BytesIO(content.read(_LONGEST_HEADER))
    version = npy.read_magic(begin)
    reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = reader(begin)
    expected = math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and (min(shape, default=0) < 0 or begin.tell() + expected != member.file_size):
        found = f"{member.filename} has {member.file_size - begin.tell():,} bytes of values"
        raise ValueError(f"{found}, and {dtype} {shortened(str(list(shape)))} takes {shortened(f'{expected:,}')}")
    return Header(shape, dtype)


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    mend = "write it again with np.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
    try:
        yield
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is no .npz file, or is damaged: {error}", help=mend) from error
    except (ValueError, EOFError, KeyError, RuntimeError, zlib.error, tokenize.TokenError) as error:
        raise DataError(f"{path} is damaged: {error}", help=mend) from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}", help="check the file and its permissions") from error
