"""One value out of each channel, or one step out of all."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlcli.models.valid_steps import fill_padding


class _GlobalPool(nn.Module):
    """Reduces the axes `dims`, the batch being axis 0; with lengths (batch,) axis 1, which is time."""

    reads_lengths = True

    def __init__(self, dims: tuple[int, ...]) -> None:
        super().__init__()
        self.dims = dims

    def extra_repr(self) -> str:
        return f"dims={self.dims}"


class GlobalAvgPool(_GlobalPool):
    """Mean. (batch, C, H, W) -> (batch, C), (batch, time, features) -> (batch, features)."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """With lengths, of the valid steps."""
        if lengths is None:
            return x.mean(self.dims)
        return fill_padding(x, lengths, 0).sum(self.dims) / lengths[:, None]


class GlobalMaxPool(_GlobalPool):
    """Largest value. (batch, C, H, W) -> (batch, C), (batch, time, features) -> (batch, features)."""

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """With lengths, of the valid steps."""
        return (x if lengths is None else fill_padding(x, lengths, -torch.inf)).amax(self.dims)


class LastStep(nn.Module):
    """The last valid step: (batch, time, ...) -> (batch, ...)."""

    reads_lengths = True

    def forward(self, sequence: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Without lengths, the last one."""
        if lengths is None:
            return sequence[:, -1]
        return sequence[torch.arange(lengths.shape[0], device=lengths.device), lengths - 1]
