"""Classes that a network tells, counted while it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dlcli.training.outcomes.answers import (
    AnswersOfSamples,
    Calibration,
    ClassMistakes,
    JudgedClasses,
    StepMistakes,
)
from dlcli.training.outcomes.arrays import MOST_CLASSES, MOST_ROWS, NO_STEP, NUM_BINS
from dlcli.training.outcomes.samples import Samples
from dlcli.training.outcomes.steps import Steps
from dlcli.training.outcomes.worst import Worst

_AT_ONCE = 1 << 24
"""Scores that are made probabilities of at once: a vocabulary has many."""

Take = Callable[[Tensor], Samples]
"""Keeps the samples of a split at these places."""


class Confidence:
    """Answers in bins of confidence, on the device."""

    def __init__(self, device: torch.device) -> None:
        precision = torch.float32 if device.type == "mps" else torch.float64
        self._counts, self._hits = torch.zeros(2, NUM_BINS, dtype=torch.int64, device=device)
        self._sums = torch.zeros(NUM_BINS, dtype=precision, device=device)
        self._bins = torch.arange(NUM_BINS, device=device)

    def take(self, confidence: Tensor, right: Tensor) -> None:
        """Takes answers (n,): a bin has those above its lower edge, up to its upper one."""
        places = (confidence * NUM_BINS).ceil().to(torch.int64).clamp(1, NUM_BINS) - 1
        inside = places[:, None] == self._bins
        self._counts += inside.sum(0)
        self._hits += (inside & right[:, None]).sum(0)
        self._sums += (inside * confidence[:, None].to(self._sums.dtype)).sum(0)

    def result(self) -> Calibration:
        """What was taken."""
        counts, confidence, hits = (values.cpu().numpy() for values in (self._counts, self._sums, self._hits))
        return Calibration(counts=counts, confidence=confidence, hits=hits)


class ClassTally:
    """Counts the answers of one output.

    Args:
        num_classes: of the data.
        per_step: whether there is an answer for each step.
        most_mistakes: how many of the worst are kept; 0, of answers for each step, for none.
        device: where outputs are.
    """

    def __init__(self, num_classes: int, *, per_step: bool, most_mistakes: int, device: torch.device) -> None:
        self._per_step = per_step
        keeps = num_classes <= MOST_CLASSES
        self._confusion = torch.zeros(num_classes, num_classes + 1, dtype=torch.int64, device=device) if keeps else None
        self._support, self._hits = torch.zeros(2, num_classes, dtype=torch.int64, device=device)
        self._called = torch.zeros(num_classes + 1, dtype=torch.int64, device=device)
        self._calibration = Confidence(device)
        self._answers: list[tuple[Tensor, ...]] = []
        self._num_answers = 0
        self._worst = Worst(most_mistakes) if most_mistakes else None

    def update(self, judged: Tensor, targets: Tensor, samples: Tensor, steps: Steps | None) -> None:
        """Takes a batch.

        Args:
            judged: the outputs that there are answers for (..., scores).
            targets: the answers, int64 (...).
            samples: the places of its samples in the split.
            steps: what the answers are of, where there is one for each step.
        """
        classes = len(self._support)
        scores, target = judged.flatten(0, -2), targets.flatten()
        predicted, confidence, loss = (torch.cat(parts) for parts in zip(*_told(scores, target), strict=True))
        called = predicted.clamp(max=classes)
        right = called == target
        self._support += torch.bincount(target, minlength=classes)
        self._called += torch.bincount(called, minlength=classes + 1)
        self._hits += torch.bincount(torch.where(right, target, classes), minlength=classes + 1)[:classes]
        if self._confusion is not None:
            cells = torch.bincount(target * (classes + 1) + called, minlength=self._confusion.numel())
            self._confusion += cells.reshape(self._confusion.shape)
        self._calibration.take(confidence, right)
        if steps is not None:
            self._take_steps(target, called, loss, samples, steps)
        else:
            self._take_samples(target, called, confidence, loss, samples)

    def _take_samples(self, target: Tensor, called: Tensor, confidence: Tensor, loss: Tensor, samples: Tensor) -> None:
        of_target = loss.neg().exp().clamp(max=1)
        there = slice(MOST_ROWS - self._num_answers)
        if self._num_answers < MOST_ROWS:
            self._answers.append((target[there], called[there], confidence[there], of_target[there]))
            self._num_answers += len(self._answers[-1][0])
        assert self._worst is not None, "a text, whose mistakes are not kept, has an answer for each step"
        scores = torch.where(called == target, -torch.inf, loss)
        self._worst.take(scores, samples, target, called, confidence, of_target)

    def _take_steps(self, target: Tensor, called: Tensor, loss: Tensor, samples: Tensor, steps: Steps) -> None:
        if self._worst is None:
            return
        wrong = steps.means((called != target).to(loss.dtype))
        scores = torch.where(wrong == 0, -torch.inf, steps.means(loss))
        self._worst.take(scores, samples, steps.rows(target, NO_STEP), steps.rows(called, NO_STEP), wrong)

    def result(self, take: Take) -> JudgedClasses:
        """What was counted, and the samples that went most wrong."""
        rows = self._worst.rows() if self._worst is not None else ()
        mistakes: ClassMistakes | StepMistakes | None = None
        if rows and self._per_step:
            width = int((rows[1] != NO_STEP).sum(1).max()) if len(rows[1]) else 0
            target, predicted = rows[1][:, :width].numpy(), rows[2][:, :width].numpy()
            mistakes = StepMistakes(samples=take(rows[0]), target=target, predicted=predicted, wrong=rows[3].numpy())
        elif rows:
            target, predicted, confidence, of_target = (row.numpy() for row in rows[1:])
            mistakes = ClassMistakes(
                samples=take(rows[0]), target=target, predicted=predicted, confidence=confidence, of_target=of_target
            )
        return JudgedClasses(
            per_step=self._per_step,
            support=self._support.cpu().numpy(),
            called=self._called.cpu().numpy(),
            hits=self._hits.cpu().numpy(),
            confusion=self._confusion.cpu().numpy() if self._confusion is not None else None,
            calibration=self._calibration.result(),
            answers=self._rows(),
            mistakes=mistakes,
        )

    def _rows(self) -> AnswersOfSamples | None:
        if not self._answers:
            return None
        target, predicted, confidence, of_target = (torch.cat(parts).cpu() for parts in zip(*self._answers, strict=True))
        return AnswersOfSamples(
            target=target.to(torch.int32).numpy(),
            predicted=predicted.to(torch.int32).numpy(),
            confidence=confidence.numpy(),
            of_target=of_target.numpy(),
        )


def _told(scores: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For some answers at once: the class, its probability and the cross-entropy, from scores (n, classes)."""
    at_once = max(1, _AT_ONCE // scores.shape[1])
    for part, classes in zip(scores.split(at_once), target.split(at_once), strict=True):
        logits = part.to(torch.float32)
        largest, predicted = logits.max(dim=-1)
        total = logits.logsumexp(dim=-1)
        yield predicted, (largest - total).exp().clamp(max=1), total - logits.gather(1, classes[:, None])[:, 0]
