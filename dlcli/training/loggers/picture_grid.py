"""The pictures of a batch, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlcli.config.shapes import Image, Shape
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.data.batches import Batch

_MOST: Final = 64
"""Pictures of a grid."""
_COLUMNS: Final = 8
_SMALLEST: Final = 32
"""Pixels of a picture's longer side: smaller ones are made larger, each pixel a square."""
_GAP: Final = 2


def picture_grids(batch: Batch, inputs: Mapping[str, Shape]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """What a batch shows.

    Args:
        batch: as the network reads it.
        inputs: the shapes of its inputs.

    Yields:
        The name of each input that is a picture or a clip, and 8-bit values (height, width, 3): up to 64 pictures, or up to 8
        clips, a row each. The least value of the input is black, the largest white; other than 3 channels become their mean.
    """
    for name, shape in inputs.items():
        values = batch.inputs[name] if isinstance(batch.inputs, dict) else batch.inputs
        if isinstance(shape, Image):
            yield name, _grid(values[:_MOST], columns=_COLUMNS)
        elif isinstance(shape, SequenceShape) and isinstance(shape.item, Image):
            clips = values[: _MOST // _COLUMNS]
            yield name, _grid(clips.flatten(0, 1), columns=clips.shape[1])


def _grid(pictures: Tensor, columns: int) -> NDArray[np.uint8]:
    """Pictures (N, C, H, W) in rows, with gaps between them."""
    pictures = pictures.detach().to("cpu", torch.float32)
    low, high = pictures.min(), pictures.max()
    pictures = (pictures - low) / (high - low).clamp(min=torch.finfo(torch.float32).tiny)
    colours = pictures if pictures.shape[1] == 3 else pictures.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    factor = max(1, _SMALLEST // max(colours.shape[2:]))
    tiles = (colours * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy().repeat(factor, 1).repeat(factor, 2)
    count, height, width, _ = tiles.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    grid = np.full((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3), 128, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * (height + _GAP), number % columns * (width + _GAP)
        grid[top : top + height, left : left + width] = tile
    return grid
