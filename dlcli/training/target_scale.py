"""Values to predict in the scale that a loss compares them in, and outputs back in the units of the data."""

from __future__ import annotations

import torch
from torch import Tensor

from dlcli.config.normalisation import FixedNormalize


class TargetScale:
    """Mean and standard deviation of each value to predict.

    Args:
        scale: the numbers, one for each value.
        device: where outputs and targets are.
    """

    def __init__(self, scale: FixedNormalize, device: torch.device) -> None:
        self._mean, self._std = (torch.tensor(numbers, device=device) for numbers in (scale.mean, scale.std))

    def standardised(self, values: Tensor) -> Tensor:
        """Values in the units of the data (..., values) less the mean, over the standard deviation."""
        return (values - self._mean) / self._std

    def in_units(self, outputs: Tensor) -> Tensor:
        """Outputs of a network (..., values) in the units of the data."""
        return outputs * self._std + self._mean
