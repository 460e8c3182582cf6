"""Answers for each step, one below the other: whose they are, and sums and rows over those of a sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dlcli.training.outcomes.arrays import MOST_STEPS


@dataclass(frozen=True)
class Steps:
    """The steps of a batch that are there, as `SingleObjective.judged` puts them below each other.

    Attributes:
        sample: of each step the row of its sample in the batch, int64 (steps,).
        place: of each step its number in its sample, int64 (steps,).
        size: samples in the batch.
    """

    sample: Tensor
    place: Tensor
    size: int

    @classmethod
    def of(cls, there: Tensor | None, outputs: Tensor) -> Steps:
        """Those of a batch: the places that are there, as `Batch.steps`, of outputs (size, time, ...)."""
        size, time = outputs.shape[:2]
        places = torch.arange(size * time, device=outputs.device) if there is None else there
        return cls(places // time, places % time, size)

    def means(self, values: Tensor) -> Tensor:
        """The mean over the steps of each sample (size,) of values (steps,)."""
        sums = torch.zeros(self.size, dtype=values.dtype, device=values.device)
        counts = torch.zeros_like(sums).index_add_(0, self.sample, torch.ones_like(values))
        return sums.index_add_(0, self.sample, values) / counts.clamp(min=1)

    def rows(self, values: Tensor, empty: float) -> Tensor:
        """The first steps of each sample (size, MOST_STEPS, ...) of values (steps, ...), with `empty` where there is none."""
        rows = torch.full((self.size, MOST_STEPS, *values.shape[1:]), empty, dtype=values.dtype, device=values.device)
        there = self.place < MOST_STEPS
        rows[self.sample[there], self.place[there]] = values[there]
        return rows
