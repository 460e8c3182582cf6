"""What run.json says of a run, read as that of a stranger: anything may stand in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from dlcli.errors import DlcliError
from dlcli.runtime.lock import holder_of
from dlcli.training.run_folder import RunFolder, find_run

UNREADABLE: Final = "unreadable"
KILLED: Final = "killed"
"""The status of a run that is said to be running, and that nobody trains."""

_MOST_LEVELS: Final = 32
"""Of a record: dlcli's have five."""

_MOST_PLUGINS: Final = 16
"""That a command is shown with."""

STATUSES: Final = ("running", "completed", "interrupted", "diverged", "failed", KILLED, UNREADABLE)


@dataclass(frozen=True)
class KeptRun:
    """A run's folder and its record.

    Attributes:
        path: the folder.
        record: what run.json holds; nothing where it can't be read.
        problem: why it can't.
    """

    path: Path
    record: Mapping[str, Any]
    problem: str | None = None

    @classmethod
    def at(cls, path: Path) -> KeptRun:
        """Reads a run's record; whatever is wrong with it is the `problem`."""
        try:
            record = RunFolder(path).read_record()
        except DlcliError as error:
            return cls(path, {}, error.message)
        if not _is_shallow(record, _MOST_LEVELS):
            return cls(path, {}, f"{path / 'run.json'} is nested deeper than {_MOST_LEVELS} levels")
        is_told = text_at(record, "status") in STATUSES
        return cls(path, record, None if is_told else f"{path / 'run.json'} does not say how the run stands")

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def status(self) -> str:
        """One of `STATUSES`: what run.json says, or `killed` where it says running, and nobody has the run's lock."""
        status = text_at(self.record, "status")
        if status not in STATUSES:
            return UNREADABLE
        return KILLED if status == "running" and holder_of(self.path) is None else status

    @property
    def config(self) -> str | None:
        """The path of the file that the run was trained with."""
        return text_at(self.record, "config")

    @property
    def started(self) -> datetime | None:
        return _moment(self.record.get("started"))

    @property
    def last_worked_on(self) -> float:
        """When it was begun or last taken up, in seconds since 1970; 0 where its record does not say."""
        resumed = self.record.get("resumed")
        last = resumed[-1] if isinstance(resumed, list) and resumed else None
        moments = [_moment(text_at(last, "at")), self.started]
        return max((moment.timestamp() for moment in moments if moment is not None), default=0.0)

    @property
    def metric(self) -> str | None:
        """What the monitored value is called on each split: `accuracy`, `loss`, of several outputs `digit/accuracy`."""
        key = self.monitored
        return key.partition("/")[2] or key if key is not None else None

    @property
    def monitored(self) -> str | None:
        """The same as the log of metrics has it: `valid/accuracy`."""
        return text_at(self.record, "best", "metric")

    @property
    def best(self) -> float | None:
        """The monitored value of the best epoch."""
        return number_at(self.record, "best", "value")

    @property
    def test(self) -> float | None:
        """The same figure on the test split."""
        return number_at(self.record, "test", self.metric) if self.metric is not None else None

    @property
    def train_seconds(self) -> float | None:
        return number_at(self.record, "train_seconds")

    @property
    def parameters(self) -> int | None:
        return whole_at(self.record, "parameters")

    @property
    def epochs(self) -> int | None:
        return whole_at(self.record, "epochs")

    def as_json(self) -> dict[str, Any]:
        """What `runs list --json` says of it."""
        return {
            "run": str(self.path),
            "name": self.name,
            "status": self.status,
            "config": self.config,
            "data": text_at(self.record, "data", "used"),
            "data_asked": text_at(self.record, "data", "asked"),
            "started": text_at(self.record, "started"),
            "epochs": self.epochs,
            "metric": self.metric,
            "best": self.best,
            "test": self.test,
            "train_seconds": self.train_seconds,
            "parameters": self.parameters,
            "device": text_at(self.record, "device"),
            "problem": self.problem,
        }


def find_kept(run: str | None, runs: Path) -> KeptRun:
    """A run by its folder, its name or, for None, the newest.

    Raises:
        UsageError: there is no such run.
    """
    return KeptRun.at(find_run(run, runs).path)


def value_at(record: object, *keys: str) -> object:
    """What the keys lead to; None where one of them leads nowhere."""
    for key in keys:
        record = record.get(key) if isinstance(record, Mapping) else None
    return record


def text_at(record: object, *keys: str) -> str | None:
    """The text that the keys lead to, if it is one."""
    found = value_at(record, *keys)
    return found if isinstance(found, str) else None


def number_at(record: object, *keys: str) -> float | None:
    """The number that the keys lead to, if it is one and finite."""
    return number(value_at(record, *keys))


def whole_at(record: object, *keys: str) -> int | None:
    """The whole number that the keys lead to, if it is one that a count can be."""
    found = value_at(record, *keys)
    return found if type(found) is int and 0 <= found < 2**63 else None


def number(value: object) -> float | None:
    """The value as a number, if it is one and finite."""
    if type(value) is not int and type(value) is not float:
        return None
    with suppress(OverflowError):  # of a whole number of many digits
        return float(value) if math.isfinite(value) else None
    return None


def plugin_words(record: object) -> list[str]:
    """The words of a command that load the plug-ins which a run names; who shows them quotes them for a shell."""
    plugins = value_at(record, "plugins")
    texts = [plugin for plugin in plugins if isinstance(plugin, str)] if isinstance(plugins, list) else []
    return [word for plugin in texts[:_MOST_PLUGINS] for word in ("--plugin", plugin)]


def _is_shallow(value: object, levels: int) -> bool:
    """Whether lists and mappings stand in each other at most so deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is None or (levels > 0 and all(_is_shallow(item, levels - 1) for item in inner))


def _moment(text: object) -> datetime | None:
    """A moment of our time zone, or of the one that stands beside it."""
    if not isinstance(text, str):
        return None
    with suppress(ValueError, OverflowError, OSError):  # no date, or one of year 1 that is another in UTC
        return datetime.fromisoformat(text).astimezone()
    return None
