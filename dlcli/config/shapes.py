"""The shape of one sample between two layers. The batch axis is never part of it.

A shape knows its layout, the word for it in YAML and in messages. Tensors follow torch: images are
(batch, channels, height, width), volumes (batch, channels, depth, height, width); sequences are
(batch, time, ...), so a sequence of vectors is (batch, time, features).
"""

from __future__ import annotations

import math
from collections.abc import Sequence as AbstractSequence
from dataclasses import dataclass
from typing import Literal

Layout = Literal["vector", "series", "tokens", "image", "clip", "volume"]


class ShapeError(Exception):
    """A layer can't read its input; `help` says what would mend it."""

    def __init__(self, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


@dataclass(frozen=True)
class Vector:
    """`features` numbers."""

    features: int

    @property
    def layout(self) -> str:
        return "vector"

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.features,)

    def __str__(self) -> str:
        return f"a vector (features={self.features})"


@dataclass(frozen=True)
class Image:
    """`channels` planes of height x width."""

    channels: int
    height: int
    width: int

    @property
    def layout(self) -> str:
        return "image"

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.channels, self.height, self.width)

    def __str__(self) -> str:
        return f"an image (C={self.channels}, H={self.height}, W={self.width})"


@dataclass(frozen=True)
class Volume:
    """`channels` blocks of depth x height x width."""

    channels: int
    depth: int
    height: int
    width: int

    @property
    def layout(self) -> str:
        return "volume"

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.channels, self.depth, self.height, self.width)

    def __str__(self) -> str:
        return f"a volume (C={self.channels}, D={self.depth}, H={self.height}, W={self.width})"


@dataclass(frozen=True)
class Token:
    """A whole number below `num_values`: a character, a word, a category."""

    num_values: int

    @property
    def layout(self) -> str:
        return "token"

    @property
    def sizes(self) -> tuple[int, ...]:
        return ()

    def __str__(self) -> str:
        return f"a token (one of {self.num_values})"


@dataclass(frozen=True)
class Sequence:
    """`time` steps, each of shape `item`."""

    time: int
    item: Shape

    @property
    def layout(self) -> str:
        named = {"vector": "series", "token": "tokens", "image": "clip"}
        return named.get(self.item.layout, f"sequence of {self.item.layout}s")

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.time, *self.item.sizes)

    def __str__(self) -> str:
        if isinstance(self.item, Vector):
            return f"a sequence (T={self.time}, features={self.item.features})"
        if isinstance(self.item, Token):
            return f"a sequence of tokens (T={self.time}, each one of {self.item.num_values})"
        return f"a sequence (T={self.time}) of {self.item}"


Shape = Vector | Image | Volume | Token | Sequence


def num_values(shape: Shape) -> int:
    """How many numbers one sample of the shape holds."""
    return math.prod(shape.sizes)


def holds_tokens(shape: Shape) -> bool:
    """Whether the numbers are indices and not quantities."""
    return holds_tokens(shape.item) if isinstance(shape, Sequence) else isinstance(shape, Token)


def from_sizes(sizes: AbstractSequence[int], layout: Layout | None = None) -> Shape:
    """The shape with these sizes: 1 is a vector, 2 a series, 3 an image, 4 a volume, unless `layout` says clip.

    Raises:
        ShapeError: there is no such shape.
    """
    by_count: dict[int, Layout] = {1: "vector", 2: "series", 3: "image", 4: "volume"}
    layout = layout or by_count.get(len(sizes))
    expected = {"vector": 1, "series": 2, "image": 3, "volume": 4, "clip": 4}
    if layout is None or expected.get(layout) != len(sizes):
        what = f"a {layout}" if layout else "a shape"
        raise ShapeError(f"{what} can't have {len(sizes)} axes: {list(sizes)}")
    if layout == "vector":
        return Vector(sizes[0])
    if layout == "series":
        return Sequence(sizes[0], Vector(sizes[1]))
    if layout == "image":
        return Image(*sizes)
    return Volume(*sizes) if layout == "volume" else Sequence(sizes[0], Image(*sizes[1:]))


def channels_of(shape: Shape) -> int:
    """The size of the axis that torch calls channels; for vectors and series the features."""
    if isinstance(shape, Image | Volume):
        return shape.channels
    if isinstance(shape, Vector):
        return shape.features
    if isinstance(shape, Sequence):
        return channels_of(shape.item)
    raise ShapeError(f"{shape} has no channels")


def channel_axis(shape: Shape) -> int:
    """Where torch's tensors keep what `channels_of` counts; the batch is axis 0."""
    return 1 + channel_axis(shape.item) if isinstance(shape, Sequence) else 1


def token_of(shape: Shape) -> Token:
    """The token that the shape is, or that each of its steps is."""
    token = shape.item if isinstance(shape, Sequence) else shape
    assert isinstance(token, Token)
    return token


def with_channels(shape: Shape, channels: int, sizes: AbstractSequence[int]) -> Shape:
    """The shape of the same kind with other channels and other sizes of its window axes."""
    if isinstance(shape, Sequence):
        return Sequence(sizes[0], Vector(channels))
    return Image(channels, *sizes) if isinstance(shape, Image) else Volume(channels, *sizes)


def window_sizes(shape: Shape) -> tuple[int, ...]:
    """The axes that windows slide over: time, or height and width, or depth, height and width."""
    return (shape.sizes[0],) if isinstance(shape, Sequence) else shape.sizes[1:]
