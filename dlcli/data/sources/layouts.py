"""What the axes of an array of samples are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from dlcli.config.shapes import Layout
from dlcli.data.raw import Array
from dlcli.data.sources.npz import Header
from dlcli.errors import DataError

_USUAL_CHANNELS: Final = (1, 3, 4)
_AXES: Final[dict[Layout, tuple[int, ...]]] = {
    "vector": (2,),
    "series": (2, 3),
    "tokens": (2,),
    "image": (3, 4),
    "clip": (4, 5),
    "volume": (4, 5),
}
"""How many axes an array may have. One less than the most means that each step, picture or block has a single channel."""


@dataclass(frozen=True)
class Arrangement:
    """How samples lie in an array.

    Attributes:
        layout: what a sample is.
        sizes: of a sample, the channels or features last; of tokens the number of steps.
        channels_axis: where the array has them; None where it has no axis for them.
    """

    layout: Layout
    sizes: tuple[int, ...]
    channels_axis: int | None

    def arrange(self, values: Array) -> Array:
        """The values with their channels last."""
        if self.channels_axis is None:
            return values[..., np.newaxis]
        return np.moveaxis(values, self.channels_axis, -1)


def arrangement(header: Header, layout: Layout | None, title: str) -> Arrangement:
    """How the samples of an array lie.

    Args:
        header: its shape and type.
        layout: what the config says a sample is; None infers it as `Arrays.layout` describes.
        title: what the array is called in messages.

    Raises:
        DataError: the array can't have that layout, or it can't be told which of its axes is the channels.
    """
    layout = layout or _inferred(header, title)
    shape = header.shape
    if len(shape) not in _AXES[layout]:
        expected = " or ".join(str(count) for count in _AXES[layout])
        what = f"{title} has the shape {list(shape)}, and the layout {layout} takes {expected} axes with the one for samples"
        raise DataError(what, help="write the layout that fits: vector, series, tokens, image, clip or volume")
    if layout in ("vector", "tokens"):
        return Arrangement(layout, shape[1:], -1)
    if len(shape) < max(_AXES[layout]):
        return Arrangement(layout, (*shape[1:], 1), None)
    first = 2 if layout == "clip" else 1
    axis = len(shape) - 1 if layout == "series" else _channels_axis(shape, first, title)
    return Arrangement(layout, (*(size for at, size in enumerate(shape) if at not in (0, axis)), shape[axis]), axis)


def _inferred(header: Header, title: str) -> Layout:
    by_axes: dict[int, Layout] = {2: "vector", 3: "image" if header.dtype == np.uint8 else "series", 4: "image"}
    layout = by_axes.get(len(header.shape))
    if layout is None:
        help = "write `layout: clip` for (N, T, H, W, C) or `layout: volume` for (N, D, H, W, C)"
        if len(header.shape) == 1:
            help = "give each sample a row of numbers: x.reshape(-1, 1)"
        raise DataError(f"it can't be told what a sample of {title} is: its shape is {list(header.shape)}", help=help)
    return layout


def _channels_axis(shape: tuple[int, ...], first: int, title: str) -> int:
    """The axis of channels: the first or the last of those of a picture, whichever has 1, 3 or 4 entries.

    Where that holds for both or for neither, the one that is shorter than all the others.
    """
    last = len(shape) - 1
    usual = [axis for axis in (first, last) if shape[axis] in _USUAL_CHANNELS]
    if len(usual) == 1:
        return usual[0]
    shortest = min(shape[first:])
    if shape[first:].count(shortest) == 1 and shortest in (shape[first], shape[last]):
        return first if shape[first] == shortest else last
    help = "save pictures as (N, H, W, C), and pad or crop so that C is smaller than H and W"
    raise DataError(f"it can't be told which axis of {title} is the channels: its shape is {list(shape)}", help=help)
