"""Filling in what a series lacks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dlcli.data.sources.missing_values import filled

NAN = np.nan


@st.composite
def _with_gaps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A series (steps, dimensions), and where it has gaps; each dimension keeps a value."""
    steps, dimensions = draw(st.integers(1, 8)), draw(st.integers(1, 3))
    values = np.array([[draw(st.integers(-9, 9)) for _ in range(dimensions)] for _ in range(steps)], dtype=float)
    gaps = np.array([[draw(st.booleans()) for _ in range(dimensions)] for _ in range(steps)])
    for dimension in range(dimensions):
        gaps[draw(st.integers(0, steps - 1)), dimension] = False
    return values, gaps


@given(_with_gaps())
def test_the_value_before_stands_in(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    """As a loop over the steps carries it on; in front of the first, the first. What is there stays."""
    values, gaps = drawn
    expected = values.copy()
    for series, missing in zip(expected.T, gaps.T, strict=True):
        last = series[~missing][0]
        for step in range(len(series)):
            last = series[step] = last if missing[step] else series[step]
    given_series = np.where(gaps, NAN, values)
    np.testing.assert_array_equal(filled(given_series, "previous"), expected)
    np.testing.assert_array_equal(np.isnan(given_series), gaps)


@given(_with_gaps(), st.integers(-3, 3), st.integers(-3, 3))
def test_gaps_in_a_straight_line_lie_on_it(drawn: tuple[np.ndarray, np.ndarray], start: int, slope: int) -> None:
    """Between known values; outside of them the nearest one stands in."""
    values, gaps = drawn
    line = np.repeat((start + slope * np.arange(len(values), dtype=float))[:, np.newaxis], values.shape[1], axis=1)
    result = filled(np.where(gaps, NAN, line), "linear")
    for dimension in range(values.shape[1]):
        known = np.flatnonzero(~gaps[:, dimension])
        np.testing.assert_allclose(result[:, dimension], line[:, dimension].clip(*sorted(line[known[[0, -1]], dimension])))


@given(_with_gaps())
def test_zero_stands_in(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    """And nothing else changes."""
    values, gaps = drawn
    np.testing.assert_array_equal(filled(np.where(gaps, NAN, values), "zero"), values * ~gaps)
