"""Sequences that are made up, with answers that only a network with a memory finds."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import Adding, CopyMemory, Parity, Sine
from dlcli.data.directories import Directories
from dlcli.data.raw import RawData, RawSplit
from dlcli.data.sources.random_numbers import generator

_VALUES: Final = 0
_LENGTHS: Final = 1
_PLACES: Final = 2
_NOISE: Final = 3
"""Keep the draws apart: other noise leaves the sines as they are."""

_SLOWEST: Final = 1 / 50
_FASTEST: Final = 1 / 10
"""Cycles of a sine in a step."""


def read(spec: Adding | CopyMemory | Parity | Sine, _: Directories, __: bool) -> RawData:
    """Draws all samples; equal specs give equal samples on every machine."""
    if isinstance(spec, Adding):
        return _drawn(_adding(spec))
    if isinstance(spec, CopyMemory):
        return _drawn(_copy_memory(spec), (*map(str, range(spec.num_symbols)), "blank"))
    if isinstance(spec, Parity):
        return _drawn(_parity(spec), ("even", "odd"))
    return _drawn(_sine(spec))


def _drawn(samples: RawSplit, class_names: tuple[str, ...] | None = None) -> RawData:
    return RawData(samples, None, None, class_names, "made up")


def _adding(spec: Adding) -> RawSplit:
    """Values and markers float32 (N, T, 2), the sums float32 (N, 1)."""
    lengths, samples = _lengths(spec), np.arange(spec.num_samples)
    inputs = np.zeros((spec.num_samples, lengths.max(), 2), dtype=np.float32)
    values, markers = inputs[..., 0], inputs[..., 1]
    values[...] = generator(spec.seed, _VALUES).random(values.shape, dtype=np.float32)
    values[_padding(lengths)] = 0
    places = generator(spec.seed, _PLACES)
    first = places.integers(lengths // 2, dtype=np.int64)
    second = places.integers(lengths // 2, lengths, dtype=np.int64)
    markers[samples, first] = markers[samples, second] = 1
    sums = values[samples, first] + values[samples, second]
    return RawSplit(inputs, sums[:, np.newaxis], lengths if spec.has_lengths else None)


def _copy_memory(spec: CopyMemory) -> RawSplit:
    """Tokens int64 (N, T), and the class of each step int64 (N, T)."""
    inputs = np.full((spec.num_samples, spec.steps), spec.blank, dtype=np.int64)
    targets = inputs.copy()
    symbols = generator(spec.seed, _VALUES).integers(spec.num_symbols, size=(spec.num_samples, spec.length), dtype=np.int64)
    inputs[:, : spec.length] = targets[:, -spec.length :] = symbols
    inputs[:, spec.length + spec.delay - 1] = spec.delimiter
    return RawSplit(inputs, targets)


def _parity(spec: Parity) -> RawSplit:
    """Bits int64 (N, T), and whether the ones up to each step are odd in number, int64 (N, T)."""
    lengths = _lengths(spec)
    bits = generator(spec.seed, _VALUES).integers(2, size=(spec.num_samples, lengths.max()), dtype=np.int64)
    bits[_padding(lengths)] = 0
    return RawSplit(bits, np.bitwise_xor.accumulate(bits, axis=1), lengths if spec.has_lengths else None)


def _sine(spec: Sine) -> RawSplit:
    """Values with noise float32 (N, T, 1), and the values one step later without noise, float32 (N, T, 1)."""
    draws = generator(spec.seed, _VALUES)
    frequency = draws.uniform(_SLOWEST, _FASTEST, size=(spec.num_samples, 1))
    phase = draws.random((spec.num_samples, 1))
    cycles = frequency * np.arange(spec.steps + 1) + phase
    clean = np.sin(2 * math.pi * cycles).astype(np.float32)[..., np.newaxis]
    noise = generator(spec.seed, _NOISE).standard_normal((spec.num_samples, spec.steps, 1), dtype=np.float32)
    return RawSplit(clean[:, :-1] + np.float32(spec.noise) * noise, clean[:, 1:])


def _lengths(spec: Adding | Parity) -> NDArray[np.int64]:
    """The number of steps of each sample, (N,)."""
    least = spec.min_steps or spec.steps
    return generator(spec.seed, _LENGTHS).integers(least, spec.steps, size=spec.num_samples, dtype=np.int64, endpoint=True)


def _padding(lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which steps lie behind the end of their sample, (N, T)."""
    return np.arange(lengths.max()) >= lengths[:, np.newaxis]
