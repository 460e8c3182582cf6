"""What a checkpoint is written from: copies that a training which goes on does not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Snapshot:
    """A training at one step.

    Attributes:
        step: how many steps were taken.
        tensors: as in `Checkpoint`.
        state: as in `Checkpoint`.
        best_steps: the steps of the epochs whose checkpoints are kept for being the best, the best one first.
    """

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: dict[str, Any]
    best_steps: tuple[int, ...]


class TensorCopies:
    """Copies tensors to the CPU, each time into the same memory: fresh memory would take longer than the copying.

    Each copy is contiguous and has memory of its own, also of weights that share theirs.
    """

    def __init__(self) -> None:
        self._memory: dict[tuple[str, str], Tensor] = {}

    def of(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
        """Copies, under the same names; they hold until the next call."""
        return {
            part: {name: self._copied((part, name), tensor.detach()) for name, tensor in values.items()}
            for part, values in tensors.items()
        }

    def _copied(self, name: tuple[str, str], tensor: Tensor) -> Tensor:
        memory = self._memory.get(name)
        if memory is None or memory.shape != tensor.shape or memory.dtype != tensor.dtype:
            memory = self._memory[name] = torch.empty(tensor.shape, dtype=tensor.dtype)
        return memory.copy_(tensor)
