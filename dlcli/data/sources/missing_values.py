"""Filling in the values that a series lacks."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray


def filled(series: NDArray[np.float64], how: Literal["linear", "previous", "zero"]) -> NDArray[np.float64]:
    """The series with a number at every step.

    Args:
        series: (steps, dimensions), NaN where a value is missing; each dimension has at least one value.
        how: `linear`: on the straight line between the values before and after; `previous`: the value before; `zero`: 0.
            Where the first two find nothing on one side, they take the nearest value.
    """
    gaps = np.isnan(series)
    if how == "zero":
        return np.where(gaps, 0.0, series)
    result = series.copy()
    for dimension in np.flatnonzero(gaps.any(axis=0)):
        missing, known = np.flatnonzero(gaps[:, dimension]), np.flatnonzero(~gaps[:, dimension])
        if how == "linear":
            result[missing, dimension] = np.interp(missing, known, series[known, dimension])
        else:
            before = np.maximum(np.searchsorted(known, missing) - 1, 0)
            result[missing, dimension] = series[known[before], dimension]
    return result
