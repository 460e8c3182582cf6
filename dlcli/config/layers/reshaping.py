"""Layers that move values and change none. Axes are counted as in torch: 0 is the batch."""

from math import prod
from typing import ClassVar, Literal

from dlcli.config.layers.base import LayerSpec
from dlcli.config.shapes import Sequence, Shape, ShapeError, fixed_sizes, from_sizes, num_values
from dlcli.config.values import Ints

NewLayout = Literal["vector", "series", "image", "volume", "clip"]


class Flatten(LayerSpec):
    """Axes joined into one. (C, H, W) -> (C * H * W)."""

    kind: ClassVar[str] = "flatten"
    main: ClassVar[str] = "start_dim"

    start_dim: int = 1
    """The first axis that is joined."""
    end_dim: int = -1
    """The last axis that is joined."""

    def output_shape(self, shape: Shape) -> Shape:
        axes = len(shape.sizes) + 1
        start, end = (dim + axes if dim < 0 else dim for dim in (self.start_dim, self.end_dim))
        if not 1 <= start <= end < axes:
            raise ShapeError(f"`flatten` joins axes {self.start_dim} to {self.end_dim}, and its input is {shape}")
        return _flattened(shape, start, end)


def _flattened(shape: Shape, start: int, end: int) -> Shape:
    """The shape with axes start to end joined, the batch being 0; a sequence whose time stays is still one."""
    if start == end:
        return shape
    if isinstance(shape, Sequence) and start > 1:
        return Sequence(shape.time, _flattened(shape.item, start - 1, end - 1))
    sizes = fixed_sizes(shape)
    return from_sizes((*sizes[: start - 1], prod(sizes[start - 1 : end]), *sizes[end:]))


class Reshape(LayerSpec):
    """The same values in other sizes: those of one sample, without the batch."""

    kind: ClassVar[str] = "reshape"
    main: ClassVar[str] = "sizes"

    sizes: Ints
    """For example [16, 7, 7]; one of them may be -1: what is left over."""
    layout: NewLayout | None = None
    """What the result is, where its sizes don't tell: `clip` and `volume` both have four."""

    def output_shape(self, shape: Shape) -> Shape:
        return from_sizes(self.resolved_sizes(shape), self.layout)

    def same_weights(self, first: Shape, second: Shape) -> bool:
        return first == second

    def resolved_sizes(self, shape: Shape) -> tuple[int, ...]:
        """The sizes with -1 replaced."""
        values, known = num_values(shape), prod(size for size in self.sizes if size != -1)
        help = f"the sizes multiply to {values}"
        if not self.sizes or min(self.sizes) < -1 or 0 in self.sizes or self.sizes.count(-1) > 1:
            raise ShapeError(f"`reshape` can't make {list(self.sizes)}", help="whole numbers above 0, one of them may be -1")
        if -1 not in self.sizes and known != values:
            raise ShapeError(f"`reshape` makes {known} values, and its input has {values}: {shape}", help=help)
        if values % known:
            raise ShapeError(f"`reshape` to {list(self.sizes)} does not go even: its input has {values} values", help=help)
        return tuple(values // known if size == -1 else size for size in self.sizes)


class Permute(LayerSpec):
    """Axes in another order. `[0, 2, 1]` turns (T, features) into (features, T)."""

    kind: ClassVar[str] = "permute"
    main: ClassVar[str] = "dims"

    dims: Ints
    """The old axes in their new order; 0, the batch, stays first."""
    layout: NewLayout | None = None
    """What the result is, where its sizes don't tell: `clip` and `volume` both have four."""

    def output_shape(self, shape: Shape) -> Shape:
        axes = len(shape.sizes) + 1
        if self.dims[:1] != (0,) or sorted(self.dims) != list(range(axes)):
            order = ", ".join(str(axis) for axis in range(1, axes))
            message = f"`permute` {list(self.dims)} is no order of the axes of its input, {shape}"
            raise ShapeError(message, help=f"0 first (the batch), then {order} in the order you want")
        return from_sizes([fixed_sizes(shape)[dim - 1] for dim in self.dims[1:]], self.layout)
