"""Archives taken apart without trusting them: chosen files alone, each of a bounded size."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Final

from dlcli.errors import DataError

_CHUNK: Final = 1 << 16
"""Bytes that are in memory at once."""
_MOST_MEMBERS: Final = 100
_MEND: Final = "download it again, or put an intact copy in its place"


class _TooLongError(Exception):
    """An archive unpacks to more than it may."""


class _Bounded(gzip.GzipFile):
    """Unpacks up to a limit."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, "rb")
        self._left = limit

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self._left -= len(content)
        if self._left < 0:
            raise _TooLongError
        return content


def extract(archive: Path, inside: str, names: Collection[str], target: Path, limit: int) -> None:
    """Extracts files of a .tar.gz that lie in one folder of it.

    What else lies in the archive is passed over where it is a file or a folder, and a reason to refuse all of it where it
    is anything else or has a place outside.

    Args:
        archive: the file.
        inside: the folder in the archive.
        names: of the files that are wanted; all must be there.
        target: the folder they go to.
        limit: bytes of everything in the archive, unpacked.

    Raises:
        DataError: the archive is damaged, holds too much, a link, a device or a place outside, or lacks a file.
    """
    missing = set(names)
    try:
        with _Bounded(archive, limit) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for number, member in enumerate(tar, 1):
                _check_member(archive, member, number)
                path = PurePosixPath(member.name)
                if not member.isreg() or str(path.parent) != inside or path.name not in missing:
                    continue
                _write(tar, member, target / path.name)
                missing.remove(path.name)
            while stream.read(_CHUNK):  # up to the checksum at its end
                pass
    except _TooLongError as error:
        raise DataError(f"{archive} unpacks to more than {limit:,} bytes", help=_MEND) from error
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError) as error:
        raise DataError(f"{archive} is damaged: {error}", help=_MEND) from error
    if missing:
        raise DataError(f"{archive} lacks {inside}/{min(missing)}", help=_MEND)


def _check_member(archive: Path, member: tarfile.TarInfo, number: int) -> None:
    path = PurePosixPath(member.name)
    if number > _MOST_MEMBERS:
        raise DataError(f"{archive} holds more than {_MOST_MEMBERS} files and folders", help=_MEND)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{archive} holds '{member.name}', a place outside of it", help=_MEND)
    if not (member.isreg() or member.isdir()) or member.issparse():
        kind = "a link" if member.islnk() or member.issym() else "neither a file nor a folder"
        raise DataError(f"{archive} holds '{member.name}', which is {kind}", help=_MEND)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = tar.extractfile(member)
    assert content is not None
    with target.open("xb") as file:
        while chunk := content.read(_CHUNK):
            file.write(chunk)
