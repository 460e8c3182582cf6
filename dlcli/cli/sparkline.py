"""A curve in one line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_BLOCKS: Final = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float | None], width: int, scale: tuple[float, float] | None = None) -> str:
    """Values as blocks of eight heights.

    Args:
        values: what to draw, from left to right; NaN, infinity and None leave a gap.
        width: the most characters to take; where there are more values, a character shows the mean of its neighbours.
        scale: the values of the lowest and of the highest block, for curves that are compared; without it, the least and
            the largest of these.

    Returns:
        At most `width` characters, one a value where they have room. Values that are all the same lie at mid height.
    """
    drawn = _averaged(values, width) if len(values) > width else [_number(value) for value in values]
    present = [value for value in drawn if value is not None]
    if not present:
        return " " * len(drawn)
    low, high = scale or (min(present), max(present))
    return "".join(" " if value is None else _BLOCKS[_height(value, low, high)] for value in drawn)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _averaged(values: Sequence[float | None], width: int) -> list[float | None]:
    """As many means of neighbours as there is room for; a gap only where none of them is a number."""
    means: list[float | None] = []
    for column in range(width):
        part = values[column * len(values) // width : (column + 1) * len(values) // width]
        numbers = [number for number in map(_number, part) if number is not None]
        means.append(sum(number / len(numbers) for number in numbers) if numbers else None)
    return means


def _height(value: float, low: float, high: float) -> int:
    """The block of a value. In units of the largest one, since the difference of two finite numbers may be infinite."""
    unit = max(abs(low), abs(high)) or 1.0
    span = high / unit - low / unit
    if span == 0:
        return len(_BLOCKS) // 2 - 1
    return min(int((value / unit - low / unit) / span * len(_BLOCKS)), len(_BLOCKS) - 1)
