"""Where exports are put, which files they may replace, and what is noted of them beside a run's."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from dlcli.app.export.exported_program import FACTS_FILE
from dlcli.app.export.facts import MARK
from dlcli.errors import CheckpointError, UsageError
from dlcli.runtime.durable_files import disk_errors, write_durably
from dlcli.training.manifest import read_limited

NOTES: Final = "verify.json"
"""What is noted of the exports in a run's folder of them."""
ANOTHER_FILE: Final = "give another file: --output FILE"

_MARKS: Final = (MARK.encode(), f"extra/{FACTS_FILE}".encode())
"""What every export holds near its begin or its end; the second is the name of a part of a .pt2 file."""
_READ: Final = 64 * 1024


def check_free(files: Iterable[Path]) -> None:
    """Whether exports can be written there.

    Raises:
        UsageError: they can't.
    """
    help = "choose another with --output FILE"
    for file in files:
        if not str(file).strip():
            raise UsageError(f"'{file}' is no name for a file", help=help)
        if file.is_dir():
            raise UsageError(f"{file} is a folder", help=help)
        if not file.absolute().parent.is_dir():
            parent = shlex.quote(str(file.parent))
            raise UsageError(f"there is no folder {file.parent}", help=f"make it first: mkdir -p {parent}")
        if file.exists() and not _is_export(file):
            raise UsageError(f"{file} is there already, and no export", help=help)


def check_own_place(folder: Path, files: Iterable[Path]) -> None:
    """Whether exports can be written into a run's folder of them, which need not be there yet.

    Raises:
        UsageError: they can't: it leads elsewhere, for example.
    """
    if folder.is_symlink():
        raise UsageError(f"{folder} is a link, and the exports of a run stay in its folder", help=ANOTHER_FILE)
    if folder.exists():
        check_free(files)


def beside(file: Path, endings: Iterable[str]) -> list[Path]:
    """A file and those that belong to it."""
    return [file, *(file.with_suffix(ending) for ending in endings)]


def put(contents: Mapping[Path, bytes]) -> None:
    """Writes files, each whole or not at all; the first one last.

    Raises:
        UsageError: another file is in the way.
        ResourceError: the file system refuses.
    """
    for file in contents:
        with disk_errors(file, help=ANOTHER_FILE):
            check_free([file])
    for file, content in reversed(list(contents.items())):
        write_durably(file, content, help=ANOTHER_FILE)


def note(folder: Path, to: str, entry: Mapping[str, Any]) -> None:
    """Notes how an export was verified; what was noted of other targets stays.

    Args:
        folder: of the run's exports.
        to: the target.
        entry: plain values.

    Raises:
        ResourceError: the file system refuses.
    """
    notes = _notes(folder / NOTES) | {to: dict(entry)}
    write_durably(folder / NOTES, json.dumps(notes, indent=2).encode() + b"\n", help=ANOTHER_FILE)


def sums(contents: Mapping[Path, bytes]) -> dict[str, str]:
    """The SHA-256 of each file by its name."""
    return {file.name: hashlib.sha256(content).hexdigest() for file, content in contents.items()}


def _notes(file: Path) -> dict[str, Any]:
    """What was noted so far; nothing where that can't be read."""
    try:
        notes = json.loads(read_limited(file))
    except (CheckpointError, ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _is_export(file: Path) -> bool:
    if not file.is_file():  # a pipe, from which nobody may ever read
        return False
    try:
        with file.open("rb") as opened:
            begin = opened.read(_READ)
            opened.seek(max(0, opened.seek(0, os.SEEK_END) - _READ))
            end = opened.read(_READ)
    except OSError:
        return False
    return any(mark in part for mark in _MARKS for part in (begin, end))
