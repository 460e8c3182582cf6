"""Random changes of whole batches of pictures, each a function of (seed, epoch, sample).

Consecutive moves of pixels (shift, rotate, scale, shear, elastic) are composed first and sampled once, so that a picture is
interpolated once and not once for each. Crop and flip copy pixels; erase writes zeros.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from dlcli.config.augmentation import AugmentationSpec, Crop, Elastic, Erase, Flip, Rotate, Scale, Shear, Shift
from dlcli.data.counter_random import uniform

_MOVES: Final = (Shift, Rotate, Scale, Shear, Elastic)
_LONGEST: Final = 10 / 3
"""Of an erased rectangle: the largest height over width, and width over height (Zhong et al., 2017)."""

_Draw = tuple[AugmentationSpec, Tensor]
"""A change and its random numbers: (batch, count) in [0, 1)."""


class Augmenter:
    """Changes of pictures, in their order.

    Args:
        specs: which.
        seed: of the training; together with epoch and sample it fixes every change.
    """

    def __init__(self, specs: Sequence[AugmentationSpec], seed: int) -> None:
        self._specs = tuple(specs)
        self._counts = [_count(spec) for spec in specs]
        self._seed = seed

    def __call__(self, images: Tensor, samples: Tensor, epoch: int) -> Tensor:
        """Changed copies of pictures.

        Args:
            images: float (batch, C, H, W), 0 is black.
            samples: int64 (batch,), the number of each picture; the same picture in another pass has another.
            epoch: any whole number.

        Returns:
            (batch, C, H, W), the channels last in memory.
        """
        numbers = uniform(self._seed, epoch, samples, sum(self._counts)).split(self._counts, dim=1)
        for is_move, group in groupby(zip(self._specs, numbers, strict=True), lambda draw: isinstance(draw[0], _MOVES)):
            draws = list(group)
            if is_move:
                images = _moved(images, draws)
                continue
            for spec, own in draws:
                images = _changed(images, spec, own)
        return _channels_last(images)


def _count(spec: AugmentationSpec) -> int:
    """How many random numbers a change takes for each picture."""
    if isinstance(spec, Elastic):
        return 2 * spec.grid**2
    return {Shift: 2, Crop: 2, Erase: 5}.get(type(spec), 1)


def _changed(images: Tensor, spec: AugmentationSpec, numbers: Tensor) -> Tensor:
    if isinstance(spec, Crop):
        return _cropped(images, spec, numbers)
    if isinstance(spec, Flip):
        mirrored = images.flip(3 if spec.axis == "horizontal" else 2)
        return torch.where((numbers < spec.p)[:, :, None, None], mirrored, images)
    assert isinstance(spec, Erase)
    return _erased(images, spec, numbers)


def _moved(images: Tensor, draws: Sequence[_Draw]) -> Tensor:
    """All moves at once: what they do to a pixel's place is followed back from the last to the first.

    In pixels from the centre, the pixel that ends at (x, y) comes from matrix @ (x, y, 1) + bend.
    """
    batch, _, height, width = images.shape
    matrix = torch.eye(2, 3, device=images.device).repeat(batch, 1, 1)
    bend: Tensor | None = None
    for spec, numbers in reversed(draws):
        if isinstance(spec, Shift):
            matrix[:, :, 2] -= _between(numbers, -spec.pixels, spec.pixels)
        elif isinstance(spec, Elastic):
            field = _random_field(spec, numbers, height, width)
            bend = field if bend is None else bend + field
        else:
            linear = _linear(spec, numbers[:, 0])
            matrix = linear @ matrix
            bend = bend if bend is None else torch.einsum("bij,bhwj->bhwi", linear, bend)
    to_unit = torch.cat((images.new_full((1,), 2 / width), images.new_full((1,), 2 / height)))
    matrix = matrix * to_unit[:, None]
    x, y = _centred(width, images.device), _centred(height, images.device)
    across = matrix[:, None, :, 0] * x[:, None]
    down = matrix[:, None, :, 1] * y[:, None] + matrix[:, None, :, 2]
    grid = across[:, None] + down[:, :, None]
    if bend is not None:
        grid += bend * to_unit
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _linear(spec: AugmentationSpec, numbers: Tensor) -> Tensor:
    """Where a pixel comes from, as a matrix (batch, 2, 2), for numbers (batch,)."""
    if isinstance(spec, Rotate):
        angle = _between(numbers, -math.radians(spec.degrees), math.radians(spec.degrees))
        cosine, sine = angle.cos(), angle.sin()
        rows = [cosine, sine, -sine, cosine]
    elif isinstance(spec, Scale):
        smaller = _between(numbers, 1 - spec.factor, 1 + spec.factor).reciprocal()
        zero = torch.zeros_like(numbers)
        rows = [smaller, zero, zero, smaller]
    else:
        assert isinstance(spec, Shear)
        slant = _between(numbers, -math.radians(spec.degrees), math.radians(spec.degrees)).tan()
        rows = [torch.ones_like(numbers), slant, torch.zeros_like(numbers), torch.ones_like(numbers)]
    return torch.stack(rows, dim=1).view(-1, 2, 2)


def _random_field(spec: Elastic, numbers: Tensor, height: int, width: int) -> Tensor:
    """How far each pixel's place is bent: (batch, height, width, 2), normal with `pixels` as its standard deviation.

    Independent values at the points of the grid, spread over the pixels between them by a Gaussian.
    """
    unit = (2 * numbers - 1).clamp(min=2.0**-23 - 1)
    points = (torch.erfinv(unit) * (math.sqrt(2) * spec.pixels)).view(-1, 2, spec.grid, spec.grid)
    rows, columns = (_weights(size, spec.grid, numbers.device) for size in (height, width))
    return (rows @ points @ columns.T).permute(0, 2, 3, 1)


def _weights(size: int, points: int, device: torch.device) -> Tensor:
    """The part of each point in each pixel (size, points); rows have length 1, which keeps the variance everywhere."""
    pixels = torch.linspace(0, points - 1, size, device=device)
    distance = pixels[:, None] - torch.arange(points, device=device)
    weights = torch.exp(-2 * distance**2)
    normalised: Tensor = weights / weights.norm(dim=1, keepdim=True)
    return normalised


def _cropped(images: Tensor, spec: Crop, numbers: Tensor) -> Tensor:
    batch, _, height, width = images.shape
    margin = spec.padding
    padded = functional.pad(images.permute(0, 2, 3, 1), (0, 0, margin, margin, margin, margin))
    top, left = (numbers * (2 * margin + 1)).long().unbind(1)
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    each = torch.arange(batch, device=images.device)
    return padded[each[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _erased(images: Tensor, spec: Erase, numbers: Tensor) -> Tensor:
    height, width = images.shape[2:]
    chance, share, stretch, down, right = numbers.unbind(1)
    pixels = (share * (spec.area * height * width)).clamp(min=1)
    ratio = torch.exp(_between(stretch, -math.log(_LONGEST), math.log(_LONGEST)))
    tall = torch.minimum((pixels * ratio).sqrt(), pixels).floor().clamp(1, height)
    wide = (pixels / tall).floor().clamp(1, width)
    top, left = (down * (height - tall + 1)).floor(), (right * (width - wide + 1)).floor()
    y, x = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    in_rows = (y >= top[:, None]) & (y < (top + tall)[:, None])
    in_columns = (x >= left[:, None]) & (x < (left + wide)[:, None])
    gone = in_rows[:, :, None] & in_columns[:, None, :] & (chance < spec.p)[:, None, None]
    return images.masked_fill(gone[:, None], 0.0)


def _between(numbers: Tensor, low: float, high: float) -> Tensor:
    return numbers * (high - low) + low


def _centred(size: int, device: torch.device) -> Tensor:
    return torch.arange(size, device=device) - (size - 1) / 2


def _channels_last(images: Tensor) -> Tensor:
    """The same values; with one channel, where torch sees no difference, by the strides too."""
    if images.shape[1] > 1:
        return images.contiguous(memory_format=torch.channels_last)
    _, _, height, width = images.shape
    return images.contiguous().as_strided(images.shape, (height * width, 1, width, 1))
