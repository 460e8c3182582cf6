"""The checkpoints of a run: their names, which is the newest and the best, and which go."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from dlcli.errors import CheckpointError
from dlcli.runtime.durable_files import disk_errors, reading_errors, remove_leftovers, sync_folder, write_durably
from dlcli.training.checkpoint import Checkpoint, load_checkpoint
from dlcli.training.manifest import FormatError
from dlcli.training.progress import Best

_NAME: Final = re.compile(r"step-(\d{8,})(?:\.(\d+))?")
_LEFTOVER: Final = re.compile(rf"\.{_NAME.pattern}\.\d+\.(?:tmp|old)")
_SET_ASIDE: Final = "damaged-"

HINTS: Final = ("best.json", "last.json")
"""The files that name the best and the last checkpoint."""

RESTORE: Final = "restore the run from a copy, or train anew"
"""What to do about damage that nothing else mends."""


def free_name(folder: Path, step: int) -> Path:
    """`step-00000938`; with `.1` and so on behind it where the run was saved at that step before."""
    target, again = folder / f"step-{step:08d}", 0
    while target.exists():
        again += 1
        target = folder / f"step-{step:08d}.{again}"
    return target


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the oldest first; none where there is no such folder.

    Raises:
        ResourceError: the folder can't be read.
    """
    with reading_errors(folder):
        named = [(match, path) for path in _inside(folder) if (match := _NAME.fullmatch(path.name)) and path.is_dir()]
    return [path for match, path in sorted(named, key=lambda pair: (int(pair[0][1]), int(pair[0][2] or 0)))]


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def checkpoint_of_step(folder: Path, step: int) -> Path | None:
    """The checkpoint that was written after a step; the last one where there are several."""
    base = f"step-{step:08d}"
    matching = [path for path in list_checkpoints(folder) if path.name == base or path.name.startswith(f"{base}.")]
    return matching[-1] if matching else None


def load_newest(folder: Path, on_notice: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that verifies; None where there never was one.

    Args:
        folder: of the checkpoints.
        on_notice: takes a line for each that is newer and does not verify.

    Raises:
        FormatError: a newer version of dlcli wrote the newest.
        CheckpointError: there are some, and none verifies.
        ResourceError: one can't be read for now, which is no reason to go back to another.
    """
    problems: list[str] = []
    for path in reversed(list_checkpoints(folder)):
        try:
            checkpoint = load_checkpoint(path)
        except FormatError:
            raise
        except CheckpointError as error:
            problems.append(error.message)
            continue
        for problem in problems:
            on_notice(f"{problem}; going back to {path.name}")
        return checkpoint
    if problems:
        listed = "\n  ".join(problems)
        raise CheckpointError(f"no checkpoint verifies:\n  {listed}", help=RESTORE)
    return None


def set_aside_after(newest: Checkpoint) -> None:
    """Calls what comes after the newest checkpoint that verifies `damaged-...`, so that it is not counted among the newest.

    For the holder of the run's lock alone.

    Raises:
        ResourceError: one can't be renamed.
    """
    paths = list_checkpoints(newest.path.parent)
    for path in reversed(paths[paths.index(newest.path) + 1 :]):
        _set_aside(path)


def _set_aside(path: Path) -> None:
    target, again = path.with_name(f"{_SET_ASIDE}{path.name}"), 0
    with disk_errors(path):
        while target.exists():
            again += 1
            target = path.with_name(f"{_SET_ASIDE}{path.name}-{again}")
        path.rename(target)
        sync_folder(path.parent)


def list_set_aside(folder: Path) -> list[Path]:
    """The checkpoints that were set aside for being damaged.

    Raises:
        ResourceError: the folder can't be read.
    """
    with reading_errors(folder):
        return sorted(path for path in _inside(folder) if path.name.startswith(_SET_ASIDE))


def best_checkpoint(folder: Path, on_notice: Callable[[str], None]) -> Path | None:
    """The checkpoint of the best epoch: where the hint points, or else what the newest checkpoint says.

    Raises:
        CheckpointError: there is no hint, and no checkpoint verifies.
    """
    hinted = read_hint(folder, "best")
    if hinted is not None:
        return hinted
    newest = load_newest(folder, on_notice)
    best = newest.state.get("progress", {}).get("best") if newest else None
    return checkpoint_of_step(folder, best["step"]) if best else None


def best_saved(folder: Path, best: Best | None, on_notice: Callable[[str], None]) -> Path | None:
    """The checkpoint of the best epoch; where the disk did not take it, the newest, which is then noted as the best.

    Args:
        folder: of the checkpoints.
        best: what the training knows of that epoch.
        on_notice: takes a line where it is another.

    Raises:
        ResourceError: that can't be noted.
    """
    path = checkpoint_of_step(folder, best.step) if best else None
    saved = list_checkpoints(folder)
    if best is None or path is not None or not saved:
        return path
    newest = saved[-1]
    on_notice(f"the disk did not take the checkpoint of the best epoch ({best.epoch}): {newest.name} is judged in its place")
    write_hint(folder, "best", newest, step_of(newest))
    return newest


def step_of(path: Path) -> int:
    """The step after which a checkpoint was written, by its name."""
    return int(path.name.removeprefix("step-").partition(".")[0])


def point_at(folder: Path, which: str, step: int | None) -> Path | None:
    """Notes the checkpoint of a step as `best` or `last`, where that is not noted yet.

    Returns:
        The checkpoint; None where there is none of that step.
    """
    path = checkpoint_of_step(folder, step) if step is not None else None
    if path is not None and step is not None and path != read_hint(folder, which):
        write_hint(folder, which, path, step)
    return path


def write_hint(folder: Path, which: str, path: Path, step: int) -> None:
    """Notes which checkpoint is `best` or `last`: a hint, checked wherever it is read."""
    write_durably(folder / f"{which}.json", json.dumps({"checkpoint": path.name, "step": step}).encode())


def read_hint(folder: Path, which: str) -> Path | None:
    """The checkpoint that the hint names, if it is there."""
    try:
        name = json.loads((folder / f"{which}.json").read_bytes())["checkpoint"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    known = {path.name: path for path in list_checkpoints(folder)}
    return known.get(name) if isinstance(name, str) else None


def prune(folder: Path, keep: Iterable[Path], newest: int = 2) -> None:
    """Removes all checkpoints but those to keep and the newest ones, and what killed processes left half done.

    Raises:
        ResourceError: one can't be removed.
    """
    checkpoints = list_checkpoints(folder)
    kept = {*keep, *checkpoints[-newest:]}
    remove_half_done(folder)
    for path in checkpoints:
        if path not in kept:
            with disk_errors(path):
                path.rename(folder / f".{path.name}.{os.getpid()}.old")
            remove_half_done(folder)


def remove_half_done(folder: Path) -> None:
    """Removes what processes that were killed left half written or half removed.

    Raises:
        ResourceError: it can't be looked for, or a hint half written can't be removed; a checkpoint is tried again next time.
    """
    with disk_errors(folder):
        for path in _inside(folder):
            if _LEFTOVER.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)
        remove_leftovers(folder, HINTS)
