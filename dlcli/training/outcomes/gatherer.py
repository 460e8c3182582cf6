"""What is kept of a judgement, gathered while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from dlcli.config.data import Csv, Text
from dlcli.data.batches import Batch
from dlcli.data.dataset import Dataset, Split, Tensors
from dlcli.training.objectives import Objective, SingleObjective
from dlcli.training.outcomes.answers import Errors, JudgedOutput
from dlcli.training.outcomes.arrays import MOST_COUNTED
from dlcli.training.outcomes.class_tally import ClassTally
from dlcli.training.outcomes.digest import can_be_named, value_names
from dlcli.training.outcomes.label_tally import LabelTally
from dlcli.training.outcomes.samples import Samples
from dlcli.training.outcomes.steps import Steps
from dlcli.training.outcomes.taking import taken
from dlcli.training.outcomes.value_tally import ValueTally

_MISTAKES: Final = 24
_WINDOWS_AT_ONCE: Final = 1024

Tally = ClassTally | LabelTally | ValueTally


class Gatherer:
    """Looks on while a network is judged. It changes nothing of that, and what fails in here ends only what it gathers.

    Args:
        dataset: on the device.
        split: the name of the split that is judged.
        objective: the training's.

    Attributes:
        failure: what ended it; None where nothing did.
    """

    def __init__(self, dataset: Dataset, split: str, objective: Objective) -> None:
        self.failure: Exception | None = None
        self._dataset = dataset
        samples = dataset.splits()[split]
        assert samples is not None
        self._split: Split = samples
        self._parts = {name: part for name, part in objective.parts.items() if self._can_be_kept(part)}
        self._tallies = {name: self._tally(part) for name, part in self._parts.items()}

    def _can_be_kept(self, part: SingleObjective) -> bool:
        """Whether an output is small enough for its answers to be counted one by one."""
        if part.judges == "values":
            return can_be_named(self._dataset.spec, part.target.num_targets or 1)
        return (part.target.num_classes or part.target.num_targets or 1) <= MOST_COUNTED

    def _tally(self, part: SingleObjective) -> Tally:
        target, device = part.target, self._split.device
        if part.judges == "classes":
            assert target.num_classes is not None
            mistakes = 0 if isinstance(self._dataset.spec, Text) else _MISTAKES
            return ClassTally(target.num_classes, per_step=target.per_step, most_mistakes=mistakes, device=device)
        values = target.num_targets or 1
        if part.judges == "labels":
            return LabelTally(values, per_step=target.per_step, most_mistakes=_MISTAKES, device=device)
        spec = self._dataset.spec
        columns, horizon = value_names(spec, values)
        return ValueTally(
            columns,
            horizon,
            per_step=target.per_step,
            num_samples=len(self._split),
            apart=max(1, spec.horizon // spec.stride) if isinstance(spec, Csv) and spec.window is not None else 1,
            device=device,
        )

    def __call__(self, batch: Batch, outputs: Tensors) -> None:
        """Takes a batch and what the network made of it."""
        if self.failure is None:
            self.failure = failure_of(lambda: self._take(batch, outputs))

    def _take(self, batch: Batch, outputs: Tensors) -> None:
        assert batch.samples is not None
        for name, part in self._parts.items():
            output = outputs[name] if isinstance(outputs, dict) else outputs
            judged, answers, tally = part.judged(output, batch.steps), part.answers(batch.targets), self._tallies[name]
            steps = Steps.of(batch.steps, output) if part.target.per_step else None
            if isinstance(tally, ValueTally):
                tally.update(part.in_units(judged), answers, judged - part.in_scale(answers), batch.samples, steps)
            elif isinstance(tally, ClassTally):
                tally.update(judged, answers, batch.samples, steps)
            else:
                tally.update(judged, answers, batch.samples)

    def outputs(self) -> dict[str, JudgedOutput]:
        """What was gathered, for each output by its name; of one output, without a name. Too large ones are left out."""
        return {name: self._result(tally) for name, tally in self._tallies.items()}

    def _result(self, tally: Tally) -> JudgedOutput:
        if isinstance(tally, ValueTally):
            return tally.result(self._taken, self._repeating())
        return tally.result(self._taken)

    def _taken(self, numbers: Tensor) -> Samples:
        return taken(self._split, numbers, self._dataset.spec, self._dataset.facts)

    def _repeating(self) -> Errors | None:
        """Errors of the forecast that repeats the last value of each window, as `dlcli.app.baseline` has it."""
        spec, inputs, targets = self._dataset.spec, self._split.inputs, self._split.targets
        columns, features = (spec.target or (), spec.features or ()) if isinstance(spec, Csv) else ((), ())
        if not isinstance(spec, Csv) or spec.window is None or not set(columns) <= set(features):
            return None
        assert isinstance(inputs, Tensor)
        assert isinstance(targets, Tensor)
        places = torch.tensor([features.index(name) for name in columns], device=inputs.device)
        sums = torch.zeros(2, targets.shape[1], dtype=torch.float64)
        for windows, answers in zip(inputs.split(_WINDOWS_AT_ONCE), targets.split(_WINDOWS_AT_ONCE), strict=True):
            repeated = windows[:, -1].index_select(1, places).repeat(1, spec.horizon)
            differences = (repeated - answers).cpu().double()
            sums += torch.stack((differences.abs().sum(0), differences.square().sum(0)))
        return Errors(absolute=sums[0].numpy(), squared=sums[1].numpy())


def failure_of(work: Callable[[], object]) -> Exception | None:
    """What ended a work that a run does not depend on; None where it came to its end."""
    try:
        work()
    except Exception as error:
        return error
    return None
