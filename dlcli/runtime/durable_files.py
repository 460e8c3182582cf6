"""Files that are there whole or not at all, also after a crash of the machine."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlcli.errors import ResourceError


def write_durably(path: Path, content: bytes) -> None:
    """Replaces a file by way of a temporary sibling: write, fsync, rename, fsync of the folder.

    Raises:
        ResourceError: the disk is full or the folder can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        try:
            write_and_sync(temporary, content)
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


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
def disk_errors(path: Path) -> Iterator[None]:
    """Turns what the file system refuses into an error that says where and what to do.

    Raises:
        ResourceError: instead of OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            message, help = f"the disk is full: {path} can't be written", "free some space, or write elsewhere with --runs-dir"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            message, help = f"{path} can't be written: {error.strerror}", "write elsewhere with --runs-dir"
        else:
            message, help = f"{path} can't be written: {error.strerror or error}", "write elsewhere with --runs-dir"
        raise ResourceError(message, help=help) from error
