"""Layers that read several others."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from dlcli.config.layers.base import LayerSpec, Names, resolved_axis
from dlcli.config.shapes import Image, Sequence, Shape, ShapeError, channel_axis, fixed_sizes

AtLeastTwoNames = Annotated[Names, Field(min_length=2)]


class Join(LayerSpec):
    """A layer that reads several others."""

    main: ClassVar[str] = "from"
    joins: ClassVar[bool] = True

    from_: AtLeastTwoNames = Field(alias="from")
    """The names of at least two layers."""


class _Elementwise(Join):
    def output_shape(self, *shapes: Shape) -> Shape:
        for shape in shapes[1:]:
            if shape != shapes[0]:
                names = ", ".join(f"`{name}` is {shape}" for name, shape in zip(self.from_, shapes, strict=True))
                raise ShapeError(f"`{self.kind}` needs equal shapes: {names}", help=self._mend(shapes[0], shape))
        return shapes[0]

    def _mend(self, first: Shape, other: Shape) -> str | None:
        """What makes two inputs equal that differ in their channels or features alone."""
        name = self.from_[1]
        if isinstance(first, Image) and isinstance(other, Image) and first.sizes[1:] == other.sizes[1:]:
            return f"a `conv2d: {{out_channels: {first.channels}, kernel_size: 1, from: {name}}}` makes the channels equal"
        if first.layout == other.layout and first.layout in ("vector", "series") and first.sizes[:-1] == other.sizes[:-1]:
            return f"a `linear: {{out_features: {first.sizes[-1]}, from: {name}}}` makes the features equal"
        return None


class Add(_Elementwise):
    """Sum of the inputs."""

    kind: ClassVar[str] = "add"


class Multiply(_Elementwise):
    """Product of the inputs, value by value."""

    kind: ClassVar[str] = "multiply"


class Subtract(_Elementwise):
    """The first input less the second."""

    kind: ClassVar[str] = "subtract"

    from_: Annotated[Names, Field(min_length=2, max_length=2)] = Field(alias="from")
    """The names of two layers."""


class Maximum(_Elementwise):
    """The largest of the inputs, value by value."""

    kind: ClassVar[str] = "maximum"


class Concat(Join):
    """The inputs side by side."""

    kind: ClassVar[str] = "concat"

    dim: int | None = None
    """Axis as torch counts it, the batch being 0. Without it: channels of images, features elsewhere."""

    def output_shape(self, *shapes: Shape) -> Shape:
        names = ", ".join(f"`{name}` is {shape}" for name, shape in zip(self.from_, shapes, strict=True))
        first = shapes[0]
        dim = self.resolved_dim(first)
        if any(shape.layout != first.layout for shape in shapes):
            raise ShapeError(f"`concat` needs inputs of one kind: {names}")
        axes = list(zip(*(shape.sizes for shape in shapes), strict=True))
        if any(len(set(sizes)) > 1 for axis, sizes in enumerate(axes, start=1) if axis != dim):
            raise ShapeError(f"`concat` along axis {dim} needs all other sizes equal: {names}")
        if dim == 1 and isinstance(first, Sequence):
            return Sequence(sum(fixed_sizes(shape)[0] for shape in shapes), first.item)
        joined = [sum(sizes) if axis == dim else sizes[0] for axis, sizes in enumerate(axes, start=1)]
        return _same_kind(first, joined)

    def resolved_dim(self, shape: Shape) -> int:
        """The axis, counted from the batch."""
        return channel_axis(shape) if self.dim is None else resolved_axis(self.kind, self.dim, shape)


def _same_kind(shape: Shape, sizes: list[Any]) -> Shape:
    """The shape with other sizes."""
    return Sequence(sizes[0], _same_kind(shape.item, sizes[1:])) if isinstance(shape, Sequence) else type(shape)(*sizes)
