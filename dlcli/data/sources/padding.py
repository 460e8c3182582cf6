"""Arrays of sequences that were padded to one length, and arrays of the lengths they had."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dlcli.data.raw import Array
from dlcli.data.sources.npz import read_array
from dlcli.errors import DataError


def read_lengths(path: Path, names: Mapping[str, str], steps: Mapping[str, int]) -> dict[str, NDArray[np.int64]] | None:
    """Steps of each sample by split, (N,); None where each has as many as its array.

    Args:
        path: of the file.
        names: split -> the name of its array of lengths.
        steps: of each input that is a sequence, by the name of its array.

    Raises:
        DataError: no input is a sequence, two have different numbers of steps, or a length is none of a padded sample.
    """
    if not steps:
        what = f"{names['train']} in {path} counts steps, and no input is a sequence"
        raise DataError(what, help="write `layout: tokens` or `layout: series`, or call the array by another name")
    (first, most), *others = steps.items()
    for name, other in others:
        if other != most:
            what = f"{first} has {most} steps and {name} {other}, and {names['train']} is for both, in {path}"
            raise DataError(what, help="pad both to as many steps")
    lengths = {split: _checked(read_array(path, name), name, path, most) for split, name in names.items()}
    return lengths if any((of_split < most).any() for of_split in lengths.values()) else None


def cleared(values: Array, lengths: NDArray[np.int64]) -> Array:
    """The array itself, (N, T, ...), with zeros in its padding."""
    values[np.arange(values.shape[1]) >= lengths[:, np.newaxis]] = 0
    return values


def _checked(lengths: Array, name: str, path: Path, most: int) -> NDArray[np.int64]:
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1:
        what = f"{name} in {path} is {lengths.dtype} {list(lengths.shape)}, expected one whole number for each row"
        raise DataError(what, help="write how many steps each sample had before it was padded, as integers (rows,)")
    wrong = np.flatnonzero((lengths < 1) | (lengths > most))
    if wrong.size:
        row = wrong[0]
        what = f"row {row} of {name} in {path} is {lengths[row]}, expected 1 to {most}, the steps of a padded sample"
        raise DataError(what, help="give each sample at least one step, and pad all to the longest")
    return lengths.astype(np.int64)
