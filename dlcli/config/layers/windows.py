"""The arithmetic of windows that slide over axes: convolutions and pools. Formulas as in torch's documentation."""

from __future__ import annotations

from collections.abc import Iterable

from dlcli.config.shapes import Shape, ShapeError, window_sizes


def conv_size(size: int, kernel: int, stride: int, padding: int, dilation: int, *, ceil: bool = False) -> int:
    """How many windows fit on one axis; below 1 where none does."""
    free = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil:
        return free // stride + 1
    count = -(-free // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count  # no window starts in the right padding


def transposed_size(size: int, kernel: int, stride: int, padding: int, *, output_padding: int, dilation: int) -> int:
    """The length of an axis after a transposed convolution."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1


def checked(kind: str, shape: Shape, sizes: Iterable[int], reach: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes, where each is at least 1.

    Args:
        kind: the layer.
        shape: its input.
        sizes: the window axes of its output.
        reach: the axes' least input sizes, for the message.
    """
    sizes = tuple(sizes)
    if min(sizes) >= 1:
        return sizes
    found = "x".join(str(size) for size in window_sizes(shape))
    needed = "x".join(str(size) for size in reach)
    axes = "steps" if len(sizes) == 1 else "values"
    message = f"the window of `{kind}` reaches over {needed} {axes}, and its input has {found}: {shape}"
    raise ShapeError(message, help="use a smaller `kernel_size`, more `padding`, or fewer pools and strides before it")
