"""Activations that torch has only for channels on axis 1."""

from __future__ import annotations

from torch import Tensor, nn


class PReLU(nn.PReLU):
    """Leaky ReLU with learnt slopes, one for each position on `axis`; the batch is axis 0."""

    def __init__(self, num_parameters: int, init: float, *, axis: int) -> None:
        super().__init__(num_parameters, init)
        self.axis = axis

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, self.axis)).transpose(1, self.axis)
