"""Where the `path:` of a config leads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dlcli.config.tree import shortened
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError
from dlcli.errors import DataError


def locate(path: str, directories: Directories, what: str, help: str, is_meant: Callable[[Path], bool] = Path.exists) -> Path:
    """The file or folder that the `path:` of a config means, absolute.

    Args:
        path: as it is written.
        directories: where to look.
        what: the kind of file or folder, for the message.
        help: what may be given.
        is_meant: what passes over places that can't be meant.

    Raises:
        DataUnavailableError: there is none.
        DataError: it is neither a file nor a folder, or where it may be can't be looked into.
    """
    candidates = directories.candidates(path)
    try:
        there = next((candidate for candidate in candidates if is_meant(candidate)), None)
    except OSError as error:
        raise DataError(f"the {what} {shortened(path)} can't be looked for: {error.strerror}", help=help) from error
    if there is None:
        looked = ", ".join(str(candidate) for candidate in candidates)
        help = f"{help}; a relative path starts at --data-dir, here, or the config"
        kind = "folder" if is_meant is Path.is_dir else "file"
        raise DataUnavailableError(f"the {what} {path}", f"there is no {kind} {looked}", help=help)
    if not (there.is_file() or there.is_dir()):
        raise DataError(f"{there} is a device or a pipe, expected a {what}", help=help)
    return there.absolute()
