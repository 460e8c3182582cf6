"""What a logger is, and what it may look at."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from dlcli.config.graph import Graph
from dlcli.config.tree import shortened
from dlcli.config.yaml_output import inline_yaml
from dlcli.data.batches import Batch
from dlcli.errors import ResourceError
from dlcli.runtime.durable_files import disk_errors
from dlcli.training.progress import Progress
from dlcli.training.trainer import Trainer

Setting = bool | int | float | str

_LONGEST: Final = 250
"""Characters of a setting; a vocabulary may have thousands of words."""


class LoggedRun:
    """A run about to be trained, for loggers to look at. What it gives are copies: changing them changes nothing.

    Args:
        trainer: where the training begins or goes on.
        graph: its network, layer by layer.
        config: as it is resolved, in plain values.
        folder: the run's.

    Attributes:
        folder: the run's.
        graph: its network, layer by layer.
        config: as it is resolved, in plain values.
        parameters: how many values are trained.
        step: the step after which the training goes on; 0 for one that begins.
        is_within_epoch: whether that is in the middle of an epoch.
        steps_per_epoch: of the training.
    """

    def __init__(self, trainer: Trainer, graph: Graph, config: Mapping[str, Any], folder: Path) -> None:
        self._trainer = trainer
        self.graph = graph
        self.config = config
        self.folder = folder
        self.parameters = graph.parameter_count()
        self.step = trainer.progress.step
        self.is_within_epoch = trainer.progress.step_in_epoch > 0
        self.steps_per_epoch = trainer.steps_per_epoch

    def folder_for(self, name: str) -> Path:
        """A folder in that of the run, made if it is not there.

        Raises:
            ResourceError: it is a link, which would have a logger write elsewhere, or can't be made.
        """
        path = self.folder / name
        if path.is_symlink():
            raise ResourceError(f"{path} is a link, and would lead out of the run's folder", help="remove it")
        with disk_errors(path):
            path.mkdir(exist_ok=True)
        return path

    def network(self) -> nn.Module:
        """A copy of the network that is judged, in eval mode."""
        return copy.deepcopy(self._trainer.judged_network).eval()

    def first_batch(self) -> Batch:
        """The first batch of the training as the network reads it, changed at random and normalised."""
        return next(self._trainer.batches.epoch(0))

    def settings(self) -> dict[str, Setting]:
        """What the config says of data and training, by dotted keys; what is not set is left out, and so are loggers."""
        sections = {name: self.config[name] for name in ("data", "train")}
        return {key: value for key, value in _flat(sections) if value is not None and key != "train.loggers"}


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Setting | None]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            is_plain = value is None or isinstance(value, bool | int | float)
            yield f"{above}{key}", value if is_plain else _in_one_line(value)


def _in_one_line(value: Any) -> str:
    return shortened(value if isinstance(value, str) else inline_yaml(value), _LONGEST)


class RunLogger:
    """An observer that writes the course of a training somewhere; each method does nothing until a class gives it a meaning.

    It looks, and changes nothing. Where one of its methods fails, it is left out from there on, and the training goes on.
    """

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:
        """The first step is about to be taken, or the first after a resume; see `Observer.started`."""

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        """A step was taken; reading the value of `loss` waits for the device. This must be quick, and draw nothing at random."""

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        """An epoch was evaluated; `record` is its line in metrics.jsonl."""

    def notice(self, text: str) -> None:
        """Something that a person should know."""

    def ended(self, status: str, step: int, test: Mapping[str, float]) -> None:
        """The training is left: nothing more comes.

        Args:
            status: completed, interrupted, diverged or failed.
            step: the last that was taken.
            test: the figures of the test split, by their names; none where it was not judged.
        """
