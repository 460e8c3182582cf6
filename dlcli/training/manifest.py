"""Manifests: which files a folder has, with the size and the SHA-256 of each."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dlcli.errors import CheckpointError

MANIFEST: Final = "MANIFEST.json"
FORMAT: Final = 1

MOST_JSON: Final = 16 << 20
"""Bytes that a JSON file is read up to: ours have some thousand."""

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
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(read_plain(path, most=MOST_JSON))
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
    """The content of a file that a manifest lists.

    Raises:
        CheckpointError: it is not there, or is not what was written.
    """
    content = read_plain(path, size=entry["bytes"])
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise CheckpointError(f"{path} is damaged: its content is not what was written")
    return content


def read_plain(path: Path, *, size: int | None = None, most: int | None = None) -> bytes:
    """The content of a file that is no link, device or pipe.

    Args:
        path: the file.
        size: the bytes that it must have, where that is known; looked at before anything is read.
        most: the bytes that it may have.

    Raises:
        CheckpointError: it is not there, is none, or has another size.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
    try:
        with open(descriptor, "rb") as file:  # noqa: PTH123 - the descriptor refused to follow a link, which a path would
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise CheckpointError(f"{path} is no file")
            if size is not None and status.st_size != size:
                raise CheckpointError(f"{path} has {status.st_size} bytes, and {size} were written")
            if most is not None and status.st_size > most:
                raise CheckpointError(f"{path} has {status.st_size} bytes, and at most {most} are read")
            return file.read(status.st_size)
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
