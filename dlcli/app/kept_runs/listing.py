"""The runs of a folder, chosen and sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dlcli.app.kept_runs.record import KeptRun
from dlcli.config.metrics import METRICS
from dlcli.runtime.durable_files import reading_errors
from dlcli.training.run_folder import is_run

Order = Literal["started", "test", "best", "time", "parameters", "name"]


@dataclass(frozen=True)
class Selection:
    """Which runs are listed; None takes all.

    Attributes:
        status: of these runs, see `STATUSES`.
        config: what they were trained with: the name of its file, with or without its ending, or its whole path.
    """

    status: str | None = None
    config: str | None = None

    def takes(self, run: KeptRun) -> bool:
        """Whether a run is meant."""
        if self.status is not None and run.status != self.status:
            return False
        return self.config is None or self.config in _names_of_config(run)


def list_runs(runs: Path, selection: Selection = Selection(), order: Order = "started") -> list[KeptRun]:
    """The runs of a folder; none where there is no such folder. Only run.json of each is read.

    Args:
        runs: the folder of all runs.
        selection: which of them.
        order: started: what was begun or taken up last comes first; test and best: the best figure first, runs of one metric
            side by side; time: the longest training first; parameters: the largest network first; name: from a to z. What
            a run has no value of stands at the end.

    Raises:
        ResourceError: the folder can't be read.
    """
    with reading_errors(runs):
        paths = [path for path in runs.iterdir() if is_run(path)] if runs.is_dir() else []
    newest_first = sorted(map(KeptRun.at, paths), key=lambda run: (run.last_worked_on, run.name), reverse=True)
    return _sorted((run for run in newest_first if selection.takes(run)), order)


def _names_of_config(run: KeptRun) -> tuple[str, ...]:
    if run.config is None:
        return ()
    path = Path(run.config)
    return (run.config, path.name, path.stem)


def _sorted(runs: Iterable[KeptRun], order: Order) -> list[KeptRun]:
    if order == "started":
        return list(runs)
    if order == "name":
        return sorted(runs, key=lambda run: run.name)
    keys = [(_KEYS[order](run), run) for run in runs]
    there = sorted(((key, run) for key, run in keys if key is not None), key=lambda pair: pair[0])
    return [*(run for _, run in there), *(run for key, run in keys if key is None)]


def _figure_key(run: KeptRun, value: float | None) -> tuple[str, float] | None:
    """By metric, and within one the best first."""
    if run.metric is None or value is None:
        return None
    return run.metric, -value if larger_is_better(run.metric) else value


def larger_is_better(metric: str) -> bool:
    """Which way a metric is better, by its name; so is one of a plug-in, whose way is not known."""
    name = metric.rpartition("/")[2]
    return name != "loss" and (name not in METRICS or METRICS[name].larger_is_better)


_KEYS: Final[Mapping[Order, Callable[[KeptRun], tuple[str, float] | None]]] = {
    "test": lambda run: _figure_key(run, run.test),
    "best": lambda run: _figure_key(run, run.best),
    "time": lambda run: None if run.train_seconds is None else ("", -run.train_seconds),
    "parameters": lambda run: None if run.parameters is None else ("", -run.parameters),
}
