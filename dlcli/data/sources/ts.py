"""Series in `.ts` files, as the UCR and UEA archives have them (Bagnall et al., 2018, arXiv:1811.00075)."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from dlcli.config.data import Ts
from dlcli.config.data.series import Missing
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence, Time, Vector
from dlcli.config.tree import shortened
from dlcli.config.words import counted
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, NewSamples, RawData, RawSplit
from dlcli.data.sources.located import locate
from dlcli.data.sources.text_file import TextFile, number_in
from dlcli.data.sources.ts_file import LABEL, LENGTHS, TsFile, read_ts
from dlcli.errors import DataError

_TRAIN: Final = re.compile(r"_train(?=\.ts$)", re.IGNORECASE)
_TEST: Final = re.compile(r"_test(?=\.ts$)", re.IGNORECASE)
_GIVE: Final = "give the file NAME_TRAIN.ts, or the folder that holds it"
_FILLED: Final = {
    "linear": "filled in on the line between the values before and after",
    "previous": "filled in with the value before",
    "zero": "filled in with 0",
}


def facts(spec: Ts, directories: Directories) -> DataFacts:
    """From the series of training and test: that their lengths differ may show in the last of them.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: a file is damaged or holds what can't be read, or the two don't fit together.
    """
    train, test = _pair(spec, directories)
    time = Time() if _differ(train, test) else train.inputs.shape[1]
    shape = Sequence(time, Vector(train.dimensions))
    if train.header.class_names is None:
        return DataFacts.of(shape, num_targets=1)
    return DataFacts.of(shape, num_classes=len(train.header.class_names))


def read(spec: Ts, directories: Directories, _: bool) -> RawData:
    """Reads the training series and, where there are any, those of the test.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: a file is damaged or holds what can't be read, or the two don't fit together.
    """
    train, test = _pair(spec, directories)
    differ = _differ(train, test)
    splits = [_split(part, train, with_lengths=differ) for part in (train, test) if part is not None]
    notices = [_notice(part, spec.missing) for part in (train, test) if part is not None and part.filled.any()]
    held_out = splits[1] if len(splits) > 1 else None
    return RawData(splits[0], None, held_out, train.header.class_names, str(train.file.path), tuple(notices))


def read_new(spec: Ts, path: Path) -> NewSamples:
    """Reads series to be predicted; what stands at the end of a line is left out or not looked at.

    Raises:
        DataError: the file is damaged or holds what can't be read.
    """
    new = read_ts(TextFile.at(path), spec.missing, is_new=True)
    lengths = new.lengths if _differ(new, None) else None
    return NewSamples(new.inputs, lengths, tuple(f"line {line}" for line in new.lines))


@lru_cache(maxsize=2)
def _read_file(file: TextFile, missing: Missing) -> TsFile:
    part = read_ts(file, missing)
    _check_labels(part)
    return part


def _pair(spec: Ts, directories: Directories) -> tuple[TsFile, TsFile | None]:
    """The training series and those of the test, which fit together."""
    train_path, test_path = _paths(spec, directories)
    train = _read_file(TextFile.at(train_path), spec.missing)
    if test_path is None:
        return train, None
    test = _read_file(TextFile.at(test_path), spec.missing)
    _check_pair(train, test)
    return train, test


def _paths(spec: Ts, directories: Directories) -> tuple[Path, Path | None]:
    """The file of the training series, and that of the test."""
    path = locate(spec.path, directories, "series", _GIVE)
    if path.is_dir():
        inside = _training_files(path)
        if len(inside) != 1:
            names = ", ".join(child.name for child in inside) or "none"
            raise DataError(f"{path} holds {len(inside)} files NAME_TRAIN.ts, expected one: {names}", help=_GIVE)
        path = inside[0]
    if _TEST.search(path.name):
        raise DataError(f"{path} holds the series of the test, expected those for training", help=_GIVE)
    partners = (path.with_name(_TRAIN.sub(word, path.name)) for word in ("_TEST", "_test", "_Test"))
    return path, next((partner for partner in partners if partner != path and partner.is_file()), None)


def _training_files(folder: Path) -> list[Path]:
    try:
        return sorted(child for child in folder.iterdir() if _TRAIN.search(child.name))
    except OSError as error:
        raise DataError(f"{folder} can't be read: {error.strerror or error}", help="check the folder's permissions") from error


def _check_pair(train: TsFile, test: TsFile) -> None:
    """That both have the same dimensions and the same kind of answers, and the lengths that both headers say."""
    if test.dimensions != train.dimensions:
        found, expected = (counted(part.dimensions, "dimension") for part in (test, train))
        what = f"{test.place(0)}: this series has {found}, and that in {train.place(0)} has {expected}"
        raise DataError(what, help="all series of a problem have the same dimensions")
    promised = test.header.promises_equal_length and train.header.promises_equal_length
    if promised and test.lengths[0] != train.lengths[0]:
        what = f"{test.place(0)}: this series has {counted(int(test.lengths[0]), 'step')}, and that in {train.place(0)} has"
        raise DataError(f"{what} {train.lengths[0]}, but both files say that all have one length", help=LENGTHS)
    test_names, train_names = test.header.class_names, train.header.class_names
    if test_names is None or train_names is None:
        if test_names != train_names:
            what = f"one of {test.file.path} and {train.file.path} has classes, and the other has values to predict"
            raise DataError(what, help="give a pair of files that belong together")
        return
    unknown = [name for name in test_names if name not in train_names]
    if unknown:
        what = f"{test.header.classes_place}: the class '{shortened(unknown[0])}' is none of those of {train.file.path}"
        raise DataError(f"{what}: {_listed(train_names)}", help="write the same `@classLabel` line in both")


def _differ(train: TsFile, test: TsFile | None) -> bool:
    """Whether any two series differ in length."""
    lengths = train.lengths if test is None else np.concatenate([train.lengths, test.lengths])
    return bool((lengths != lengths[0]).any())


def _split(part: TsFile, train: TsFile, *, with_lengths: bool) -> RawSplit:
    """The series with the numbers that the training has for its classes."""
    targets = _targets(part, train.header.class_names)
    return RawSplit(part.inputs.copy(), targets, part.lengths.copy() if with_lengths else None)


def _check_labels(part: TsFile) -> None:
    """That each is a class of the header, or a number where values are to be predicted."""
    names = part.header.class_names
    usable = names.__contains__ if names is not None else lambda label: number_in(label) is not None
    row = next((row for row, label in enumerate(part.labels) if not usable(label)), None)
    if row is None:
        return
    label = shortened(part.labels[row])
    if names is None:
        raise DataError(f"{part.place(row)}: the value to predict is '{label}', expected a number", help=LABEL)
    raise DataError(f"{part.place(row)}: the class is '{label}', and `@classLabel` has: {_listed(names)}", help=LABEL)


def _targets(part: TsFile, class_names: tuple[str, ...] | None) -> Array:
    """Classes int64 (N,), or values float32 (N, 1)."""
    if class_names is None:
        return np.array([float(label) for label in part.labels], dtype=np.float32)[:, np.newaxis]
    numbers = {name: number for number, name in enumerate(class_names)}
    return np.array([numbers[label] for label in part.labels], dtype=np.int64)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _notice(part: TsFile, missing: Missing) -> str:
    """What is to be said of the values that were filled in."""
    series, values = np.count_nonzero(part.filled), part.filled.sum()
    total = part.lengths.sum() * part.dimensions
    where = f"in {series:,} of {len(part.filled):,} series of {part.file.path.name}"
    return f"{values:,} of {total:,} values are missing, {where}: {_FILLED[missing]} (`missing: {missing}`)"
