"""Samples that are made up: what all of them have in common, and random ones."""

from abc import abstractmethod
from math import prod
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BeforeValidator, Field, model_validator

from dlcli.config.data.base import DataSpec
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Layout, Sequence, Shape, Token, from_sizes
from dlcli.config.values import LARGEST_SIZE, as_tuple


def _listed(value: Any) -> Any:
    """One size stands for a list of it."""
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else as_tuple(value)


_MOST_VALUES: Final = 2**32
"""Numbers that are made up at most: 16 GiB of them."""

_AXES: Final[dict[Layout, str]] = {"vector": "F", "series": "TF", "tokens": "T", "image": "CHW", "clip": "TCHW", "volume": "CDHW"}

Count = Annotated[int, Field(ge=1, lt=2**31)]
_Size = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]


class MadeUp(DataSpec):
    """Samples that are drawn, and of which all is known before."""

    num_samples: Count = 10_000
    """Of all splits together."""
    seed: int = Field(0, ge=0)
    """Equal seeds give equal samples."""

    @abstractmethod
    def facts(self) -> DataFacts:
        """What a network has to know."""

    @property
    @abstractmethod
    def values_per_sample(self) -> int:
        """Numbers in the larger of a sample's input and its answer."""

    @model_validator(mode="after")
    def _can_be_meant(self) -> Self:
        if self.values_per_sample * self.num_samples > _MOST_VALUES:
            raise ValueError(f"`num_samples` of these sizes are more than {_MOST_VALUES:,} numbers")
        return self


class Random(MadeUp):
    """Made-up samples to try a network on: values are normally distributed, tokens and classes uniformly."""

    kind: ClassVar[str] = "random"
    main: ClassVar[str] = "sizes"

    sizes: Annotated[
        tuple[_Size, ...],
        BeforeValidator(_listed, json_schema_input_type=_Size | tuple[_Size, ...]),
        Field(min_length=1, max_length=4),
    ]
    """Of a sample, in torch's order: [F] is a vector, [T, F] a series, [C, H, W] an image, [C, D, H, W] a volume."""
    layout: Layout | None = None
    """What a sample is, where the number of sizes does not say it: tokens has the sizes [T], clip [T, C, H, W]."""
    vocabulary_size: Count | None = None
    """How many tokens there are."""
    num_classes: Count | None = None
    """How many classes there are: 10 without this and without `num_targets`."""
    num_targets: _Size | None = None
    """How many values there are to predict, in place of classes."""
    per_step: bool = False
    """Whether each step of a sequence has an answer of its own."""
    num_samples: Count = 256
    """Of all splits together."""

    def facts(self) -> DataFacts:
        classes = None if self.num_targets is not None else self.num_classes or 10
        return DataFacts.of(self._shape(), num_classes=classes, num_targets=self.num_targets, per_step=self.per_step)

    @property
    def values_per_sample(self) -> int:
        answers = (self.num_targets or 1) * (self.sizes[0] if self.per_step else 1)
        return max(prod(self.sizes), answers)

    def _shape(self) -> Shape:
        if self.layout != "tokens":
            return from_sizes(self.sizes, self.layout)
        assert self.vocabulary_size is not None
        return Sequence(self.sizes[0], Token(self.vocabulary_size))

    @model_validator(mode="after")
    def _is_a_sample(self) -> Self:
        if self.layout is not None and len(self.sizes) != len(_AXES[self.layout]):
            expected = ", ".join(_AXES[self.layout])
            raise ValueError(f"`sizes` are [{expected}] for the layout {self.layout}, not {list(self.sizes)}")
        if self.layout == "tokens" and self.vocabulary_size is None:
            raise ValueError("`layout` tokens needs `vocabulary_size`: how many tokens there are")
        if self.layout != "tokens" and self.vocabulary_size is not None:
            raise ValueError("`vocabulary_size` is for `layout: tokens` alone")
        shape = self._shape()
        if self.num_classes is not None and self.num_targets is not None:
            raise ValueError("`num_targets` is in place of `num_classes`: give one of them")
        if self.per_step and not isinstance(shape, Sequence):
            raise ValueError(f"`per_step` needs a sequence, and the samples are of another kind: {shape}")
        return self
