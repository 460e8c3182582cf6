"""What data is like: samples, shapes, ranges, classes, lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from dlcli.app.datasets.samples import (
    Array,
    chunks,
    inputs_of,
    lengths_of_input,
    lengths_of_target,
    present,
    rows,
    splits_of,
    steps_of,
    targets_of,
)
from dlcli.app.datasets.sources import LICENCES
from dlcli.config.normalisation import FixedNormalize, NormalizeSpec
from dlcli.data.dataset import Dataset

_MOST_BINS: Final = 10
"""Of a histogram of lengths."""


@dataclass(frozen=True)
class ValueRange:
    """The values of the training samples.

    Attributes:
        smallest: of all.
        largest: of all.
        channels: how many values stand side by side; of tokens one.
        mean: of each channel, in the units that `normalize` has: 8-bit values from 0 to 1; None where nothing is normalised.
        std: the same.
    """

    smallest: float
    largest: float
    channels: int
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


@dataclass(frozen=True)
class InputDescription:
    """An input.

    Attributes:
        shapes: by its name what the network reads; several for pictures that are read in several ways.
        dtype: of the values in memory.
        values: their range.
    """

    shapes: dict[str, str]
    dtype: str
    values: ValueRange


@dataclass(frozen=True)
class TargetDescription:
    """What is to be predicted.

    Attributes:
        per_step: whether there is an answer for each step.
        counts: of a classification, by the name of the split how many answers each class has.
        values: of a regression, the range of the training samples' answers.
    """

    per_step: bool
    counts: dict[str, list[int]] | None
    values: ValueRange | None


@dataclass(frozen=True)
class Lengths:
    """How many steps the samples of a split have.

    Attributes:
        histogram: the number of samples from each length of `edges` up to the next, the last one included.
        edges: of that, one more.
    """

    shortest: int
    median: float
    mean: float
    longest: int
    histogram: tuple[int, ...]
    edges: tuple[int, ...]


@dataclass(frozen=True)
class Description:
    """What data is like.

    Attributes:
        asked: the name of the source that was asked for.
        used: the name of the one that is described.
        notice: why that is a fallback; None where it is none.
        origin: where the samples came from.
        licence: of a public data set.
        samples: how many each split has.
        classes: their names, where they have some.
        inputs: each by its name.
        targets: each by its name.
        lengths: of sequences, by the name of the split.
        megabytes: what all of it takes in memory.
    """

    asked: str
    used: str
    notice: str | None
    origin: str
    licence: str | None
    samples: dict[str, int]
    classes: tuple[str, ...] | None
    inputs: dict[str, InputDescription]
    targets: dict[str, TargetDescription]
    lengths: dict[str, Lengths]
    megabytes: float

    def as_json(self) -> dict[str, Any]:
        """What `data info --json` prints."""
        return asdict(self)


def describe(dataset: Dataset) -> Description:
    """Looks at all samples."""
    splits = splits_of(dataset)
    lengths = {name: _lengths(steps) for name, split in splits.items() if (steps := steps_of(split, dataset)) is not None}
    tensors = [tensor for split in splits.values() for _, tensor in split.named()]
    return Description(
        dataset.asked,
        dataset.used,
        dataset.notice,
        dataset.origin,
        LICENCES.get(dataset.used),
        dataset.counts(),
        dataset.class_names,
        dict(_inputs(dataset)),
        dict(_targets(dataset)),
        lengths,
        sum(tensor.untyped_storage().nbytes() for tensor in tensors) / 1e6,
    )


def _inputs(dataset: Dataset) -> Iterator[tuple[str, InputDescription]]:
    for name, values in inputs_of(dataset.train).items():
        shapes = dataset.facts.inputs
        own = {name: str(shapes[name])} if name in shapes else {view: str(shape) for view, shape in shapes.items()}
        lengths = lengths_of_input(dataset, name, dataset.train)
        yield name, InputDescription(own, str(values.dtype), _range(values, lengths, dataset.spec.normalization_of(name)))


def _targets(dataset: Dataset) -> Iterator[tuple[str, TargetDescription]]:
    for name, target in dataset.facts.targets.items():
        if target.num_classes is not None:
            yield name, TargetDescription(target.per_step, class_counts(dataset, name, target.num_classes), None)
            continue
        scales = dataset.spec.normalize_targets
        scale = scales[name] if isinstance(scales, dict) else scales
        lengths = lengths_of_target(dataset, name, dataset.train)
        yield name, TargetDescription(target.per_step, None, _range(targets_of(dataset, dataset.train)[name], lengths, scale))


def class_counts(dataset: Dataset, target: str, num_classes: int) -> dict[str, list[int]]:
    """By the name of the split how many answers each class has."""
    counts = {}
    for name, split in splits_of(dataset).items():
        answers = present(targets_of(dataset, split)[target], lengths_of_target(dataset, target, split))
        counts[name] = np.bincount(answers.reshape(-1), minlength=num_classes).tolist()
    return counts


def _range(values: Array, lengths: Array | None, normalize: NormalizeSpec) -> ValueRange:
    smallest, largest, channels = [], [], 0
    for _, part, steps in chunks(values, lengths):
        there = rows(part, steps)
        smallest.append(there.min())
        largest.append(there.max())
        channels = there.shape[1]
    known = normalize if isinstance(normalize, FixedNormalize) else None
    moments = (known.mean, known.std) if known is not None else (None, None)
    return ValueRange(float(min(smallest)), float(max(largest)), channels, *moments)


def _lengths(steps: Array) -> Lengths:
    shortest, longest = int(steps.min()), int(steps.max())
    bins = min(_MOST_BINS, longest - shortest + 1)
    edges = [shortest + (longest + 1 - shortest) * number // bins for number in range(bins + 1)]
    histogram = np.histogram(steps, np.array(edges) - 0.5)[0]
    return Lengths(shortest, float(np.median(steps)), float(steps.mean()), longest, tuple(histogram.tolist()), tuple(edges))
