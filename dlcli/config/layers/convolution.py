"""Convolutions. In torch's words and torch's order of axes; `conv1d` slides over the steps of a sequence."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal

from dlcli.config.initialisation import WithInit
from dlcli.config.layers.base import LayerSpec
from dlcli.config.layers.windows import Window, checked, conv_size, same_size, transposed_size, windows_of
from dlcli.config.shapes import Shape, ShapeError, Size, channels_of, num_values, window_sizes, with_channels
from dlcli.config.values import (
    Padding1d,
    Padding2d,
    Padding3d,
    Pair,
    PairOrZero,
    PositiveInt,
    Single,
    SingleOrZero,
    Triple,
)


def _check_groups(kind: str, shape: Shape, out_channels: int, groups: int) -> None:
    channels = channels_of(shape)
    if channels % groups or out_channels % groups:
        message = f"`{kind}` splits {channels} channels into {out_channels} by {groups} groups, which does not go even"
        raise ShapeError(message, help="`groups` divides the channels of the input and `out_channels`")


class _Convolution(WithInit, LayerSpec):
    main: ClassVar[str] = "out_channels"

    out_channels: PositiveInt
    """How many filters, and so channels of the output."""
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    """Zeros on each side; `same` pads so that only the stride makes the output smaller; `valid` is 0."""
    dilation: tuple[int, ...]
    groups: PositiveInt = 1
    """Divides the channels into groups that don't see each other."""
    bias: bool = True
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    """What is padded: 0, the values mirrored at the edge, the edge's own, or those of the other end; over time at each
    sequence's own end."""

    def output_shape(self, shape: Shape) -> Shape:
        _check_groups(self.kind, shape, self.out_channels, self.groups)
        before, after = self.padding_of_axes()
        self._check_padding(shape, after)
        if self.padding == "same":
            sizes = [same_size(size, stride) for size, stride in zip(window_sizes(shape), self.stride, strict=True)]
            return with_channels(shape, self.out_channels, sizes)
        axes = zip(window_sizes(shape), self.kernel_size, self.stride, before, self.dilation, strict=True)
        reach = tuple(d * (k - 1) + 1 - 2 * p for d, k, p in zip(self.dilation, self.kernel_size, before, strict=True))
        outputs = checked(self.kind, shape, (conv_size(*axis) for axis in axes), reach)
        return with_channels(shape, self.out_channels, outputs)

    def parameter_count(self, shape: Shape) -> int:
        weights = channels_of(shape) // self.groups * prod(self.kernel_size) * self.out_channels
        return weights + (self.out_channels if self.bias else 0)

    def windows(self) -> tuple[Window, ...]:
        return windows_of(self.kernel_size, self.stride, self.dilation)

    def flops(self, shape: Shape) -> int:
        return 2 * num_values(self.output_shape(shape)) * channels_of(shape) // self.groups * prod(self.kernel_size)

    def padding_of_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What is padded before and behind each axis.

        'same' pads dilation * (kernel_size - 1) values in all, the larger half behind, whatever the stride: the output has
        ceil(size / stride) values, and with a stride of 1 it is torch's 'same'.
        """
        if self.padding == "same":
            pads = [dilation * (kernel - 1) for dilation, kernel in zip(self.dilation, self.kernel_size, strict=True)]
            return tuple(pad // 2 for pad in pads), tuple(pad - pad // 2 for pad in pads)
        padding = (0,) * len(self.kernel_size) if isinstance(self.padding, str) else self.padding
        return padding, padding

    def _check_padding(self, shape: Shape, padding: Sequence[int]) -> None:
        """What is reflected or wrapped around must be there."""
        room = {"reflect": -1, "circular": 0}.get(self.padding_mode)
        if room is None:
            return
        for pad, size in zip(padding, window_sizes(shape), strict=True):
            if isinstance(size, int) and pad > size + room:
                raise ShapeError(f"`{self.kind}` can't pad {pad} by '{self.padding_mode}': its input is {shape}")


class Conv1d(_Convolution):
    """Filters over the steps of a sequence. (T, features) -> (T', out_channels)."""

    kind: ClassVar[str] = "conv1d"
    accepts: ClassVar[tuple[str, ...]] = ("series",)

    kernel_size: Single
    stride: Single = (1,)
    padding: Padding1d = (0,)
    dilation: Single = (1,)


class Conv2d(_Convolution):
    """Filters over an image. (C, H, W) -> (out_channels, H', W')."""

    kind: ClassVar[str] = "conv2d"
    accepts: ClassVar[tuple[str, ...]] = ("image",)

    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Padding2d = (0, 0)
    dilation: Pair = (1, 1)


class Conv3d(_Convolution):
    """Filters over a volume. (C, D, H, W) -> (out_channels, D', H', W')."""

    kind: ClassVar[str] = "conv3d"
    accepts: ClassVar[tuple[str, ...]] = ("volume",)

    kernel_size: Triple
    stride: Triple = (1, 1, 1)
    padding: Padding3d = (0, 0, 0)
    dilation: Triple = (1, 1, 1)


class _TransposedConvolution(WithInit, LayerSpec):
    main: ClassVar[str] = "out_channels"

    out_channels: PositiveInt
    """Channels of the output."""
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    """Added to one side of the output; less than the stride or the dilation."""
    dilation: tuple[int, ...]
    groups: PositiveInt = 1
    bias: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        _check_groups(self.kind, shape, self.out_channels, self.groups)
        axes = zip(window_sizes(shape), self.kernel_size, self.stride, self.padding, strict=True)
        outputs: list[Size] = []
        for axis, extra, stride, dilation in zip(axes, self.output_padding, self.stride, self.dilation, strict=True):
            if extra >= max(stride, dilation):
                message = f"`output_padding` of `{self.kind}` is {extra}, and must be less than its stride or dilation"
                raise ShapeError(message)
            outputs.append(transposed_size(*axis, output_padding=extra, dilation=dilation))
        if any(isinstance(size, int) and size < 1 for size in outputs):
            raise ShapeError(f"the padding of `{self.kind}` leaves nothing of its input, {shape}")
        return with_channels(shape, self.out_channels, outputs)

    def parameter_count(self, shape: Shape) -> int:
        weights = channels_of(shape) * prod(self.kernel_size) * self.out_channels // self.groups
        return weights + (self.out_channels if self.bias else 0)

    def windows(self) -> tuple[Window, ...]:
        return windows_of(self.kernel_size, self.stride, self.dilation, transposed=True)

    def flops(self, shape: Shape) -> int:
        return 2 * num_values(shape) * self.out_channels // self.groups * prod(self.kernel_size)


class ConvTranspose1d(_TransposedConvolution):
    """Spreads each step over a window. (T, features) -> (T', out_channels)."""

    kind: ClassVar[str] = "conv_transpose1d"
    accepts: ClassVar[tuple[str, ...]] = ("series",)

    kernel_size: Single
    stride: Single = (1,)
    padding: SingleOrZero = (0,)
    output_padding: SingleOrZero = (0,)
    dilation: Single = (1,)


class ConvTranspose2d(_TransposedConvolution):
    """Spreads each value over a window. (C, H, W) -> (out_channels, H', W')."""

    kind: ClassVar[str] = "conv_transpose2d"
    accepts: ClassVar[tuple[str, ...]] = ("image",)

    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: PairOrZero = (0, 0)
    output_padding: PairOrZero = (0, 0)
    dilation: Pair = (1, 1)
