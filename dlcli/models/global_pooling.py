"""One value out of each channel."""

from __future__ import annotations

from torch import Tensor, nn


class _GlobalPool(nn.Module):
    """Reduces the axes `dims`, the batch being axis 0."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


class GlobalAvgPool(_GlobalPool):
    """Mean. (batch, C, H, W) -> (batch, C), (batch, time, features) -> (batch, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.dims)


class GlobalMaxPool(_GlobalPool):
    """Largest value. (batch, C, H, W) -> (batch, C), (batch, time, features) -> (batch, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(self.dims)
