"""Texts that strangers wrote, on a terminal: in one line, of a bounded width, and without what would steer it."""

from __future__ import annotations

import math
from typing import Final

from dlcli.config.hidden_characters import visible
from dlcli.config.tree import shortened

_LONGEST: Final = 1_000
"""Characters that are looked at."""


def one_line(text: object, limit: int = 60) -> str:
    """The text in one line of at most `limit` characters; those that hide or reorder others are shown by their code."""
    return shortened(visible(str(text)[:_LONGEST]), limit)


def cut_in_the_middle(text: str, width: int) -> str:
    """The text in at most `width` columns, its begin and its end kept: of the names of runs both tell them apart."""
    if len(text) <= width:
        return text
    end = (width - 2) // 2
    return f"{text[: width - 2 - end]}..{text[len(text) - end :]}"


def figure(value: float | None) -> str:
    """A number in a few characters: `0.9873`, `1,234`, `1.2e-05`; `-` where there is none."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e5 else f"{value:.4g}"
