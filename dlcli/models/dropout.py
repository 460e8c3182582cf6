"""Dropout with one mask for all steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class VariationalDropout(nn.Dropout):
    """Drops the same values at all steps of a sequence: (batch, time, ...), the mask being (batch, 1, ...)."""

    def forward(self, input: Tensor) -> Tensor:
        return input * super().forward(torch.ones_like(input[:, :1])) if self.training else input
