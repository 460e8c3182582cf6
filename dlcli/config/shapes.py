"""The shape of one sample between two layers. The batch axis is never part of it.

A shape knows its layout, the word for it in YAML and in messages. Tensors follow torch: images are
(batch, channels, height, width), volumes (batch, channels, depth, height, width); sequences are
(batch, time, ...), so a sequence of vectors is (batch, time, features).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence as AbstractSequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Protocol, Self, TypeVar

Layout = Literal["vector", "series", "tokens", "image", "clip", "volume"]


class ShapeError(Exception):
    """A layer can't read its input; `help` says what would mend it."""

    def __init__(self, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


class _WholeNumbers(Protocol):
    """An int, or an array of ints, torch's or NumPy's."""

    def __rmul__(self, other: int, /) -> Self: ...
    def __add__(self, other: int, /) -> Self: ...
    def __floordiv__(self, other: int, /) -> Self: ...


_Steps = TypeVar("_Steps", bound=_WholeNumbers)


@dataclass(frozen=True)
class Time:
    """A number of steps that differs from sample to sample: T, or what layers make of it.

    Each link (multiplier, offset, divisor) stands for floor((multiplier * steps + offset) / divisor); links that can be
    put together are, so that equal numbers of steps have equal links.
    """

    links: tuple[tuple[int, int, int], ...] = ()

    def through(self, multiplier: int, offset: int, divisor: int) -> Time:
        """The steps after floor((multiplier * steps + offset) / divisor)."""
        links = list(self.links)
        if links and (links[-1][2] == 1 or multiplier == 1):
            first, shift, parts = links.pop()
            multiplier, offset, divisor = first * multiplier, multiplier * shift + offset * parts, divisor * parts
        common = math.gcd(multiplier, divisor)
        link = (multiplier // common, offset // common, divisor // common)
        return Time((*links, link) if link != (1, 0, 1) else tuple(links))

    def at(self, steps: _Steps) -> _Steps:
        """The number of steps for a sample of so many; of an array of ints, the numbers for samples of such numbers."""
        for multiplier, offset, divisor in self.links:
            steps = (multiplier * steps + offset) // divisor
        return steps

    def __str__(self) -> str:
        text = "T"
        for multiplier, offset, divisor in self.links:
            text = f"{multiplier}{text if text == 'T' else f'({text})'}" if multiplier > 1 else text
            text = f"{text}{offset:+d}" if offset else text
            text = f"({text})//{divisor}" if offset and divisor > 1 else f"{text}//{divisor}" if divisor > 1 else text
        return text


Size = int | Time


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

    time: Size
    item: Shape

    @property
    def layout(self) -> str:
        named = {"vector": "series", "token": "tokens", "image": "clip"}
        return named.get(self.item.layout, f"sequence of {self.item.layout}s")

    @property
    def sizes(self) -> tuple[Size, ...]:
        return (self.time, *self.item.sizes)

    def __str__(self) -> str:
        if isinstance(self.item, Vector):
            return f"a sequence (T={self.time}, features={self.item.features})"
        if isinstance(self.item, Token):
            return f"a sequence of tokens (T={self.time}, each one of {self.item.num_values})"
        return f"a sequence (T={self.time}) of {self.item}"


Shape = Vector | Image | Volume | Token | Sequence


def num_values(shape: Shape) -> int:
    """How many numbers one sample of the shape holds.

    Raises:
        ShapeError: that differs from sample to sample.
    """
    return math.prod(fixed_sizes(shape))


def fixed_sizes(shape: Shape) -> tuple[int, ...]:
    """The sizes of all axes.

    Raises:
        ShapeError: the number of steps differs from sample to sample.
    """
    fixed = tuple(size for size in shape.sizes if isinstance(size, int))
    if len(fixed) < len(shape.sizes):
        help = "put `- global_avg_pool` or a recurrent layer with `return: last` before it"
        raise ShapeError(f"the number of steps differs from sample to sample: {shape}", help=help)
    return fixed


def has_any_time(shape: Shape) -> bool:
    """Whether the number of steps differs from sample to sample."""
    return isinstance(shape, Sequence) and isinstance(shape.time, Time)


def at_steps(shape: Shape, steps: int) -> Shape:
    """The shape of a sample of so many steps."""
    if isinstance(shape, Sequence):
        time = shape.time.at(steps) if isinstance(shape.time, Time) else shape.time
        return Sequence(time, at_steps(shape.item, steps))
    return shape


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


def with_channels(shape: Shape, channels: int, sizes: AbstractSequence[Size]) -> Shape:
    """The shape of the same kind with other channels and other sizes of its window axes."""
    if isinstance(shape, Sequence):
        return Sequence(sizes[0], Vector(channels))
    fixed = [size for size in sizes if isinstance(size, int)]
    return Image(channels, *fixed) if isinstance(shape, Image) else Volume(channels, *fixed)


def window_sizes(shape: Shape) -> tuple[Size, ...]:
    """The axes that windows slide over: time, or height and width, or depth, height and width."""
    return (shape.time,) if isinstance(shape, Sequence) else shape.sizes[1:]


_BY_NAME: Final[Mapping[str, type[Vector | Image | Volume | Token]]] = {
    kind.__name__.lower(): kind for kind in (Vector, Image, Volume, Token)
}


def shape_as_json(shape: Shape) -> dict[str, Any]:
    """The shape as plain values."""
    if isinstance(shape, Sequence):
        time = {"links": shape.time.links} if isinstance(shape.time, Time) else shape.time
        return {"kind": "sequence", "time": time, "item": shape_as_json(shape.item)}
    return {"kind": type(shape).__name__.lower(), **asdict(shape)}


def shape_from_json(values: dict[str, Any]) -> Shape:
    """The shape again.

    Raises:
        KeyError, TypeError: the values are not those of `shape_as_json`.
    """
    if values["kind"] == "sequence":
        time = values["time"]
        steps = time if isinstance(time, int) else Time(tuple(tuple(link) for link in time["links"]))
        return Sequence(steps, shape_from_json(values["item"]))
    return _BY_NAME[values["kind"]](**{name: value for name, value in values.items() if name != "kind"})
