"""Precision, recall, F1 and calibration from counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dlcli.training.outcomes.answers import Calibration

Array = NDArray[Any]


@dataclass(frozen=True)
class Scores:
    """Of each class or label: (classes,). What is divided by 0 is 0, as scikit-learn has it with `zero_division=0`."""

    precision: Array
    recall: Array
    f1: Array


def scores(hits: Array, called: Array, support: Array) -> Scores:
    """Scores from counts.

    Args:
        hits: answers rightly called so (classes,).
        called: answers called so.
        support: answers that are so.
    """
    return Scores(_over(hits, called), _over(hits, support), _over(2 * hits, called + support))


def macro(values: Array, hits_from: tuple[Array, Array]) -> float:
    """The mean over the classes that something is, or is called.

    Args:
        values: of each class.
        hits_from: how many answers are, and are called, each class.
    """
    seen = (hits_from[0] + hits_from[1]) > 0
    return float(values[seen].mean()) if seen.any() else 0.0


def _over(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


def expected_calibration_error(calibration: Calibration) -> float:
    """How far confidence and accuracy of a bin lie apart, the mean over all answers (Guo et al., 2017, arXiv:1706.04599)."""
    total = calibration.counts.sum()
    return float(np.abs(calibration.hits - calibration.confidence).sum() / total) if total else 0.0
