"""Labels as they are written, and the answers that they mean: classes, values, or a class for each step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from dlcli.config.tree import shortened
from dlcli.data.raw import Array
from dlcli.data.sources.text_file import number_in
from dlcli.errors import DataError

Label: TypeAlias = str | int | float
Written: TypeAlias = str | int | float | tuple[str | int, ...]
"""A label as a file has it; a tuple has one for each step."""

_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_KINDS: Final = "texts and whole numbers are classes, numbers with a fraction values: write all labels alike"


@dataclass(frozen=True)
class Labels:
    """The labels of all samples, of one kind.

    Attributes:
        kind: what they mean.
        labels: of each sample a class (a text or a whole number), a value, or a class for each step.
        places: FILE:LINE of each sample.
    """

    kind: Literal["classes", "values", "tags"]
    labels: Sequence[Written]
    places: Sequence[str]

    @classmethod
    def read(cls, written: Sequence[Written], places: Sequence[str], *, are_cells: bool) -> Labels:
        """Finds out what labels mean.

        Args:
            written: as the file has them, at least one.
            places: FILE:LINE of each.
            are_cells: whether all are texts, of which those that are numbers are meant as numbers.

        Raises:
            DataError: one is of another kind than the rest.
        """
        if are_cells:
            written = _as_numbers([str(cell) for cell in written], places)
        tagged = isinstance(written[0], tuple)
        flat = [entry for label in written for entry in (label if isinstance(label, tuple) else (label,))]
        are_texts = bool(flat) and isinstance(flat[0], str)
        for label, place in zip(written, places, strict=True):
            if isinstance(label, tuple) != tagged:
                raise _of_another_kind(place, label, "a tag for each step" if tagged else "one label", places[0])
            for entry in label if isinstance(label, tuple) else (label,):
                if isinstance(entry, str) != are_texts:
                    raise _of_another_kind(place, entry, "a text" if are_texts else "a number", places[0])
        if tagged:
            return cls("tags", written, places)
        if are_texts or all(isinstance(label, int) for label in written):
            return cls("classes", written, places)
        return cls("values", [_value(label, place) for label, place in zip(written, places, strict=True)], places)

    def groups(self) -> NDArray[np.int64] | None:
        """A number for the class of each sample (N,); None where a sample has no class of its own."""
        if self.kind != "classes":
            return None
        numbers = {label: number for number, label in enumerate(sorted(set(self.labels)))}
        return np.array([numbers[label] for label in self.labels], dtype=np.int64)

    def check_repeated(self, samples: NDArray[np.int64]) -> None:
        """That some of the samples can be held out of every class.

        Raises:
            DataError: a class has a single one of them.
        """
        groups = self.groups()
        if groups is None:
            return
        once = samples[np.bincount(groups[samples])[groups[samples]] == 1]
        if once.size:
            more = f" ({once.size - 1} other classes too)" if once.size > 1 else ""
            what = f"{self.places[once[0]]}: the class '{_shown(self.labels[once[0]])}' has this one sample{more}"
            raise DataError(what, help="samples are held out for validation and test: give it more, or remove the row")

    def classes(self, samples: NDArray[np.int64]) -> tuple[Label, ...]:
        """The different classes of some samples, sorted."""
        found = {entry for sample in samples.tolist() for entry in _entries(self.labels[sample])}
        return tuple(sorted(found))

    def answers(self, samples: NDArray[np.int64], classes: Sequence[Label], most_steps: int | None) -> Array:
        """The answers of some samples: classes int64 (N,), values float32 (N, 1), or classes of steps int64 (N, T).

        Args:
            samples: which.
            classes: all that there are, from `classes`.
            most_steps: how many tags of a sample are read at most.

        Raises:
            DataError: a label is no class.
        """
        if self.kind == "values":
            return np.array([[self.labels[sample]] for sample in samples.tolist()], dtype=np.float32)
        numbers = {label: number for number, label in enumerate(classes)}
        rows = [self._numbers(sample, numbers)[:most_steps] for sample in samples.tolist()]
        if self.kind == "classes":
            return np.array([number for (number,) in rows], dtype=np.int64)
        return padded(np.array([number for row in rows for number in row], dtype=np.int64), np.array([len(row) for row in rows]))

    def _numbers(self, sample: int, numbers: dict[Label, int]) -> list[int]:
        try:
            return [numbers[entry] for entry in _entries(self.labels[sample])]
        except KeyError as error:
            label = "tag" if self.kind == "tags" else "label"
            known = ", ".join(map(_shown, list(numbers)[:10])) + (", ..." if len(numbers) > 10 else "")
            what = f"{self.places[sample]}: the {label} '{_shown(error.args[0])}' is never seen in training, which has: {known}"
            raise DataError(what, help="mend it, give samples of it for training, or another data.split.seed") from None


def padded(flat: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of different lengths that stand one after the other, as (N, T) with zeros behind them."""
    rows = np.zeros((len(lengths), int(lengths.max())), dtype=np.int64)
    rows[np.arange(rows.shape[1]) < lengths[:, np.newaxis]] = flat
    return rows


def class_names(classes: Sequence[Label]) -> tuple[str, ...] | None:
    """What classes are called; None where they are the numbers from 0 on."""
    counted = all(label == number for number, label in enumerate(classes))
    return None if counted else tuple(str(label) for label in classes)


def _entries(label: Written) -> tuple[Label, ...]:
    return label if isinstance(label, tuple) else (label,)


def _as_numbers(cells: Sequence[str], places: Sequence[str]) -> Sequence[Written]:
    """Cells as numbers, where most of them are numbers; as texts where not."""
    numbers = [number_in(cell) for cell in cells]
    odd = [row for row, number in enumerate(numbers) if number is None]
    if 2 * len(odd) >= len(cells):
        return cells
    if odd:
        raise _of_another_kind(places[odd[0]], cells[odd[0]], "a number like most others", None)
    if all(map(_WHOLE.fullmatch, cells)):
        return [int(cell) for cell in cells]
    return [float(cell) for cell in cells]


def _value(label: Written, place: str) -> float:
    assert _is_number(label)
    value = number_in(str(label))
    if value is None:
        what = f"{place}: the label is {shortened(str(label))}, expected a number like 12.5, at most 1e38"
        raise DataError(what, help="mend it, or remove the row")
    return value


def _is_number(label: Written) -> TypeGuard[int | float]:
    return isinstance(label, int | float)


def _of_another_kind(place: str, label: Written, expected: str, first: str | None) -> DataError:
    found = f"a list of {len(label)} tags" if isinstance(label, tuple) else f"'{_shown(label)}'"
    as_in = f", as in {first}" if first else ""
    return DataError(f"{place}: the label is {found}, expected {expected}{as_in}", help=_KINDS)


def _shown(label: Written) -> str:
    return shortened(str(label))
