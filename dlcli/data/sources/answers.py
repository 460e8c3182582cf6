"""Arrays of answers: classes or values, one for each sample or one for each of its steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from dlcli.config.facts import Target
from dlcli.data.raw import Array
from dlcli.errors import DataError

_CHUNK: Final = 1 << 20
"""Values checked in one go."""


@dataclass(frozen=True)
class Answers:
    """The answers of all splits, as `RawSplit` has them, and what they are."""

    by_split: Mapping[str, Array]
    target: Target


def read_answers(arrays: Mapping[str, tuple[str, Array]], path: Path, steps: Collection[int]) -> Answers:
    """What the arrays of one target hold: whole numbers are classes, floats are values.

    Args:
        arrays: split -> name and values of the array.
        path: of the file, for messages.
        steps: numbers of steps that inputs have. Classes (rows, steps) and values (rows, steps, values) are answers for
            each step.

    Raises:
        DataError: they are neither, or both, or can't be used.
    """
    kinds = {name: answers.dtype.kind == "f" for name, answers in arrays.values()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{name} {answers.dtype}" for name, answers in arrays.values())
        help = "integers are classes and floats are values: write all answers alike"
        raise DataError(f"some answers are classes and some are values in {path}: {found}", help=help)
    read = _values if all(kinds.values()) else _classes
    found_in = {split: read(name, answers, path, steps) for split, (name, answers) in arrays.items()}
    _check_alike({name: found_in[split].shape[1:] for split, (name, _) in arrays.items()}, path)
    sizes = found_in["train"].shape[1:]
    if read is _values:
        return Answers(found_in, Target(num_targets=sizes[-1], per_step=len(sizes) > 1))
    num_classes = _num_classes(found_in, path)
    return Answers(found_in, Target(num_classes=num_classes, per_step=len(sizes) > 0))


def is_per_step(answers: Array, steps: Collection[int]) -> bool:
    """Whether there is an answer for each step: classes (rows, steps) or values (rows, steps, values)."""
    return answers.ndim == (3 if answers.dtype.kind == "f" else 2) and answers.shape[1] in steps


def check_finite(values: Array, name: str, path: Path) -> None:
    """Refuses what is NaN or infinite, or would be in float32.

    Raises:
        DataError: with the row.
    """
    if values.dtype.kind != "f":
        return
    rows = max(1, _CHUNK // max(1, values[0].size))
    for start in range(0, len(values), rows):
        part = values[start : start + rows]
        part = part.reshape(len(part), -1)
        with np.errstate(over="ignore"):
            finite = np.isfinite(part.astype(np.float32))
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            what = f"row {start + row} of {name} in {path} holds {part[row, column]}"
            raise DataError(what, help="remove the row, or fill the value in")


def check_labels(labels: Array, num_classes: int, path: Path, help: str) -> None:
    """Refuses a label that is no class.

    Args:
        labels: whole numbers (rows,).
        num_classes: how many there are.
        path: of the file, for the message.
        help: what would mend it.

    Raises:
        DataError: with the row.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if wrong.size:
        row = int(wrong[0])
        raise DataError(f"label {labels[row]} in row {row} of {path} is not one of 0 to {num_classes - 1}", help=help)


def _values(name: str, answers: Array, path: Path, steps: Collection[int]) -> Array:
    """(rows, values) or (rows, steps, values), as float32."""
    if answers.ndim > 2 and not is_per_step(answers, steps):
        what = f"{name} in {path} has {answers.ndim} axes, expected (rows,) or (rows, values)"
        help = "give each sample one row of numbers"
        if steps:
            what += f", or for each step (rows, {_listed(steps)}, values)"
            help += ", or one for each of its steps"
        raise DataError(what, help=help)
    check_finite(answers, name, path)
    shaped = answers if is_per_step(answers, steps) else answers.reshape(len(answers), -1)
    return shaped.astype(np.float32)


def _classes(name: str, answers: Array, path: Path, steps: Collection[int]) -> Array:
    """(rows,) or (rows, steps), as int64."""
    squeezed = answers[:, 0] if answers.ndim == 2 and answers.shape[1] == 1 else answers
    if squeezed.ndim != 1 and not is_per_step(squeezed, steps):
        what = f"{name} in {path} holds whole numbers of shape {list(answers.shape)}, expected one class for each row"
        if steps:
            what += f" or for each of its {_listed(steps)} steps"
        help = f"one-hot classes: {name}.argmax(axis=1); several labels or values: {name}.astype('float32')"
        raise DataError(what, help=help)
    if squeezed.min() < 0:
        row = int(np.argwhere(squeezed < 0)[0][0])
        raise DataError(f"row {row} of {name} in {path} is class {squeezed[row].min()}", help=_FROM_ZERO)
    return squeezed.astype(np.int64)


_FROM_ZERO: Final = "number classes from 0; for values to predict write floats: y.astype('float32')"


def _num_classes(classes: Mapping[str, Array], path: Path) -> int:
    total = sum(answers.size for answers in classes.values())
    largest = max(int(answers.max()) for answers in classes.values())
    if largest >= total:
        raise DataError(f"the largest class is {largest} in {path}, which has only {total} answers", help=_FROM_ZERO)
    return largest + 1


def _check_alike(sizes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    if len(set(sizes.values())) > 1:
        found = ", ".join(f"{name} {list(shape)}" for name, shape in sizes.items())
        raise DataError(f"the answers of a sample differ from split to split in {path}: {found}", help="give all the same sizes")


def _listed(steps: Collection[int]) -> str:
    return " or ".join(str(count) for count in sorted(set(steps)))
