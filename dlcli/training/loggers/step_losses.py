"""Losses of single steps, read without holding up the device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

PER_EPOCH: Final = 100
"""How many steps of an epoch are noted at least; fewer than twice as many."""

_READ_AFTER: Final = 5.0
"""Seconds for which losses may wait on the device."""


class StepLosses:
    """Notes the losses of evenly spaced steps, the same ones in a training that is resumed, and reads several at once.

    Args:
        steps_per_epoch: of the training.
        clock: gives seconds.
    """

    def __init__(self, steps_per_epoch: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._every = max(1, steps_per_epoch // PER_EPOCH)
        self._clock = clock
        self._read_at = clock()
        self._steps: list[int] = []
        self._losses: list[Tensor] = []

    def note(self, step: int, loss: Tensor) -> bool:
        """Keeps the loss of a step, as it is on the device, if its turn has come.

        Returns:
            Whether losses have waited so long that they should be read.
        """
        if step % self._every:
            return False
        self._steps.append(step)
        self._losses.append(loss)
        return self._clock() - self._read_at >= _READ_AFTER

    def read(self) -> dict[int, float]:
        """The losses since the last reading, by their steps; waits for the device."""
        self._read_at = self._clock()
        losses = torch.stack(self._losses).tolist() if self._losses else []
        read = dict(zip(self._steps, losses, strict=True))
        self._steps.clear()
        self._losses.clear()
        return read
