"""The arrays inside an .npz file, by name; what they hold is read when it is needed."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.lib import format as npy

from dlcli.data.raw import Array
from dlcli.errors import DataError


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
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        headers = {name.removesuffix(".npy"): _header(archive, name) for name in members}
    for name, header in headers.items():
        if header.dtype.hasobject:
            help = f"write numbers: np.savez(..., {name}=np.asarray({name}, dtype='float32'))"
            raise DataError(f"{name} in {path} holds Python objects, and is not read for safety's sake", help=help)
    return headers


def read_array(path: Path, name: str) -> Array:
    """One array of a file whose headers were read.

    Raises:
        DataError: it is damaged.
    """
    with _damage_reported(path), np.load(path, allow_pickle=False) as file:
        return cast("Array", file[name])


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as member:
        version = npy.read_magic(member)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = reader(member)
        return Header(shape, dtype)


@contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    mend = "write it again with np.savez(path, x_train=..., y_train=..., x_test=..., y_test=...)"
    try:
        yield
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is no .npz file, or is damaged: {error}", help=mend) from error
    except (ValueError, EOFError, KeyError, RuntimeError, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}", help=mend) from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}", help="check the file and its permissions") from error
