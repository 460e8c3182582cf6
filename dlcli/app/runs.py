"""A finished run, as people and scripts get it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.config import compose, experiment
from dlcli.config.experiment import Experiment
from dlcli.config.facts import DataFacts
from dlcli.config.tree import shortened
from dlcli.errors import CheckpointError, UsageError
from dlcli.plugins import installed
from dlcli.training.run_folder import RunFolder, find_run


@dataclass(frozen=True)
class Run:
    """A run and what is known of it.

    Attributes:
        path: its folder.
        record: the content of its run.json.
    """

    path: Path
    record: dict[str, Any]

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.path)

    @property
    def exit_code(self) -> int:
        """As the command ends: 0, or 130 and 143 after an interruption."""
        return int(self.record["exit_code"])

    def summary(self) -> dict[str, Any]:
        """What `train --json` prints."""
        record, data = self.record, self.record["data"]
        keys = ("status", "epochs", "step", "train_seconds", "samples_per_second", "device")
        beside = {"baseline": record["baseline"]} if record.get("baseline") else {}
        return {
            "run": str(self.path),
            **{key: record[key] for key in keys},
            "data": {"name": data["used"], "fallback": data["used"] != data["asked"]},
            "best": record["best"],
            "test": record["test"],
            "parameters": record["parameters"],
            **beside,
        }


def read_checked_record(folder: RunFolder) -> dict[str, Any]:
    """The record of a run, as far as others rely on it.

    Raises:
        UsageError: the run was trained with a plug-in that is not loaded.
        CheckpointError: it can't be read, or is not what a training writes.
    """
    record = folder.read_record()
    expected = {"data": dict, "overrides": list, "resumed": list, "plugins": list}
    for key, kind in expected.items():
        if not isinstance(record.get(key), kind):
            help = "restore it from a copy: runs can't be used without what it says of their data"
            raise CheckpointError(f"{folder.path / 'run.json'} has no proper `{key}`", help=help)
    _check_plugins(folder, record)
    return record


def _check_plugins(folder: RunFolder, record: dict[str, Any]) -> None:
    """A run names its plug-ins; only a person loads them."""
    there = {Path(origin).name for origin in installed()}
    for origin in record["plugins"]:
        name = Path(str(origin)).name
        if name not in there:
            raise UsageError(f"{folder.path} was trained with the plug-in {name}", help=f"give it: --plugin {origin}")


def open_run(run: Run | str | Path | None, runs: Path) -> Run:
    """A run by its folder, its name or, for None, the newest.

    Raises:
        UsageError: there is no such run.
        CheckpointError: its record can't be read.
    """
    if isinstance(run, Run):
        return run
    try:
        folder = find_run(run, runs)
    except OSError as error:
        what = f"there is no run `{shortened(str(run))}`: {error.strerror}"
        raise UsageError(what, help="give a run's folder or its name under runs/") from error
    return Run(folder.path, read_checked_record(folder))


def recorded_experiment(folder: RunFolder, overrides: Iterable[str] = ()) -> Experiment:
    """The experiment of a run from what it recorded: its data need not be there.

    Args:
        folder: the run's.
        overrides: as for `--set`.

    Raises:
        UsageError: the run was trained with a plug-in that is not loaded.
        CheckpointError: the record does not say what the data was.
    """
    try:
        facts = DataFacts.from_json(read_checked_record(folder)["data"]["facts"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder.path / 'run.json'} does not say what the data was: {error}") from error
    return experiment.resolve(compose.load(folder.resolved_config, overrides), lambda _: facts)
