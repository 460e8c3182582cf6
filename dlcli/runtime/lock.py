"""One process at a time for a folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from dlcli.runtime.durable_files import disk_errors

LOCK: Final = ".lock"
_NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)
"""What file systems without locks say."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock; a value that could not be read is None.

    Attributes:
        pid: of the process.
        host: the name of its machine.
        since: when it took the lock, in ISO 8601.
    """

    pid: int | None = None
    host: str | None = None
    since: str | None = None

    def __str__(self) -> str:
        if self.pid is None:
            return "another process"
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"process {self.pid}{where}, since {self.since}"


class HeldError(Exception):
    """Another process has the lock."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"held by {holder}")
        self.holder = holder


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keeps other processes out until the end of the block.

    The system lets go of the lock when its process ends, however it ends: a file that a killed one left holds nobody up.

    Args:
        folder: takes the file `.lock`, which names the holder and is removed at the end.

    Yields:
        Whether there is a lock; False on a file system that has none.

    Raises:
        HeldError: another process has it.
        ResourceError: the file can't be written.
    """
    path = folder / LOCK
    with disk_errors(path):
        descriptor = _taken(path)
    try:
        if descriptor is not None:
            with disk_errors(path):
                _write_holder(descriptor)
        yield descriptor is not None
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):  # a folder that was removed, or has become read-only meanwhile
                path.unlink()
            os.close(descriptor)


def holder_of(folder: Path) -> Holder | None:
    """Who holds the lock of a folder; None where nobody does, or where it can't be known."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_NONBLOCK)  # a pipe in its place holds nobody up
    except OSError:
        return None
    try:
        is_free = _locks(descriptor, fcntl.LOCK_SH)  # flock(2): NFS refuses LOCK_EX of what is open for reading alone
        return None if is_free else _read_holder(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _taken(path: Path) -> int | None:
    """The descriptor of the lock file, locked; None where there are no locks."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            if not _locks(descriptor, fcntl.LOCK_EX):
                raise HeldError(_read_holder(descriptor))
            if _is_still(path, descriptor):
                return descriptor
        except OSError as error:
            os.close(descriptor)
            if error.errno in _NO_LOCKS:
                return None
            raise
        except HeldError:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder removed the file between the opening and the lock


def _locks(descriptor: int, kind: int) -> bool:
    """Tries to lock an open file, which closing it undoes.

    Args:
        descriptor: of the file.
        kind: LOCK_EX, for one alone, or LOCK_SH, beside others of that kind.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write_holder(descriptor: int) -> None:
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    content = json.dumps(asdict(Holder(os.getpid(), socket.gethostname(), now))).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)


def _read_holder(descriptor: int) -> Holder:
    try:
        values = json.loads(os.pread(descriptor, 1000, 0))
        return Holder(int(values["pid"]), str(values["host"]), str(values["since"]))
    except (ValueError, KeyError, TypeError):  # not written yet
        return Holder()
