"""Sharing samples out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from dlcli.config.data import SplitSpec
from dlcli.data.splits import held_out, limited
from dlcli.errors import DataError


def _classes(sizes: list[int]) -> np.ndarray:
    classes = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(0).permutation(classes)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.floats(0.05, 0.9), st.integers(0, 2**70))
def test_a_stratified_share_is_exact_and_leaves_every_class_something(sizes: list[int], share: float, seed: int) -> None:
    """Within one sample of its share for each class, nothing twice, nothing lost, no class without training samples."""
    classes = _classes(sizes)
    try:
        left, taken = held_out(SplitSpec(test=share, seed=seed), "test", classes, np.arange(len(classes)))
    except DataError:
        assert int(share * len(classes) + 0.5) == 0 or max(sizes) == 1
        return
    assert sorted([*left, *taken]) == list(range(len(classes)))
    counts = np.bincount(classes[taken], minlength=len(sizes))
    for size, count in zip(sizes, counts, strict=True):
        assert count < size
        assert count == size - 1 or abs(count - share * size) < 1.5


@pytest.mark.parametrize("share", [0.1, 0.2, 0.25, 0.5])
def test_shares_of_classes_are_those_of_scikit_learn(share: float) -> None:
    """The number of each class is that of `train_test_split(stratify=...)`, where every class has its share of whole samples."""
    classes = _classes([100, 200, 60, 40])
    _, taken = held_out(SplitSpec(test=share), "test", classes, np.arange(400))
    _, theirs = train_test_split(np.arange(400), test_size=share, stratify=classes, random_state=0)
    assert np.bincount(classes[taken]).tolist() == np.bincount(classes[theirs]).tolist()


def test_without_classes_the_share_is_drawn_freely() -> None:
    """So for values to predict, and where `stratify` is off."""
    classes = np.zeros(1000, dtype=np.int64)
    classes[::2] = 1
    for spec, given_classes in ((SplitSpec(), None), (SplitSpec(stratify=False), classes)):
        left, taken = held_out(spec, "test", given_classes, np.arange(1000))
        assert len(taken) == 200
        assert len(left) == 800
        assert classes[taken].sum() != 100 or given_classes is None


def test_the_seed_of_the_split_decides() -> None:
    """The same seed, the same samples; another seed, others."""
    everything = np.arange(1000)
    taken = [held_out(SplitSpec(seed=seed), "test", None, everything)[1].tolist() for seed in (0, 0, 1)]
    assert taken[0] == taken[1]
    assert len(set(taken[0]) & set(taken[2])) < 80


def test_validation_and_test_are_drawn_apart() -> None:
    """With equal shares of the same samples they take different ones."""
    spec = SplitSpec(test=0.3, valid=0.3)
    test, valid = (set(held_out(spec, name, None, np.arange(1000))[1].tolist()) for name in ("test", "valid"))
    assert len(test & valid) < 150


def test_only_the_given_samples_are_drawn_from_and_keep_their_order() -> None:
    """What an earlier split took stays taken."""
    among = np.arange(0, 100, 2)
    left, taken = held_out(SplitSpec(valid=0.2), "valid", _classes([50, 50]), among)
    assert sorted([*left, *taken]) == among.tolist()
    assert left.tolist() == sorted(left)
    assert taken.tolist() == sorted(taken)


@pytest.mark.parametrize(
    ("count", "spec", "name", "words"),
    [
        (3, SplitSpec(valid=0.1), "valid", "the valid split would be empty: 0.1 of 3 samples"),
        (10, SplitSpec(test=0.0), "test", "the test split would be empty"),
        (2, SplitSpec(test=0.9), "test", "the train split would be empty"),
    ],
)
def test_an_empty_split_is_refused(count: int, spec: SplitSpec, name: str, words: str) -> None:
    """With the share, the number of samples and the key to change."""
    with pytest.raises(DataError, match=words) as caught:
        held_out(spec, name, None, np.arange(count))
    assert f"data.split.{name}" in (caught.value.help or "")


def test_a_limit_takes_a_random_choice_in_the_old_order() -> None:
    """So many different samples from all over, the same each time; none where there are fewer."""
    chosen = limited(SplitSpec(), "train", 1000, 100)
    assert chosen is not None
    assert len(set(chosen.tolist())) == 100
    assert chosen.tolist() == sorted(chosen)
    assert chosen.max() > 900
    assert chosen.min() < 100
    again = limited(SplitSpec(), "train", 1000, 100)
    assert again is not None
    assert again.tolist() == chosen.tolist()
    assert limited(SplitSpec(), "train", 100, 100) is None
    assert limited(SplitSpec(), "train", 100, None) is None
