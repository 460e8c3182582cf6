"""How far a training has come: all that is not weights, optimiser or random state."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from torch import Tensor

from dlcli.training.schedules import PlateauState


@dataclass
class Best:
    """The best epoch so far."""

    value: float
    loss: float
    """Decides between epochs of equal value: a small validation split has few different accuracies."""
    epoch: int
    step: int


@dataclass
class Progress:
    """Where a training stands. With the weights, the optimiser and the random state it is all that resuming needs."""

    epoch: int = 0
    """Epochs that have ended."""
    step: int = 0
    """Steps taken in all."""
    step_in_epoch: int = 0
    """Steps taken in the epoch under way."""
    loss_sum: float = 0.0
    """Of the epoch under way: losses times samples."""
    norm_sum: float = 0.0
    """Of the epoch under way: norms of the gradients, where they are bounded."""
    num_norms: int = 0
    """Of the epoch under way: steps in that sum; fewer than were taken where gradients are bounded from a resume on."""
    samples: int = 0
    """Of the epoch under way: samples seen."""
    epoch_seconds: float = 0.0
    """Of the epoch under way: seconds of training alone."""
    train_seconds: float = 0.0
    """Of all epochs that have ended: seconds of training alone."""
    total_samples: int = 0
    """Of all epochs that have ended."""
    elapsed_seconds: float = 0.0
    """Seconds in all, evaluation and saving included, as `max_time` counts them."""
    best: Best | None = None
    epochs_without_better: int = 0
    """As early stopping counts them."""
    to_beat: float | None = None
    """What an epoch has to be better than, by `min_delta`, for that count to start anew."""
    plateau: PlateauState = field(default_factory=PlateauState)
    finished: str | None = None
    """Why the training is over: epochs, max_steps, max_time or early_stopping."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Progress:
        best = Best(**values["best"]) if values["best"] else None
        return cls(**{**values, "best": best, "plateau": PlateauState(**values["plateau"])})

    def end_epoch(self, value: float, loss: float, *, larger_is_better: bool, min_delta: float) -> bool:
        """Closes the epoch under way.

        Args:
            value: the monitored value; NaN is never better.
            loss: of the same split; of two epochs with equal values the one with the smaller loss is the better.
            larger_is_better: which way is better.
            min_delta: by how much a value has to be better to start the waiting of early stopping anew. Small gains add
                up: they are measured from the value that last did so.

        Returns:
            Whether it is the best epoch so far.
        """
        self.epoch += 1
        self.train_seconds += self.epoch_seconds
        self.total_samples += self.samples
        self.step_in_epoch, self.samples, self.loss_sum, self.epoch_seconds = 0, 0, 0.0, 0.0
        self.norm_sum, self.num_norms = 0.0, 0
        self.epochs_without_better += 1
        if _gain(value, self.to_beat, larger_is_better) > min_delta:
            self.to_beat, self.epochs_without_better = value, 0
        gain = _gain(value, self.best.value if self.best else None, larger_is_better)
        if gain < 0 or (self.best is not None and gain == 0 and not loss < self.best.loss):
            return False
        self.best = Best(value, loss, self.epoch, self.step)
        return True


def _gain(value: float, old: float | None, larger_is_better: bool) -> float:
    """How much better a value is than an old one; than none, infinitely."""
    if math.isnan(value):
        return -math.inf
    if old is None:
        return math.inf
    return value - old if larger_is_better else old - value


class Observer(Protocol):
    """Looks at a training. It may show or write what it sees, and changes nothing."""

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:
        """The loop is about to take its first step.

        `total_steps` are fewer than all epochs have where `max_steps` says so; `monitored` is the key of the value, in the
        records of epochs, that decides which is best.
        """

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        """A step was taken. `loss` is on the device: reading its value waits for the device."""

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        """An epoch was evaluated; `record` is its line in metrics.jsonl."""

    def notice(self, text: str) -> None:
        """Something that a person should know."""
