"""Manifests: which files a folder has, with the size and the SHA-256 of each."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

from dlcli.errors import CheckpointError
from dlcli.runtime.durable_files import reading_errors

MANIFEST: Final = "MANIFEST.json"
FORMAT: Final = 1

MOST_JSON: Final = 16 << 20
"""Bytes that a JSON file is read up to: ours have some thousand."""

_NO_FILE: Final = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG)
"""What the system says where a file is missing, or something else is in its place. All else may be otherwise in a moment."""

_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class FormatError(CheckpointError):
    """A newer version of dlcli wrote it."""


def entry_of(content: bytes) -> dict[str, Any]:
    """What a manifest says of a file with this content."""
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def manifest_of(entries: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The content of a manifest.

    Args:
        entries: file name -> what `entry_of` gave.
    """
    return json.dumps({"format": FORMAT, "files": dict(entries)}, indent=1).encode()


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The files that a folder should have, by name.

    Raises:
        FormatError: this version of dlcli does not know the format.
        CheckpointError: the manifest is not there, or is none.
        ResourceError: it can't be read for now.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(read_limited(path))
        if manifest["format"] != FORMAT:
            message = f"{folder} has format {manifest['format']}, and this version of dlcli reads {FORMAT}"
            raise FormatError(message, help="use the version of dlcli that wrote it")
        files = manifest["files"]
        named = all(_FILE_NAME.fullmatch(name) for name in files)
        told = all(type(entry["bytes"]) is int and type(entry["sha256"]) is str for entry in files.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} can't be read: {error}") from error
    if not named or not told:
        raise CheckpointError(f"{path} names files that can't be here")
    return dict(files)


def read_verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    """The content of a file that a manifest lists, read into memory only once it is known to be what was written.

    Raises:
        CheckpointError: it is not there, or is not what was written.
        ResourceError: it can't be read for now.
    """
    with _opened(path) as (file, size):
        if size != entry["bytes"]:
            raise CheckpointError(f"{path} has {size} bytes, and {entry['bytes']} were written")
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
            raise CheckpointError(f"{path} is damaged: its content is not what was written")
        file.seek(0)
        return file.read(size)


def read_limited(path: Path, most: int = MOST_JSON) -> bytes:
    """The content of a file of at most so many bytes.

    Raises:
        CheckpointError: it is not there, or is larger.
        ResourceError: it can't be read for now.
    """
    with _opened(path) as (file, size):
        if size > most:
            raise CheckpointError(f"{path} has {size} bytes, and at most {most} are read")
        return file.read(size)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedReader, int]]:
    """A file that is no link, device or pipe, and its size.

    Raises:
        CheckpointError: it is not there, or is none.
        ResourceError: the system does not give it, which says nothing of what is in it.
    """
    with reading_errors(path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:  # noqa: PTH123 - the descriptor refused to follow a link, which a path would
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise CheckpointError(f"{path} is no file")
                yield file, status.st_size
        except OSError as error:
            if error.errno not in _NO_FILE:
                raise
            raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
