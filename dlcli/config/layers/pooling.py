"""Pools: one value out of each window, or out of the whole plane; or one step out of all."""

from typing import ClassVar

from dlcli.config.layers.base import LayerSpec
from dlcli.config.layers.windows import Window, checked, conv_size, windows_of
from dlcli.config.shapes import (
    Sequence,
    Shape,
    ShapeError,
    Time,
    Vector,
    channels_of,
    fixed_sizes,
    window_sizes,
    with_channels,
)
from dlcli.config.values import Pair, PairOrZero, Single, SingleOrZero, Triple, TripleOrZero

_SERIES = ("series",)
_IMAGE = ("image",)
_VOLUME = ("volume",)


class _Pool(LayerSpec):
    main: ClassVar[str] = "kernel_size"

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...] | None
    """Defaults to the kernel size: windows that touch and don't overlap."""
    padding: tuple[int, ...]
    """At most half of the kernel."""
    ceil_mode: bool = False
    """Whether a window may reach over the end."""

    def _dilation(self) -> tuple[int, ...]:
        return (1,) * len(self.kernel_size)

    def windows(self) -> tuple[Window, ...]:
        return windows_of(self.kernel_size, self.stride or self.kernel_size, self._dilation())

    def output_shape(self, shape: Shape) -> Shape:
        for pad, kernel in zip(self.padding, self.kernel_size, strict=True):
            if pad > kernel // 2:
                raise ShapeError(f"`padding` of `{self.kind}` is {pad}, more than half of its kernel of {kernel}")
        reach = tuple(d * (k - 1) + 1 for d, k in zip(self._dilation(), self.kernel_size, strict=True))
        stride = self.stride or self.kernel_size
        axes = zip(window_sizes(shape), self.kernel_size, stride, self.padding, self._dilation(), strict=True)
        sizes = (conv_size(*axis, ceil=self.ceil_mode) for axis in axes)
        least = tuple(window - 2 * pad for window, pad in zip(reach, self.padding, strict=True))
        return with_channels(shape, channels_of(shape), checked(self.kind, shape, sizes, least))


class _MaxPool(_Pool):
    dilation: tuple[int, ...]

    def _dilation(self) -> tuple[int, ...]:
        return self.dilation

    def output_shape(self, shape: Shape) -> Shape:
        output = super().output_shape(shape)
        axes = zip(window_sizes(shape), window_sizes(output), self.stride or self.kernel_size, strict=True)
        for (size, count, stride), padding, dilation in zip(axes, self.padding, self.dilation, strict=True):
            if isinstance(size, Time) or isinstance(count, Time):
                continue
            starts = range(-padding, 0, stride)[:count]
            if any(start % dilation >= size for start in starts):  # torch's backward would write outside the tensor
                message = f"a window of `{self.kind}` meets nothing but padding: its dilation is {dilation}, its input is {shape}"
                raise ShapeError(message, help="use a smaller `dilation` or no `padding`")
        return output


class MaxPool1d(_MaxPool):
    """Largest value of each window of steps. (T, features) -> (T', features)."""

    kind: ClassVar[str] = "max_pool1d"
    accepts: ClassVar[tuple[str, ...]] = _SERIES

    kernel_size: Single
    stride: Single | None = None
    padding: SingleOrZero = (0,)
    dilation: Single = (1,)


class MaxPool2d(_MaxPool):
    """Largest value of each window. (C, H, W) -> (C, H', W')."""

    kind: ClassVar[str] = "max_pool2d"
    accepts: ClassVar[tuple[str, ...]] = _IMAGE

    kernel_size: Pair
    stride: Pair | None = None
    padding: PairOrZero = (0, 0)
    dilation: Pair = (1, 1)


class MaxPool3d(_MaxPool):
    """Largest value of each window. (C, D, H, W) -> (C, D', H', W')."""

    kind: ClassVar[str] = "max_pool3d"
    accepts: ClassVar[tuple[str, ...]] = _VOLUME

    kernel_size: Triple
    stride: Triple | None = None
    padding: TripleOrZero = (0, 0, 0)
    dilation: Triple = (1, 1, 1)


class _AvgPool(_Pool):
    count_include_pad: bool = True
    """Whether padded zeros count in the mean."""


class AvgPool1d(_AvgPool):
    """Mean of each window of steps. (T, features) -> (T', features)."""

    kind: ClassVar[str] = "avg_pool1d"
    accepts: ClassVar[tuple[str, ...]] = _SERIES

    kernel_size: Single
    stride: Single | None = None
    padding: SingleOrZero = (0,)


class AvgPool2d(_AvgPool):
    """Mean of each window. (C, H, W) -> (C, H', W')."""

    kind: ClassVar[str] = "avg_pool2d"
    accepts: ClassVar[tuple[str, ...]] = _IMAGE

    kernel_size: Pair
    stride: Pair | None = None
    padding: PairOrZero = (0, 0)


class AvgPool3d(_AvgPool):
    """Mean of each window. (C, D, H, W) -> (C, D', H', W')."""

    kind: ClassVar[str] = "avg_pool3d"
    accepts: ClassVar[tuple[str, ...]] = _VOLUME

    kernel_size: Triple
    stride: Triple | None = None
    padding: TripleOrZero = (0, 0, 0)

    def output_shape(self, shape: Shape) -> Shape:
        if any(size < kernel for size, kernel in zip(fixed_sizes(shape)[1:], self.kernel_size, strict=True)):
            raise ShapeError(f"the window of `{self.kind}` is larger than its input without padding, {shape}")
        return super().output_shape(shape)


class _AdaptivePool(LayerSpec):
    main: ClassVar[str] = "output_size"

    output_size: tuple[int, ...]
    """Sizes of the output, whatever the input's."""

    def output_shape(self, shape: Shape) -> Shape:
        return with_channels(shape, channels_of(shape), self.output_size)


class AdaptiveMaxPool1d(_AdaptivePool):
    """Largest values of `output_size` windows. (T, features) -> (output_size, features)."""

    kind: ClassVar[str] = "adaptive_max_pool1d"
    accepts: ClassVar[tuple[str, ...]] = _SERIES

    output_size: Single


class AdaptiveMaxPool2d(_AdaptivePool):
    """Largest values of `output_size` windows. (C, H, W) -> (C, *output_size)."""

    kind: ClassVar[str] = "adaptive_max_pool2d"
    accepts: ClassVar[tuple[str, ...]] = _IMAGE

    output_size: Pair


class AdaptiveMaxPool3d(_AdaptivePool):
    """Largest values of `output_size` windows. (C, D, H, W) -> (C, *output_size)."""

    kind: ClassVar[str] = "adaptive_max_pool3d"
    accepts: ClassVar[tuple[str, ...]] = _VOLUME

    output_size: Triple


class AdaptiveAvgPool1d(_AdaptivePool):
    """Means of `output_size` windows. (T, features) -> (output_size, features)."""

    kind: ClassVar[str] = "adaptive_avg_pool1d"
    accepts: ClassVar[tuple[str, ...]] = _SERIES

    output_size: Single


class AdaptiveAvgPool2d(_AdaptivePool):
    """Means of `output_size` windows. (C, H, W) -> (C, *output_size)."""

    kind: ClassVar[str] = "adaptive_avg_pool2d"
    accepts: ClassVar[tuple[str, ...]] = _IMAGE

    output_size: Pair


class AdaptiveAvgPool3d(_AdaptivePool):
    """Means of `output_size` windows. (C, D, H, W) -> (C, *output_size)."""

    kind: ClassVar[str] = "adaptive_avg_pool3d"
    accepts: ClassVar[tuple[str, ...]] = _VOLUME

    output_size: Triple


class _GlobalPool(LayerSpec):
    accepts: ClassVar[tuple[str, ...]] = _SERIES + _IMAGE + _VOLUME

    def output_shape(self, shape: Shape) -> Shape:
        return Vector(channels_of(shape))


class GlobalAvgPool(_GlobalPool):
    """Mean of each channel over the plane, or of each feature over time. (C, H, W) -> (C)."""

    kind: ClassVar[str] = "global_avg_pool"


class GlobalMaxPool(_GlobalPool):
    """Largest value of each channel, or of each feature over time. (C, H, W) -> (C)."""

    kind: ClassVar[str] = "global_max_pool"


class LastStep(LayerSpec):
    """The last step of each sequence. (T, ...) -> (...)."""

    kind: ClassVar[str] = "last_step"

    def output_shape(self, shape: Shape) -> Shape:
        if not isinstance(shape, Sequence):
            help = "does a recurrent layer above it need `return: sequence`?" if isinstance(shape, Vector) else None
            raise ShapeError(f"`{self.kind}` reads a sequence, and its input is {shape}", help=help)
        return shape.item
