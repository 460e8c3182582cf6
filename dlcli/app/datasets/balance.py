"""What is wrong with the answers of data: classes that are missing, rare or unevenly shared out; values that don't change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from dlcli.app.datasets.description import class_counts
from dlcli.app.datasets.samples import Examined, lengths_of_target, present, splits_of, targets_of
from dlcli.app.finding import Finding
from dlcli.data.dataset import Dataset

_TINY: Final = 10
"""Training samples of a class below which little can be learnt of it."""
_UNEVEN: Final = 10.0
"""How many times larger the largest class may be than the smallest."""
_UNLIKELY: Final = 1e-3
"""A difference that comes about by chance less often is one."""
_CLASSES_APART: Final = 0.1
"""And then worth a warning from here on: half the sum of the differences of the classes' shares."""
_VALUES_APART: Final = 0.2
"""The same of values: the largest difference of their distribution functions."""
_MOST_VALUES: Final = 100_000
"""Of a split that are compared."""
_MOST_NAMED: Final = 5


def classes(examined: Examined) -> Iterator[Finding]:
    """Classes that no sample has, and those that too few have."""
    dataset = examined.dataset
    for target, counts in _class_counts(dataset):
        train = np.array(counts["train"])
        if (train > 0).sum() < 2:
            what = f"all training samples{_of(dataset, target)} are of one class"
            yield Finding("classes", "fault", what, "check the labels, and how the data is split")
            continue
        found = [*_missing_classes(dataset, target, counts), *_tiny_classes(dataset, target, train)]
        what = (
            f"each of the {len(train):,} classes{_of(dataset, target)} is in every split, with {_TINY} samples or more to learn"
        )
        yield from found or [Finding("classes", "ok", what)]


def _missing_classes(dataset: Dataset, target: str, counts: dict[str, list[int]]) -> Iterator[Finding]:
    for split, of_split in counts.items():
        missing = np.flatnonzero(np.array(of_split) == 0)
        if not len(missing):
            continue
        what = f"{_num_classes(missing)}{_of(dataset, target)} without a {split} sample"
        names = _names(dataset, missing)
        if split == "train":
            yield Finding("classes", "fault", f"{what}: not to be learnt", "add samples, or remove the class", names)
        else:
            help = f"add samples, or take a larger data.split.{split}"
            yield Finding("classes", "warning", f"{what}: nothing is known of how well it is told apart", help, names)


def _tiny_classes(dataset: Dataset, target: str, train: NDArray[np.int64]) -> Iterator[Finding]:
    tiny = np.flatnonzero((train > 0) & (train < _TINY))
    if len(tiny):
        what = f"{_num_classes(tiny)}{_of(dataset, target)} with fewer than {_TINY} training samples"
        yield Finding("classes", "warning", what, "add samples, or join classes", _names(dataset, tiny, train))


def balance(examined: Examined) -> Iterator[Finding]:
    """Classes of very different sizes."""
    for target, counts in _class_counts(examined.dataset):
        train = np.array(counts["train"])
        ends = np.array([train.argmax(), np.where(train > 0, train, train.max() + 1).argmin()])
        ratio = train[ends[0]] / train[ends[1]]
        what = f"the largest class{_of(examined.dataset, target)} has {ratio:,.1f} times the samples of the smallest"
        if ratio > _UNEVEN:
            help = "judge by f1 or recall beside accuracy, and weigh the classes: train.loss.class_weights"
            yield Finding("balance", "warning", what, help, _names(examined.dataset, ends, train))
        else:
            yield Finding("balance", "ok", what)


def values(examined: Examined) -> Iterator[Finding]:
    """Values to predict that never change."""
    dataset = examined.dataset
    for name, target in dataset.facts.targets.items():
        if target.num_classes is not None:
            continue
        answers = _answers(dataset, name)["train"]
        constant = np.flatnonzero((answers == answers[:1]).all(axis=0))
        named = _of(dataset, name)
        if len(constant) == 0:
            yield Finding("values", "ok", f"all{named} to predict change")
        else:
            is_fault = len(constant) == answers.shape[1]
            what = f"{len(constant):,} of {answers.shape[1]:,} values to predict{named} never change in the training samples"
            shown = tuple(f"value {number}: always {answers[0, number]:g}" for number in constant[:_MOST_NAMED])
            yield Finding(
                "values", "fault" if is_fault else "warning", what, "leave them out, or check how they were written", shown
            )


def distribution(examined: Examined) -> Iterator[Finding]:
    """Answers that are shared out otherwise in a split than in training."""
    dataset = examined.dataset
    for target, facts in dataset.facts.targets.items():
        if facts.num_classes is not None:
            counts = class_counts(dataset, target, facts.num_classes)
            for name in _others(counts):
                apart, chance = _classes_apart(np.array(counts["train"]), np.array(counts[name]))
                what = f"classes{_of(dataset, target)} have other shares in {name} than in train, {apart:.0%} of the answers"
                yield _distributed(what, name, is_other=apart > _CLASSES_APART and chance < _UNLIKELY)
        else:
            answers = _answers(dataset, target)
            for name in _others(answers):
                apart, chance = _values_apart(answers["train"], answers[name])
                what = f"values{_of(dataset, target)} of {name} lie elsewhere than those of train"
                what += f": their Kolmogorov-Smirnov distance is {apart:.2f}"
                yield _distributed(what, name, is_other=apart > _VALUES_APART and chance < _UNLIKELY)


def _others(splits: Iterable[str]) -> list[str]:
    return [name for name in splits if name != "train"]


def _distributed(what: str, split: str, *, is_other: bool) -> Finding:
    if not is_other:
        return Finding("distribution", "ok", f"answers of {split} are like those of train")
    help = "shuffle before splitting (data.split.stratify keeps the shares of classes); of rows in time it can't be helped"
    return Finding("distribution", "warning", what, help)


def _classes_apart(train: NDArray[np.int64], split: NDArray[np.int64]) -> tuple[float, float]:
    """The total variation distance of two counts, and how likely one as large is by chance (Pearson's test of homogeneity)."""
    counts = np.stack([train, split]).astype(np.float64)
    counts = counts[:, counts.sum(axis=0) > 0]
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    shares = counts / counts.sum(axis=1, keepdims=True)
    freedom = counts.shape[1] - 1
    if freedom == 0:
        return 0.0, 1.0
    statistic = ((counts - expected) ** 2 / expected).sum()
    halves = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(np.abs(shares[0] - shares[1]).sum() / 2), float(torch.special.gammaincc(halves[0], halves[1]))


def _values_apart(train: NDArray[np.float32], split: NDArray[np.float32]) -> tuple[float, float]:
    """The largest Kolmogorov-Smirnov distance of the values (N, K) of two splits, and how likely it is by chance."""
    largest = (0.0, 1.0)
    for one, other in zip(_some(train).T, _some(split).T, strict=True):
        both = np.concatenate([one, other])
        cumulated = [np.searchsorted(np.sort(part), both, side="right") / len(part) for part in (one, other)]
        distance = float(np.abs(cumulated[0] - cumulated[1]).max())
        size = len(one) * len(other) / (len(one) + len(other))
        largest = max(largest, (distance, min(1.0, 2 * math.exp(-2 * size * distance**2))))
    return largest


def _some(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Evenly spread rows, of many."""
    return values[:: math.ceil(len(values) / _MOST_VALUES)]


def _class_counts(dataset: Dataset) -> Iterator[tuple[str, dict[str, list[int]]]]:
    """By each target that is a class the counts of each split; of a text, whose next unit is no class that must occur, none."""
    for name, target in dataset.facts.targets.items():
        if target.num_classes is not None and not dataset.spec.is_one_sequence:
            yield name, class_counts(dataset, name, target.num_classes)


def _answers(dataset: Dataset, target: str) -> dict[str, NDArray[np.float32]]:
    """By the name of the split the values (N, K) of a target."""
    found = {}
    for name, split in splits_of(dataset).items():
        answers = present(targets_of(dataset, split)[target], lengths_of_target(dataset, target, split))
        found[name] = answers.reshape(-1, answers.shape[-1])
    return found


def _of(dataset: Dataset, target: str) -> str:
    """Which target, where there are several."""
    return f" of {target}" if len(dataset.facts.targets) > 1 else ""


def _num_classes(numbers: NDArray[np.int64]) -> str:
    return f"{len(numbers):,} class{'' if len(numbers) == 1 else 'es'}"


def _names(dataset: Dataset, numbers: NDArray[np.int64], counts: NDArray[np.int64] | None = None) -> tuple[str, ...]:
    """What some classes are called, with their counts."""
    names = dataset.class_names or ()
    shown = [(names[number] if number < len(names) else f"class {number}", number) for number in numbers[:_MOST_NAMED]]
    return tuple(name if counts is None else f"{name} ({counts[number]:,})" for name, number in shown)
