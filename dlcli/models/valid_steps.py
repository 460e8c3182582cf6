"""Sequences of different lengths in one batch: (batch, time, ...), where what lies behind a sequence's length is padding.

Padding may hold anything, NaN too: it is replaced before a calculation, never multiplied away, so that values and gradients
at valid steps are those of each sequence alone, and the gradient of padding is 0.
"""

from __future__ import annotations

import torch
from torch import Tensor


def is_valid(lengths: Tensor, time: int) -> Tensor:
    """Which steps are no padding: lengths (batch,) -> bool (batch, time)."""
    return torch.arange(time, device=lengths.device) < lengths[:, None]


def fill_padding(sequence: Tensor, lengths: Tensor, value: float) -> Tensor:
    """The sequence (batch, time, ...) with one value at all its padded steps."""
    padded = ~is_valid(lengths, sequence.shape[1])
    return sequence.masked_fill(padded.view(*padded.shape, *(1,) * (sequence.dim() - 2)), value)


def steps_at(sequence: Tensor, steps: Tensor) -> Tensor:
    """Some steps of each sample: (batch, time, features) and their places, int64 (batch, steps) -> (batch, steps, features)."""
    return sequence.gather(1, steps[..., None].expand(-1, -1, sequence.shape[2]))


def moments(sequence: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """The mean and the variance of each feature over the valid steps, all where there are no lengths.

    Args:
        sequence: (batch, time, features).
        lengths: (batch,).

    Returns:
        Both (batch, 1, features); the variance is that of the steps themselves, divided by their number.
    """
    if lengths is None:
        variance, mean = torch.var_mean(sequence, 1, correction=0, keepdim=True)
        return mean, variance
    count = lengths[:, None, None]
    mean = fill_padding(sequence, lengths, 0).sum(1, keepdim=True) / count
    return mean, fill_padding(sequence - mean, lengths, 0).square().sum(1, keepdim=True) / count


def select_valid(sequence: Tensor, lengths: Tensor) -> Tensor:
    """The valid steps of all samples, one behind the other: (batch, time, ...) -> (valid steps, ...)."""
    return sequence.flatten(0, 1).index_select(0, _places(lengths, sequence.shape[1]))


def put_back(values: Tensor, lengths: Tensor, time: int) -> Tensor:
    """What `select_valid` took out, where it was, and 0 in the padding: (valid steps, ...) -> (batch, time, ...)."""
    steps = values.new_zeros(lengths.shape[0] * time, *values.shape[1:])
    return steps.index_copy(0, _places(lengths, time), values).reshape(-1, time, *values.shape[1:])


def _places(lengths: Tensor, time: int) -> Tensor:
    """Where valid steps stand among batch * time steps."""
    return is_valid(lengths, time).flatten().nonzero().squeeze(1)
