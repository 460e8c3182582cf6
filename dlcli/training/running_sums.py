"""What is summed over the steps of an epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from dlcli.training.progress import Progress


class RunningSums:
    """Losses and norms of gradients of the epoch under way, on the device: only reading them waits for it.

    Args:
        device: where losses are.
    """

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
        self._norm = torch.zeros_like(self._loss)
        self._num_norms = 0

    def add_loss(self, loss: Tensor, samples: int) -> None:
        """Adds the mean loss over so many samples."""
        self._loss += loss * samples

    def add_norm(self, norm: Tensor) -> None:
        """Adds the norm of a step's gradients."""
        self._norm += norm
        self._num_norms += 1

    def write_to(self, progress: Progress) -> None:
        """Puts the sums into the progress, which is kept."""
        progress.loss_sum, progress.norm_sum, progress.num_norms = float(self._loss), float(self._norm), self._num_norms

    def take_from(self, progress: Progress) -> None:
        """Goes on from the sums in the progress."""
        self._loss.fill_(progress.loss_sum)
        self._norm.fill_(progress.norm_sum)
        self._num_norms = progress.num_norms
