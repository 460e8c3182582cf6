"""Rows of a table of predictions, from what a network gives for samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from torch import Tensor

from dlcli.app.inference import in_units
from dlcli.config.data import Csv
from dlcli.config.experiment import Experiment
from dlcli.config.shapes import Sequence
from dlcli.data.raw import Array, NewSamples
from dlcli.errors import UsageError

PROBABILITIES: Final = "probabilities"
"""What the probabilities of all classes are called in a row: a mapping, which a table leaves out or spreads over columns."""
PROBABILITY: Final = "probability"

Record = dict[str, Any]
"""One row: texts and numbers by column, and mappings of numbers."""


@dataclass(frozen=True)
class Rows:
    """Tells what a run's network gives for samples.

    Args:
        experiment: of the run.
        classes: their names as the run recorded them, where it has any.
        top: how many of the most probable classes are told; None for the most probable one.
        lists: whether the probabilities of all classes are told too, which takes memory for each class in each row.

    Raises:
        UsageError: there are not so many classes.
    """

    experiment: Experiment
    classes: object
    top: int | None = None
    lists: bool = False

    def __post_init__(self) -> None:
        if self.top is not None:
            self._check_top(self.top)

    @property
    def heads(self) -> list[Head]:
        """How the answers of each output are told."""
        outputs = self.experiment.graph.outputs
        return [Head.of(output, self.experiment, self.classes, self.top, lists=self.lists) for output in outputs]

    def check_classes(self, option: str) -> None:
        """Whether there are classes to be told of.

        Raises:
            UsageError: there are none.
        """
        if not any(head.judges == "classes" for head in self.heads):
            what = f"{option} is about classes, and the network of this run predicts {self.heads[0].judges}"
            raise UsageError(what, help=f"leave {option} out")

    def records(self, samples: NewSamples, scores: Mapping[str, Tensor], lengths: Tensor | None) -> Iterator[Record]:
        """A row for each sample, for each step of each sample, or for each step of a forecast.

        Args:
            samples: what they are called, and what their steps are.
            scores: from `dlcli.app.inference.score`.
            lengths: steps of each sample, (N,), where they differ.
        """
        answers = in_units(scores, self.experiment, lengths)
        told = [(head, scores[head.output].numpy(), answers[head.output].numpy()) for head in self.heads]
        spec = self.experiment.data
        if isinstance(spec, Csv) and spec.window is not None:
            assert samples.steps is not None
            yield from _forecast(spec, samples.steps, told)
            return
        has_steps = any(head.per_step for head, _, _ in told)
        for row, name in enumerate(samples.names):
            for step in range(_steps_of(samples, row, self.experiment) if has_steps else 1):
                leading: Record = {"sample": name, "step": step + 1} if has_steps else {"sample": name}
                answer: Record = {}
                for head, score, values in told:
                    place = (row, step) if head.per_step else row
                    answer |= head.record(score[place], values[place])
                yield beside(leading, answer)

    def _check_top(self, top: int) -> None:
        self.check_classes("--top-k")
        for head in self.heads:
            if head.judges == "classes" and top > head.num_classes:
                what = f"--top-k {top} asks for more classes than the {head.num_classes} there are"
                raise UsageError(what, help=f"write --top-k {head.num_classes} for all of them")


@dataclass(frozen=True)
class Head:
    """How the answers of an output are told.

    Attributes:
        output: its name.
        prefix: of the columns.
        judges: classes, labels or values.
        num_classes: how many the network tells apart; 0 where there are none.
        names: of the classes, or of the labels or values; where there are too few the rest are numbered.
        per_step: whether there is an answer for each step.
        top: as for `Rows`.
        lists: the same.
    """

    output: str
    prefix: str
    judges: str
    num_classes: int
    names: tuple[str, ...]
    per_step: bool
    top: int | None
    lists: bool

    @classmethod
    def of(cls, output: str, experiment: Experiment, classes: object, top: int | None, *, lists: bool) -> Head:
        """That of an output of a run; the names of the classes may be anything that a run.json holds."""
        spec, target = experiment.data, experiment.facts.target_of(output)
        assert target is not None
        prefix = f"{output}/" if len(experiment.graph.outputs) > 1 else ""
        if target.num_classes is not None:
            names = tuple(map(str, classes)) if isinstance(classes, list) and len(classes) == target.num_classes else ()
            scores = experiment.graph.output_shapes[output].sizes[-1]
            assert isinstance(scores, int)
            return cls(output, prefix, "classes", max(scores, 2), names, target.per_step, top, lists)
        names = tuple(spec.target or ()) if isinstance(spec, Csv) else ()
        judges = experiment.train.objective_of(output).loss.judges
        return cls(output, prefix, judges, 0, names, target.per_step, top, lists)

    def record(self, scores: Array, answers: Array) -> Record:
        """The columns of one sample or one step.

        Args:
            scores: what the network gives for it, (K,): what an evaluation judges.
            answers: the same as probabilities or in the units of the data.
        """
        if self.judges == "classes":
            if len(scores) == 1:  # yes or no
                scores, answers = np.append(0, scores), np.append(1 - answers, answers)
            return self._of_classes(scores, answers)
        values = plain(answers)
        names = [f"{self.prefix}{name}" for name in self._value_names(len(values))]
        if self.judges == "values":
            return dict(zip(names, values, strict=True))
        found: Record = {}
        for name, score, value in zip(names, scores, values, strict=True):
            found |= {name: int(score > 0), f"{name}_{PROBABILITY}": value}
        return found

    def _of_classes(self, scores: Array, probabilities: Array) -> Record:
        order = [int(scores.argmax())] if self.top is None else np.argsort(-scores, kind="stable")[: self.top].tolist()
        found: Record = {}
        for place, (best, probability) in enumerate(zip(order, plain(probabilities[order]), strict=True), 1):
            suffix = "" if self.top is None else f"_{place}"
            found[f"{self.prefix}class{suffix}"] = self._class_name(best)
            found[f"{self.prefix}{PROBABILITY}{suffix}"] = probability
        if self.lists:
            found[f"{self.prefix}{PROBABILITIES}"] = dict(zip(self._class_keys, plain(probabilities), strict=True))
        return found

    @cached_property
    def _class_keys(self) -> tuple[str, ...]:
        """The names of all classes: the same texts in every row."""
        return tuple(str(self._class_name(number)) for number in range(self.num_classes))

    def _class_name(self, number: int) -> str | int:
        return self.names[number] if number < len(self.names) else number

    def _value_names(self, count: int) -> tuple[str, ...]:
        if len(self.names) == count:
            return self.names
        noun = "value" if self.judges == "values" else "label"
        return (noun,) if count == 1 else tuple(f"{noun}_{number}" for number in range(1, count + 1))


def _forecast(spec: Csv, steps: tuple[str, ...], told: list[tuple[Head, Array, Array]]) -> Iterator[Record]:
    """A row for each step after the window; of a class, which is that of the last step, one row."""
    column = spec.time or "step"
    if told[0][0].judges == "classes":  # then all are: a table has one target
        steps = steps[-1:]
    for row in range(len(told[0][1])):
        by_step = [
            (head, scores[row].reshape(len(steps), -1), values[row].reshape(len(steps), -1)) for head, scores, values in told
        ]
        for place, step in enumerate(steps):
            answer: Record = {}
            for head, scores, values in by_step:
                answer |= head.record(scores[place], values[place])
            yield beside({column: step}, answer)


def beside(leading: Record, answer: Record) -> Record:
    """Both side by side; what leads to an answer makes way for a target that is called the same."""
    found: Record = {}
    for name, value in leading.items():
        free = name
        while free in answer:
            free += "_"
        found[free] = value
    return found | answer


def _steps_of(samples: NewSamples, row: int, experiment: Experiment) -> int:
    """The steps of a sample that are there."""
    if samples.lengths is not None:
        return int(samples.lengths[row])
    inputs, shapes = samples.inputs, experiment.facts.inputs
    if not isinstance(inputs, dict):
        return int(inputs.shape[1])
    return next(int(inputs[name].shape[1]) for name, shape in shapes.items() if isinstance(shape, Sequence))


def plain(numbers: Array) -> list[float]:
    """The shortest numbers that mean these 32-bit values: 0.1 and not 0.10000000149."""
    return [float(str(number)) for number in numbers]
