"""Torch's one-dimensional layers on sequences, (batch, time, features); torch's own read (batch, features, time).

Each is torch's class with its weights and their names; only the two axes are exchanged on the way in and out. Where sequences
of a batch differ in length, each gets what it would get alone: windows see nothing of what lies behind its end, and padding,
reflection and wrapping start there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.config.layers.windows import conv_size
from dlcli.config.shapes import Time
from dlcli.models.valid_steps import fill_padding, steps_at


class OverTime(nn.Module):
    """A layer of torch, put before its class among the bases, with time and features exchanged."""

    def forward(self, sequence: Tensor) -> Tensor:
        """(batch, time, features) -> (batch, time', features')."""
        output: Tensor = super().forward(sequence.transpose(1, 2))
        return output.transpose(1, 2)


class AcrossSteps(OverTime):
    """The same for layers whose calculation crosses steps."""

    reads_lengths = True

    def forward(self, sequence: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(batch, time, features) -> (batch, time', features'); without `lengths` (batch,) all steps are valid."""
        return super().forward(sequence) if lengths is None else self.padded_forward(sequence, lengths)

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """The same for each sequence alone; 0 behind its end unless the layer says otherwise."""
        raise NotImplementedError


class Conv1d(AcrossSteps, nn.Conv1d):
    """Filters over the steps."""

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Pads each sequence at its own end; behind its outputs stands what the filters give there."""
        if self.padding_mode not in _SOURCES:
            return OverTime.forward(self, fill_padding(sequence, lengths, 0))
        before, after = self._reversed_padding_repeated_twice
        steps = torch.arange(-before, sequence.shape[1] + after, device=sequence.device)
        sources = _SOURCES[self.padding_mode](steps, lengths[:, None])
        padded = steps_at(sequence, sources).transpose(1, 2)
        output = F.conv1d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return output.transpose(1, 2)


def _reflected(steps: Tensor, lengths: Tensor) -> Tensor:
    """Back and forth between the first and the last step, neither of them twice; of a single step that one."""
    last = lengths - 1
    there_and_back = steps % (2 * last).clamp(min=1)
    return torch.minimum(there_and_back, 2 * last - there_and_back)


def _nearest(steps: Tensor, lengths: Tensor) -> Tensor:
    return torch.minimum(steps.clamp(min=0), lengths - 1)


def _wrapped(steps: Tensor, lengths: Tensor) -> Tensor:
    return steps % lengths


_SOURCES: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "reflect": _reflected,
    "replicate": _nearest,
    "circular": _wrapped,
}
"""Which step is read at (steps,), before the first and behind the last too, for lengths (batch, 1): as in NumPy's `pad`.

Where a sequence is shorter than its padding, which torch refuses, it is reflected or wrapped more than once.
"""


class ConvTranspose1d(AcrossSteps, nn.ConvTranspose1d):  # type: ignore[misc]  # without torch's `output_size`
    """Spreads each step over a window."""

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Padding spreads nothing; behind a sequence's outputs stands the bias."""
        return OverTime.forward(self, fill_padding(sequence, lengths, 0))


@dataclass(frozen=True)
class _Windows:
    """The windows of a pool, as torch's arguments describe them."""

    kernel: int
    stride: int
    padding: int
    dilation: int
    ceil: bool

    @property
    def count(self) -> Time:
        """How many there are for each number of steps."""
        count = conv_size(Time(), self.kernel, self.stride, self.padding, self.dilation, ceil=self.ceil)
        assert isinstance(count, Time)
        return count

    def laid_out(self, sequence: Tensor, lengths: Tensor, outside: float) -> Tensor:
        """Steps among which all windows lie, (batch, features, steps), with one value where a sequence has none.

        Torch would pad by itself, but writes the gradient of a window with nothing but padding outside of the tensor.
        """
        reach = (self.count.at(sequence.shape[1]) - 1) * self.stride + self.dilation * (self.kernel - 1) + 1
        filled = fill_padding(sequence, lengths, outside).transpose(1, 2)
        return F.pad(filled, (self.padding, reach - self.padding - sequence.shape[1]), value=outside)


class MaxPool1d(AcrossSteps, nn.MaxPool1d):
    """Largest value of each window of steps."""

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Padding is never the largest. Torch's pool over one axis is not for numbers of steps that an export leaves open."""
        stride, dilation = _single(self.stride), _single(self.dilation)
        windows = _Windows(_single(self.kernel_size), stride, _single(self.padding), dilation, self.ceil_mode)
        rows = windows.laid_out(sequence, lengths, -torch.inf).unsqueeze(2)
        output = F.max_pool2d(rows, (1, windows.kernel), (1, stride), 0, (1, dilation))
        return fill_padding(output.squeeze(2).transpose(1, 2), windows.count.at(lengths), 0)


class AvgPool1d(AcrossSteps, nn.AvgPool1d):
    """Mean of each window of steps."""

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Each window is divided by what torch counts in it for the sequence alone."""
        windows = _Windows(
            _single(self.kernel_size), _single(self.stride), _single(self.padding), dilation=1, ceil=self.ceil_mode
        )
        means = F.avg_pool1d(windows.laid_out(sequence, lengths, 0), windows.kernel, windows.stride).transpose(1, 2)
        starts = torch.arange(means.shape[1], device=lengths.device) * windows.stride - windows.padding
        padding = windows.padding if self.count_include_pad else 0
        ends = torch.minimum(starts + windows.kernel, lengths[:, None] + padding)
        counted = (ends - starts.clamp(min=-padding)).clamp(min=1)
        return means * (windows.kernel / counted.to(means.dtype))[..., None]


def _single(size: int | tuple[int, ...]) -> int:
    """The size along time."""
    return size if isinstance(size, int) else size[0]


class AdaptiveMaxPool1d(AcrossSteps, nn.AdaptiveMaxPool1d):
    """Largest values of a given number of windows."""

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Windows divide the valid steps."""
        values, _ = _adaptive_windows(sequence, lengths, _single(self.output_size))
        return values.max(2).values


class AdaptiveAvgPool1d(AcrossSteps, nn.AdaptiveAvgPool1d):
    """Means of a given number of windows."""

    def padded_forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Windows divide the valid steps."""
        values, sizes = _adaptive_windows(sequence, lengths, _single(self.output_size))
        inside = torch.arange(values.shape[2], device=sizes.device) < sizes[..., None]
        return values.masked_fill(~inside[..., None], 0).sum(2) / sizes[..., None]


def _adaptive_windows(sequence: Tensor, lengths: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The values of all windows, floor(i * length / count) up to ceil((i + 1) * length / count).

    Returns:
        (batch, count, most, features), the last value of a window once more where it has fewer than `most`; and the sizes
        of the windows, (batch, count).
    """
    index = torch.arange(count, device=lengths.device)
    starts = index * lengths[:, None] // count
    ends = ((index + 1) * lengths[:, None] + count - 1) // count
    places = torch.arange(sequence.shape[1] // count + 2, device=lengths.device)
    steps = torch.minimum(starts[..., None] + places, ends[..., None] - 1)
    values = steps_at(sequence, steps.flatten(1))
    return values.unflatten(1, steps.shape[1:]), ends - starts


class Dropout1d(OverTime, nn.Dropout1d):
    """Drops a feature at all steps of a sample."""
