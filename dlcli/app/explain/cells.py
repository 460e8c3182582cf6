"""Cells of the tables behind figures."""

from __future__ import annotations

from typing import Any

Cell = str | int | float | None
Row = list[Cell]


def rounded(value: Any) -> float:
    """A number in six digits: more are not known of 32-bit values."""
    return float(f"{float(value):.6g}")
