"""Files that are there whole or not at all, also after a crash of the machine."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from dlcli.errors import ResourceError

_TEMPORARY: Final = re.compile(r"\.(.+)\.\d+\.tmp")
_ELSEWHERE: Final = "write elsewhere with --runs-dir"
_FULL: Final = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota on the disk is used up"}
_MENDS: Final = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "allow larger files (ulimit -f)",
    errno.EROFS: "make the disk writable",
    errno.EACCES: "see that you may write there",
    errno.EPERM: "see that you may write there",
}


def write_durably(path: Path, content: bytes, *, help: str = _ELSEWHERE) -> None:
    """Replaces a file by way of a temporary sibling: write, fsync, rename, fsync of the folder.

    Args:
        path: of the file.
        content: all of it.
        help: as for `disk_errors`.

    Raises:
        ResourceError: the disk is full or the folder can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path, len(content), help=help):
        try:
            write_and_sync(temporary, content)
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, names: Collection[str]) -> None:
    """Removes what killed processes left of their `write_durably` to files of these names."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if unfinished_name(path) in names:
            path.unlink(missing_ok=True)


def unfinished_name(path: Path) -> str | None:
    """The name that a temporary file or folder was to be given; None where it is no temporary one."""
    match = _TEMPORARY.fullmatch(path.name)
    return match[1] if match else None


def append_durably(path: Path, content: bytes) -> None:
    """Adds to the end of a file and waits until the disk has it.

    Raises:
        ResourceError: the disk is full or the file can't be written; any part of the content may be there.
    """
    with disk_errors(path, len(content)), path.open("ab", buffering=0) as file:
        if file.tell() == 0:
            sync_folder(path.parent)
        _write_all(file, content)


def write_and_sync(path: Path, *parts: bytes | memoryview) -> None:
    """Writes a file, its parts one after another, and waits until the disk has it."""
    with path.open("wb", buffering=0) as file:
        _write_all(file, *parts)


def _write_all(file: FileIO, *parts: bytes | memoryview) -> None:
    """Writes and syncs. The file has no buffer: one would try again to write the rest when the file is closed after a failure."""
    for part in parts:
        left = memoryview(part)
        while left:
            left = left[file.write(left) :]
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Waits until the disk has the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems have no such call for folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(path: Path, needed: int | None = None, *, help: str = _ELSEWHERE) -> Iterator[None]:
    """Turns what the file system refuses into an error that says where and what to do.

    Args:
        path: what is written.
        needed: its bytes, where they are known.
        help: how to write elsewhere.

    Raises:
        ResourceError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        message = f"{path} can't be written: {error.strerror or error}"
        if error.errno in _FULL:
            message = f"{_FULL[error.errno]}: {path} can't be written{_room(path, needed)}"
        mend = f"{_MENDS[error.errno]}, or " if error.errno in _MENDS else ""
        raise ResourceError(message, help=f"{mend}{help}") from error


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turns what keeps a file or a folder that should be readable from being read into an error that says where.

    Raises:
        ResourceError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        help = "see that its disk is there, and that you may read it"
        raise ResourceError(f"{path} can't be read: {error.strerror or error}", help=help) from error


def _room(path: Path, needed: int | None) -> str:
    """What is needed and what there is, as far as both are known."""
    if needed is None:
        return ""
    takes = f", for it takes {size_text(needed)}"
    for folder in path.parents:
        with contextlib.suppress(OSError):
            return f"{takes} and {size_text(shutil.disk_usage(folder).free)} are free"
    return takes


def size_text(size: int) -> str:
    """`812 bytes`, `12.3 MB`."""
    if size < 1000:
        return f"{size} bytes"
    value, units = float(size), iter(("kB", "MB", "GB"))
    unit = "bytes"
    while value >= 1000 and (following := next(units, None)):
        value, unit = value / 1000, following
    return f"{value:.1f} {unit}"
