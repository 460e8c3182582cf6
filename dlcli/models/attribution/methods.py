"""Gradients, integrated gradients, and what hiding a part of a sample changes: Captum's, on what a network reads.

A score takes the values of all entries, (rows, ...) each, and gives (rows,). Values and baselines are those of one sample,
(1, ...) each, and so are the results. No method changes the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from dlcli.models.attribution.entries import Score

_FIRST_STEPS: Final = 32
COMPLETE: Final = 0.01
"""The share of the difference in score that integrated gradients may miss."""

Tensors = tuple[Tensor, ...]


def saliency(score: Score, values: Tensors) -> Tensors:
    """How the score changes with each value: its gradient (Simonyan et al., 2014, arXiv:1312.6034)."""
    with _differentiable(values):
        gradients: Tensors = _captum().Saliency(_connected(score)).attribute(_required(values), abs=False)
    return gradients


@dataclass(frozen=True)
class Integrated:
    """Integrated gradients of a sample.

    Attributes:
        attributions: of each entry, of the shape of its values; all together they are `difference`, but for `gap`.
        difference: the score of the sample less that of the baseline.
        gap: what the sum misses of the difference, as a share of it.
        steps: how many points between baseline and sample it took.
    """

    attributions: Tensors
    difference: float
    gap: float
    steps: int


def integrated_gradients(score: Score, values: Tensors, baselines: Tensors, *, most_steps: int, rows: int) -> Integrated:
    """Each value's share in the difference in score to a baseline (Sundararajan et al., 2017, arXiv:1703.01365).

    The number of steps is doubled until the shares add up to the difference within `COMPLETE`.

    Args:
        score: what is explained.
        values: of the sample.
        baselines: of what it is compared with.
        most_steps: no more than so many.
        rows: how many rows a score is asked for at once.
    """
    with torch.no_grad():
        difference = float(score(*values).double() - score(*baselines).double())
    steps = min(_FIRST_STEPS, most_steps)
    with _differentiable(values):
        method = _captum().IntegratedGradients(_connected(score))
        while True:
            attributions: Tensors = method.attribute(
                _required(values), baselines, n_steps=steps, internal_batch_size=rows, method="gausslegendre"
            )
            attributions = tuple(part.detach() for part in attributions)
            missed = abs(sum(float(part.double().sum()) for part in attributions) - difference)
            gap = missed / abs(difference) if difference else missed
            if gap <= COMPLETE or steps >= most_steps:
                return Integrated(attributions, difference, gap, steps)
            steps = min(2 * steps, most_steps)


@dataclass(frozen=True)
class Hiding:
    """What a score falls by where parts of one entry are hidden, one after the other.

    Attributes:
        score: what is explained.
        values: of the sample.
        baselines: what stands in a hidden part instead.
        entry: which of the values.
        rows: how many rows a score is asked for at once.
    """

    score: Score
    values: Tensors
    baselines: Tensors
    entry: int
    rows: int

    @torch.no_grad()
    def windows(self, window: Sequence[int], strides: Sequence[int]) -> Tensor:
        """Hides a window that goes over the entry (Zeiler and Fergus, 2014, arXiv:1311.2901).

        Args:
            window: its size on each axis but the first.
            strides: how far it goes on each axis.

        Returns:
            The mean over the windows that a value lies in, of the shape of the entry.
        """
        falls: Tensor = (
            _captum()
            .Occlusion(self._of_entry)
            .attribute(
                self.values[self.entry],
                sliding_window_shapes=tuple(window),
                strides=tuple(strides),
                baselines=self.baselines[self.entry],
                perturbations_per_eval=self.rows,
            )
        )
        return falls

    @torch.no_grad()
    def groups(self, numbers: Tensor) -> Tensor:
        """Hides a group of values after the other.

        Args:
            numbers: int64, that of each value's group, broadcast to the entry.

        Returns:
            At each value the fall of its group, of the shape of the entry.
        """
        values = self.values[self.entry]
        falls: Tensor = (
            _captum()
            .FeatureAblation(self._of_entry)
            .attribute(
                values,
                baselines=self.baselines[self.entry],
                feature_mask=numbers.expand(values.shape),
                perturbations_per_eval=self.rows,
            )
        )
        return falls

    def _of_entry(self, changed: Tensor) -> Tensor:
        """The score for other values of the entry, the others as they are."""
        given = [value.expand(len(changed), *value.shape[1:]) for value in self.values]
        given[self.entry] = changed
        return self.score(*given)


def _captum() -> Any:
    from captum import attr  # type: ignore[import-untyped]  # noqa: PLC0415  # only who explains needs it

    return attr


def _connected(score: Score) -> Score:
    """The score with a gradient at every entry: 0 at those that do not lead to it."""

    def connected(*values: Tensor) -> Tensor:
        return score(*values) + sum(value.flatten(1)[:, :1].sum(1) * 0 for value in values)

    return connected


def _required(values: Tensors) -> Tensors:
    """The values as leaves of a graph of their own."""
    return tuple(value.detach().clone().requires_grad_() for value in values)


def _differentiable(values: Tensors) -> AbstractContextManager[object]:
    """Where cuDNN would not do: it gives recurrent layers no gradient in eval mode."""
    return torch.backends.cudnn.flags(enabled=False) if values[0].is_cuda else nullcontext()
