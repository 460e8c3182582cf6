"""Samples in the order of axes that a network reads: torch's, or a picture as a sequence."""

from __future__ import annotations

import copy
from typing import Final, Self

import torch
from torch import Tensor

from dlcli.config.data import View
from dlcli.config.shapes import Image, Shape, Volume
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.data.random_order import mixed, random_order

_PIXEL_ORDER: Final = 6
"""Keeps the order of permuted pixels apart from the draws in `splits`, which have the same seed."""


class Viewer:
    """Turns samples whose channels are last into one input of the network.

    Args:
        view: how pictures are read.
        shape: what comes out.
        split_seed: fixes the order of permuted pixels.
    """

    def __init__(self, view: View, shape: Shape, split_seed: int) -> None:
        self.shape = shape
        self.is_sequence_of_a_picture = view != "image"
        self.axes = _torch_axes(shape) if view == "image" else None
        self._view = view
        self._order: Tensor | None = None
        if view == "permuted_pixels":
            assert isinstance(shape, SequenceShape)
            assert isinstance(shape.time, int)
            self._order = torch.from_numpy(random_order(mixed(split_seed, _PIXEL_ORDER), shape.time))

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        moved = copy.copy(self)
        moved._order = self._order.to(device) if self._order is not None else None
        return moved

    def __call__(self, values: Tensor) -> Tensor:
        """The batch with the sizes of the shape; pictures (batch, C, H, W) with the channels last in memory."""
        if self.axes is not None:
            return values.permute(self.axes)
        if self._view == "image":
            return values
        if self._view == "rows":
            return values.flatten(2)
        pixels = values.flatten(1, 2)
        return pixels if self._order is None else pixels.index_select(1, self._order)

    def sizes_of(self, sizes: torch.Size) -> tuple[int, ...] | None:
        """What samples of these sizes, the channels last, become; None where they have the wrong number of axes."""
        if len(sizes) != (3 if self.is_sequence_of_a_picture else len(self.shape.sizes)):
            return None
        if self.axes is not None:
            return tuple(sizes[axis - 1] for axis in self.axes[1:])
        if self._view == "image":
            return tuple(sizes)
        height, width, channels = sizes
        return (height, width * channels) if self._view == "rows" else (height * width, channels)


def _torch_axes(shape: Shape) -> tuple[int, ...] | None:
    """How to permute a batch whose channels are last into torch's order; None where that is the same."""
    if isinstance(shape, Image):
        return (0, 3, 1, 2)
    if isinstance(shape, Volume):
        return (0, 4, 1, 2, 3)
    if isinstance(shape, SequenceShape) and isinstance(shape.item, Image):
        return (0, 1, 4, 2, 3)
    return None
