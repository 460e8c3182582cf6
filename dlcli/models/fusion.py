"""Neighbouring layers that run as one, with the same values and gradients.

A ReLU before a max-pool gives the same after it, with less to do: it is monotonic, and where the largest value of a window is not
above 0, none gets a gradient. What is pooled in passes over all channels of a pixel need not be kept in between, and a
convolution of few channels, as of a picture's, need not even be written down.

Where somebody looks at one of the layers through a hook, they run one by one, in their order.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.models import kernels
from dlcli.models.flatten import FlattenImage

Run = Callable[..., Tensor]
"""Takes a tensor and the layers to send it through."""

_IN_ANY_ORDER: Final = ((nn.ReLU, nn.MaxPool2d), (nn.MaxPool2d, nn.ReLU))
_MOST_TAPS: Final = 80
"""Weights of a filter, over all channels, up to which its convolution is computed again rather than kept."""
_BLOCK: Final = 16
"""Output channels are computed in blocks of so many."""
_MOST_WINDOW: Final = 100
"""Pixels of a window: a byte has to tell them apart."""
_PARTS: Final = 16
"""Sums of the weights' gradient, each over a part of the windows, so that they do not depend on the number of threads."""


def fused(layers: Sequence[nn.Module]) -> Iterator[tuple[Run, int]]:
    """How to run a chain of layers: each way, and how many layers it takes.

    Args:
        layers: each reads what the one before it gives, and nothing else does.
    """
    place = 0
    while place < len(layers):
        run, count = _longest(tuple(type(layer) for layer in layers[place : place + 4]))
        yield run, count
        place += count


def _longest(kinds: tuple[type[nn.Module], ...]) -> tuple[Run, int]:
    """How to run the first layers of these kinds, as many as run as one."""
    if kinds[:1] == (nn.Conv2d,) and kinds[1:3] in _IN_ANY_ORDER:
        return (convolve_pool_and_flatten, 4) if kinds[3:] == (FlattenImage,) else (convolve_and_pool, 3)
    return (rectify_and_pool, 2) if kinds[:2] in _IN_ANY_ORDER else (run_one, 1)


def run_one(values: Tensor, layer: nn.Module) -> Tensor:
    """A layer by itself."""
    output: Tensor = layer(values)
    return output


def convolve_and_pool(values: Tensor, convolution: nn.Module, first: nn.Module, second: nn.Module) -> Tensor:
    """A convolution, and a ReLU and a max-pool in any order."""
    pooled = _convolved(values, convolution, first, second, channels_last=True)
    return rectify_and_pool(convolution(values), first, second) if pooled is None else pooled


def convolve_pool_and_flatten(
    values: Tensor, convolution: nn.Module, first: nn.Module, second: nn.Module, flatten: nn.Module
) -> Tensor:
    """The same, and a flatten."""
    pooled = _convolved(values, convolution, first, second, channels_last=False)
    flat: Tensor = flatten(rectify_and_pool(convolution(values), first, second) if pooled is None else pooled)
    return flat


def _convolved(
    values: Tensor, convolution: nn.Module, first: nn.Module, second: nn.Module, *, channels_last: bool
) -> Tensor | None:
    """What the compiled convolution gives; None where it does not take this."""
    pool = _pool_of(first, second)
    if pool is None or _is_watched((convolution, first, second)) or not _convolves(values, convolution, pool):
        return None
    down, across = _pair(pool.kernel_size)
    up, left = _pair(convolution.padding)
    padded = F.pad(values, (left, left, up, up)) if up or left else values
    images = padded.permute(0, 2, 3, 1)
    pooled: Tensor = _ConvolveAndPool.apply(images, convolution.weight, convolution.bias, (down, across), channels_last)
    return pooled


def rectify_and_pool(values: Tensor, first: nn.Module, second: nn.Module) -> Tensor:
    """A ReLU and a max-pool in any order."""
    pool = _pool_of(first, second)
    if pool is None or _is_watched((first, second)):
        output: Tensor = second(first(values))
        return output
    if not _pools(values, pool):
        return torch.relu(pool(values))
    pooled: Tensor = _RectifyAndPool.apply(values.permute(0, 2, 3, 1), *_pair(pool.kernel_size))
    return pooled


def _pool_of(first: nn.Module, second: nn.Module) -> nn.MaxPool2d | None:
    """The pool of a ReLU and a max-pool; None where a layer has been exchanged for another since."""
    layers = {type(layer): layer for layer in (first, second)}
    pool = layers.get(nn.MaxPool2d)
    return pool if isinstance(pool, nn.MaxPool2d) and nn.ReLU in layers else None


def _is_watched(layers: Iterable[nn.Module]) -> bool:
    """Whether a hook is to be called with what one of the layers reads or gives."""
    return nn.modules.module._has_any_global_hook() or any(
        layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks for layer in layers
    )


def _convolves(values: Tensor, convolution: nn.Module, pool: nn.MaxPool2d) -> bool:
    """Whether the compiled convolution takes this: it has no gradient for what it reads."""
    return (
        kernels.are_plain(values)
        and type(convolution) is nn.Conv2d
        and values.ndim == 4
        and values.shape[1] == convolution.in_channels
        and convolution.stride == convolution.dilation == (1, 1)
        and convolution.groups == 1
        and convolution.padding_mode == "zeros"
        and not isinstance(convolution.padding, str)
        and convolution.out_channels % _BLOCK == 0
        and convolution.weight[0].numel() <= _MOST_TAPS
        and _has_windows_side_by_side(pool, *_sizes_after(values, convolution))
        and not (values.requires_grad and torch.is_grad_enabled())
        and kernels.library_for(values, convolution.weight) is not None
    )


def _pools(values: Tensor, pool: nn.MaxPool2d) -> bool:
    """Whether the compiled pool takes this: it goes through all channels of a pixel."""
    return (
        kernels.are_plain(values)
        and values.ndim == 4
        and _has_windows_side_by_side(pool, *values.shape[2:])
        and values.permute(0, 2, 3, 1).is_contiguous()
        and kernels.library_for(values) is not None
    )


def _sizes_after(values: Tensor, convolution: nn.Conv2d) -> tuple[int, int]:
    """Height and width of what a convolution gives, step by step and without dilation."""
    (up, left), (height, width) = _pair(convolution.padding), _pair(convolution.kernel_size)
    return values.shape[2] + 2 * up - height + 1, values.shape[3] + 2 * left - width + 1


def _has_windows_side_by_side(pool: nn.MaxPool2d, height: int, width: int) -> bool:
    """Whether a pool goes through pictures of this size in windows that touch and don't overlap, and there is one."""
    down, across = _pair(pool.kernel_size)
    plain = _pair(pool.padding) == (0, 0) and _pair(pool.dilation) == (1, 1) and not pool.ceil_mode
    fits = down <= height and across <= width and down * across <= _MOST_WINDOW
    return plain and fits and _pair(pool.stride) == (down, across)


def _pair(size: Any) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


class _RectifyAndPool(Function):
    """(batch, height, width, channels) -> (batch, channels, height', width')."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, down: int, across: int) -> Tensor:
        batch, height, width, channels = images.shape
        pooled = images.new_empty(batch, height // down, width // across, channels)
        where = torch.empty_like(pooled, dtype=torch.uint8)
        _library().pool_forward(*images.shape, down, across, images.data_ptr(), pooled.data_ptr(), where.data_ptr())
        ctx.save_for_backward(where)
        ctx.sizes = *images.shape, down, across
        return pooled.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        kernels.refuse_second_derivative()
        (where,) = ctx.saved_tensors
        grad = grad.permute(0, 2, 3, 1).contiguous()
        grad_images = grad.new_empty(ctx.sizes[:4])
        _library().pool_backward(*ctx.sizes, grad.data_ptr(), where.data_ptr(), grad_images.data_ptr())
        return grad_images, None, None


class _Shape(ctypes.Structure):
    """The same as `Convolved` in kernels.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("height", "width", "channels", "outputs", "down", "across")),
        *((name, ctypes.c_int64) for name in ("out_height", "out_width", "windows", "taps", "pixel_step", "channel_step")),
        *((name, ctypes.POINTER(ctypes.c_int64)) for name in ("window_offsets", "tap_offsets")),
    ]


@cache
def _shape(sizes: tuple[int, int, int], filters: tuple[int, int, int], window: tuple[int, int], *, last: bool) -> _Shape:
    """What the library needs to know.

    Args:
        sizes: height, width and channels of what is read.
        filters: how many there are, and their height and width.
        window: height and width.
        last: whether the channels of what is given come last.
    """
    (height, width, channels), (outputs, *filter_size), (down, across) = sizes, filters, window

    def offsets(rows: int, columns: int, each: int) -> list[int]:
        return [(y * width + x) * channels + c for y in range(rows) for x in range(columns) for c in range(each)]

    out_height, out_width = (height - filter_size[0] + 1) // down, (width - filter_size[1] + 1) // across
    windows, taps = offsets(down, across, 1), offsets(filter_size[0], filter_size[1], channels)
    arrays = [(ctypes.c_int64 * len(values))(*values) for values in (windows, taps)]
    steps = (outputs, 1) if last else (1, out_height * out_width)
    counts = (out_height, out_width, len(windows), len(taps), *steps)
    return _Shape(height, width, channels, outputs, down, across, *counts, *arrays)


class _ConvolveAndPool(Function):
    """Images (batch, height, width, channels) and torch's weight and bias -> (batch, filters, height', width')."""

    @staticmethod
    def forward(
        ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, window: tuple[int, int], channels_last: bool
    ) -> Tensor:
        images = images.contiguous()
        filters, _, *size = weight.shape
        shape = _shape(tuple(images.shape[1:]), (filters, *size), window, last=channels_last)
        where = images.new_empty(len(images), shape.out_height, shape.out_width, filters, dtype=torch.uint8)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        pooled = torch.empty(len(images), filters, shape.out_height, shape.out_width, memory_format=layout)
        by_tap = weight.permute(2, 3, 1, 0).contiguous()
        start = weight.new_zeros(filters) if bias is None else bias.contiguous()
        read = (images.data_ptr(), by_tap.data_ptr(), start.data_ptr())
        _library().convolve_forward(ctypes.byref(shape), len(images), *read, pooled.data_ptr(), where.data_ptr())
        ctx.save_for_backward(images, weight, where)
        ctx.shape, ctx.layout, ctx.has_bias = shape, layout, bias is not None
        return pooled

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        kernels.refuse_second_derivative()
        images, weight, where = ctx.saved_tensors
        filters, channels, *size = weight.shape
        grad = grad.contiguous(memory_format=ctx.layout)
        parts = grad.new_zeros(_PARTS, ctx.shape.taps + 1, filters)
        read = (images.data_ptr(), grad.data_ptr(), where.data_ptr())
        _library().convolve_backward(ctypes.byref(ctx.shape), len(images), *read, _PARTS, parts.data_ptr())
        sums = parts.sum(0)
        by_tap = sums[:-1].view(*size, channels, filters)
        return None, by_tap.permute(3, 2, 0, 1).contiguous(), sums[-1] if ctx.has_bias else None, None, None


def _library() -> ctypes.CDLL:
    library = kernels.library()
    assert library is not None
    return library
