"""Activations on axes where torch has them not, or not for sequences of different lengths."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlcli.models.valid_steps import fill_padding


class PReLU(nn.PReLU):
    """Leaky ReLU with learnt slopes, one for each position on `axis`; the batch is axis 0."""

    def __init__(self, num_parameters: int, init: float, *, axis: int) -> None:
        super().__init__(num_parameters, init)
        self.axis = axis

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.transpose(1, self.axis)).transpose(1, self.axis)


class SoftmaxOverTime(nn.Softmax):
    """Softmax over the valid steps of each sequence, 0 in its padding. (batch, time, ...) -> the same."""

    reads_lengths = True

    def __init__(self) -> None:
        super().__init__(dim=1)

    def forward(self, input: Tensor, lengths: Tensor | None = None) -> Tensor:
        return super().forward(input if lengths is None else fill_padding(input, lengths, -torch.inf))


class LogSoftmaxOverTime(nn.LogSoftmax):
    """Logarithm of softmax over the valid steps of each sequence, 0 in its padding. (batch, time, ...) -> the same."""

    reads_lengths = True

    def __init__(self) -> None:
        super().__init__(dim=1)

    def forward(self, input: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            return super().forward(input)
        return fill_padding(super().forward(fill_padding(input, lengths, -torch.inf)), lengths, 0)
