"""Removing runs: a folder is gone under its name at once, whatever comes in between."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dlcli.app.kept_runs.record import KeptRun, find_kept
from dlcli.app.kept_runs.story import Entry, entries_of
from dlcli.errors import ResourceError, UsageError
from dlcli.runtime.durable_files import disk_errors, sync_folder
from dlcli.runtime.lock import Holder, holder_of
from dlcli.training.run_folder import LATEST, RunFolder, find_run, point_latest_at

_MEND: Final = "see that you may write in that folder, and repeat the command"


@dataclass(frozen=True)
class Removal:
    """What goes with a run.

    Attributes:
        run: the folder and its record.
        entries: what is in the folder.
    """

    run: KeptRun
    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.entries)

    @property
    def files(self) -> int:
        return sum(entry.files for entry in self.entries)

    def as_json(self) -> dict[str, Any]:
        """What `runs remove --json` says of it."""
        return {"run": str(self.run.path), "status": self.run.status, "files": self.files, "bytes": self.size}


def plan_removal(names: Sequence[str], runs: Path) -> list[Removal]:
    """What would go with runs; nothing is changed.

    Args:
        names: their folders or names.
        runs: the folder of all runs.

    Raises:
        UsageError: there is no such run, one is being trained, or a link was given in its place.
    """
    folders: dict[Path, Path] = {}
    for name in names:
        path = _folder_of(name, runs)
        folders.setdefault(path.resolve(), path)
    return [Removal(KeptRun.at(path), tuple(entries_of(path))) for path in folders.values()]


def _folder_of(name: str, runs: Path) -> Path:
    """The folder of a run that can be removed.

    Raises:
        UsageError: it can't.
    """
    path = find_kept(name, runs).path
    was_followed = name != LATEST and path not in (Path(name), runs / name)
    if was_followed or path.is_symlink():
        what = f"`{name}` is a link to {path if was_followed else path.resolve()}"
        raise UsageError(what, help="name the run itself; a link alone is removed with rm")
    if not RunFolder(path).checkpoints.is_dir():
        what = f"{path} has no folder `checkpoints`, and may be something else than a run"
        raise UsageError(what, help="look into it, and remove it with rm -r if it is one")
    if Path.cwd().is_relative_to(path.resolve()):
        raise UsageError(f"you are in {path}", help="leave it first: cd ..")
    holder = holder_of(path)
    if holder is not None:
        raise _is_trained(path, holder)
    return path


def remove(removal: Removal) -> None:
    """Removes a run. From its renaming on it is no run any more, and `latest` is another one or gone.

    What a kill leaves is hidden, and goes when the next training begins an hour or more later.

    Raises:
        UsageError: somebody has begun to train it.
        ResourceError: the folder can't be changed.
    """
    path = removal.run.path
    hidden = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path, help=_MEND):
        path.rename(hidden)
        holder = holder_of(hidden)
        if holder is not None:
            hidden.rename(path)
            raise _is_trained(path, holder)
        sync_folder(path.parent)
    _mend_latest(path)
    with disk_errors(hidden, help=_MEND):
        for child in hidden.iterdir():
            if child.name != "checkpoints":  # by which what a kill leaves is known: it goes last
                _remove(child)
        shutil.rmtree(hidden)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _is_trained(path: Path, holder: Holder) -> UsageError:
    stop = f", or stop it: kill {holder.pid}" if holder.pid is not None else ""
    return UsageError(f"{path} is being trained by {holder}", help=f"wait until it ends{stop}")


def _mend_latest(removed: Path) -> None:
    """Makes `latest` the newest of the runs that are left, where it was a link to one that is not."""
    link = removed.with_name(LATEST)
    try:
        if str(link.readlink()) != removed.name:
            return
        with contextlib.suppress(UsageError, ResourceError):
            point_latest_at(find_run(None, removed.parent))
        if str(link.readlink()) == removed.name:  # no run is left
            link.unlink()
    except OSError:  # there is no such link, or it can't be changed: it is a convenience
        return
