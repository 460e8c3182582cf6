"""What a network is trained for: one loss, or the weighted sum of those of several outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from dlcli.config.facts import DataFacts, Target
from dlcli.config.losses import LossSpec
from dlcli.config.metrics import MetricSpec
from dlcli.config.normalisation import FixedNormalize, Normalization, NormalizeSpec
from dlcli.config.training import TrainSpec
from dlcli.data.dataset import Tensors
from dlcli.training.losses import build_loss
from dlcli.training.metrics import Metric, build_metrics
from dlcli.training.target_scale import TargetScale

LossOfBatch = Callable[[Tensors, Tensors, Tensor | None], Tensor]
"""From the network's outputs and the targets and steps of a batch to a tensor of no axes."""


class Tally(ABC):
    """Loss and metrics over all samples of a split, gathered batch by batch on the device."""

    @abstractmethod
    def update(self, outputs: Tensors, targets: Tensors, steps: Tensor | None = None) -> None:
        """Takes one batch; its targets and steps are as in `Batch`."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """`loss` and each metric by the name that it has in `TrainSpec.measured`; waits for the device."""


class Objective(ABC):
    """What is made small, and what is measured of it.

    Outputs, targets and steps are as the network and the batches give them: one tensor, or several by name. Of answers for
    each step only the steps that are there count.
    """

    @abstractmethod
    def __call__(self, outputs: Tensors, targets: Tensors, steps: Tensor | None = None) -> Tensor:
        """The mean loss of a batch, a tensor of no axes."""

    @abstractmethod
    def in_group(self, group: Sequence[Tensors]) -> LossOfBatch:
        """What each batch of a group adds to the loss that all of them would have as one large batch.

        Args:
            group: the targets of each batch.
        """

    @abstractmethod
    def tally(self) -> Tally:
        """An empty tally."""

    @property
    @abstractmethod
    def parts(self) -> Mapping[str, SingleObjective]:
        """What each output is trained for, by its name; of one output, without a name."""


class SingleObjective(Objective):
    """Of one output.

    Args:
        loss: what is made small.
        metrics: what is measured.
        target: what the output is compared with.
        device: where outputs and targets are.
        target_name: of the target, where the data has several.
        scale: of the values to predict: the loss compares them in it.
    """

    def __init__(
        self,
        loss: LossSpec,
        metrics: tuple[MetricSpec, ...],
        target: Target,
        device: torch.device,
        *,
        target_name: str | None = None,
        scale: NormalizeSpec | None = None,
    ) -> None:
        self._spec = loss
        self._loss = build_loss(loss, device)
        self._metrics = metrics
        self._target = target
        self._device = device
        self._target_name = target_name
        self._scale = TargetScale(scale, device) if isinstance(scale, FixedNormalize) else None

    @property
    def judges(self) -> Literal["classes", "labels", "values"]:
        """What the loss compares the output with."""
        return self._spec.judges

    @property
    def target(self) -> Target:
        """What the output is compared with."""
        return self._target

    @property
    def parts(self) -> Mapping[str, SingleObjective]:
        return {"": self}

    def __call__(self, outputs: Tensors, targets: Tensors, steps: Tensor | None = None) -> Tensor:
        return self.loss(self.judged(outputs, steps), self.answers(targets))

    def loss(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """The mean loss of outputs, those of steps that are not there left out."""
        return self._loss(outputs, self.in_scale(answers))

    def in_group(self, group: Sequence[Tensors]) -> LossOfBatch:
        total = sum(self.weight(targets) for targets in group)
        return lambda outputs, targets, steps: self(outputs, targets, steps) * (self.weight(targets) / total)

    def tally(self) -> Tally:
        return _SingleTally(self, build_metrics(self._metrics, self._spec, self._target, self._device), self._device)

    def weight(self, targets: Tensors) -> float | Tensor:
        """What the mean loss of a batch was divided by."""
        return self._loss.weight(self.answers(targets))

    def judged(self, outputs: Tensors, steps: Tensor | None) -> Tensor:
        """The outputs that there are answers for: of a batch of different lengths (steps, ...)."""
        assert isinstance(outputs, Tensor)
        if steps is None or not self._target.per_step:
            return outputs
        return outputs.flatten(0, 1).index_select(0, steps)

    def in_scale(self, answers: Tensor) -> Tensor:
        """Answers in the scale in which the loss compares them with outputs."""
        return answers if self._scale is None else self._scale.standardised(answers)

    def in_units(self, outputs: Tensor) -> Tensor:
        """Outputs in the units of the data."""
        return outputs if self._scale is None else self._scale.in_units(outputs)

    def answers(self, targets: Tensors) -> Tensor:
        """Those of the targets that the output is compared with."""
        if isinstance(targets, Tensor):
            return targets
        assert self._target_name is not None
        return targets[self._target_name]


class _SingleTally(Tally):
    def __init__(self, objective: SingleObjective, metrics: list[Metric], device: torch.device) -> None:
        self._objective = objective
        self._metrics = metrics
        self._sum = torch.zeros((), dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
        self._weight = torch.zeros_like(self._sum)

    def update(self, outputs: Tensors, targets: Tensors, steps: Tensor | None = None) -> None:
        judged, answers = self._objective.judged(outputs, steps), self._objective.answers(targets)
        weight = self._objective.weight(answers)
        self._sum += self._objective.loss(judged, answers) * weight
        self._weight += weight
        judged = self._objective.in_units(judged)
        for metric in self._metrics:
            metric.update(judged, answers)

    def figures(self) -> dict[str, float]:
        return {"loss": float(self._sum / self._weight), **{metric.name: metric.value() for metric in self._metrics}}


class SumOfObjectives(Objective):
    """Of several outputs, each with a loss of its own that is multiplied by its weight.

    Args:
        parts: for each output its weight and what it is trained for.
    """

    def __init__(self, parts: Mapping[str, tuple[float, SingleObjective]]) -> None:
        self._parts = parts

    @property
    def parts(self) -> Mapping[str, SingleObjective]:
        return {name: part for name, (_, part) in self._parts.items()}

    def __call__(self, outputs: Tensors, targets: Tensors, steps: Tensor | None = None) -> Tensor:
        assert isinstance(outputs, dict)
        return _sum(weight * part(outputs[name], targets, steps) for name, (weight, part) in self._parts.items())

    def in_group(self, group: Sequence[Tensors]) -> LossOfBatch:
        losses = {name: (weight, part.in_group(group)) for name, (weight, part) in self._parts.items()}

        def of_batch(outputs: Tensors, targets: Tensors, steps: Tensor | None) -> Tensor:
            assert isinstance(outputs, dict)
            return _sum(weight * loss(outputs[name], targets, steps) for name, (weight, loss) in losses.items())

        return of_batch

    def tally(self) -> Tally:
        return _SumOfTallies({name: (weight, part.tally()) for name, (weight, part) in self._parts.items()})


class _SumOfTallies(Tally):
    def __init__(self, parts: Mapping[str, tuple[float, Tally]]) -> None:
        self._parts = parts

    def update(self, outputs: Tensors, targets: Tensors, steps: Tensor | None = None) -> None:
        assert isinstance(outputs, dict)
        for name, (_, tally) in self._parts.items():
            tally.update(outputs[name], targets, steps)

    def figures(self) -> dict[str, float]:
        figures = {"loss": 0.0}
        for name, (weight, tally) in self._parts.items():
            own = tally.figures()
            figures["loss"] += weight * own["loss"]
            figures |= {f"{name}/{figure}": value for figure, value in own.items()}
        return figures


def _sum(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()


def build_objective(
    train: TrainSpec, facts: DataFacts, outputs: Sequence[str], device: torch.device, scales: Normalization | None = None
) -> Objective:
    """What a config's network is trained for.

    Args:
        train: as a resolved config has it: one loss for one output, or an objective for each of several.
        facts: tells what each output is compared with.
        outputs: the names of the network's outputs.
        device: where outputs and targets are.
        scales: of values to predict, as `data.normalize_targets` has them once the data is read.
    """

    def single(output: str, loss: LossSpec, metrics: tuple[MetricSpec, ...]) -> SingleObjective:
        target = facts.target_of(output)
        assert target is not None
        name = output if len(facts.targets) > 1 else None
        scale = scales.get(output) if isinstance(scales, dict) else scales
        return SingleObjective(loss, metrics, target, device, target_name=name, scale=scale)

    if isinstance(train.loss, LossSpec):
        [output] = outputs
        return single(output, train.loss, train.metrics)
    return SumOfObjectives(
        {name: (own.weight, single(name, own.loss, own.metrics or ())) for name, own in train.loss.items()},
    )
