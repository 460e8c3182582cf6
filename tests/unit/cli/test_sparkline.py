"""Curves in one line of text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.cli.sparkline import sparkline

BLOCKS = "▁▂▃▄▅▆▇█"
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def test_eight_heights_from_the_least_to_the_largest() -> None:
    """A straight line is a staircase, up as well as down."""
    assert sparkline(range(8), 8) == BLOCKS
    assert sparkline([-value for value in range(8)], 8) == BLOCKS[::-1]


@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_a_larger_value_is_never_drawn_lower(values: list[float]) -> None:
    """Whatever their size, denormal numbers and those near the end of the range included; the ends are reached."""
    drawn = sparkline(values, len(values))
    heights = [BLOCKS.index(character) for character in drawn]
    assert [height for _, height in sorted(zip(values, heights, strict=True))] == sorted(heights)
    if min(values) < max(values):
        assert (min(heights), max(heights)) == (0, 7)


@given(st.lists(st.one_of(NUMBERS, st.sampled_from([math.nan, math.inf, -math.inf, None])), max_size=40), st.integers(0, 60))
def test_a_curve_has_its_width_and_gaps_where_there_is_no_number(values: list[float | None], width: int) -> None:
    """No more characters than asked for; one a value where they have room."""
    drawn = sparkline(values, width)
    assert len(drawn) == min(len(values), width)
    if len(values) <= width:
        assert [character == " " for character in drawn] == [value is None or not math.isfinite(value) for value in values]


@pytest.mark.parametrize(("count", "width"), [(100, 10), (7, 3), (1001, 40)])
def test_what_has_no_room_is_averaged(count: int, width: int) -> None:
    """A straight line stays one: heights rise by steps that are as even as eight blocks allow."""
    heights = [BLOCKS.index(character) for character in sparkline(range(count), width)]
    assert len(heights) == width
    assert heights == sorted(heights)
    assert (heights[0], heights[-1]) == (0, 7)


def test_an_average_leaves_out_what_is_no_number() -> None:
    """A gap only where there is nothing else."""
    assert sparkline([0, math.nan, math.nan, math.inf, 8, 8], 3) == "▁ █"


def test_a_constant_lies_at_mid_height() -> None:
    """So does a single value."""
    assert sparkline([3.0, 3.0, 3.0], 5) == "▄▄▄"
    assert sparkline([-1e308], 5) == "▄"


def test_a_scale_of_its_own_makes_curves_comparable() -> None:
    """Its ends are the lowest and the highest block."""
    assert sparkline([0.0, 0.5], 2, (0.0, 1.0)) == "▁▅"
    assert sparkline([1.0], 1, (0.0, 1.0)) == "█"
