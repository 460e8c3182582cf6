"""The arithmetic of windows that slide over axes: convolutions and pools. Formulas as in torch's documentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dlcli.config.shapes import Shape, ShapeError, Size, Time, window_sizes


@dataclass(frozen=True)
class Window:
    """A window along one axis.

    Attributes:
        reach: the values from its first to its last, dilation * (kernel_size - 1) + 1.
        stride: how far each window is from the one before; of a transposed one, how far its inputs are moved apart.
        transposed: whether inputs are spread over windows of the output.
    """

    reach: int
    stride: int
    transposed: bool = False


def windows_of(
    kernel_size: Iterable[int], stride: Iterable[int], dilation: Iterable[int], *, transposed: bool = False
) -> tuple[Window, ...]:
    """The windows along all axes."""
    axes = zip(kernel_size, stride, dilation, strict=True)
    return tuple(Window(dilation * (kernel - 1) + 1, stride, transposed) for kernel, stride, dilation in axes)


def conv_size(size: Size, kernel: int, stride: int, padding: int, dilation: int, *, ceil: bool = False) -> Size:
    """How many windows fit on one axis; below 1 where none does."""
    offset = stride + 2 * padding - dilation * (kernel - 1) - 1
    if ceil:  # one more window may reach over the end, but none starts in the padding there
        offset = min(offset, padding) + stride - 1
    return _floor(size, 1, offset, stride)


def same_size(size: Size, stride: int) -> Size:
    """The length of an axis after a convolution with padding 'same': one window at every `stride`-th place."""
    return _floor(size, 1, stride - 1, stride)


def transposed_size(size: Size, kernel: int, stride: int, padding: int, *, output_padding: int, dilation: int) -> Size:
    """The length of an axis after a transposed convolution."""
    return _floor(size, stride, dilation * (kernel - 1) + output_padding + 1 - 2 * padding - stride, 1)


def _floor(size: Size, multiplier: int, offset: int, divisor: int) -> Size:
    if isinstance(size, Time):
        return size.through(multiplier, offset, divisor)
    return (multiplier * size + offset) // divisor


def checked(kind: str, shape: Shape, sizes: Iterable[Size], reach: tuple[int, ...]) -> tuple[Size, ...]:
    """The sizes, where each is at least 1.

    Args:
        kind: the layer.
        shape: its input.
        sizes: the window axes of its output.
        reach: the axes' least input sizes, for the message.
    """
    sizes = tuple(sizes)
    if all(isinstance(size, Time) or size >= 1 for size in sizes):
        return sizes
    found = "x".join(str(size) for size in window_sizes(shape))
    needed = "x".join(str(size) for size in reach)
    axes = "steps" if len(sizes) == 1 else "values"
    message = f"the window of `{kind}` reaches over {needed} {axes}, and its input has {found}: {shape}"
    raise ShapeError(message, help="use a smaller `kernel_size`, more `padding`, or fewer pools and strides before it")
