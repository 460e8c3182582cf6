"""Layers that read several tensors."""

from __future__ import annotations

from functools import reduce
from operator import add, mul

import torch
from torch import Tensor, nn


class Add(nn.Module):
    """Sum of tensors of one shape."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return reduce(add, inputs)


class Multiply(nn.Module):
    """Product of tensors of one shape, value by value."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return reduce(mul, inputs)


class Subtract(nn.Module):
    """The first tensor less the second."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first - second


class Maximum(nn.Module):
    """The largest of tensors of one shape, value by value."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return reduce(torch.maximum, inputs)


class Concat(nn.Module):
    """Tensors side by side along an axis; the batch is axis 0."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
