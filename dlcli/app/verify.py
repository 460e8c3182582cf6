"""Whether a run is still what its training wrote."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dlcli.app.replay import Replay
from dlcli.config import compose
from dlcli.config.diagnostics import ConfigError
from dlcli.errors import CheckpointError, DlcliError
from dlcli.runtime.lock import Holder, holder_of
from dlcli.training.checkpoint import Checkpoint, load_checkpoint
from dlcli.training.checkpoint_folder import HINTS, RESTORE, list_checkpoints, list_set_aside, read_hint
from dlcli.training.manifest import FormatError, read_manifest, read_verified
from dlcli.training.run_folder import RunFolder, find_run


@dataclass
class Verification:
    """What `dlcli verify` found.

    Attributes:
        run: the run's folder.
        status: as in run.json; `killed` where that says running, and nothing runs.
        files: how many files were compared with what a manifest says of them.
        problems: what is not as it was written, a line each.
        help: what to do about them.
        notes: what is not wrong, and good to know.
        replay: what came of training again, where that was asked for.
    """

    run: Path
    status: str
    files: int = 0
    problems: list[str] = field(default_factory=list)
    help: str | None = None
    notes: list[str] = field(default_factory=list)
    replay: Replay | None = None

    @property
    def verified(self) -> bool:
        """Whether all is as it was written, and training again gave the same."""
        return not self.problems and (self.replay is None or self.replay.equal)

    def as_json(self) -> dict[str, Any]:
        """What `verify --json` prints."""
        return {**asdict(self), "run": str(self.run), "verified": self.verified}


def verify(run: str | Path | None, runs: Path) -> Verification:
    """Compares every file of a run with its manifests, and what they say with each other. Writes nothing.

    Args:
        run: its folder, its name, or None for the newest.
        runs: the folder of all runs.

    Raises:
        UsageError: there is no such run.
    """
    folder = find_run(run, runs)
    holder = holder_of(folder.path)
    found = Verification(folder.path, _status(folder, holder))
    if holder is not None:
        found.notes.append(f"it is being trained by {holder}: its checkpoints alone are checked")
    elif folder.is_sealed:
        _check_sealed(folder, found)
    else:
        found.notes.append("its training did not end in order: only checkpoints have checksums until it goes on and ends")
    newest, num_after = _check_checkpoints(folder, found)
    if holder is None:
        _check_hints(folder, found)
        _check_log(folder, newest, found)
        _check_config(folder, found)
    if found.problems:
        found.help = RESTORE
        if newest is not None and len(found.problems) == num_after:
            found.help = f"dlcli train --resume {folder.path} goes on from {newest.path.name}, and sets what is damaged aside"
    return found


def _status(folder: RunFolder, holder: Holder | None) -> str:
    try:
        status = str(folder.read_record().get("status"))
    except CheckpointError:
        return "unknown"
    return "killed" if status == "running" and holder is None else status


def _check_sealed(folder: RunFolder, found: Verification) -> None:
    """The files beside the checkpoints."""
    try:
        entries = read_manifest(folder.path)
    except CheckpointError as error:
        found.problems.append(error.message)
        return
    found.files += 1
    for name, entry in entries.items():
        found.files += 1
        try:
            read_verified(folder.path / name, entry)
        except CheckpointError as error:
            found.problems.append(error.message)


def _check_checkpoints(folder: RunFolder, found: Verification) -> tuple[Checkpoint | None, int]:
    """Each checkpoint; gives the newest that verifies, and how many after it are damaged."""
    newest, num_after = None, 0
    for path in list_checkpoints(folder.checkpoints):
        try:
            newest = load_checkpoint(path)
            listed = {"MANIFEST.json", *read_manifest(path)}
        except CheckpointError as error:
            if path.exists():  # else the training that goes on needed it no more
                found.problems.append(error.message)
                num_after += not isinstance(error, FormatError)
            continue
        num_after = 0
        found.files += len(listed)
        found.problems += [f"{file} belongs to no checkpoint" for file in path.iterdir() if file.name not in listed]
    found.notes += [f"{path} was damaged when the run went on: it was set aside" for path in list_set_aside(folder.checkpoints)]
    if newest is None and not found.problems:
        found.notes.append("it has no checkpoint yet")
    return newest, num_after


def _check_hints(folder: RunFolder, found: Verification) -> None:
    for name in HINTS:
        path = folder.checkpoints / name
        if path.exists():
            found.files += 1
            if read_hint(folder.checkpoints, path.stem) is None:
                found.problems.append(f"{path} names no checkpoint that is there")


def _check_log(folder: RunFolder, newest: Checkpoint | None, found: Verification) -> None:
    """Each epoch has one line, up to the newest checkpoint's last."""
    path = folder.metrics.path
    epochs = [event.get("epoch") for event in folder.metrics.read()]
    ended = newest.state.get("progress", {}).get("epoch", 0) if newest else 0
    if epochs != list(range(1, len(epochs) + 1)):
        found.problems.append(f"{path} does not have each epoch once, in order: {epochs}")
    elif len(epochs) < ended:
        found.problems.append(f"{path} ends with epoch {len(epochs)}, and {newest.path.name if newest else ''} with {ended}")


def _check_config(folder: RunFolder, found: Verification) -> None:
    try:
        compose.load(folder.resolved_config)
    except ConfigError as error:
        found.problems.append(f"{folder.resolved_config} can't be read: {error.diagnostics[0].message}")
    except DlcliError as error:
        found.problems.append(error.message)
