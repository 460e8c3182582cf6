"""Series as small drawings, made of numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 220.0
HEIGHT: Final = 90.0
_EDGE: Final = 5.0
_LARGEST: Final = 1e30


@dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
        values: (time,), NaN where there is none.
        colour: the page's name for it, as `ink` or `series-1`.
        start: the step of the first value.
        is_dashed: whether it is drawn so.
    """

    values: NDArray[Any]
    colour: str
    start: int = 0
    is_dashed: bool = False


def sparkline(lines: Sequence[Line], title: str) -> str:
    """A drawing of curves in one scale.

    Args:
        lines: these.
        title: for those who can't see it; a text of dlcli's own.
    """
    values = [np.where(np.abs(line.values) < _LARGEST, line.values, np.nan) for line in lines]
    there = np.concatenate([np.empty(0), *(part[np.isfinite(part)] for part in values)])
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 1.0)
    last = max((line.start + len(line.values) - 1 for line in lines), default=1)
    across, down = (WIDTH - 2 * _EDGE) / max(last, 1), (HEIGHT - 2 * _EDGE) / ((high - low) or 1.0)
    drawn = []
    for line, part in zip(lines, values, strict=True):
        dashes = ' stroke-dasharray="4 3"' if line.is_dashed else ""
        style = f'fill="none" stroke="var(--{line.colour})" stroke-width="1.4"{dashes}'
        for run in _runs(part):
            points = " ".join(
                f"{_EDGE + across * (line.start + step):.1f},{HEIGHT - _EDGE - down * (part[step] - low):.1f}" for step in run
            )
            dot = f'<circle cx="{points.split(",")[0]}" cy="{points.split(",")[1]}" r="1.5" fill="var(--{line.colour})"/>'
            drawn.append(f'<polyline points="{points}" {style}/>' if len(run) > 1 else dot)
    return f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{title}">{"".join(drawn)}</svg>'


def _runs(values: NDArray[Any]) -> list[range]:
    """The stretches of numbers between gaps."""
    there = np.concatenate(([False], np.isfinite(values), [False]))
    edges = np.flatnonzero(there[1:] != there[:-1])
    return [range(int(first), int(after)) for first, after in zip(edges[::2], edges[1::2], strict=True)]
