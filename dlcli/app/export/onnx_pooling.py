"""Adaptive pools as ONNX has them: it knows no windows of different sizes, so that each is cut out by itself.

Windows are rectangles, and so the largest value and the mean of each are found one axis after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from onnxscript import opset18

Value = Any
"""Of a graph of ONNX."""
op: Final[Any] = opset18
"""Its operators take plain numbers too, which its types don't say."""


def _pooled(values: Value, sizes: Sequence[int], reduce: Callable[..., Value]) -> Value:
    """The windows of the last axes, so many along each."""
    lengths = values.shape[-len(sizes) :]
    for axis, (length, count) in enumerate(zip(lengths, sizes, strict=True), len(values.shape) - len(sizes)):
        bounds = [(place * length // count, ((place + 1) * length + count - 1) // count) for place in range(count)]
        windows = [op.Slice(values, [start], [end], [axis]) for start, end in bounds]
        values = op.Concat(*(reduce(window, [axis], keepdims=1) for window in windows), axis=axis)
    return values


def _largest(self: Value, output_size: Sequence[int]) -> tuple[Value, Value]:
    """In the place of where the largest values stand, which no layer reads, the values once more."""
    values = _pooled(self, output_size, op.ReduceMax)
    return values, values


def _mean(self: Value, output_size: Sequence[int]) -> Value:
    return _pooled(self, output_size, op.ReduceMean)


TRANSLATIONS: Final[Mapping[Any, Callable[..., Any]]] = {
    torch.ops.aten.adaptive_max_pool1d.default: _largest,
    torch.ops.aten.adaptive_max_pool2d.default: _largest,
    torch.ops.aten.adaptive_max_pool3d.default: _largest,
    torch.ops.aten.adaptive_avg_pool3d.default: _mean,
}
"""For `torch.onnx.export`; what is missing here it does well."""
