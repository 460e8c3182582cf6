"""The samples with the largest scores among all that pass by."""

from __future__ import annotations

import torch
from torch import Tensor


class Worst:
    """Keeps so many of the samples with the largest scores, on the device that they are on.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: tuple[Tensor, ...] = ()

    def take(self, scores: Tensor, *rows: Tensor) -> None:
        """Takes samples.

        Args:
            scores: of each (n,); minus infinity for those that are not to be kept.
            rows: what goes with each, (n, ...), the same at each call.
        """
        found = (scores, *rows)
        if self._kept:
            found = tuple(torch.cat(pair) for pair in zip(self._kept, found, strict=True))
        best = found[0].topk(min(self._most, len(found[0]))).indices
        self._kept = tuple(values.index_select(0, best) for values in found)

    def rows(self) -> tuple[Tensor, ...]:
        """What goes with those that were kept, on the CPU, the largest score first; nothing where none was taken."""
        if not self._kept:
            return ()
        there = torch.isfinite(self._kept[0])
        return tuple(values[there].cpu() for values in self._kept[1:])
