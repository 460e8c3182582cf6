"""An exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class WeightAverage:
    """A copy of a network whose weights follow slowly (Polyak and Juditsky, 1992).

    After the update of step t (from 0) each value is d * average + (1 - d) * weight with d = min(decay, (1 + t) / (10 + t)).
    Running statistics of batch normalisation are averaged too; what is no fraction is copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False).eval()
        self._decay = decay
        self._pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Takes in the weights after a step."""
        decay = min(self._decay, (1 + step) / (10 + step))
        fractions = [pair for pair in self._pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([average for average, _ in fractions], [value.detach() for _, value in fractions], 1 - decay)
        for average, value in self._pairs:
            if not average.is_floating_point():
                average.copy_(value)


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
