"""Torch's recurrent layers, with one tensor as their output: the last state or that of every step.

Weights and their names are torch's. The dropout between layers, the directions and the gates' order too.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class RNN(nn.RNN):
    """Elman's network. (batch, time, features) -> (batch, time, directions * hidden), or without time if `last`."""

    def __init__(self, *sizes: int, last: bool, **options: Any) -> None:
        super().__init__(*sizes, batch_first=True, **options)
        self.last = last

    def forward(self, sequence: Tensor) -> Tensor:  # type: ignore[override]  # a layer of a graph gives one tensor
        """The last state of the top layer, or its output at every step."""
        outputs, state = super().forward(sequence)
        return _top(state, self.bidirectional) if self.last else outputs


class LSTM(nn.LSTM):
    """Long short-term memory. (batch, time, features) -> (batch, time, directions * hidden), or without time if `last`."""

    def __init__(self, *sizes: int, last: bool, forget_bias: float | None = None, **options: Any) -> None:
        super().__init__(*sizes, batch_first=True, **options)
        self.last = last
        if forget_bias is not None:
            self._start_forget_bias(forget_bias)

    def forward(self, sequence: Tensor) -> Tensor:  # type: ignore[override]  # a layer of a graph gives one tensor
        """The last hidden state of the top layer, or its output at every step."""
        outputs, (state, _) = super().forward(sequence)
        return _top(state, self.bidirectional) if self.last else outputs

    @torch.no_grad()
    def _start_forget_bias(self, value: float) -> None:
        """Torch adds two biases: one gets the value, the other 0. Gates stand in the order input, forget, cell, output."""
        for name, bias in self.named_parameters():
            if name.startswith("bias"):
                bias[self.hidden_size : 2 * self.hidden_size] = value if name.startswith("bias_ih") else 0.0


class GRU(nn.GRU):
    """Gated recurrent unit. (batch, time, features) -> (batch, time, directions * hidden), or without time if `last`."""

    def __init__(self, *sizes: int, last: bool, **options: Any) -> None:
        super().__init__(*sizes, batch_first=True, **options)
        self.last = last

    def forward(self, sequence: Tensor) -> Tensor:  # type: ignore[override]  # a layer of a graph gives one tensor
        """The last state of the top layer, or its output at every step."""
        outputs, state = super().forward(sequence)
        return _top(state, self.bidirectional) if self.last else outputs


def _top(states: Tensor, bidirectional: bool) -> Tensor:
    """The top layer's final states side by side: (layers * directions, batch, hidden) -> (batch, directions * hidden)."""
    return torch.cat((states[-2], states[-1]), dim=1) if bidirectional else states[-1]
