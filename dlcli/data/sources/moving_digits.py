"""Clips of the embedded digits that move."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import Digits, MovingDigits, SplitSpec
from dlcli.config.data.moving_digits import DIRECTIONS
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, RawData, RawSplit
from dlcli.data.sources import digits
from dlcli.data.sources.random_numbers import generator
from dlcli.data.splits import counts_of_splits
from dlcli.errors import DataError

_STEPS: Final = np.array([(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)])
"""Rows and columns in a frame for each of `DIRECTIONS`, at the lower speed."""
_FASTEST: Final = 2
"""The higher speed, in pixels a frame."""

_SPLITS: Final = ("train", "valid", "test")


def read(spec: MovingDigits, directories: Directories, _: bool) -> RawData:
    """Draws all clips; equal specs give equal clips on every machine.

    Raises:
        DataError: a split would be empty, or the installed package is damaged.
    """
    source = digits.read(Digits(), directories, False).train
    pictures, labels = np.asarray(source.inputs)[..., 0], np.asarray(source.targets)
    shared = _pictures_of_splits(spec.split, labels if spec.split.stratify else np.zeros_like(labels))
    splits: dict[str, RawSplit] = {}
    for stream, (name, count) in enumerate(counts_of_splits(spec.split, spec.num_samples).items()):
        chosen = shared[name]
        if count > 0 and len(chosen) > 0:
            splits[name] = _clips(spec, count, pictures[chosen], labels[chosen], stream)
        elif name == "train" or getattr(spec.split, name) > 0:
            shares = f"{count:,} of {spec.num_samples:,} clips and {len(chosen):,} of {len(labels):,} digits go to it"
            what = f"the {name} split would be empty: {shares}"
            raise DataError(
                what, help="give more samples with data.num_samples, or other shares in data.split (0 for no such split)"
            )
    names = DIRECTIONS if spec.label == "direction" else tuple(str(digit) for digit in range(10))
    return RawData(splits["train"], splits.get("valid"), splits.get("test"), names, "made up from the digits inside the package")


def _pictures_of_splits(split: SplitSpec, groups: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Which pictures each split has: of each group as many as its share, no picture twice."""
    order = generator(split.seed, 0).permutation(len(groups))
    chosen: dict[str, list[NDArray[np.int64]]] = {name: [] for name in _SPLITS}
    for group in np.unique(groups):
        left = order[groups[order] == group]
        for name, count in counts_of_splits(split, len(left)).items():
            chosen[name].append(left[:count])
            left = left[count:]
    return {name: np.concatenate(parts) for name, parts in chosen.items()}


def _clips(spec: MovingDigits, count: int, pictures: Array, labels: NDArray[np.int64], stream: int) -> RawSplit:
    """Clips uint8 (count, frames, size, size, 1) of pictures (P, 8, 8), and their classes (count,).

    A field without edges, and a start anywhere on it: where a digit is in one frame says nothing of where it moves.
    """
    draws = generator(spec.seed, stream)
    chosen = draws.integers(len(pictures), size=count, dtype=np.int64)
    direction = draws.integers(len(DIRECTIONS), size=count, dtype=np.int64)
    corner = draws.integers(spec.size, size=(count, 2), dtype=np.int64)
    step = _STEPS[direction] * draws.integers(1, _FASTEST, size=(count, 1), endpoint=True)
    clips = np.zeros((count, spec.frames, spec.size, spec.size, 1), dtype=np.uint8)
    samples, pixels = np.arange(count)[:, np.newaxis, np.newaxis], np.arange(pictures.shape[1])
    for frame in range(spec.frames):
        rows, columns = ((corner + frame * step)[..., np.newaxis] + pixels).swapaxes(0, 1) % spec.size
        clips[samples, frame, rows[..., np.newaxis], columns[:, np.newaxis], 0] = pictures[chosen]
    return RawSplit(clips, direction if spec.label == "direction" else labels[chosen])
