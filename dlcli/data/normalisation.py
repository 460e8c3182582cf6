"""Mean and standard deviation of the training samples: measured, and taken out of a batch."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from typing import Final, Self

import torch
from torch import Tensor

from dlcli.config.data import DataSpec
from dlcli.config.facts import DataFacts
from dlcli.config.normalisation import AutoNormalize, FixedNormalize, NoNormalize, Normalization, NormalizeSpec
from dlcli.errors import DataError

_CHUNK: Final = 1 << 20
"""Values looked at in one go: a copy of all of them in a wider type could be larger than the memory."""

_RESOLUTION: Final = 1e-7
"""Of float32: a smaller share of the mean is rounding, not spread."""


_Factor = float | Tensor
"""One number, or one for each channel: (C,)."""


class Normaliser:
    """Scales 8-bit values to 0 to 1 and normalises, each channel by its numbers.

    Args:
        normalize: with its numbers, from `resolved_normalisation`.

    Attributes:
        channels: how many there are numbers for; None where nothing is normalised.
    """

    def __init__(self, normalize: NormalizeSpec) -> None:
        self.channels: int | None = None
        self._scale: _Factor = 1.0
        self._shift: _Factor = 0.0
        if isinstance(normalize, FixedNormalize):
            mean, std = (torch.tensor(numbers, dtype=torch.float64) for numbers in (normalize.mean, normalize.std))
            self.channels = len(mean)
            self._scale, self._shift = _factor(1 / std), _factor(-mean / std)
        self._byte_scale = self._scale / 255

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        moved = copy.copy(self)
        for name in ("_scale", "_byte_scale", "_shift"):
            value = getattr(self, name)
            if isinstance(value, Tensor):
                setattr(moved, name, value.to(device))
        return moved

    def __call__(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        """Values of the type that samples have, now or before they were changed, with the channels last; they are kept."""
        if dtype == torch.uint8:
            values = values.to(torch.float32).mul_(self._byte_scale)
        elif self.channels is not None:
            values = values.mul(self._scale)
        return values.add_(self._shift) if self.channels is not None else values


def _factor(numbers: Tensor) -> _Factor:
    """A number where there is only one: multiplying by it is quicker than by a tensor."""
    return float(numbers) if len(numbers) == 1 else numbers.to(torch.float32)


def resolved_normalisation(
    spec: DataSpec, inputs: Tensor | dict[str, Tensor], lengths: Tensor | None = None, *, ragged: Collection[str] = ()
) -> Normalization:
    """The normalisation with its numbers.

    Args:
        spec: whose `normalize` says which.
        inputs: the training samples, the channels or features last; of several inputs each by its name.
        lengths: steps of each sample, where they differ: what lies behind them is not measured.
        ragged: of several inputs those that have so many steps.

    Raises:
        DataError: the given numbers don't fit the channels, or the values are tokens.
    """
    if isinstance(inputs, dict):
        return {
            name: _resolved(spec.normalization_of(name), values, lengths if name in ragged else None, f" of {name}")
            for name, values in inputs.items()
        }
    assert isinstance(spec.normalize, NormalizeSpec)
    return _resolved(spec.normalize, inputs, lengths, "")


def resolved_target_scale(
    spec: DataSpec, targets: Tensor | dict[str, Tensor], lengths: Tensor | None, facts: DataFacts
) -> Normalization:
    """The scale of the values to predict with its numbers; classes have none.

    Args:
        spec: whose `normalize_targets` says which.
        targets: of the training samples; of several each by its name.
        lengths: as for `resolved_normalisation`.
        facts: says which targets have an answer for each step.

    Raises:
        DataError: the given numbers don't fit the values, or the targets are classes.
    """
    given = spec.normalize_targets

    def resolved(name: str, values: Tensor, whose: str) -> NormalizeSpec:
        normalize = given.get(name, AutoNormalize()) if isinstance(given, dict) else given
        if not values.dtype.is_floating_point:
            if isinstance(normalize, FixedNormalize):
                raise DataError(f"the targets{whose} are classes, which have no scale", help="leave data.normalize_targets out")
            return NoNormalize()
        return _resolved(normalize, values, lengths if facts.targets[name].per_step else None, whose, "normalize_targets")

    if isinstance(targets, dict):
        return {name: resolved(name, values, f" of {name}") for name, values in targets.items()}
    [name] = facts.targets
    return resolved(name, targets, "")


def _resolved(
    normalize: NormalizeSpec, values: Tensor, lengths: Tensor | None, whose: str, field: str = "normalize"
) -> NormalizeSpec:
    if not values.dtype.is_floating_point and values.dtype != torch.uint8:
        if isinstance(normalize, FixedNormalize):
            what = f"the tokens{whose} are names, not quantities, and can't be normalised"
            raise DataError(what, help=f"leave data.{field} out")
        return NoNormalize()
    channels = values.shape[-1]
    if isinstance(normalize, AutoNormalize):
        return _measured(_present(values, lengths).reshape(-1, channels))
    if isinstance(normalize, FixedNormalize) and len(normalize.mean) != channels:
        counted = f"{channels} {'channels' if field == 'normalize' else 'values to predict'}"
        what = f"data.{field} has {len(normalize.mean)} numbers, and the data{whose} {counted}"
        raise DataError(what, help=f"give {channels} numbers each for `mean` and `std`, or write `{field}: auto`")
    return normalize


def _present(values: Tensor, lengths: Tensor | None) -> Tensor:
    """The steps that are there of samples (N, T, ...), as (steps, ...)."""
    if lengths is None or values.ndim < 3:
        return values
    return values[torch.arange(values.shape[1]) < lengths[:, None]]


def _measured(values: Tensor) -> FixedNormalize:
    """Of values (N, channels); a channel that never changes gets 1, and so becomes 0."""
    moments = _moments_of_bytes(values) if values.dtype == torch.uint8 else _moments(values)
    if not all(math.isfinite(number) for moment in moments for number in moment):
        help = "remove the samples, or fill their values in; `dlcli data check` names them, with data.normalize=none"
        raise DataError("the training samples hold NaN or infinity: their mean can't be measured", help=help)
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
