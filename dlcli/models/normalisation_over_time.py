"""Torch's normalisations on sequences, (batch, time, features), with the statistics of valid steps alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlcli.models.over_time import AcrossSteps, OverTime
from dlcli.models.valid_steps import fill_padding, put_back, select_valid


class BatchNorm1d(AcrossSteps, nn.BatchNorm1d):
    """Each feature over the batch and all steps."""

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """The valid steps of all samples are one batch of vectors; in an export, which trains nothing, each step is by itself."""
        if torch.compiler.is_exporting():
            return fill_padding(OverTime.forward(self, sequence), lengths, 0)
        values = nn.BatchNorm1d.forward(self, select_valid(sequence, lengths))
        return put_back(values, lengths, sequence.shape[1])


class GroupNorm(AcrossSteps, nn.GroupNorm):
    """Groups of features of a sample over all its steps."""

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Behind a sequence's end stands the bias."""
        groups = sequence.unflatten(2, (self.num_groups, -1))
        standardised, _, _ = _standardised(groups, lengths, self.eps)
        return _scaled(standardised.flatten(2), self.weight, self.bias)


class InstanceNorm1d(AcrossSteps, nn.InstanceNorm1d):
    """Each feature of a sample over all its steps."""

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Behind a sequence's end stands the bias, or with running statistics in evaluation what becomes of 0."""
        if self.track_running_stats and not self.training:
            return OverTime.forward(self, fill_padding(sequence, lengths, 0))
        standardised, mean, variance = _standardised(sequence[..., None], lengths, self.eps)
        if self.track_running_stats:
            self._follow(mean, variance, lengths)
        return _scaled(standardised.squeeze(3), self.weight, self.bias)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, lengths: Tensor) -> None:
        """Moves the running statistics to the means over the batch of (batch, features), variances unbiased.

        A single step has no unbiased variance, and torch refuses it; here it has the variance 0.
        """
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        unbiased = variance * lengths[:, None] / (lengths - 1).clamp(min=1)[:, None]
        self.running_mean.lerp_(mean.mean(0).to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(unbiased.mean(0).to(self.running_var.dtype), self.momentum)


def _standardised(groups: Tensor, lengths: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Groups of each sample to mean 0 and variance 1, and 0 in the padding.

    Args:
        groups: (batch, time, groups, size).
        lengths: (batch,).
        eps: added to the variance.

    Returns:
        The values; the means, (batch, groups); the variances, (batch, groups).
    """
    count = (lengths * groups.shape[3]).view(-1, 1, 1, 1)
    mean = fill_padding(groups, lengths, 0).sum((1, 3), keepdim=True) / count
    centred = fill_padding(groups - mean, lengths, 0)
    variance = centred.square().sum((1, 3), keepdim=True) / count
    return centred * torch.rsqrt(variance + eps), mean.flatten(1), variance.flatten(1)


def _scaled(values: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """With the learnt scale and shift of each feature, where there are any."""
    values = values if weight is None else values * weight
    return values if bias is None else values + bias
