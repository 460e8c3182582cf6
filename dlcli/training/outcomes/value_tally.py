"""Values that a network predicts, and sums of its errors, gathered while it is judged."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from dlcli.training.outcomes.answers import Errors, JudgedValues, ShownValues
from dlcli.training.outcomes.arrays import MOST_SCATTERED, MOST_VALUES
from dlcli.training.outcomes.class_tally import Take
from dlcli.training.outcomes.steps import Steps
from dlcli.training.outcomes.taking import spread
from dlcli.training.outcomes.worst import Worst

_MOST_SCATTERED_VALUES: Final = 8
_EXAMPLES: Final = 6
_WORST: Final = 6
_MOST_APART: Final = 50
"""Neighbours of each of the worst that are looked at."""


class ValueTally:
    """Sums the errors of one output.

    Args:
        columns: what the values are called; of a forecast, those of one step.
        horizon: steps of a forecast.
        per_step: whether there is an answer for each step of the sample.
        num_samples: of the split.
        apart: how far the places of those of the worst that are kept lie apart: neighbours of a window are almost the same.
        device: where outputs are.
    """

    def __init__(
        self, columns: tuple[str, ...], horizon: int, *, per_step: bool, num_samples: int, apart: int, device: torch.device
    ) -> None:
        self._columns = columns
        self._horizon = horizon
        self._per_step = per_step
        precision = torch.float32 if device.type == "mps" else torch.float64
        values = len(columns) * horizon
        self._absolute, self._squared, self._mean, self._spread = torch.zeros(4, values, dtype=precision, device=device)
        self._count = 0
        self._apart = apart
        self._worst = Worst(_WORST * min(apart, _MOST_APART))
        self._examples = _Chosen(spread(num_samples, _EXAMPLES), num_samples, device)
        self._scattered = _Chosen(spread(num_samples, MOST_SCATTERED), num_samples, device)

    def update(self, judged: Tensor, targets: Tensor, errors: Tensor, samples: Tensor, steps: Steps | None) -> None:
        """Takes a batch.

        Args:
            judged: the outputs that there are answers for, in the units of the data (..., values).
            targets: the answers (..., values).
            errors: the same differences in the scale in which the loss compares them: by them samples are compared.
            samples: as for `ClassTally.update`.
            steps: the same.
        """
        values, answers = judged.flatten(0, -2), targets.flatten(0, -2)
        differences = (values - answers).to(self._mean.dtype)
        self._absolute += differences.abs().sum(0)
        self._squared += differences.square().sum(0)
        self._merge(answers.to(self._mean.dtype))
        wrong = errors.flatten(0, -2).square().mean(1)
        if steps is not None:
            wrong = steps.means(wrong)
            answers, values = (steps.rows(part, torch.nan).flatten(1) for part in (answers, values))
        else:
            self._scattered.take(samples, *(part[:, :_MOST_SCATTERED_VALUES] for part in (answers, values)))
        answers, values = answers[:, :MOST_VALUES], values[:, :MOST_VALUES]
        self._worst.take(wrong, samples, answers, values)
        self._examples.take(samples, samples, answers, values)

    def _merge(self, answers: Tensor) -> None:
        """Puts means and sums of squares together without losing digits (Chan et al., 1979)."""
        mean, count = answers.mean(0), len(answers)
        total, shift = self._count + count, mean - self._mean
        self._spread += (answers - mean).square().sum(0) + shift.square() * (self._count * count / total)
        self._mean += shift * (count / total)
        self._count = total

    def result(self, take: Take, repeating: Errors | None) -> JudgedValues:
        """What was summed, some samples, and those that went most wrong.

        Args:
            take: keeps samples.
            repeating: errors of the forecast that repeats the last value.
        """
        scattered = self._scattered.rows()
        return JudgedValues(
            per_step=self._per_step,
            columns=self._columns,
            horizon=self._horizon,
            count=self._count,
            errors=Errors(absolute=_doubles(self._absolute), squared=_doubles(self._squared)),
            mean=_doubles(self._mean),
            spread=_doubles(self._spread),
            repeating=repeating,
            scatter=(scattered[0].numpy(), scattered[1].numpy()) if scattered else None,
            examples=self._shown(self._examples.rows(), take),
            worst=self._shown(self._distinct(self._worst.rows()), take),
        )

    def _distinct(self, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The first of the worst that are no neighbours of each other."""
        kept: list[int] = []
        for row, number in enumerate(rows[0].tolist()):
            if len(kept) < _WORST and all(abs(number - int(rows[0][other])) >= self._apart for other in kept):
                kept.append(row)
        return tuple(values[kept] for values in rows)

    def _shown(self, rows: tuple[Tensor, ...], take: Take) -> ShownValues:
        numbers, target, predicted = rows
        width = target.shape[1]
        if self._per_step and len(target):
            there = (~target.isnan()).any(0).nonzero()
            width = int(there.max()) + 1 if len(there) else 0
        return ShownValues(
            samples=take(numbers), target=target[:, :width].float().numpy(), predicted=predicted[:, :width].float().numpy()
        )


class _Chosen:
    """Rows of those samples of a split that were chosen before."""

    def __init__(self, numbers: Tensor, num_samples: int, device: torch.device) -> None:
        self._is_chosen = torch.zeros(num_samples, dtype=torch.bool)
        self._is_chosen[numbers] = True
        self._is_chosen = self._is_chosen.to(device)
        self._found: list[tuple[Tensor, ...]] = []

    def take(self, samples: Tensor, *rows: Tensor) -> None:
        """Takes a batch: the places of its samples, and what goes with each."""
        chosen = self._is_chosen.index_select(0, samples)
        self._found.append(tuple(values[chosen] for values in rows))

    def rows(self) -> tuple[Tensor, ...]:
        """All of them on the CPU; nothing where no batch was taken."""
        return tuple(torch.cat(parts).cpu() for parts in zip(*self._found, strict=True))


def _doubles(values: Tensor) -> np.ndarray:
    return values.cpu().to(torch.float64).numpy()
