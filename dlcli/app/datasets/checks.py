"""What is wrong with data: each check a function of a data set, in a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.app.datasets import balance
from dlcli.app.datasets.samples import (
    Array,
    Examined,
    Sums,
    chunks,
    inputs_of,
    lengths_of_input,
    rows,
    splits_of,
    steps_of,
    targets_of,
)
from dlcli.app.finding import Finding
from dlcli.config.shapes import Sequence, Vector
from dlcli.data.dataset import Dataset

Check = Callable[[Examined], Iterator[Finding]]

_LEAK: Final = 0.01
"""A larger share of a split that is in another one too, or is answered in two ways, moves its figures by as much."""
_MOST_EXAMPLES: Final = 3


def not_finite(examined: Examined) -> Iterator[Finding]:
    """NaN and infinity."""
    found = []
    for name, split in splits_of(examined.dataset).items():
        for part, values in {**inputs_of(split), **targets_of(examined.dataset, split)}.items():
            found += [f"{name} {row} ({part})" for row in _rows_not_finite(values)]
    if found:
        help = "remove these samples, or fill their values in: a single one makes the loss NaN"
        what = f"NaN or infinity in {len(found):,} sample{'' if len(found) == 1 else 's'}"
        yield Finding("numbers", "fault", what, help, tuple(found[:_MOST_EXAMPLES]))
    else:
        yield Finding("numbers", "ok", "all are finite")


def _rows_not_finite(values: Array) -> Iterator[int]:
    for start, part, _ in chunks(values, None) if values.dtype.kind == "f" else ():
        is_finite = np.isfinite(part.reshape(len(part), -1)).all(axis=1)
        yield from (start + int(row) for row in np.flatnonzero(~is_finite))


def repeated_in_a_split(examined: Examined) -> Iterator[Finding]:
    """Samples that a split has more than once."""
    sums = examined.input_sums
    told, examples = [], []
    for name, of_split in sums.items():
        first, count = _repeats(of_split)
        if count:
            told.append(f"{count:,} of {len(of_split):,} {name}")
            examples += [f"{name} {row} = {name} {of}" for row, of in first]
    if told:
        what = f"samples that repeat an earlier one of their split, byte for byte: {', '.join(told)}"
        help = "keep each once, unless it is meant to count more"
        yield Finding("repeated samples", "warning", what, help, tuple(examples[:_MOST_EXAMPLES]))
    else:
        yield Finding("repeated samples", "ok", "no split has a sample twice")


def _repeats(sums: Sums) -> tuple[list[tuple[int, int]], int]:
    """Some repeats, each with the first sample that it is equal to, and how many there are."""
    _, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
    of = first[inverse.reshape(-1)]
    repeats = np.flatnonzero(of != np.arange(len(sums)))
    return [(int(row), int(of[row])) for row in repeats[:_MOST_EXAMPLES]], len(repeats)


def shared_by_splits(examined: Examined) -> Iterator[Finding]:
    """Samples that are in two splits: a network is judged on what it has learnt by heart."""
    sums = examined.input_sums
    is_clean = True
    for one, other in combinations(sums, 2):
        shared = np.flatnonzero(np.isin(sums[other], sums[one]))
        if not len(shared):
            continue
        is_clean = False
        share = len(shared) / len(sums[other])
        what = f"{len(shared):,} of {len(sums[other]):,} {other} samples ({share:.2%}) are {one} samples too, byte for byte"
        examples = [
            f"{other} {row} = {one} {np.flatnonzero(sums[one] == sums[other][row])[0]}" for row in shared[:_MOST_EXAMPLES]
        ]
        help = f"remove them from one of the two, or split anew: figures of {other} are better than they should be"
        yield Finding("shared samples", "fault" if share >= _LEAK else "warning", what, help, tuple(examples))
    if is_clean:
        yield Finding("shared samples", "ok", "no sample is in two splits" if len(sums) > 1 else "there is one split")


def answered_in_two_ways(examined: Examined) -> Iterator[Finding]:
    """Equal samples with different answers: no network can learn both."""
    inputs = np.concatenate([*examined.input_sums.values()])
    answers = np.concatenate([*examined.target_sums.values()])
    order = np.lexsort((answers, inputs))
    is_new = np.diff(inputs[order]) != 0
    group = np.concatenate([[0], np.cumsum(is_new)])
    kinds = 1 + np.bincount(group[1:], weights=~is_new & (np.diff(answers[order]) != 0), minlength=group[-1] + 1)
    wrong = np.sort(order[kinds[group] > 1])
    if not len(wrong):
        yield Finding("answers", "ok", "equal samples have equal answers")
        return
    share = len(wrong) / len(inputs)
    what = f"{len(wrong):,} of {len(inputs):,} samples ({share:.2%}) have an equal one with another answer"
    help = "correct the answers, or remove the samples: not both can be learnt"
    examples = []
    for row in wrong[:_MOST_EXAMPLES]:
        other = np.flatnonzero((inputs == inputs[row]) & (answers != answers[row]))[0]
        examples.append(" and ".join(_place(examined, number) for number in sorted((row, other))))
    yield Finding("answers", "fault" if share >= _LEAK else "warning", what, help, tuple(dict.fromkeys(examples)))


def _place(examined: Examined, number: int) -> str:
    """The split that a sample of all is in, and its number there."""
    ends = np.cumsum([len(sums) for sums in examined.input_sums.values()])
    split = int(np.searchsorted(ends, number, side="right"))
    return f"{list(examined.input_sums)[split]} {number - (int(ends[split - 1]) if split else 0)}"


def constant_features(examined: Examined) -> Iterator[Finding]:
    """Channels or features that have one value in all training samples."""
    dataset = examined.dataset
    for name, values in inputs_of(dataset.train).items():
        if values.dtype == np.int64:
            continue
        named = "" if name == "input" else f" of {name}"
        constant = _constant(values, lengths_of_input(dataset, name, dataset.train))
        if not constant.any():
            yield Finding("features", "ok", f"none{named} is constant")
            continue
        shown = [_feature(dataset, name, number) for number in np.flatnonzero(constant)[:_MOST_EXAMPLES]]
        if constant.all():
            what = f"all{named} are constant: there is nothing to learn from"
            yield Finding("features", "fault", what, "check how the data was written", tuple(shown))
        else:
            what = f"{constant.sum():,} of {len(constant):,}{named} are constant in the training samples"
            yield Finding("features", "warning", what, "leave them out: they say nothing", tuple(shown))


def _constant(values: Array, lengths: Array | None) -> NDArray[np.bool_]:
    """Which channels never change."""
    first = rows(values[:1], None)[0]
    constant = np.ones(len(first), dtype=np.bool_)
    for _, part, steps in chunks(values, lengths):
        constant &= (rows(part, steps) == first).all(axis=0)
    return constant


def _feature(dataset: Dataset, name: str, number: np.int64) -> str:
    """What a feature is called: by its column, where the source has some."""
    columns = getattr(dataset.spec, "features", None) or ()
    shape = dataset.facts.inputs.get(name)
    has_columns = isinstance(shape, Vector) or (isinstance(shape, Sequence) and isinstance(shape.item, Vector))
    return f"`{columns[number]}`" if has_columns and number < len(columns) else f"channel {number}"


def short_sequences(examined: Examined) -> Iterator[Finding]:
    """Sequences of one step."""
    dataset = examined.dataset
    found = {name: steps for name, split in splits_of(dataset).items() if (steps := steps_of(split, dataset)) is not None}
    if not found:
        return
    short = [(name, int(row)) for name, steps in found.items() for row in np.flatnonzero(steps < 2)]
    if short:
        total = sum(map(len, found.values()))
        help = "a recurrent network has nothing to remember in them: see whether they are what was meant"
        examples = tuple(f"{name} {row}" for name, row in short[:_MOST_EXAMPLES])
        yield Finding("lengths", "warning", f"{len(short):,} of {total:,} sequences have a single step", help, examples)
    else:
        shortest, longest = min(int(steps.min()) for steps in found.values()), max(int(steps.max()) for steps in found.values())
        yield Finding("lengths", "ok", f"{shortest:,} to {longest:,} steps" if shortest < longest else f"{shortest:,} steps each")


CHECKS: Final[Mapping[str, Check]] = {
    "numbers": not_finite,
    "repeated samples": repeated_in_a_split,
    "shared samples": shared_by_splits,
    "answers": answered_in_two_ways,
    "features": constant_features,
    "lengths": short_sequences,
    "classes": balance.classes,
    "balance": balance.balance,
    "values": balance.values,
    "distribution": balance.distribution,
}


def check(dataset: Dataset) -> list[Finding]:
    """What all checks find, behind a warning where what they look at is a fallback."""
    examined = Examined(dataset)
    return [*_stand_in(dataset), *(finding for of in CHECKS.values() for finding in of(examined))]


def _stand_in(dataset: Dataset) -> Iterator[Finding]:
    """A fallback is not what a person asks about."""
    if dataset.notice is not None:
        help = "see that the data can be read: --data-dir DIR says where it is"
        yield Finding("data", "warning", f"{dataset.notice}: your data was not checked", help)
