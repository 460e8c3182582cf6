"""The samples of a split as NumPy arrays by name, what lies behind the end of a sequence left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dlcli.config.facts import INPUT
from dlcli.config.shapes import Sequence, has_any_time
from dlcli.data.dataset import Dataset, Split

Array = NDArray[Any]
Sums = NDArray[np.uint64]

_CHUNK: Final = 1 << 24
"""Bytes of samples that are copied in one go: windows that overlap lie in memory once, and are copied out of it."""


@dataclass(frozen=True)
class Examined:
    """A data set, and what several checks need of it.

    Attributes:
        dataset: this.
    """

    dataset: Dataset

    @cached_property
    def input_sums(self) -> dict[str, Sums]:
        """By the name of the split a number for each sample, equal for equal samples whatever their answers."""
        found = {}
        for name, split in splits_of(self.dataset).items():
            inputs = inputs_of(split)
            found[name] = checksums(inputs, {each: lengths_of_input(self.dataset, each, split) for each in inputs})
        return found

    @cached_property
    def target_sums(self) -> dict[str, Sums]:
        """The same of the answers."""
        found = {}
        for name, split in splits_of(self.dataset).items():
            targets = targets_of(self.dataset, split)
            found[name] = checksums(targets, {each: lengths_of_target(self.dataset, each, split) for each in targets})
        return found


def splits_of(dataset: Dataset) -> dict[str, Split]:
    """The splits that have samples."""
    return {name: split for name, split in dataset.splits().items() if split is not None and len(split)}


def inputs_of(split: Split) -> dict[str, Array]:
    """Each input (N, ...) as it was read, the channels or features last; pictures of several views are one input."""
    return _arrays(split.inputs, INPUT)


def targets_of(dataset: Dataset, split: Split) -> dict[str, Array]:
    """Each target (N, ...)."""
    return _arrays(split.targets, next(iter(dataset.facts.targets)))


def _arrays(tensors: Tensor | dict[str, Tensor], name: str) -> dict[str, Array]:
    named = tensors if isinstance(tensors, dict) else {name: tensors}
    return {name: tensor.numpy() for name, tensor in named.items()}


def lengths_of_input(dataset: Dataset, name: str, split: Split) -> Array | None:
    """Steps (N,) of each sample of an input; None where all have as many, or it has no steps."""
    if split.lengths is None:
        return None
    shape = dataset.facts.inputs.get(name) or next(iter(dataset.facts.inputs.values()))
    return split.lengths.numpy() if has_any_time(shape) else None


def lengths_of_target(dataset: Dataset, name: str, split: Split) -> Array | None:
    """The same of a target: one that has an answer for each step."""
    if split.lengths is None or not dataset.facts.targets[name].per_step:
        return None
    return split.lengths.numpy()


def present(values: Array, lengths: Array | None) -> Array:
    """What is there of values (N, ...): without lengths all of it, else the steps (S, ...) of all samples."""
    if lengths is None:
        return values
    found: Array = values[np.arange(values.shape[1]) < lengths[:, np.newaxis]]
    return found


def rows(values: Array, lengths: Array | None) -> Array:
    """The same as (rows, channels): each step, pixel or sample a row, tokens of one channel."""
    found = present(values, lengths)
    return found.reshape(-1, 1) if values.dtype == np.int64 else found.reshape(-1, values.shape[-1])


def steps_of(split: Split, dataset: Dataset) -> Array | None:
    """How many steps each sample has (N,), where samples are sequences."""
    if split.lengths is not None:
        return split.lengths.numpy()
    times = [shape.time for shape in dataset.facts.inputs.values() if isinstance(shape, Sequence)]
    return np.full(len(split), times[0]) if times else None


def chunks(values: Array, lengths: Array | None) -> Iterator[tuple[int, Array, Array | None]]:
    """Values (N, ...) part by part: the number of the first sample, the samples and their lengths."""
    size = max(1, _CHUNK // max(1, values[:1].nbytes))
    for start in range(0, len(values), size):
        yield start, values[start : start + size], None if lengths is None else lengths[start : start + size]


def checksums(arrays: dict[str, Array], lengths: dict[str, Array | None]) -> Sums:
    """A number (N,) for each sample, from the bytes of all that it has: equal samples have equal ones.

    64 bits of BLAKE2b: of ten million different samples two have the same with a probability of 3e-6.
    """
    num_samples = len(next(iter(arrays.values())))
    found = np.empty(num_samples, dtype=np.uint64)
    per_sample = sum(array[:1].nbytes for array in arrays.values())
    size = max(1, _CHUNK // max(1, per_sample))
    for start in range(0, num_samples, size):
        stop = min(start + size, num_samples)
        parts = [np.ascontiguousarray(array[start:stop]) for array in arrays.values()]
        counts = [None if steps is None else steps[start:stop] for steps in (lengths[name] for name in arrays)]
        found[start:stop] = list(_digests(parts, counts))
    return found


def _digests(parts: list[Array], counts: list[Array | None]) -> Iterator[int]:
    for row in range(len(parts[0])):
        digest = hashlib.blake2b(digest_size=8)
        for part, steps in zip(parts, counts, strict=True):
            values = part[row] if steps is None else part[row, : steps[row]]
            digest.update(f"{values.shape};".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        yield int.from_bytes(digest.digest(), "little")
