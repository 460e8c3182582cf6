"""Yes-or-no labels that a network tells, counted while it is judged."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from dlcli.training.outcomes.answers import JudgedLabels, LabelMistakes
from dlcli.training.outcomes.class_tally import Confidence, Take
from dlcli.training.outcomes.worst import Worst

_MOST_LABELS: Final = 64
"""Of a sample that is kept."""


class LabelTally:
    """Counts the answers of one output.

    Args:
        num_labels: of each sample, or of each step.
        per_step: whether there is an answer for each step.
        most_mistakes: how many of the worst are kept.
        device: where outputs are.
    """

    def __init__(self, num_labels: int, *, per_step: bool, most_mistakes: int, device: torch.device) -> None:
        self._per_step = per_step
        self._support, self._called, self._hits = torch.zeros(3, num_labels, dtype=torch.int64, device=device)
        self._count = 0
        self._calibration = Confidence(device)
        self._worst = Worst(most_mistakes)

    def update(self, judged: Tensor, targets: Tensor, samples: Tensor) -> None:
        """Takes a batch, as `ClassTally.update`: scores (..., labels), and labels (..., labels) or (...)."""
        scores = judged.flatten(0, -2).to(torch.float32)
        labels = targets.reshape(scores.shape).to(torch.float32)
        actual, called = labels > 0.5, scores > 0
        self._support += actual.sum(0)
        self._called += called.sum(0)
        self._hits += (actual & called).sum(0)
        self._count += len(scores)
        probability = scores.sigmoid()
        sure = torch.where(called, probability, 1 - probability)
        self._calibration.take(sure.flatten(), (actual == called).flatten())
        if not self._per_step:
            losses = functional.binary_cross_entropy_with_logits(scores, labels, reduction="none").mean(1)
            worst = torch.where((actual == called).all(1), -torch.inf, losses)
            self._worst.take(worst, samples, actual[:, :_MOST_LABELS].long(), probability[:, :_MOST_LABELS])

    def result(self, take: Take) -> JudgedLabels:
        """What was counted, and the samples that went most wrong."""
        rows = self._worst.rows()
        mistakes = None
        if rows:
            mistakes = LabelMistakes(samples=take(rows[0]), target=rows[1].numpy(), probability=rows[2].numpy())
        return JudgedLabels(
            per_step=self._per_step,
            count=self._count,
            support=self._support.cpu().numpy(),
            called=self._called.cpu().numpy(),
            hits=self._hits.cpu().numpy(),
            calibration=self._calibration.result(),
            mistakes=mistakes,
        )
