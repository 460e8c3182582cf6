"""Mean and standard deviation of the training samples."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from dlcli.config.data import AutoNormalize, DataSpec, FixedNormalize, NoNormalize, NormalizeSpec
from dlcli.errors import DataError

_CHUNK: Final = 1 << 20
"""Values looked at in one go: a copy of all of them in a wider type could be larger than the memory."""

_RESOLUTION: Final = 1e-7
"""Of float32: a smaller share of the mean is rounding, not spread."""


def resolved_normalisation(spec: DataSpec, inputs: Tensor) -> NormalizeSpec:
    """The normalisation with its numbers.

    Args:
        spec: whose `normalize` says which.
        inputs: the training samples, the channels or features last.

    Raises:
        DataError: the given numbers don't fit the channels, or the values are tokens.
    """
    normalize = spec.normalize
    if not inputs.dtype.is_floating_point and inputs.dtype != torch.uint8:
        if isinstance(normalize, FixedNormalize):
            raise DataError("tokens are names, not quantities, and can't be normalised", help="leave data.normalize out")
        return NoNormalize()
    channels = inputs.shape[-1]
    if isinstance(normalize, AutoNormalize):
        return _measured(inputs.reshape(-1, channels))
    if isinstance(normalize, FixedNormalize) and len(normalize.mean) != channels:
        what = f"data.normalize has {len(normalize.mean)} numbers, and the data {channels} channels"
        raise DataError(what, help=f"give {channels} numbers each for `mean` and `std`, or write `normalize: auto`")
    return normalize


def _measured(values: Tensor) -> FixedNormalize:
    """Of values (N, channels); a channel that never changes gets 1, and so becomes 0."""
    moments = _moments_of_bytes(values) if values.dtype == torch.uint8 else _moments(values)
    deviations = (deviation if deviation > _RESOLUTION * abs(mean) else 1.0 for mean, deviation in moments)
    return FixedNormalize(mean=tuple(mean for mean, _ in moments), std=tuple(deviations))


def _moments_of_bytes(values: Tensor) -> list[tuple[float, float]]:
    """Mean and standard deviation of each channel in units of 255, from exact sums: no rounding depends on the order."""
    counts = torch.zeros(values.shape[1], 256, dtype=torch.int64)
    for chunk in values.split(max(1, _CHUNK // values.shape[1])):
        for channel, of_channel in enumerate(counts):
            of_channel.add_(torch.bincount(chunk[:, channel], minlength=256))
    levels = torch.arange(256)
    moments = []
    for count in counts:
        number, total, squares = (int((count * power).sum()) for power in (1, levels, levels**2))
        moments.append((total / number / 255, math.sqrt(number * squares - total**2) / number / 255))
    return moments


def _moments(values: Tensor) -> list[tuple[float, float]]:
    chunks = values.split(max(1, _CHUNK // values.shape[1]))
    mean = torch.stack([chunk.sum(0, dtype=torch.float64) for chunk in chunks]).sum(0) / len(values)
    squares = torch.stack([(chunk - mean).square_().sum(0) for chunk in chunks]).sum(0) / len(values)
    return list(zip(mean.tolist(), squares.sqrt().tolist(), strict=True))
