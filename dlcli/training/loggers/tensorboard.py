"""The logger `tensorboard`: event files in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    STATUS_SUCCESS,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from torch import Tensor

from dlcli.training.loggers.event_file import PREFIX, EventFile, new_name
from dlcli.training.loggers.graph_def import graph_def
from dlcli.training.loggers.picture_grid import picture_grids
from dlcli.training.loggers.run_logger import LoggedRun, RunLogger, Setting
from dlcli.training.loggers.step_losses import StepLosses
from dlcli.training.progress import Progress

FOLDER: Final = "tensorboard"
STEP_LOSS: Final = "step/loss"

_RESULT: Final = ".result"
"""How the name of the file ends that has the hyper-parameters and the result, and is replaced by that of a run that went on."""


def build(run: LoggedRun) -> RunLogger:
    """The logger of a run."""
    return TensorBoardLogger(run)


class TensorBoardLogger(RunLogger):
    """Writes every figure of each epoch, losses of steps, the first batch, the graph, and hyper-parameters with the result.

    A run that goes on has a new file, which takes back what the old ones say of steps that are taken again.

    Args:
        run: what is logged.
    """

    def __init__(self, run: LoggedRun) -> None:
        self._run = run
        self._losses = StepLosses(run.steps_per_epoch)
        self._folder = run.folder_for(FOLDER)
        is_first = run.step == 0 or not any(self._folder.iterdir())
        self._path = _free_path(self._folder)
        self._file = EventFile(self._path, _first_step(run))
        if is_first:
            self._show_network()

    def _show_network(self) -> None:
        for name, pixels in picture_grids(self._run.first_batch(), self._run.graph.inputs):
            self._file.picture(f"first batch/{name}", pixels, self._run.step)
        self._file.graph(graph_def(self._run.graph))

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        if self._losses.note(progress.step, loss):
            self._write_losses()

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:  # noqa: ARG002 - as an observer has it
        self._write_losses()
        figures = {key: value for key, value in record.items() if isinstance(value, int | float) and key != "step"}
        self._file.scalars(figures, record["step"])

    def ended(self, status: str, step: int, test: Mapping[str, float]) -> None:
        self._write_losses()
        self._file.close()
        if status == "completed":
            for old in self._folder.glob(f"{PREFIX}*{_RESULT}"):
                old.unlink()
            self._write_result(step, {f"test/{name}": value for name, value in test.items()})

    def _write_losses(self) -> None:
        for step, loss in self._losses.read().items():
            self._file.scalars({STEP_LOSS: loss}, step)

    def _write_result(self, step: int, test: Mapping[str, float]) -> None:
        file = EventFile(self._path.with_name(self._path.name + _RESULT))
        settings = self._run.settings() | {"parameters": self._run.parameters}
        for tag, content in _hyper_parameters(settings, test).items():
            value = Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(content), tensor=metadata.NULL_TENSOR)
            file.summary(Summary(value=[value]), step)
        file.scalars(test, step)
        file.close()


def _first_step(run: LoggedRun) -> int:
    """The first step that older files may not know of: where an epoch that was cut short goes on, its figures go too."""
    return run.step if run.step == 0 or run.is_within_epoch else run.step + 1


def _free_path(folder: Path) -> Path:
    """Where the next file goes, behind the others in the order in which they are read."""
    name = new_name()
    number = sum(path.name.startswith(name) for path in folder.iterdir())
    return folder / f"{name}.{number}"


def _hyper_parameters(settings: Mapping[str, Setting], test: Mapping[str, float]) -> dict[str, HParamsPluginData]:
    """What TensorBoard's table of runs is made of: which columns there are, what a run has in them, and how it ended."""
    start = SessionStartInfo()
    for name, value in settings.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    experiment = Experiment(
        hparam_infos=[HParamInfo(name=name, type=_type_of(value)) for name, value in settings.items()],
        metric_infos=[MetricInfo(name=MetricName(tag=tag)) for tag in test],
    )
    return {
        metadata.EXPERIMENT_TAG: HParamsPluginData(experiment=experiment),
        metadata.SESSION_START_INFO_TAG: HParamsPluginData(session_start_info=start),
        metadata.SESSION_END_INFO_TAG: HParamsPluginData(session_end_info=SessionEndInfo(status=STATUS_SUCCESS)),
    }


def _type_of(value: Setting) -> int:
    if isinstance(value, bool):
        return int(DATA_TYPE_BOOL)
    return int(DATA_TYPE_STRING if isinstance(value, str) else DATA_TYPE_FLOAT64)
