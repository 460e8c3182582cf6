"""What is kept of a network's answers: counts and sums over all of a split, and those that were worst."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dlcli.training.outcomes.arrays import (
    MOST_CLASSES,
    MOST_COLUMNS,
    MOST_SCATTERED,
    MOST_VALUES,
    NO_STEP,
    NUM_BINS,
    Classes,
    ClassesOfSteps,
    Counts,
    Name,
    Numbers,
    Part,
    Probabilities,
    Rows,
    Table,
    check_alike,
)
from dlcli.training.outcomes.samples import Samples


class Calibration(Part):
    """Answers by how sure the network was of them, in bins of equal width."""

    counts: Counts
    confidence: Numbers
    """The sum in each bin."""
    hits: Counts

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if not len(self.counts) == len(self.confidence) == len(self.hits) == NUM_BINS:
            raise ValueError(f"there are not {NUM_BINS} bins")
        if not np.isfinite(self.confidence).all() or (self.hits > self.counts).any():
            raise ValueError("the bins hold what can't be")
        return self


class AnswersOfSamples(Part):
    """The class of samples one by one, as far as they are kept: (n,)."""

    target: Classes
    predicted: Classes
    confidence: Probabilities
    of_target: Probabilities

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.target, self.predicted, self.confidence, self.of_target)
        return self


class ClassMistakes(Part):
    """The wrong answers with the largest loss, the worst first."""

    samples: Samples
    target: Classes
    predicted: Classes
    confidence: Probabilities
    of_target: Probabilities

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.samples, self.target, self.predicted, self.confidence, self.of_target)
        return self


class StepMistakes(Part):
    """The sequences with a wrong answer whose loss is largest: classes (n, time), NO_STEP where there is no step."""

    samples: Samples
    target: ClassesOfSteps
    predicted: ClassesOfSteps
    wrong: Probabilities

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.samples, self.target, self.predicted, self.wrong)
        check_alike(self.target.T, self.predicted.T)
        return self


class JudgedClasses(Part):
    """Classes that were told, one for each sample or one for each step; `called` also has what the data has no class for."""

    kind: Literal["classes"] = "classes"
    per_step: bool
    support: Counts
    """Answers of each class (classes,)."""
    called: Counts
    """Answers that the network called so (classes + 1,); the last for scores beyond the classes of the data."""
    hits: Counts
    """Those of them that are right (classes,)."""
    confusion: Table | None
    """A row for each class, a column for what the network called it (classes, classes + 1)."""
    calibration: Calibration
    answers: AnswersOfSamples | None
    mistakes: ClassMistakes | StepMistakes | None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.support, self.called[:-1], self.hits)
        if not len(self.support) or (self.hits > np.minimum(self.support, self.called[:-1])).any():
            raise ValueError("there are more right answers than answers")
        if self.confusion is not None:
            if len(self.confusion) > MOST_CLASSES:
                raise ValueError(f"a confusion matrix has at most {MOST_CLASSES} classes")
            fits = self.confusion.shape == (len(self.support), len(self.called))
            if not fits or (self.confusion.sum(1) != self.support).any() or (self.confusion.sum(0) != self.called).any():
                raise ValueError("the confusion matrix does not fit the counts")
        self._check_named()
        return self

    def _check_named(self) -> None:
        """Whether all that names a class names one that there is."""
        most = len(self.support)
        for kept in (self.answers, self.mistakes):
            for array, end in ((kept.target, most), (kept.predicted, most + 1)) if kept is not None else ():
                least = NO_STEP if array.ndim > 1 else 0
                if array.size and not (least <= array.min() and array.max() < end):
                    raise ValueError("there is no such class")

    @property
    def num_classes(self) -> int:
        """Of the data."""
        return len(self.support)


class LabelMistakes(Part):
    """The samples whose yes-or-no labels fit the answers least: (n, labels)."""

    samples: Samples
    target: Table
    probability: Rows

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.samples, self.target, self.probability)
        check_alike(self.target.T, self.probability.T)
        return self


class JudgedLabels(Part):
    """Yes-or-no labels that were told, counted for each label (labels,)."""

    kind: Literal["labels"] = "labels"
    per_step: bool
    count: Annotated[int, Field(ge=0)]
    """Answers, of each label."""
    support: Counts
    called: Counts
    hits: Counts
    calibration: Calibration
    mistakes: LabelMistakes | None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.support, self.called, self.hits)
        largest = max((int(array.max(initial=0)) for array in (self.support, self.called)), default=0)
        if largest > self.count or (self.hits > np.minimum(self.support, self.called)).any():
            raise ValueError("there are more right answers than answers")
        return self


class ShownValues(Part):
    """Samples with what was to be predicted and what was: (n, values), NaN where there is no step."""

    samples: Samples
    target: Rows
    predicted: Rows

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.samples, self.target, self.predicted)
        check_alike(self.target.T, self.predicted.T)
        if self.target.shape[1] > MOST_VALUES:
            raise ValueError(f"a sample is shown with at most {MOST_VALUES} values")
        return self


class Errors(Part):
    """Sums over all answers, for each value (values,)."""

    absolute: Numbers
    squared: Numbers

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.absolute, self.squared)
        if not all(np.isfinite(sums).all() and (sums >= 0).all() for sums in (self.absolute, self.squared)):
            raise ValueError("a sum of errors is below 0, or is no number")
        return self


class JudgedValues(Part):
    """Values that were predicted; of a forecast those of one step after the other, the columns of each side by side."""

    kind: Literal["values"] = "values"
    per_step: bool
    columns: Annotated[tuple[Name, ...], Field(max_length=MOST_COLUMNS)]
    """What the values are called; of a forecast, those of one step."""
    horizon: Annotated[int, Field(ge=1)]
    count: Annotated[int, Field(ge=1)]
    """Answers, of each value."""
    errors: Errors
    mean: Numbers
    """Of what was to be predicted (values,)."""
    spread: Numbers
    """Sums of squared differences from that mean (values,)."""
    repeating: Errors | None
    """The same of a forecast that repeats the last value."""
    scatter: tuple[Rows, Rows] | None
    """What was to be predicted and what was, of some samples: (n, the first values) each."""
    examples: ShownValues
    worst: ShownValues

    @model_validator(mode="after")
    def _fit(self) -> Self:
        values = len(self.errors.absolute)
        check_alike(self.errors.absolute, self.mean, self.spread)
        if self.repeating is not None:
            check_alike(self.errors.absolute, self.repeating.absolute)
        if len(self.columns) * self.horizon != values or not values:
            raise ValueError(f"{len(self.columns)} columns in {self.horizon} steps are not {values} values")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.spread).all() and (self.spread >= 0).all()):
            raise ValueError("what was to be predicted has no mean")
        if self.scatter is not None:
            if self.scatter[0].shape != self.scatter[1].shape:
                raise ValueError("arrays that belong together have different shapes")
            if len(self.scatter[0]) > MOST_SCATTERED:
                raise ValueError(f"at most {MOST_SCATTERED} samples are drawn")
        return self


JudgedOutput = Annotated[JudgedClasses | JudgedLabels | JudgedValues, Field(discriminator="kind")]
