"""What the data of a run is like: counts, ranges, lengths and some examples."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from dlcli.config.data import Csv, DataSpec
from dlcli.config.facts import Target
from dlcli.data.dataset import Dataset, Split
from dlcli.training.outcomes.arrays import MOST_COLUMNS, MOST_COUNTED, MOST_TOLD
from dlcli.training.outcomes.outcome import ClassCounts, DataDigest, Example, StepCounts, ValueRanges
from dlcli.training.outcomes.taking import spread, taken

_EXAMPLES: Final = 16
_AT_ONCE: Final = 1 << 22
"""Answers that are looked at at once: windows of a text overlap, and a copy of all could be larger than the memory."""
_LENGTH_BINS: Final = 30


def digest(dataset: Dataset) -> DataDigest:
    """What the data is like, from the splits as they were read."""
    several = len(dataset.facts.targets) > 1
    answers: dict[str, ClassCounts | ValueRanges] = {}
    told = {}
    examples = spread(len(dataset.train), _EXAMPLES)
    for name, target in dataset.facts.targets.items():
        key = name if several else ""
        if target.num_classes is not None:
            if target.num_classes <= MOST_COUNTED:
                answers[key] = _class_counts(dataset, name, target.num_classes)
        elif can_be_named(dataset.spec, target.num_targets or 1):
            answers[key] = _ranges(dataset, name, target)
        told[key] = _told(dataset.train, name, examples, target)
    return DataDigest(
        answers=answers,
        steps=_step_counts(dataset.train.lengths) if dataset.train.lengths is not None else None,
        examples=taken(dataset.train, examples, dataset.spec, dataset.facts),
        told=told,
    )


def value_names(spec: DataSpec, count: int) -> tuple[tuple[str, ...], int]:
    """What so many values to predict are called, and the steps of a forecast, which has all of them at each: 1 for others."""
    if isinstance(spec, Csv) and isinstance(spec.target, tuple) and count % len(spec.target) == 0:
        horizon = count // len(spec.target)
        if horizon == (spec.horizon if spec.window is not None else 1):
            return tuple(name[:200] for name in spec.target), horizon
    return ("value",) if count == 1 else tuple(f"value {number}" for number in range(1, count + 1)), 1


def can_be_named(spec: DataSpec, count: int) -> bool:
    """Whether so many values to predict are few enough to be kept one by one."""
    return count <= MOST_COUNTED and len(value_names(spec, count)[0]) <= MOST_COLUMNS


def _answers(split: Split, name: str) -> Tensor:
    return split.targets[name] if isinstance(split.targets, dict) else split.targets


def _class_counts(dataset: Dataset, name: str, classes: int) -> ClassCounts:
    per_step = dataset.facts.targets[name].per_step
    counts = {}
    for title, split in dataset.splits().items():
        if split is not None:
            total = torch.zeros(classes, dtype=torch.int64)
            for part in _there(_answers(split, name), split.lengths if per_step else None):
                total += torch.bincount(part.flatten(), minlength=classes).cpu()
            counts[title] = total.numpy()
    return ClassCounts(splits=counts)


def _ranges(dataset: Dataset, name: str, target: Target) -> ValueRanges:
    split, count = dataset.train, target.num_targets or 1
    sums = torch.zeros(2, count, dtype=torch.float64)
    least, largest = torch.full((count,), torch.inf), torch.full((count,), -torch.inf)
    rows = 0
    for part in _there(_answers(split, name), split.lengths if target.per_step else None):
        values = part.reshape(-1, count).cpu()
        doubles = values.double()
        sums += torch.stack((doubles.sum(0), doubles.square().sum(0)))
        least, largest = torch.minimum(least, values.amin(0)), torch.maximum(largest, values.amax(0))
        rows += len(values)
    mean = sums[0] / rows
    names, horizon = value_names(dataset.spec, count)
    kept = slice(len(names)) if horizon > 1 else slice(None)  # each step of a forecast has the same values
    return ValueRanges(
        columns=names,
        mean=mean[kept].numpy(),
        std=(sums[1] / rows - mean.square()).clamp(min=0).sqrt()[kept].numpy(),
        least=least[kept].double().numpy(),
        largest=largest[kept].double().numpy(),
    )


def _there(answers: Tensor, lengths: Tensor | None) -> list[Tensor]:
    """The answers, without those of steps that are not there, in parts."""
    at_once = max(1, _AT_ONCE // max(1, answers[0].numel()))
    if lengths is None:
        return list(answers.split(at_once))
    steps = torch.arange(answers.shape[1], device=answers.device)
    pairs = zip(answers.split(at_once), lengths.split(at_once), strict=True)
    return [part[steps < of_part.to(answers.device)[:, None]] for part, of_part in pairs]


def _told(split: Split, name: str, examples: Tensor, target: Target) -> Example:
    """The answers of the examples, NaN where a sequence has no step."""
    answers = _answers(split, name)
    rows = answers.index_select(0, examples.to(answers.device)).cpu().double()
    if target.per_step and split.lengths is not None:
        lengths = split.lengths.index_select(0, examples.to(split.lengths.device)).cpu()
        rows[torch.arange(rows.shape[1]) >= lengths[:, None]] = torch.nan
    rows = rows[:, None] if rows.ndim == 1 else rows.flatten(1)
    return Example(kind="classes" if target.num_classes is not None else "values", answers=rows[:, :MOST_TOLD].numpy())


def _step_counts(lengths: Tensor) -> StepCounts:
    counted = lengths.cpu().numpy()
    least, most = int(counted.min()), int(counted.max())
    width = max(1, -(-(most + 1 - least) // _LENGTH_BINS))
    edges = np.arange(least, most + 1 + width, width)
    return StepCounts(edges=edges, counts=np.histogram(counted, edges)[0])
