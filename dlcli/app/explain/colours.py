"""Numbers as colours."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]
Pixels = NDArray[np.uint8]

_HEAT: Final = np.array(
    [(6, 4, 24), (52, 16, 92), (114, 28, 110), (172, 46, 92), (219, 80, 59), (245, 132, 27), (250, 194, 47), (252, 253, 180)]
)
"""From nothing, dark, to the most, bright: each is brighter than the one before, so that it is read without colours too."""
_AGAINST: Final = np.array((11, 97, 195))
_NEITHER: Final = np.array((248, 248, 248))
_FOR: Final = np.array((194, 65, 13))
_CLIPPED: Final = 99.5
"""Per cent of the values that a scale ends at: a single large one would leave all others dark."""


def heat(values: Numbers) -> Pixels:
    """Values from 0 to 1, (height, width), dark to bright, (height, width, 3)."""
    places = np.linspace(0, 1, len(_HEAT))
    return _bytes(np.stack([np.interp(values, places, _HEAT[:, channel]) for channel in range(3)], axis=-1))


def signed(values: Numbers) -> Pixels:
    """Values from -1, blue, over 0, white, to 1, orange: (height, width) -> (height, width, 3)."""
    share = np.abs(values).clip(0, 1)[..., None]
    ends = np.where(values[..., None] > 0, _FOR, _AGAINST)
    return _bytes(_NEITHER * (1 - share) + ends * share)


def grey(values: Numbers) -> Pixels:
    """Values from 0, black, to 1, white: (height, width) -> (height, width, 3)."""
    return _bytes(np.repeat(values.clip(0, 1)[..., None] * 255, 3, axis=-1))


def overlaid(picture: Pixels, values: Numbers) -> Pixels:
    """A picture (height, width, 3) in dark grey, and over it values from 0 to 1 as `heat`: the larger, the less of it is seen."""
    share = 0.9 * values.clip(0, 1)[..., None]
    faint = 0.55 * picture.mean(axis=-1, keepdims=True)
    return _bytes(faint * (1 - share) + heat(values) * share)


def _bytes(values: NDArray[np.floating[Any]]) -> Pixels:
    pixels: Pixels = np.nan_to_num(values).round().astype(np.uint8)
    return pixels


def scaled(values: Numbers) -> Numbers:
    """Values divided by about the largest of them, so that most lie between -1 and 1; what is no number is 0."""
    values = np.nan_to_num(values, posinf=0, neginf=0)
    size = np.abs(values)
    top = float(np.percentile(size, _CLIPPED)) or float(size.max(initial=0))
    return values / top if top else values


def tint(value: float) -> str:
    """A value from -1 to 1 as a background in CSS behind text: blue, nothing, orange."""
    red, green, blue = _FOR if value > 0 else _AGAINST
    return f"rgba({red},{green},{blue},{0.6 * min(abs(value), 1):.2f})"
