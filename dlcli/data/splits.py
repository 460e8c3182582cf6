"""Sharing samples out: which are for training, which for validation and which for the test."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import SplitSpec
from dlcli.data.random_order import mixed, random_order
from dlcli.errors import DataError

Indices = NDArray[np.int64]

_STREAMS: Final = {"train": 0, "valid": 1, "test": 2}
"""Keeps the draws apart: those for one split say nothing of those for another."""


def held_out(split: SplitSpec, name: str, classes: NDArray[np.int64] | None, among: Indices) -> tuple[Indices, Indices]:
    """Takes a share of the samples for a split.

    Args:
        split: its share is `split.valid` or `split.test`.
        name: valid or test.
        classes: the class of every sample (N,), for shares of each class that are those of the whole; None draws freely.
        among: the samples to draw from, as indices of `classes`.

    Returns:
        What is left and what was taken, both in the order of `among`. With classes, each keeps a sample in what is left.

    Raises:
        DataError: one of the two would be empty.
    """
    share = split.valid if name == "valid" else split.test
    total = int(share * len(among) + 0.5)
    order = random_order(mixed(split.seed, _STREAMS[name]), len(among))
    taken = np.zeros(len(among), dtype=np.bool_)
    if classes is None or not split.stratify:
        taken[order[:total]] = True
    else:
        taken[_stratified(order, classes[among], total)] = True
    if not taken.any() or taken.all():
        empty = name if not taken.any() else "train"
        help = f"give more samples, or another data.split.{name}"
        if name == "valid":
            help += " (0 for no validation)"
        raise DataError(f"the {empty} split would be empty: {share:g} of {len(among)} samples go to {name}", help=help)
    return among[~taken], among[taken]


def counts_of_splits(split: SplitSpec, total: int) -> dict[str, int]:
    """How many of `total` samples train, valid and test have, as `held_out` shares them out: the test first."""
    test = int(split.test * total + 0.5)
    valid = int(split.valid * (total - test) + 0.5)
    return {"train": total - test - valid, "valid": valid, "test": test}


def rows_of_splits(split: SplitSpec, num_rows: int) -> dict[str, range]:
    """Which rows in an order each split with a share has: the first are for training, the last for the test."""
    counts = counts_of_splits(split, num_rows)
    end = num_rows - counts["test"]
    rows = {"train": range(counts["train"])}
    if split.valid > 0:
        rows["valid"] = range(counts["train"], end)
    if split.test > 0:
        rows["test"] = range(end, num_rows)
    return rows


def limited(split: SplitSpec, name: str, count: int, limit: int | None) -> Indices | None:
    """Which of `count` samples a limit leaves: a random choice in their old order, or None for all of them."""
    if limit is None or limit >= count:
        return None
    order = random_order(mixed(split.seed, len(_STREAMS) + _STREAMS[name]), count)
    return np.sort(order[:limit])


def _stratified(order: Indices, classes: NDArray[np.int64], total: int) -> Indices:
    """The first of each class in `order`, as many of each as `_quotas` says."""
    by_class = order[np.argsort(classes[order], kind="stable")]
    sizes = np.bincount(classes)
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(order)) - starts[classes[by_class]]
    first: Indices = by_class[rank < _quotas(sizes, total)[classes[by_class]]]
    return first


def _quotas(sizes: Indices, total: int) -> Indices:
    """How many of each class make a total in which classes keep their shares, by the largest remainder.

    No class gives its last sample, so the sum can be less than `total`.
    """
    exact = sizes * (total / sizes.sum())
    quotas = np.floor(exact).astype(np.int64)
    largest = np.argsort(quotas - exact, kind="stable")
    quotas[largest[: total - quotas.sum()]] += 1
    limited: Indices = np.minimum(quotas, np.maximum(sizes - 1, 0))
    return limited
