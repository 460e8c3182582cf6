"""Layers that move values and change none."""

from __future__ import annotations

from torch import Tensor, nn


class Reshape(nn.Module):
    """(batch, ...) -> (batch, *sizes)."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.sizes)

    def extra_repr(self) -> str:
        return f"sizes={self.sizes}"


class Permute(nn.Module):
    """Axes in another order; 0 is the batch."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)

    def extra_repr(self) -> str:
        return f"dims={self.dims}"
