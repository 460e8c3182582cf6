"""Torch's one-dimensional layers on sequences, (batch, time, features); torch's own read (batch, features, time).

Each is torch's class with its weights and their names; only the two axes are exchanged on the way in and out.
"""

from __future__ import annotations

from torch import Tensor, nn


class _OverTime(nn.Module):
    def forward(self, sequence: Tensor) -> Tensor:
        """(batch, time, features) -> (batch, time', features')."""
        output: Tensor = super().forward(sequence.transpose(1, 2))
        return output.transpose(1, 2)


class Conv1d(_OverTime, nn.Conv1d):
    """Filters over the steps."""


class ConvTranspose1d(_OverTime, nn.ConvTranspose1d):  # type: ignore[misc]  # without torch's `output_size`
    """Spreads each step over a window."""


class MaxPool1d(_OverTime, nn.MaxPool1d):
    """Largest value of each window of steps."""


class AvgPool1d(_OverTime, nn.AvgPool1d):
    """Mean of each window of steps."""


class AdaptiveMaxPool1d(_OverTime, nn.AdaptiveMaxPool1d):
    """Largest values of a given number of windows."""


class AdaptiveAvgPool1d(_OverTime, nn.AdaptiveAvgPool1d):
    """Means of a given number of windows."""


class BatchNorm1d(_OverTime, nn.BatchNorm1d):
    """Each feature over the batch and all steps."""


class GroupNorm(_OverTime, nn.GroupNorm):
    """Groups of features of a sample over all its steps."""


class InstanceNorm1d(_OverTime, nn.InstanceNorm1d):
    """Each feature of a sample over all its steps."""


class Dropout1d(_OverTime, nn.Dropout1d):
    """Drops a feature at all steps of a sample."""
