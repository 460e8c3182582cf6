"""The folder that a run leaves: its names, its record and its log of metrics."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from dlcli.errors import CheckpointError, ResourceError, UsageError
from dlcli.runtime.durable_files import disk_errors, reading_errors, remove_leftovers, sync_folder, unfinished_name, write_durably
from dlcli.training.manifest import MANIFEST, entry_of, manifest_of, read_limited
from dlcli.training.metrics_log import MetricsLog

LATEST: Final = "latest"
"""What the newest run is called, by whoever asks for it and by the link beside it."""

_OUTCOME: Final = "outcome.safetensors"

_SEALED: Final = ("config.yaml", "config.resolved.yaml", "run.json", "metrics.jsonl", "metrics.csv", "train.log", _OUTCOME)
"""What `RunFolder.seal` notes: all but the checkpoints, which have manifests of their own."""

_ABANDONED_AFTER: Final = 3600
"""Seconds without a change after which nobody works on a temporary file or folder any more."""

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
    def outcome(self) -> Path:
        """What is kept for a report."""
        return self.path / _OUTCOME

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def metrics(self) -> MetricsLog:
        return MetricsLog(self.path)

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

    def write_outcome(self, content: bytes) -> None:
        """Replaces what is kept for a report."""
        write_durably(self.outcome, content)

    def read_record(self) -> dict[str, Any]:
        """run.json as plain values.

        Raises:
            CheckpointError: it is not there or is no JSON object.
            ResourceError: it can't be read for now.
        """
        try:
            record = json.loads(read_limited(self.path / "run.json"))
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"{self.path / 'run.json'} can't be read: {error}") from error
        if not isinstance(record, dict):
            raise CheckpointError(f"{self.path / 'run.json'} does not hold the record of a run")
        return record

    def seal(self) -> None:
        """Notes size and SHA-256 of the files that no longer change, now that the training has ended."""
        with reading_errors(self.path):
            there = [name for name in _SEALED if (self.path / name).is_file()]
            entries = {name: entry_of((self.path / name).read_bytes()) for name in there}
        write_durably(self.path / MANIFEST, manifest_of(entries))

    def unseal(self) -> None:
        """Takes that note back: the training goes on. Also removes what killed processes left half written, and the outcome."""
        with disk_errors(self.path / MANIFEST):
            (self.path / MANIFEST).unlink(missing_ok=True)
            self.outcome.unlink(missing_ok=True)
            remove_leftovers(self.path, (*_SEALED, MANIFEST))

    @property
    def is_sealed(self) -> bool:
        return (self.path / MANIFEST).is_file()


def check_name(name: str) -> None:
    """Raises UsageError unless a run can be called so."""
    if not _SAFE_NAME.fullmatch(name) or name == LATEST:
        help = "use letters, digits, `_`, `-` and `.`, and not `latest`"
        raise UsageError(f"a run can't be called `{name}`", help=help)


def create_run_folder(runs: Path, stem: str, name: str | None, fill: Callable[[RunFolder], None]) -> RunFolder:
    """Makes the folder of a new run: there with all that it begins with, or not at all.

    Args:
        runs: the folder of all runs; made if it is not there.
        stem: of the config's name, for a run without a name of its own.
        name: the run's own name.
        fill: writes what the folder begins with, into a temporary one.

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
        _remove_abandoned(runs)
        temporary = runs / f".{base}.{os.getpid()}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            (temporary / "checkpoints").mkdir(parents=True)
            fill(RunFolder(temporary))
            sync_folder(temporary)
            return RunFolder(_renamed(temporary, base, may_count=name is None))
        except ResourceError as error:
            raise ResourceError(error.message.replace(str(temporary), str(runs / base)), help=error.help) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(runs: Path) -> None:
    """Removes what killed processes left of the making of a run's folder and of `latest`, which take no more than a moment."""
    for path in runs.iterdir():
        with contextlib.suppress(OSError):
            if unfinished_name(path) is None or time.time() - path.lstat().st_mtime < _ABANDONED_AFTER:
                continue
            if path.is_symlink():
                path.unlink()
            elif (path / "checkpoints").is_dir():
                shutil.rmtree(path)


def _renamed(temporary: Path, base: str, *, may_count: bool) -> Path:
    """Gives a new run's folder its name, with a number behind it where that is taken."""
    for again in range(1, 1000):
        path = temporary.with_name(base if again == 1 else f"{base}-{again}")
        try:
            temporary.rename(path)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            if not may_count:
                help = f"choose another --name, or go on with it: --resume {path}"
                raise UsageError(f"there is a run {path} already", help=help) from None
            continue
        sync_folder(path.parent)
        return path
    raise UsageError(f"there are too many runs called {base} in {temporary.parent}")


def point_latest_at(folder: RunFolder) -> None:
    """Makes `runs/latest` a link to the run, where the file system has links."""
    link = folder.path.parent / LATEST
    temporary = link.with_name(f".{LATEST}.{os.getpid()}.tmp")
    try:
        temporary.symlink_to(folder.path.name, target_is_directory=True)
        temporary.replace(link)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def find_run(run: str | Path | None, runs: Path, *, config: str | None = None) -> RunFolder:
    """The folder of a run.

    Args:
        run: a folder, a name under `runs`, or None or `latest` for the newest: the one that was begun or taken up last.
        runs: the folder of all runs.
        config: for the newest: only of the runs that this config, by its path, was trained to.

    Raises:
        UsageError: there is no such run.
        ResourceError: the folder of all runs can't be read, and is asked for the newest or for the names in it.
    """
    if run is None or str(run) == LATEST:
        return _newest(runs, config)
    for path in (Path(run), runs / run):
        target = _followed(path)
        if is_run(target):
            return RunFolder(target)
    names = ", ".join(path.name for path in reversed(_oldest_first(runs)[-5:]))
    raise UsageError(f"there is no run `{run}`", help=f"the newest are: {names}" if names else f"there are none in {runs}")


def _newest(runs: Path, config: str | None) -> RunFolder:
    """As `find_run` gives it."""
    found = _oldest_first(runs)
    if config is not None:
        found = [path for path in found if _config_of(path) == Path(config).resolve()]
    if not found:
        what = f"run of {config}" if config is not None else "run"
        help = f"train one: dlcli train {config or 'my.yaml'} --runs-dir {runs}"
        if config is None:
            help += "; a config to start from: dlcli init my.yaml"
        raise UsageError(f"there is no {what} in {runs}", help=help)
    return RunFolder(found[-1])


def _followed(path: Path) -> Path:
    """What a path leads to; itself where it is no link, or leads nowhere."""
    try:
        return path.resolve(strict=True) if path.is_symlink() else path
    except (OSError, RuntimeError):  # the second for links in a circle
        return path


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run; `latest` does not count, nor what is not complete or can't be looked into."""
    try:
        return path.is_dir() and path.name != LATEST and not path.name.startswith(".") and (path / "run.json").is_file()
    except OSError:
        return False


def _config_of(path: Path) -> Path | None:
    """The config that a run was trained with, where its record says so."""
    try:
        return Path(json.loads((path / "run.json").read_bytes())["config"]).resolve()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _oldest_first(runs: Path) -> list[Path]:
    """All runs in a folder, the one that was begun or taken up last at the end; none where there is no such folder."""
    with reading_errors(runs):
        found = [path for path in runs.iterdir() if is_run(path)] if runs.is_dir() else []
    return sorted(found, key=lambda path: (_last_worked_on(path), path.name))


def _last_worked_on(path: Path) -> float:
    """When a run was begun or last taken up, in seconds since 1970; 0 where its record does not say."""
    try:
        record = json.loads((path / "run.json").read_bytes())
        times = [record["started"], *(resumed["at"] for resumed in record["resumed"][-1:])]
        return max(datetime.fromisoformat(time).timestamp() for time in times)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0.0
