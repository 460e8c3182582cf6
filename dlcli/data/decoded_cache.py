"""Decoded pictures, kept in the person's cache, so that the next start reads them and decodes nothing.

An entry is a `.npy` file with the SHA-256 of its name and content behind the array: 32 bytes that `numpy.load` passes over.
Its name says of which files it was made and how. It may be removed at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import features

from dlcli.data.directories import user_cache
from dlcli.runtime.durable_files import unfinished_name, write_and_sync

Pixels = NDArray[np.uint8]

FORMAT: Final = 1
"""To be raised with every change of what is decoded from the same files, or of how it is kept."""
MOST_BYTES: Final = 10 * 10**9
"""Of all entries together: those that were not used for longest make room for a new one."""
SHARE_OF_FREE: Final = 0.1
"""Of what is free on the disk: an entry takes no more."""
LEAST_SAVED: Final = 1.0
"""Seconds that the next start has to be faster by, for an entry to be made."""
READ_RATE: Final = 500e6
"""Bytes a second that are read and verified on a machine with other things to do."""
STALE_SECONDS: Final = 24 * 3600.0
"""After them a file that was not finished is what a killed process has left."""

_CODECS: Final = ("jpg", "libjpeg_turbo", "webp")
"""Libraries behind Pillow whose pixels may differ from version to version."""
_ENTRY: Final = re.compile(r"[0-9a-f]{64}\.npy")
_CHUNK: Final = 1 << 20
"""Bytes that are hashed while they still are in the processor's caches."""
_ALIGNMENT: Final = 64


@dataclass(frozen=True)
class Recipe:
    """What is decoded, and what decides on the pixels that come out.

    Attributes:
        kind: of the source.
        folder: that holds all files.
        files: of a picture each, in the order of the samples.
        settings: plain values by name.
    """

    kind: str
    folder: Path
    files: Sequence[Path]
    settings: Mapping[str, object]

    def key(self) -> str | None:
        """SHA-256 over the recipe and what the file system says of each file; None where one of them is not there.

        The time of the last change of status is beside that of the modification, since nobody can set it: a file that was
        given its old time again counts as changed.
        """
        codecs = {name: features.version(name) for name in _CODECS}
        how = [FORMAT, PIL.__version__, codecs, self.kind, dict(self.settings)]
        digest = hashlib.sha256(json.dumps(how, sort_keys=True).encode())
        folder = os.fsencode(self.folder)
        try:
            for file in self.files:
                found = os.stat(file)  # noqa: PTH116  # tens of thousands of them
                digest.update(b"\0%b\0" % os.fsencode(file).removeprefix(folder))
                digest.update(b"%d %d %d" % (found.st_size, found.st_mtime_ns, found.st_ctime_ns))
        except OSError:
            return None
        return digest.hexdigest()


def folder() -> Path:
    """Where entries are."""
    return user_cache() / "decoded"


def decoded(recipe: Recipe, shape: tuple[int, ...], decode: Callable[[], Pixels]) -> Pixels:
    """What an earlier start has decoded, or what is decoded now, which is kept where that is worth it.

    A cache that can't be read or written, or has no room, is done without.

    Args:
        recipe: what is decoded.
        shape: of the result, (N, H, W, C).
        decode: makes it, or raises what keeps it from being made; then nothing is kept.
    """
    key = recipe.key()
    if key is None:
        return decode()
    path = folder() / f"{key}.npy"
    found = _read(path, shape)
    if found is not None:
        return found
    began = time.perf_counter()
    pixels = decode()
    is_worth = saved_seconds(time.perf_counter() - began, pixels.nbytes) >= LEAST_SAVED
    if is_worth and recipe.key() == key:  # else files changed meanwhile, and may be those of before or of after
        with suppress(OSError):
            _keep(path, pixels)
    return pixels


def saved_seconds(decoding: float, size: int) -> float:
    """What the next start saves.

    Args:
        decoding: the seconds that decoding took.
        size: the bytes that are read instead.
    """
    return decoding - size / READ_RATE


def _read(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The array of an entry, straight from its file; None where there is none. One that is not whole is removed."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return None
        pixels = np.empty(shape, dtype=np.uint8)
        if status.st_size != len(_header(shape)) + pixels.nbytes + hashlib.sha256().digest_size or not _filled(path, pixels):
            path.unlink()
            return None
    except OSError:
        return None
    with suppress(OSError):
        os.utime(path)
    return pixels


def _filled(path: Path, pixels: Pixels) -> bool:
    """Reads a file of the right size into an array; whether it is what was written."""
    header = _header(pixels.shape)
    digest = _begun_digest(path, header)
    with FileIO(path) as file:
        if file.read(len(header)) != header:
            return False
        left = pixels.reshape(-1).data
        while left:
            count = file.readinto(left[:_CHUNK])
            if not count:
                return False
            digest.update(left[:count])
            left = left[count:]
        return file.read() == digest.digest()


def _keep(path: Path, pixels: Pixels) -> None:
    """Writes an entry, whole or not at all; none where something has its name, or where it would take too much.

    Raises:
        OSError: the disk does not take it.
    """
    header = _header(pixels.shape)
    digest = _begun_digest(path, header)
    digest.update(pixels.data)
    size = len(header) + pixels.nbytes + digest.digest_size
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # pictures may be nobody else's business
    if os.path.lexists(path) or size > min(MOST_BYTES, SHARE_OF_FREE * shutil.disk_usage(path.parent).free):
        return
    if not _makes_room(path.parent, size):
        return
    temporary = path.with_name(f".{path.name}.{secrets.randbits(63)}.tmp")  # processes of two containers may have one number
    try:
        write_and_sync(temporary, header, pixels.reshape(-1).data, digest.digest())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _makes_room(place: Path, size: int) -> bool:
    """Removes what killed processes left, and the entries that were not used for longest until so many bytes more fit.

    Returns:
        Whether they do: what other processes are writing stays.

    Raises:
        OSError: one can't be removed.
    """
    entries: list[tuple[float, int, Path]] = []
    taken = 0
    for path in place.iterdir():
        unfinished = unfinished_name(path)
        if not _ENTRY.fullmatch(unfinished or path.name):
            continue
        with suppress(FileNotFoundError):  # another process makes room too
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                continue
            if unfinished is not None and time.time() - status.st_mtime > STALE_SECONDS:
                path.unlink()
                continue
            taken += status.st_size
            if unfinished is None:
                entries.append((status.st_mtime, status.st_size, path))
    for _, of_entry, path in sorted(entries):
        if taken + size <= MOST_BYTES:
            break
        path.unlink(missing_ok=True)
        taken -= of_entry
    return taken + size <= MOST_BYTES


def _begun_digest(path: Path, header: bytes) -> hashlib._Hash:
    return hashlib.sha256(path.name.encode() + header)


def _header(shape: tuple[int, ...]) -> bytes:
    """The beginning of a `.npy` file of 8-bit values, version 1.0, the same for every version of NumPy."""
    text = repr({"descr": "|u1", "fortran_order": False, "shape": shape})
    magic = b"\x93NUMPY\x01\x00"
    padding = -(len(magic) + 2 + len(text) + 1) % _ALIGNMENT
    body = f"{text}{' ' * padding}\n".encode()
    return magic + len(body).to_bytes(2, "little") + body
