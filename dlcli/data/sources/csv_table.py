"""Samples from a table: its rows, or windows of rows that follow each other in time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import Csv
from dlcli.config.data.tables import ALL
from dlcli.config.diagnostics import did_you_mean
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.config.shapes import Vector
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, NewSamples, RawData, RawSplit
from dlcli.data.sources.columns import Table
from dlcli.data.sources.located import locate
from dlcli.data.sources.table import read_header, read_table, table_file
from dlcli.data.sources.text_file import TextFile
from dlcli.data.sources.time_column import Times, check_steps, date_features, numbered, read_times, times_after
from dlcli.data.sources.windows import Windows
from dlcli.data.splits import rows_of_splits
from dlcli.errors import DataError

_WHOLE: Final = re.compile(r"[+-]?[0-9]+")
_FEW: Final = 10
"""So many classes are not questioned. More, each in less than two rows, are mostly values or names."""


@dataclass(frozen=True)
class _Rows:
    """Rows of a table and when they were, where this is known."""

    table: Table
    times: Times | None

    def at(self, rows: NDArray[np.int64]) -> _Rows:
        return _Rows(self.table.at(rows), None if self.times is None else self.times.at(rows))


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


@dataclass(frozen=True)
class _Samples:
    """A table as a config reads it.

    Attributes:
        path: of the file.
        features: the columns that are read.
        targets: the columns that are predicted.
        inputs: float32 (rows, F): the features, then those of the dates. In the order of time, where there is one.
        answers: of the same rows.
        windows: how samples are cut from the rows, where the rows are not the samples.
        splits: which rows each split has, where they have an order.
    """

    path: Path
    features: tuple[str, ...]
    targets: tuple[str, ...]
    inputs: NDArray[np.float32]
    answers: _Answers
    windows: Windows | None
    splits: dict[str, range]


def facts(spec: Csv, directories: Directories) -> DataFacts:
    """From the whole table: that a column holds numbers, and how many classes there are, shows in its last row at the earliest.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, is not what the config says, or holds too few rows for all splits.
    """
    samples = _samples(spec, directories)
    features = Vector(samples.inputs.shape[1])
    shape = features if spec.window is None else SequenceShape(spec.window, features)
    if samples.answers.num_classes is not None:
        return DataFacts.of(shape, num_classes=samples.answers.num_classes)
    return DataFacts.of(shape, num_targets=spec.horizon * len(samples.targets))


def read(spec: Csv, directories: Directories, _: bool) -> RawData:
    """Reads all samples. With `window` or `time` the first rows are for training, the next for validation, the last for the test.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, is not what the config says, or holds too few rows for all splits.
    """
    samples = _samples(spec, directories)
    inputs, targets, windows = samples.inputs, samples.answers.targets, samples.windows
    if windows is not None:
        splits = {name: windows.cut(inputs, rows) for name, rows in samples.splits.items()}
    elif samples.splits:
        parts = {name: slice(rows.start, rows.stop) for name, rows in samples.splits.items()}
        splits = {name: RawSplit(inputs[part], targets[part]) for name, part in parts.items()}
    else:
        splits = {"train": RawSplit(inputs, targets)}
    return RawData(
        splits["train"],
        splits.get("valid"),
        splits.get("test"),
        samples.answers.class_names,
        str(samples.path),
        found={"target": samples.targets, "features": samples.features},
        measured=None if windows is None else windows.measured(inputs, samples.splits["train"]),
    )


def read_new(spec: Csv, path: Path) -> NewSamples:
    """Reads rows to predict from. With `window` the last ones are one sample, and `steps` the times of the rows after them.

    Args:
        spec: of a run, with its columns settled.
        path: a table with the columns that the network reads, and the column of time where the run has one.

    Raises:
        DataError: the file is damaged, lacks a column, or holds too few rows.
    """
    assert spec.features is not None
    file = table_file(path.absolute())
    names = read_header(file)
    time = spec.time if spec.window is not None or spec.date_features else None
    for field, wanted in (("features", spec.features), ("time", (time,) if time else ())):
        _check_there(file.path, names, field, wanted, " of the run")
    table = read_table(file, spec.features, (time,) if time else ())
    rows = _Rows(table, read_times(table, time) if time else None)
    if spec.window is None:
        return NewSamples(_inputs(spec, rows, spec.features), None, tuple(map(str, table.lines.tolist())))
    rows = _in_order(rows)
    _check_steps(rows, time)
    count = len(table.lines)
    if count < spec.window:
        what = f"{file.path} has {count} rows, expected at least {spec.window}: the window that the network reads"
        raise DataError(what, help="give the rows that come before those to predict")
    last = rows.at(np.arange(count - spec.window, count))
    name = last.times.texts[-1] if last.times is not None else str(last.table.lines[-1])
    steps = times_after(rows.times, spec.horizon) if rows.times is not None else numbered(spec.horizon)
    return NewSamples(_inputs(spec, last, spec.features)[np.newaxis], None, (name,), steps)


def _samples(spec: Csv, directories: Directories) -> _Samples:
    path = locate(spec.path, directories, "table", "give the .csv or .parquet file")
    table, features, targets = _columns(spec, table_file(path))
    rows = _in_order(_Rows(table, read_times(table, spec.time) if spec.time is not None else None))
    if spec.rows is not None:
        if spec.rows > len(table.lines):
            what = f"{path} has {len(table.lines):,} rows, and data.rows asks for the first {spec.rows:,}"
            raise DataError(what, help="ask for fewer, or leave data.rows out for all")
        rows = rows.at(np.arange(spec.rows))
    inputs = _inputs(spec, rows, features)
    answers = _answers(spec, rows.table, targets)
    windows = None
    if spec.window is not None:
        _check_steps(rows, spec.time)
        windows = Windows(spec.window, spec.horizon, spec.stride, answers.targets)
    splits = rows_of_splits(spec.split, len(inputs)) if spec.window is not None or spec.time is not None else {}
    _check_splits(path, splits, windows)
    return _Samples(path, features, targets, inputs, answers, windows, splits)


def _columns(spec: Csv, file: TextFile) -> tuple[Table, tuple[str, ...], tuple[str, ...]]:
    """The table, the columns that are read, and those that are predicted."""
    path, names = file.path, read_header(file)
    targets = () if spec.target is None or spec.target == ALL else spec.target
    time = (spec.time,) if spec.time is not None else ()
    for field, wanted in (("target", targets), ("features", spec.features or ()), ("time", time)):
        _check_there(path, names, field, wanted)
    others = tuple(name for name in names if name != spec.time)
    if spec.target is None:
        targets = others[-1:]
        if spec.features is not None and spec.window is None and targets[0] in spec.features:
            what = f"{path}: the last column, `{targets[0]}`, is to be predicted, and data.features names it"
            raise DataError(what, help="name the column to predict with data.target, or leave it out of data.features")
    left_out = () if spec.window is not None else targets
    numbers = others if spec.target == ALL else spec.features or tuple(name for name in others if name not in left_out)
    table = read_table(file, numbers, (*targets, *time))
    numeric = tuple(name for name in numbers if table.columns[name].is_numeric)
    features = spec.features or numeric
    targets = numeric if spec.target == ALL else targets
    if not features or not targets:
        purpose = f" to predict `{', '.join(targets)}` from" if targets else f" beside `{', '.join(time)}`" if time else ""
        what = f"{path} has no column of numbers{purpose}; its columns: {_listed(names)}"
        raise DataError(what, help="name columns of numbers with data.features")
    return table, features, targets


def _check_there(path: Path, names: tuple[str, ...], field: str, wanted: Iterable[str], whose: str = "") -> None:
    for name in wanted:
        if name not in names:
            help = did_you_mean(name, names) or f"name a column that is there with data.{field}"
            raise DataError(f"{path} has no column `{name}`, which data.{field}{whose} names", help=help)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def _in_order(rows: _Rows) -> _Rows:
    return rows if rows.times is None else rows.at(rows.times.order())


def _check_steps(rows: _Rows, time: str | None) -> None:
    if rows.times is not None and time is not None:
        check_steps(rows.table, time, rows.times)


def _numbers(table: Table, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Columns side by side, (rows, columns)."""
    values = np.empty((len(table.lines), len(names)), dtype=np.float32)
    for at, name in enumerate(names):
        values[:, at] = table.numbers(name)
    return values


def _inputs(spec: Csv, rows: _Rows, features: tuple[str, ...]) -> NDArray[np.float32]:
    """The features and, beside them, those of the dates, (rows, F)."""
    inputs = _numbers(rows.table, features)
    if not spec.date_features:
        return inputs
    assert spec.time is not None
    assert rows.times is not None
    return np.concatenate([inputs, date_features(rows.table, spec.time, rows.times, spec.date_features)], axis=1)


def _answers(spec: Csv, table: Table, targets: tuple[str, ...]) -> _Answers:
    name = targets[0]
    column = table.columns[name]
    if len(targets) > 1 or (column.is_numeric and spec.window is not None):
        return _Answers(_numbers(table, targets))
    assert column.texts is not None
    if not column.is_numeric:
        empty = next((row for row, text in enumerate(column.texts) if not text), None)
        if empty is not None:
            what = f"{table.place(empty)}: column `{name}` is empty, expected a class"
            raise DataError(what, help="fill it in or remove the row")
        return _classes(table, name, column.texts)
    values = _numbers(table, targets)
    if not all(map(_WHOLE.fullmatch, column.texts)):
        return _Answers(values)
    return _classes(table, name, [int(text) for text in column.texts])


_Label = TypeVar("_Label", int, str)


def _classes(table: Table, name: str, labels: Sequence[_Label]) -> _Answers:
    different = sorted(set(labels))
    if len(different) > max(_FEW, len(labels) / 2):
        what = f"{table.path}: column `{name}` has {len(different)} classes in {len(labels)} rows"
        help = "name the column to predict with data.target"
        if isinstance(different[0], int):
            help += "; for values and not classes write them with a fraction: 3.0"
        raise DataError(what, help=help)
    numbers = {label: number for number, label in enumerate(different)}
    targets = np.array([numbers[label] for label in labels], dtype=np.int64)
    counted = all(label == number for label, number in numbers.items())
    return _Answers(targets, len(different), None if counted else tuple(str(label) for label in different))


def _check_splits(path: Path, splits: dict[str, range], windows: Windows | None) -> None:
    """That there is a sample in each split.

    Raises:
        DataError: one has too few rows.
    """
    for name, rows in splits.items():
        if windows is not None and not windows.starts(rows):
            answer = windows.rows_of_answer
            needed = windows.length + windows.horizon if rows.start == 0 else answer
            words = (
                f"{needed} for a window and the {windows.horizon} after it" if rows.start == 0 else f"the {needed} of an answer"
            )
            help = "give more rows, a smaller data.window or data.horizon, or other shares with data.split"
        elif windows is None and not rows:
            words, help = "one", "give more rows, or other shares with data.split"
        else:
            continue
        total = sum(map(len, splits.values()))
        what = f"{path}: the {name} split has {len(rows)} of {total} rows, expected at least {words}"
        raise DataError(what, help=f"{help} (data.split.{name}=0 for none)" if name != "train" else help)
