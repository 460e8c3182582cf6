"""Files that are there whole or not at all, also after a crash of the machine."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dlcli.errors import ResourceError

_TEMPORARY: Final = re.compile(r"\.(.+)\.\d+\.tmp")


def write_durably(path: Path, content: bytes) -> None:
    """Replaces a file by way of a temporary sibling: write, fsync, rename, fsync of the folder.

    Raises:
        ResourceError: the disk is full or the folder can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path, len(content)):
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
        match = _TEMPORARY.fullmatch(path.name)
        if match and match[1] in names:
            path.unlink(missing_ok=True)


def append_durably(path: Path, content: bytes) -> None:
    """Adds to the end of a file and waits until the disk has it; where that fails, the file ends as it did before.

    Raises:
        ResourceError: the disk is full or the file can't be written.
    """
    is_new = not path.exists()
    with disk_errors(path, len(content)), path.open("ab") as file:
        end = file.tell()
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), end)
            raise
    if is_new:
        with disk_errors(path):
            sync_folder(path.parent)


def write_and_sync(path: Path, content: bytes) -> None:
    """Writes a file and waits until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
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
def disk_errors(path: Path, needed: int | None = None) -> Iterator[None]:
    """Turns what the file system refuses into an error that says where and what to do.

    Args:
        path: what is written.
        needed: its bytes, where they are known.

    Raises:
        ResourceError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        message, help = f"{path} can't be written: {error.strerror or error}", "write elsewhere with --runs-dir"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"the disk is full: {path} can't be written{_room(path, needed)}"
            help = "free some space, or write elsewhere with --runs-dir"
        raise ResourceError(message, help=help) from error


def _room(path: Path, needed: int | None) -> str:
    """What is needed and what there is, as far as both are known."""
    folder = next((parent for parent in path.parents if parent.is_dir()), None)
    if folder is None or needed is None:
        return ""
    return f", for it takes {size_text(needed)} and {size_text(shutil.disk_usage(folder).free)} are free"


def size_text(size: int) -> str:
    """`812 bytes`, `12.3 MB`."""
    if size < 1000:
        return f"{size} bytes"
    value, units = float(size), iter(("kB", "MB", "GB"))
    unit = "bytes"
    while value >= 1000 and (following := next(units, None)):
        value, unit = value / 1000, following
    return f"{value:.1f} {unit}"
