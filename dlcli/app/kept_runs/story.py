"""A run as it is told to a person: what happened, what there is of it, and what can be done with it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from dlcli.app.kept_runs.epochs import Epochs, read_epochs
from dlcli.app.kept_runs.next_steps import next_steps
from dlcli.app.kept_runs.record import KeptRun, find_kept, text_at
from dlcli.errors import DlcliError
from dlcli.runtime.lock import holder_of
from dlcli.training.manifest import read_limited
from dlcli.training.run_folder import RunFolder

_CHECKPOINT: Final = re.compile(r"(?:damaged-)?step-(\d{1,18})\b.*")


@dataclass(frozen=True)
class Entry:
    """A file, or a folder with all that is in it; links are not followed.

    Attributes:
        name: a folder's ends with `/`.
        files: how many there are in it.
        size: their bytes.
    """

    name: str
    files: int
    size: int


@dataclass(frozen=True)
class SavedStep:
    """A checkpoint.

    Attributes:
        name: of its folder.
        step: after which it was written.
        size: in bytes.
        is_best: whether it is noted as that of the best epoch.
        is_last: whether it is noted as the newest.
    """

    name: str
    step: int
    size: int
    is_best: bool
    is_last: bool


@dataclass(frozen=True)
class Story:
    """What there is to tell of a run.

    Attributes:
        run: the folder and its record.
        trained_by: who trains it at the moment.
        epochs: what was measured.
        entries: what is in the folder.
        checkpoints: the oldest first; what was set aside as damaged has its name.
        next: commands that go on from here.
    """

    run: KeptRun
    trained_by: str | None
    epochs: Epochs
    entries: tuple[Entry, ...]
    checkpoints: tuple[SavedStep, ...]
    next: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """What `runs show --json` prints."""
        return {
            **self.run.as_json(),
            "record": dict(self.run.record),
            "trained_by": self.trained_by,
            "files": [asdict(entry) for entry in self.entries],
            "checkpoints": [asdict(checkpoint) for checkpoint in self.checkpoints],
            "next": list(self.next),
        }


def tell(run: str | None, runs: Path) -> Story:
    """All that is known of a run.

    Args:
        run: its folder, its name, or None for the newest.
        runs: the folder of all runs.

    Raises:
        UsageError: there is no such run.
    """
    kept = find_kept(run, runs)
    holder = holder_of(kept.path)
    checkpoints = tuple(_checkpoints(RunFolder(kept.path).checkpoints))
    entries = tuple(sorted(entries_of(kept.path), key=lambda entry: entry.name))
    trained_by = None if holder is None else str(holder)
    steps = tuple(step.command for step in next_steps(kept, has_checkpoint=bool(checkpoints)))
    return Story(kept, trained_by, read_epochs(kept.path), entries, checkpoints, steps)


def entries_of(folder: Path) -> Iterator[Entry]:
    """What is in a folder, as far as it can be looked into."""
    with suppress(OSError), os.scandir(folder) as children:
        for child in children:
            is_folder = child.is_dir(follow_symlinks=False)
            files, size = _measured(child.path) if is_folder else (1, _size(child))
            yield Entry(f"{child.name}/" if is_folder else child.name, files, size)


def _measured(folder: str) -> tuple[int, int]:
    """How many files a folder has, however deep, and their bytes."""
    files, size, left = 0, 0, [folder]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as children:
            for child in children:
                if child.is_dir(follow_symlinks=False):
                    left.append(child.path)
                else:
                    files, size = files + 1, size + _size(child)
    return files, size


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:  # gone meanwhile
        return 0


def _checkpoints(folder: Path) -> list[SavedStep]:
    best, last = (_hinted(folder / f"{which}.json") for which in ("best", "last"))
    found = []
    for entry in entries_of(folder):
        name = entry.name.removesuffix("/")
        match = _CHECKPOINT.fullmatch(name)
        if match and name != entry.name:
            found.append(SavedStep(name, int(match[1]), entry.size, is_best=name == best, is_last=name == last))
    return sorted(found, key=lambda checkpoint: (checkpoint.step, checkpoint.name))


def _hinted(path: Path) -> str | None:
    """The name of the checkpoint that a hint points at."""
    with suppress(DlcliError, ValueError, RecursionError):
        return text_at(json.loads(read_limited(path)), "checkpoint")
    return None
