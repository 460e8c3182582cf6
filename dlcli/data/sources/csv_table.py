"""Samples from a table: its rows, or windows of rows that follow each other in time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dlcli.config.data import Csv, SplitSpec
from dlcli.config.diagnostics import did_you_mean
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.config.shapes import Vector
from dlcli.config.tree import shortened
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, RawData, RawSplit
from dlcli.data.sources.located import locate
from dlcli.data.sources.table import Table, read_header, read_table
from dlcli.data.sources.text_file import TextFile, moment_in
from dlcli.errors import DataError

_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_FEW: Final = 10
"""So many classes are not questioned. More, each in less than two rows, are mostly values or names."""


@dataclass(frozen=True)
class _Columns:
    """A table, and what its columns are for."""

    table: Table
    features: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def path(self) -> Path:
        return self.table.path


@dataclass(frozen=True)
class _Answers:
    """What is to be predicted of each row.

    Attributes:
        targets: classes int64 (rows,), or values float32 (rows, K).
        num_classes: where they are classes.
        class_names: where anything is known but their numbers.
    """

    targets: Array
    num_classes: int | None = None
    class_names: tuple[str, ...] | None = None


def facts(spec: Csv, directories: Directories) -> DataFacts:
    """From the whole table: that a column holds numbers, and how many classes there are, shows in its last row at the earliest.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, or is not what the config says.
    """
    columns = _opened(spec, directories)
    answers = _answers(spec, columns)
    features = Vector(len(columns.features))
    shape = features if spec.window is None else SequenceShape(spec.window, features)
    if answers.num_classes is not None:
        return DataFacts.of(shape, num_classes=answers.num_classes)
    return DataFacts.of(shape, num_targets=len(columns.targets))


def read(spec: Csv, directories: Directories, _: bool) -> RawData:
    """Reads all samples. With `window` or `time` the first rows are for training, the next for validation, the last for the test.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, is not what the config says, or holds too few rows for all splits.
    """
    columns = _opened(spec, directories)
    answers = _answers(spec, columns)
    inputs, targets = _numbers(columns.table, columns.features), answers.targets
    if spec.time is not None:
        order = _order(columns.table, spec.time)
        inputs, targets = inputs[order], targets[order]
    if spec.time is None and spec.window is None:
        return RawData(RawSplit(inputs, targets), None, None, answers.class_names, str(columns.path))
    splits = {}
    for name, part in _parts(spec.split, len(inputs)):
        splits[name] = _samples(spec, inputs[part], targets[part], f"{columns.path}: the {name} split")
    return RawData(splits["train"], splits.get("valid"), splits["test"], answers.class_names, str(columns.path))


def _opened(spec: Csv, directories: Directories) -> _Columns:
    path = locate(spec.path, directories, "table", "give the .csv file")
    if path.is_dir():
        raise DataError(
            f"{path} is a folder, expected a table", help="give the .csv file; for class folders use `name: image_folder`"
        )
    file = TextFile.at(path)
    names = read_header(file)
    for field, wanted in (("target", spec.target), ("features", spec.features), ("time", (spec.time,) if spec.time else ())):
        _check_there(path, names, field, wanted or ())
    targets = spec.target or names[-1:]
    if spec.time in targets:
        raise DataError(f"{path}: `time` is the last column, `{spec.time}`", help="name the column to predict with data.target")
    if spec.features is not None and spec.window is None and targets[0] in spec.features:
        what = f"{path}: the last column, `{targets[0]}`, is to be predicted, and data.features names it"
        raise DataError(what, help="name the column to predict with data.target, or leave it out of data.features")
    left_out = {spec.time} if spec.window is not None else {spec.time, *targets}
    numbers = spec.features or tuple(name for name in names if name not in left_out)
    table = read_table(file, numbers, (*targets, *((spec.time,) if spec.time else ())))
    features = spec.features or tuple(name for name in numbers if table.columns[name].is_numeric)
    if not features:
        what = f"{path} has no column of numbers to predict `{', '.join(targets)}` from; its columns: {_listed(names)}"
        raise DataError(what, help="name columns of numbers with data.features")
    return _Columns(table, features, targets)


def _check_there(path: Path, names: tuple[str, ...], field: str, wanted: Iterable[str]) -> None:
    for name in wanted:
        if name not in names:
            help = did_you_mean(name, names) or f"name a column that is there with data.{field}"
            raise DataError(f"{path} has no column `{name}`, which data.{field} names", help=help)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def _numbers(table: Table, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Columns side by side, (rows, columns)."""
    values = np.empty((len(table.lines), len(names)), dtype=np.float32)
    for at, name in enumerate(names):
        values[:, at] = table.numbers(name)
    return values


def _answers(spec: Csv, columns: _Columns) -> _Answers:
    table, name = columns.table, columns.targets[0]
    column = table.columns[name]
    assert column.texts is not None
    if len(columns.targets) > 1 or (column.is_numeric and spec.window is not None):
        return _Answers(_numbers(table, columns.targets))
    if not column.is_numeric:
        empty = next((row for row, text in enumerate(column.texts) if not text), None)
        if empty is not None:
            raise DataError(
                f"{table.place(empty)}: column `{name}` is empty, expected a class", help="fill it in or remove the row"
            )
        return _classes(columns, column.texts)
    values = _numbers(table, columns.targets)
    if not all(map(_WHOLE.fullmatch, column.texts)):
        return _Answers(values)
    return _classes(columns, [int(text) for text in column.texts])


_Label = TypeVar("_Label", int, str)


def _classes(columns: _Columns, labels: Sequence[_Label]) -> _Answers:
    different = sorted(set(labels))
    if len(different) > max(_FEW, len(labels) / 2):
        what = f"{columns.path}: column `{columns.targets[0]}` has {len(different)} classes in {len(labels)} rows"
        help = "name the column to predict with data.target"
        if isinstance(different[0], int):
            help += "; for values and not classes write them with a fraction: 3.0"
        raise DataError(what, help=help)
    numbers = {label: number for number, label in enumerate(different)}
    targets = np.array([numbers[label] for label in labels], dtype=np.int64)
    counted = all(label == number for label, number in numbers.items())
    return _Answers(targets, len(different), None if counted else tuple(str(label) for label in different))


def _order(table: Table, name: str) -> NDArray[np.int64]:
    """The rows in the order of time; those of the same time stay as they are."""
    column = table.columns[name]
    assert column.texts is not None
    if column.is_numeric:
        return np.argsort(table.numbers(name), kind="stable")
    moments = np.empty(len(column.texts))
    for row, text in enumerate(column.texts):
        moment = moment_in(text)
        if moment is None:
            what = f"{table.place(row)}: column `{name}` holds '{shortened(text)}', expected a number or a date like "
            help = "write dates so; or leave data.time out, where the rows stand in their order"
            raise DataError(f"{what}2016-07-01 12:30", help=help)
        moments[row] = moment
    return np.argsort(moments, kind="stable")


def _parts(split: SplitSpec, num_rows: int) -> list[tuple[str, slice]]:
    """Which rows each split has: as many as without an order, the test last and the validation before it."""
    num_test = int(split.test * num_rows + 0.5)
    num_valid = int(split.valid * (num_rows - num_test) + 0.5)
    num_train = num_rows - num_test - num_valid
    parts = [("train", slice(0, num_train)), ("test", slice(num_train + num_valid, num_rows))]
    return [*parts, ("valid", slice(num_train, num_train + num_valid))] if split.valid > 0 else parts


def _samples(spec: Csv, inputs: NDArray[np.float32], targets: Array, title: str) -> RawSplit:
    """The samples of a split: its rows, or the windows that lie with their answers inside it."""
    length, ahead = (1, 0) if spec.window is None else (spec.window, spec.horizon)
    count = len(inputs) - length - ahead + 1
    if count < 1:
        needed = "one" if spec.window is None else f"{length + ahead} for a window and its answer"
        what = f"{title} has {len(inputs)} rows, expected at least {needed}"
        help = "give more rows, other shares with data.split" + (" or a smaller data.window" if spec.window is not None else "")
        raise DataError(what, help=f"{help} (data.split.valid=0 for no validation)")
    if spec.window is None:
        return RawSplit(inputs.copy(), targets.copy())
    windows = np.moveaxis(sliding_window_view(inputs, length, axis=0), -1, 1)[: count : spec.stride]
    return RawSplit(windows.copy(), targets[length - 1 + ahead :][: count : spec.stride].copy())
