"""The logger `mlflow`: a file store in the run's folder. No server is asked, and nothing is reported to anyone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from dlcli.errors import ResourceError
from dlcli.runtime.durable_files import size_text
from dlcli.training.loggers.run_logger import LoggedRun, RunLogger
from dlcli.training.loggers.step_losses import StepLosses
from dlcli.training.progress import Progress

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when MLflow is imported
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # MLflow would rather have a database, whose parts are large

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

FOLDER: Final = "mlruns"
EXPERIMENT: Final = "dlcli"
STEP_LOSS: Final = "step/loss"

_PARAMS_AT_ONCE: Final = 100
"""More at a time MLflow does not take."""
_MOST_BYTES: Final = 256_000_000
_STATUSES: Final = {"completed": "FINISHED", "interrupted": "KILLED"}


def build(run: LoggedRun) -> RunLogger:
    """The logger of a run."""
    return MlflowLogger(run)


def _check_size(folder: Path) -> None:
    """Raises ResourceError where MLflow would have too much to read: all that a run has written is looked at again."""
    if sum(path.lstat().st_size for path in folder.rglob("*")) > _MOST_BYTES:
        raise ResourceError(
            f"{folder} holds more than {size_text(_MOST_BYTES)}, and all of it would be read", help="move it away"
        )


class MlflowLogger(RunLogger):
    """Writes every figure of each epoch, losses of steps, the hyper-parameters and the result.

    A run that goes on stays one run of MLflow, and points that it has already are not written again. MLflow does not let
    hyper-parameters change: those that do become tags.

    Args:
        run: what is logged.
    """

    def __init__(self, run: LoggedRun) -> None:
        self._losses = StepLosses(run.steps_per_epoch)
        folder = run.folder_for(FOLDER).resolve()
        _check_size(folder)
        self._client = MlflowClient(tracking_uri=folder.as_uri())
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        number = self._client.create_experiment(EXPERIMENT) if experiment is None else experiment.experiment_id
        there = self._client.search_runs([number], max_results=1)
        self._run = there[0] if there else self._client.create_run(number, run_name=run.folder.name)
        self._id = self._run.info.run_id
        self._client.update_run(self._id, "RUNNING")
        self._written = {
            (name, point.step) for name in self._run.data.metrics for point in self._client.get_metric_history(self._id, name)
        }
        self._write_settings(run.settings() | {"parameters": run.parameters})

    def _write_settings(self, settings: Mapping[str, Any]) -> None:
        before, now = self._run.data.params, {name: str(value) for name, value in settings.items()}
        params = [Param(name, value) for name, value in now.items() if name not in before]
        tags = [RunTag(name, value) for name, value in now.items() if before.get(name, value) != value]
        for start in range(0, len(params), _PARAMS_AT_ONCE):
            self._client.log_batch(self._id, params=params[start : start + _PARAMS_AT_ONCE])
        self._client.log_batch(self._id, tags=tags)

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        if self._losses.note(progress.step, loss):
            self._write_losses()

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:  # noqa: ARG002 - as an observer has it
        self._write_losses()
        figures = {key: value for key, value in record.items() if isinstance(value, int | float) and key != "step"}
        self._write((name, value, record["step"]) for name, value in figures.items())

    def ended(self, status: str, step: int, test: Mapping[str, float]) -> None:
        self._write_losses()
        self._write((f"test/{name}", value, step) for name, value in test.items())
        self._client.set_terminated(self._id, _STATUSES.get(status, "FAILED"))

    def _write_losses(self) -> None:
        self._write((STEP_LOSS, loss, step) for step, loss in self._losses.read().items())

    def _write(self, points: Iterable[tuple[str, float, int]]) -> None:
        now = int(time.time() * 1000)
        new = [Metric(name, value, now, step) for name, value, step in points if (name, step) not in self._written]
        self._written.update((metric.key, metric.step) for metric in new)
        self._client.log_batch(self._id, metrics=new)
