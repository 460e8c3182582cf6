"""All that a run keeps for its report: what its data is like, and how its best network did on a split."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dlcli.training.outcomes.answers import JudgedOutput
from dlcli.training.outcomes.arrays import (
    MOST_COLUMNS,
    MOST_TEXT,
    MOST_TOLD,
    MOST_WRITTEN,
    Counts,
    Name,
    Numbers,
    Part,
    Rows,
    check_alike,
)
from dlcli.training.outcomes.samples import Samples


class WrittenText(Part):
    """What a language model wrote."""

    prompt: Annotated[str, Field(max_length=MOST_TEXT)]
    text: Annotated[str, Field(max_length=MOST_WRITTEN)]
    temperature: float


class Judgement(Part):
    """How the best network did on a split."""

    split: Literal["train", "valid", "test"]
    samples: Annotated[int, Field(ge=1)]
    figures: Annotated[dict[Name, float], Field(max_length=1000)]
    """Loss and metrics, as in run.json."""
    outputs: Annotated[dict[Name, JudgedOutput], Field(max_length=64)]
    """Of one output, without a name; those that are too large to be counted are left out."""
    written: Annotated[tuple[WrittenText, ...], Field(max_length=16)] = ()


class ClassCounts(Part):
    """How many answers of each class a split has (classes,)."""

    kind: Literal["classes"] = "classes"
    splits: Annotated[dict[Name, Counts], Field(min_length=1, max_length=3)]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(*self.splits.values())
        return self


class ValueRanges(Part):
    """Where the values to predict lie, in the training split (values,)."""

    kind: Literal["values"] = "values"
    columns: Annotated[tuple[Name, ...], Field(max_length=MOST_COLUMNS)]
    mean: Numbers
    std: Numbers
    least: Numbers
    largest: Numbers

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.columns, self.mean, self.std, self.least, self.largest)
        return self


class StepCounts(Part):
    """How many sequences of the training split are how long: `counts` lie between two of the `edges` each."""

    edges: Counts
    counts: Counts

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.edges[1:], self.counts)
        if len(self.counts) > 1000 or (np.diff(self.edges.astype(np.int64)) <= 0).any():
            raise ValueError("the edges of lengths do not rise")
        return self


class Example(Part):
    """What is to be told of an example: classes, yes-or-no labels or values, of each sample (n, answers)."""

    kind: Literal["classes", "values"]
    answers: Rows

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.answers.shape[1] > MOST_TOLD:
            raise ValueError(f"of an example at most {MOST_TOLD} answers are told")
        return self


class DataDigest(Part):
    """What the data is like."""

    answers: Annotated[dict[Name, Annotated[ClassCounts | ValueRanges, Field(discriminator="kind")]], Field(max_length=64)]
    """Of each target by its name; of one alone, without a name. Those that are too large to be counted are left out."""
    steps: StepCounts | None
    examples: Samples
    told: Annotated[dict[Name, Example], Field(max_length=64)]
    """What is to be told of the examples, by the name of the target."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.examples, *(example.answers for example in self.told.values()))
        return self


class Outcome(Part):
    """What a run keeps for its report."""

    format: Literal[1] = 1
    data: DataDigest
    judgement: Judgement | None
    """None where the training did not come to its end, or no samples were held out."""
