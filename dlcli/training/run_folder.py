"""The folder that a run leaves: its names, its record and its log of metrics."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from dlcli.errors import CheckpointError, UsageError
from dlcli.runtime.durable_files import disk_errors, write_durably

LATEST: Final = "latest"
_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class RunFolder:
    """A run's folder and the files in it."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def resolved_config(self) -> Path:
        return self.path / "config.resolved.yaml"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    @property
    def _metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    def write_configs(self, given: str, resolved: str) -> None:
        """Keeps the config as it was given and as it was understood."""
        write_durably(self.path / "config.yaml", given.encode())
        self.write_resolved(resolved)

    def write_resolved(self, resolved: str) -> None:
        """Replaces the config as it is understood: a run that goes on may have been given new limits."""
        write_durably(self.resolved_config, resolved.encode())

    def write_record(self, record: dict[str, Any]) -> None:
        """Replaces run.json."""
        write_durably(self.path / "run.json", json.dumps(record, indent=2).encode() + b"\n")

    def read_record(self) -> dict[str, Any]:
        """run.json as plain values.

        Raises:
            CheckpointError: it is not there or is no JSON object.
        """
        try:
            record = json.loads((self.path / "run.json").read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{self.path / 'run.json'} can't be read: {error}") from error
        if not isinstance(record, dict):
            raise CheckpointError(f"{self.path / 'run.json'} does not hold the record of a run")
        return record

    def append_metrics(self, event: dict[str, Any]) -> None:
        """Adds a line to metrics.jsonl and writes metrics.csv anew, one row an epoch."""
        with disk_errors(self._metrics), self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._write_csv(self.read_metrics())

    def read_metrics(self) -> list[dict[str, Any]]:
        """The events of metrics.jsonl; a last line cut off by a crash does not count."""
        if not self._metrics.exists():
            return []
        events = []
        for line in self._metrics.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                break
        return events

    def forget_after(self, epoch: int) -> None:
        """Drops what was logged after the last epoch that a run goes on from: it will be logged again."""
        if not self._metrics.exists():
            return
        events = [event for event in self.read_metrics() if event["epoch"] <= epoch]
        write_durably(self._metrics, "".join(json.dumps(event) + "\n" for event in events).encode())
        self._write_csv(events)

    def _write_csv(self, events: list[dict[str, Any]]) -> None:
        epochs = [{key: value for key, value in event.items() if key != "event"} for event in events if event["event"] == "epoch"]
        table = io.StringIO()
        if epochs:
            writer = csv.DictWriter(table, fieldnames=list(epochs[0]), restval="", extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(epochs)
        write_durably(self.path / "metrics.csv", table.getvalue().encode())


def check_name(name: str) -> None:
    """Raises UsageError unless a run can be called so."""
    if not _SAFE_NAME.fullmatch(name) or name == LATEST:
        help = "use letters, digits, `_`, `-` and `.`, and not `latest`"
        raise UsageError(f"a run can't be called `{name}`", help=help)


def create_run_folder(runs: Path, stem: str, name: str | None) -> RunFolder:
    """Makes the folder of a new run.

    Args:
        runs: the folder of all runs; made if it is not there.
        stem: of the config's name, for a run without a name of its own.
        name: the run's own name.

    Raises:
        UsageError: the name can't be one, or a run of that name is there already.
        ResourceError: the folder can't be made.
    """
    if name is not None:
        check_name(name)
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.") or "run"
    base = name or f"{stem[:60]}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    with disk_errors(runs / base):
        try:
            runs.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{runs} is not a folder", help="name another with --runs-dir") from None
        for again in range(1, 1000):
            path = runs / (base if again == 1 else f"{base}-{again}")
            try:
                path.mkdir()
            except FileExistsError:
                if name is not None:
                    help = f"choose another --name, or go on with it: --resume {path}"
                    raise UsageError(f"there is a run {path} already", help=help) from None
                continue
            (path / "checkpoints").mkdir()
            return RunFolder(path)
    raise UsageError(f"there are too many runs called {base} in {runs}")


def point_latest_at(folder: RunFolder) -> None:
    """Makes `runs/latest` a link to the run, where the file system has links."""
    link = folder.path.parent / LATEST
    temporary = link.with_name(f".{LATEST}.{os.getpid()}.tmp")
    try:
        temporary.symlink_to(folder.path.name, target_is_directory=True)
        temporary.replace(link)
    except OSError:
        temporary.unlink(missing_ok=True)


def discard_run_folder(folder: RunFolder) -> None:
    """Removes a run that never took a step."""
    shutil.rmtree(folder.path, ignore_errors=True)


def find_run(run: str | Path | None, runs: Path, *, config: str | None = None) -> RunFolder:
    """The folder of a run.

    Args:
        run: a folder, a name under `runs`, or None for the newest.
        runs: the folder of all runs.
        config: for the newest: only of the runs that this config, by its path, was trained to.

    Raises:
        UsageError: there is no such run.
    """
    found = _oldest_first(path for path in runs.iterdir() if is_run(path)) if runs.is_dir() else []
    if run is None or str(run) == LATEST:
        if config is not None:
            found = [path for path in found if _config_of(path) == Path(config).resolve()]
        if not found:
            what = f"run of {config}" if config is not None else "run"
            help = f"train one: dlcli train {config or 'configs/cnn.yaml'} --runs-dir {runs}"
            raise UsageError(f"there is no {what} in {runs}", help=help)
        return RunFolder(found[-1])
    for path in (Path(run), runs / run):
        target = path.resolve() if path.is_symlink() else path
        if is_run(target):
            return RunFolder(target)
    help = "the newest are: " + ", ".join(path.name for path in reversed(found[-5:])) if found else f"there are none in {runs}"
    raise UsageError(f"there is no run `{run}`", help=help)


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run; links don't count."""
    return path.is_dir() and path.name != LATEST and (path / "run.json").is_file()


def _config_of(path: Path) -> Path | None:
    """The config that a run was trained with, where its record says so."""
    try:
        return Path(json.loads((path / "run.json").read_bytes())["config"]).resolve()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _oldest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (started(path), path.name))


def started(path: Path) -> float:
    """When a run was started, in seconds since 1970; 0 where its record does not say."""
    try:
        return datetime.fromisoformat(json.loads((path / "run.json").read_bytes())["started"]).timestamp()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0.0
