"""What a network says of a sample, and which number of its output stands for that: the one that is explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import torch
from torch import Tensor

from dlcli.app.explain.cells import Row
from dlcli.app.explain.subject import Subject
from dlcli.app.pages.figures import Rows
from dlcli.app.pages.page import number
from dlcli.config.data import Text
from dlcli.config.normalisation import FixedNormalize
from dlcli.training.target_scale import TargetScale

_MOST_CLASSES: Final = 5
_MOST_VALUES: Final = 8


@dataclass(frozen=True)
class Question:
    """A number that is explained.

    Attributes:
        output: of the network, by name.
        what: the number in words.
        pick: takes it from the output, (rows, ...) -> (rows,).
        step: which step's answer it is, counted from 0; None where there is one answer for all.
        noun: what it is called in a sentence: score, or prediction where it is a value.
        offset: what the picked number lacks to be one in the units of the data: differences of it are in them already.
    """

    output: str
    what: str
    pick: Callable[[Tensor], Tensor]
    step: int | None
    noun: str = "score"
    offset: float = 0.0

    def score(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """The number, (rows,), of all outputs by name."""
        return self.pick(outputs[self.output])


@dataclass(frozen=True)
class Answer:
    """What an output says of a sample.

    Attributes:
        output: its name.
        says: the answer in words.
        truth: the right one; None where that is not known.
        is_right: whether it is a class, and the right one; None where that can't be said.
        questions: what is explained: the answer and, if that is a wrong class, the right one.
        details: a table of what else it says.
        step: as in the questions.
        said: the answer for programs: `class` and `probability`, `value`, or lists of `names` and `values` or `probabilities`.
        right: the right answer in the same way; None where that is not known.
    """

    output: str
    says: str
    truth: str | None
    is_right: bool | None
    questions: tuple[Question, ...]
    details: Rows
    step: int | None
    said: Mapping[str, Any]
    right: Mapping[str, Any] | None


class Head:
    """How the answers of an output are told.

    Args:
        output: its name.
        subject: whose output it is.
    """

    def __init__(self, output: str, subject: Subject) -> None:
        target = subject.experiment.facts.target_of(output)
        assert target is not None
        self.output = output
        self.judges = subject.experiment.train.objective_of(output).loss.judges
        self.per_step = target.per_step
        self._subject = subject
        self._num_classes = target.num_classes
        self._goes_on = isinstance(subject.experiment.data, Text) or self.judges == "values"

    def answer(self, output: Tensor, truth: Tensor | None) -> Answer:
        """What the output, (1, ...), says of a sample whose right answer is `truth`, (1, ...)."""
        output, truth = output.detach().cpu().float(), None if truth is None else truth.cpu()
        step = self._step(output[0]) if self.per_step else None
        here = output[0] if step is None else output[0, step]
        right = None if truth is None else truth[0] if step is None else truth[0, step]
        if self.judges == "classes":
            return self._of_class(here, right, step)
        return self._of_labels(here, right, step) if self.judges == "labels" else self._of_values(here, right, step)

    def step_losses(self, output: Tensor, truth: Tensor) -> Tensor:
        """Of classes for each step, how unlikely the right one was thought, (T,): -log of its probability."""
        chances = output[0].float().cpu().log_softmax(-1)
        return -chances.gather(-1, truth[0].cpu()[:, None])[:, 0]

    def _step(self, output: Tensor) -> int:
        """Which step is explained: the last where a sequence goes on, else the one that the network was least sure of."""
        if self._goes_on:
            return len(output) - 1
        sureness = output.softmax(-1).amax(-1) if self.judges == "classes" else output.abs().mean(-1)
        return int(sureness.argmin())

    @cached_property
    def class_names(self) -> list[str]:
        """Of the target; what an output tells apart beyond them has numbers."""
        return self._subject.class_names(self.output)

    def class_name(self, number: int) -> str:
        """What a class is called."""
        return self.class_names[number] if number < len(self.class_names) else str(number)

    def _of_class(self, scores: Tensor, right: Tensor | None, step: int | None) -> Answer:
        chances, order = scores.double().softmax(-1), scores.argsort(descending=True, stable=True).tolist()
        said, truth = order[0], None if right is None else int(right)
        questions = [self._class_question(said, step)]
        if truth is not None and truth != said:
            questions.append(self._class_question(truth, step))
        rows: list[Row] = [["class", "probability", "score"]]
        rows += [[self.class_name(place), float(chances[place]), float(scores[place])] for place in order[:_MOST_CLASSES]]
        words = f"“{self.class_name(said)}” ({_share(chances[said])})"
        right_words = None if truth is None else f"“{self.class_name(truth)}” ({_share(chances[truth])})"
        is_right = None if truth is None else said == truth
        told = {"class": self.class_name(said), "probability": float(chances[said])}
        true = None if truth is None else {"class": self.class_name(truth), "probability": float(chances[truth])}
        return Answer(self.output, words, right_words, is_right, tuple(questions), rows, step, told, true)

    def _class_question(self, place: int, step: int | None) -> Question:
        return self._question(f"the score of “{self.class_name(place)}”", step, lambda output: output[:, place])

    def _question(self, what: str, step: int | None, pick: Callable[[Tensor], Tensor]) -> Question:
        """One about an output (rows, ...), or about that of a step."""
        whose = f" ({self.output})" if len(self._subject.outputs) > 1 else ""
        picked = pick if step is None else lambda output: pick(output[:, step])
        return Question(self.output, f"{what}{whose}", picked, step)

    def _of_labels(self, scores: Tensor, right: Tensor | None, step: int | None) -> Answer:
        """The likeliest label, and of a single one whether it is there."""
        chances, truth = scores.double().sigmoid(), None if right is None else right.reshape(-1)
        names, place = self._label_names(len(scores)), int(scores.argmax())
        is_there = len(scores) > 1 or bool(scores[0] > 0)
        told, sign = names[place][is_there], 1 if is_there else -1
        question = self._question(f"the score of “{told}”", step, lambda output: sign * output[:, place])
        chance = chances[place] if is_there else 1 - chances[place]
        words = f"“{told}” ({_share(chance)})"
        shown = range(min(len(scores), _MOST_VALUES))
        rows: list[Row] = [["label", "probability"]]
        rows += [[names[at][1], float(chances[at])] for at in shown]
        said: dict[str, Any] = {"names": [name for _, name in names], "probabilities": chances.tolist()}
        if self._is_yes_or_no(len(scores)):
            said = {"class": told, "probability": float(chance)}
        if truth is None:
            return Answer(self.output, words, None, None, (question,), rows, step, said, None)
        rows = _beside(rows, ["right", *(int(truth[at]) for at in shown)])
        right_words = ", ".join(f"“{names[at][int(truth[at])]}”" for at in shown)
        is_right = bool(((scores > 0) == (truth > 0.5)).all())
        true: dict[str, Any] = {"names": said.get("names"), "labels": [int(label) for label in truth]}
        if self._is_yes_or_no(len(scores)):
            true = {"class": names[0][int(truth[0])], "probability": float(chance if is_right else 1 - chance)}
        return Answer(self.output, words, right_words, is_right, (question,), rows, step, said, true)

    def _is_yes_or_no(self, count: int) -> bool:
        """Whether one score tells two classes apart."""
        return self._num_classes == 2 and count == 1

    def _label_names(self, count: int) -> list[tuple[str, str]]:
        """What is said of each label where it is not there and where it is."""
        if self._is_yes_or_no(count):
            return [(self.class_names[0], self.class_names[1])]
        return [(f"not {name}", name) for name in self._subject.value_names(self.output, count)]

    def _of_values(self, values: Tensor, right: Tensor | None, step: int | None) -> Answer:
        """Each value; of a forecast of several the mean."""
        found, names = self._in_units(values), self._subject.value_names(self.output, len(values))
        shown, horizon = range(min(len(values), _MOST_VALUES)), self._subject.horizon
        rows: list[Row] = [["value", "predicted"]]
        rows += [[names[at], float(found[at])] for at in shown]
        truth = None if right is None else right.reshape(-1)
        if truth is not None:
            rows = _beside(rows, ["right", *(float(truth[at]) for at in shown)])
        said, true = _valued(names, found), None if truth is None else _valued(names, truth)
        if horizon is not None and len(values) > 1:
            columns = len(values) // horizon
            words = f"a forecast of {horizon} step{'s'[: horizon > 1]}" + (f" of {columns} columns" if columns > 1 else "")
            return Answer(
                self.output, words, None, None, (self._mean_question(len(values), columns, step),), rows, step, said, true
            )
        questions = [self._value_question(names[at], at, step) for at in shown]
        words = ", ".join(number(float(found[at])) for at in shown)
        right_words = None if truth is None else ", ".join(number(float(truth[at])) for at in shown)
        return Answer(self.output, words, right_words, None, tuple(questions), rows, step, said, true)

    def _value_question(self, name: str, place: int, step: int | None) -> Question:
        """A value, in the units of the data."""
        mean, std = (self._scale.mean[place], self._scale.std[place]) if self._scale else (0.0, 1.0)
        what = "the prediction" if name == "value" else f"the prediction of {name}"
        question = self._question(what, step, lambda output: output[:, place] * std)
        return replace(question, noun="prediction", offset=mean)

    def _mean_question(self, count: int, columns: int, step: int | None) -> Question:
        """The mean of a forecast: of one column in the units of the data; of several, which may have others, standardised."""
        what, scale = f"the mean of the {count} values of the forecast", self._scale
        if scale is None or columns > 1:
            note = " (in standard deviations of the training data)" if scale else ""
            return replace(self._question(what + note, step, lambda output: output.mean(-1)), noun="prediction")

        def mean(output: Tensor) -> Tensor:
            return (output * torch.tensor(scale.std, device=output.device)).mean(-1)

        question = self._question(what, step, mean)
        return replace(question, noun="prediction", offset=sum(scale.mean) / len(scale.mean))

    @cached_property
    def _scale(self) -> FixedNormalize | None:
        """Mean and standard deviation of the values to predict, where the network is trained on standardised ones."""
        scales = self._subject.experiment.data.normalize_targets
        scale = scales.get(self.output) if isinstance(scales, dict) else scales
        return scale if isinstance(scale, FixedNormalize) else None

    def _in_units(self, values: Tensor) -> Tensor:
        """Values (K,) in the units of the data."""
        return values if self._scale is None else TargetScale(self._scale, values.device).in_units(values)


def _share(chance: Tensor) -> str:
    """A probability in a few digits."""
    return "< 0.001" if chance < 0.0005 else f"{float(chance):.3f}"


def _valued(names: Sequence[str], values: Tensor) -> dict[str, Any]:
    """Values for programs."""
    plain = [float(value) for value in values]
    return {"value": plain[0]} if len(plain) == 1 else {"names": list(names), "values": plain}


def _beside(rows: list[Row], column: Row) -> list[Row]:
    """The table with one more column."""
    return [[*row, cell] for row, cell in zip(rows, column, strict=True)]


def truth_of(subject: Subject, output: str, targets: Mapping[str, Tensor]) -> Tensor | None:
    """The right answer of an output among those of a sample."""
    return targets.get(output) if len(subject.experiment.facts.targets) > 1 else next(iter(targets.values()), None)
