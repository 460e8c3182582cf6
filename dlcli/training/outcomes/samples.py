"""Samples that are kept to be looked at: pictures, series, rows of numbers and texts."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from dlcli.training.outcomes.arrays import (
    MOST_SAMPLES,
    MOST_STEPS,
    Counts,
    Name,
    Part,
    PixelsOfPictures,
    Rows,
    ValuesOfSeries,
    check_alike,
)


class Pictures(Part):
    """Samples as pictures: uint8 (n, height, width, 1) in grey, or (n, height, width, 3) for red, green and blue."""

    kind: Literal["pictures"] = "pictures"
    pixels: PixelsOfPictures

    @model_validator(mode="after")
    def _can_be_shown(self) -> Self:
        _, height, width, channels = self.pixels.shape
        if self.pixels.dtype != np.uint8 or channels not in (1, 3) or not (0 < height <= 4096 and 0 < width <= 4096):
            raise ValueError(f"pictures of {self.pixels.dtype} and shape {self.pixels.shape} can't be shown")
        return self

    def __len__(self) -> int:
        return len(self.pixels)


class Series(Part):
    """Samples as series: float32 (n, time, features), NaN behind the end of shorter ones."""

    kind: Literal["series"] = "series"
    values: ValuesOfSeries
    steps: Counts
    """How many each had before it was made shorter (n,)."""
    columns: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    """What the features are called, where that is known."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.values, self.steps)
        return self

    def __len__(self) -> int:
        return len(self.values)


class Vectors(Part):
    """Samples as rows of numbers: float32 (n, features)."""

    kind: Literal["vectors"] = "vectors"
    values: Rows
    columns: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    """What the features are called, where that is known."""

    def __len__(self) -> int:
        return len(self.values)


class Texts(Part):
    """Samples as texts: of each its steps, as they are written."""

    kind: Literal["texts"] = "texts"
    texts: Annotated[tuple[Annotated[tuple[Name, ...], Field(max_length=MOST_STEPS)], ...], Field(max_length=MOST_SAMPLES)]
    joint: Annotated[str, Field(max_length=1)]
    """What stands between two steps."""
    steps: Counts
    """How many each had before it was cut off (n,)."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.texts, self.steps)
        return self

    def __len__(self) -> int:
        return len(self.texts)


Input = Annotated[Pictures | Series | Vectors | Texts, Field(discriminator="kind")]


class Samples(Part):
    """Samples to be looked at: each of their inputs by its name."""

    numbers: Counts
    """Their places in the split (n,)."""
    inputs: Annotated[dict[Name, Input], Field(min_length=1, max_length=8)]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        check_alike(self.numbers, *self.inputs.values())
        if len(self.numbers) > MOST_SAMPLES:
            raise ValueError(f"there are {len(self.numbers)} samples to be looked at")
        return self

    def __len__(self) -> int:
        return len(self.numbers)
