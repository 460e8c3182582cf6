"""A series as it is drawn above what the methods say of it: in the units of the data, or standardised as the network reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from dlcli.app.explain.colours import Numbers
from dlcli.app.explain.shown import Shown
from dlcli.config.normalisation import FixedNormalize
from dlcli.models.attribution.entries import Entry

MOST_LINES: Final = 6
"""Features that are drawn."""
_WIDEST: Final = 50
"""Standard deviations of the narrowest feature that all features together may span: of more it would be a flat line."""


@dataclass(frozen=True)
class Series:
    """Values to be drawn.

    Attributes:
        values: (time, features).
        axis: what the vertical axis is called.
        scale: the same in a sentence.
    """

    values: Numbers
    axis: str
    scale: str


def series_of(shown: Shown, entry: Entry) -> Series | None:
    """The raw values of an input, or where these don't fit on one axis those that the network reads; None for other inputs."""
    read, raw = entry.values[0].detach().float().cpu(), shown.sample.raw_of(entry.input)[0].cpu()
    if read.ndim != 2:
        return None
    normalize = shown.subject.experiment.data.normalization_of(entry.input)
    if raw.shape != read.shape or not raw.is_floating_point():  # another order, or 8-bit values
        return Series(read.numpy(), "as read", "as the network reads it")
    if isinstance(normalize, FixedNormalize) and not _fit(raw[:, :MOST_LINES].float(), normalize):
        scale = "standardised: 0 is the mean of the training data, 1 a standard deviation above it"
        return Series(read.numpy(), "standardised", scale)
    return Series(raw.float().numpy(), "raw values", "in the units of the data")


def _fit(values: torch.Tensor, normalize: FixedNormalize) -> bool:
    """Whether no feature (time, features) would be a flat line beside the others."""
    narrowest = min(normalize.std[: values.shape[1]])
    return values.shape[1] == 1 or float(values.max() - values.min()) <= _WIDEST * narrowest
