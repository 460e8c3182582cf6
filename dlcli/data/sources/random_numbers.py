"""Made-up samples."""

from __future__ import annotations

from typing import Final

import numpy as np

from dlcli.config.data import Random
from dlcli.config.shapes import channel_axis, fixed_sizes, holds_tokens, token_of
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, RawData, RawSplit

_INPUTS: Final = 0
_ANSWERS: Final = 1
"""Keep the draws apart: other answers leave the inputs as they are."""


def read(spec: Random, _: Directories, __: bool) -> RawData:
    """Draws all samples; equal specs give equal samples on every machine."""
    return RawData(RawSplit(_inputs(spec), _answers(spec)), None, None, None, "made up")


def generator(seed: int, stream: int) -> np.random.Generator:
    """Random numbers that are the same on every machine; those of one stream say nothing of those of another."""
    return np.random.Generator(np.random.PCG64([seed, stream]))


def _inputs(spec: Random) -> Array:
    """Tokens int64 (N, T); else standard normal values, float32, with the channels last."""
    shape, draws = spec.facts().input, generator(spec.seed, _INPUTS)
    sizes = fixed_sizes(shape)
    if holds_tokens(shape):
        return draws.integers(token_of(shape).num_values, size=(spec.num_samples, *sizes), dtype=np.int64)
    axis = channel_axis(shape) - 1
    stored = (*sizes[:axis], *sizes[axis + 1 :], sizes[axis])
    return draws.standard_normal((spec.num_samples, *stored), dtype=np.float32)


def _answers(spec: Random) -> Array:
    """Classes int64 (N,) or values float32 (N, K), standard normal; for each step (N, T) or (N, T, K)."""
    target, draws = spec.facts().target, generator(spec.seed, _ANSWERS)
    rows = (spec.num_samples, spec.sizes[0]) if target.per_step else (spec.num_samples,)
    if target.num_classes is not None:
        return draws.integers(target.num_classes, size=rows, dtype=np.int64)
    assert target.num_targets is not None
    return draws.standard_normal((*rows, target.num_targets), dtype=np.float32)
