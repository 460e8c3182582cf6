"""Where data is looked for, and where downloads go."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dlcli.config.tree import shortened
from dlcli.errors import DataError

MAX_NAME: Final = 255
"""Bytes of a file's name."""
_MAX_PATH: Final = 4096
"""Bytes of a path, of which the system takes the last one for its end."""


@dataclass(frozen=True)
class Directories:
    """Folders by what they are for.

    Attributes:
        roots: where known data sets are looked for, the first that has one wins; the last is the person's cache.
        cache: where downloads go.
        beside: where the relative `path:` of a config is looked for too: the working directory and the config's folder.
    """

    roots: tuple[Path, ...]
    cache: Path
    beside: tuple[Path, ...] = ()

    def candidates(self, path: str) -> tuple[Path, ...]:
        """All the places that the `path:` of a config may mean, best first.

        Raises:
            DataError: no file can have such a path.
        """
        given = Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser raises where there is no such user
        if not _can_be_there(str(given)):
            raise DataError(f"no file can be called {shortened(path)!r}", help="give the path of a file that is there")
        if given.is_absolute():
            return (given,)
        return tuple(folder / given for folder in _distinct([*self.roots[:-1], *self.beside, *self.roots[-1:]]))


def search_directories(data_dir: Path | None, config_dir: Path | None) -> Directories:
    """Where to look: `--data-dir`, `$DLCLI_DATA`, the working directory and the config's folder, `~/.cache/dlcli`.

    Args:
        data_dir: what the person gave.
        config_dir: the folder of the config, where there is one.

    Raises:
        DataError: the person gave a folder that is not there.
    """
    if data_dir is not None and not data_dir.is_dir():
        what = "is a file" if data_dir.exists() else "does not exist"
        raise DataError(f"the data folder {data_dir} {what}", help="give a folder that is there, or leave --data-dir out")
    given = [data_dir] if data_dir is not None else []
    if variable := os.environ.get("DLCLI_DATA"):
        given.append(Path(variable).expanduser())
    roots = _distinct([*given, user_cache()])
    beside = [Path.cwd(), *([config_dir] if config_dir is not None else [])]
    return Directories(roots, roots[0], _distinct(beside))


def user_cache() -> Path:
    """The person's cache of dlcli."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "dlcli"
    home = os.path.expanduser("~")  # noqa: PTH111  # Path.home() raises where a user has none, as in containers
    return Path(home) / ".cache" / "dlcli" if home != "~" else Path(tempfile.gettempdir()) / f"dlcli-{os.getuid()}"


def _can_be_there(path: str) -> bool:
    """Whether the system takes the path, as far as its own characters decide that."""
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:  # half a surrogate
        return False
    is_short = len(encoded) < _MAX_PATH and all(len(name) <= MAX_NAME for name in encoded.split(b"/"))
    return is_short and b"\0" not in encoded


def _distinct(folders: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folder.absolute() for folder in folders))
