"""Series in `.ts` files, as the UCR and UEA archives have them (Bagnall et al., 2018, arXiv:1811.00075).

Lines of `@key value` and of `# comment`, then `@data`, then a line for each series: the dimensions and the class or value
between `:`, the steps of a dimension between `,`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import Ts
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence, Vector
from dlcli.config.tree import shortened
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, RawData, RawSplit
from dlcli.data.sources.located import locate
from dlcli.data.sources.text_file import TextFile, number_in
from dlcli.errors import DataError

_KEYS: Final = (
    "problemname",
    "timestamps",
    "missing",
    "univariate",
    "dimension",
    "dimensions",
    "equallength",
    "serieslength",
    "classlabel",
    "targetlabel",
)
_TRAIN: Final = re.compile(r"_train(?=\.ts$)", re.IGNORECASE)
_TEST: Final = re.compile(r"_test(?=\.ts$)", re.IGNORECASE)
_GIVE: Final = "give the file NAME_TRAIN.ts, or the folder that holds it"
_MISSING: Final = ("?", "nan")


@dataclass(frozen=True)
class _Header:
    """What stands before the series.

    Attributes:
        class_names: in the header's order; None where values are to be predicted.
        dimensions: how many a series has, where it is said.
        steps: how many a series has, where it is said.
    """

    class_names: tuple[str, ...] | None
    dimensions: int | None
    steps: int | None


@dataclass(frozen=True)
class _Series:
    """What a file holds.

    Attributes:
        file: where.
        first_line: of the series.
        class_names: as in the header.
        inputs: float32 (N, T, dimensions).
        targets: classes int64 (N,), or values float32 (N, 1).
    """

    file: TextFile
    first_line: int
    class_names: tuple[str, ...] | None
    inputs: NDArray[np.float32]
    targets: Array


def facts(spec: Ts, directories: Directories) -> DataFacts:
    """From the training series.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, or holds what can't be read.
    """
    train = _read_file(TextFile.at(_paths(spec, directories)[0]))
    shape = Sequence(train.inputs.shape[1], Vector(train.inputs.shape[2]))
    if train.class_names is None:
        return DataFacts.of(shape, num_targets=1)
    return DataFacts.of(shape, num_classes=len(train.class_names))


def read(spec: Ts, directories: Directories, _: bool) -> RawData:
    """Reads the training series and, where there are any, those of the test.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: a file is damaged or holds what can't be read, or the two don't fit together.
    """
    train_path, test_path = _paths(spec, directories)
    train = _read_file(TextFile.at(train_path))
    test = _test_split(_read_file(TextFile.at(test_path)), train) if test_path is not None else None
    return RawData(RawSplit(train.inputs.copy(), train.targets.copy()), None, test, train.class_names, str(train_path))


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


def _test_split(test: _Series, train: _Series) -> RawSplit:
    """The series of the test, with the numbers that the training has for its classes."""
    places = [f"{series.file.path}:{series.first_line}" for series in (test, train)]
    if test.inputs.shape[2] != train.inputs.shape[2]:
        found, expected = (f"{series.inputs.shape[2]} dimensions" for series in (test, train))
        raise DataError(f"{places[0]}: this series has {found}, and that in {places[1]} has {expected}", help=_SAME)
    if test.inputs.shape[1] != train.inputs.shape[1]:
        raise _unequal(places[0], test.inputs.shape[1], places[1], train.inputs.shape[1])
    if test.class_names is None or train.class_names is None:
        if test.class_names != train.class_names:
            what = f"one of {test.file.path} and {train.file.path} has classes, and the other has values to predict"
            raise DataError(what, help="give a pair of files that belong together")
        return RawSplit(test.inputs.copy(), test.targets.copy())
    unknown = [name for name in test.class_names if name not in train.class_names]
    if unknown:
        what = f"the class '{unknown[0]}' of {test.file.path} is none of those of {train.file.path}"
        raise DataError(f"{what}: {', '.join(train.class_names)}", help="write the same `@classLabel` line in both")
    numbers = np.array([train.class_names.index(name) for name in test.class_names], dtype=np.int64)
    return RawSplit(test.inputs.copy(), numbers[test.targets])


_SAME: Final = "all series of a problem have the same dimensions"


@lru_cache(maxsize=2)
def _read_file(file: TextFile) -> _Series:
    with file.opened() as text:
        lines = ((number, line.strip()) for number, line in enumerate(text, 1))
        content = ((number, line) for number, line in lines if line and not line.startswith("#"))
        header = _header(file.path, content)
        series: list[NDArray[np.float32]] = []
        targets: list[float] = []
        first_line = 0
        for number, line in content:
            place = f"{file.path}:{number}"
            *dimensions, label = line.split(":")
            target = _target(label.strip(), header, place)
            values = _values(dimensions, place)
            first_line = first_line or number
            _check_alike(values, header, place, (f"line {first_line}", series[0] if series else values))
            series.append(values)
            targets.append(target)
    if not series:
        raise DataError(f"{file.path} holds no series after `@data`", help="write a line for each: 1,2,3:a")
    if header.class_names is None:
        return _Series(file, first_line, None, np.stack(series), np.array(targets, dtype=np.float32)[:, np.newaxis])
    return _Series(file, first_line, header.class_names, np.stack(series), np.array(targets, dtype=np.int64))


def _header(path: Path, content: Iterator[tuple[int, str]]) -> _Header:
    """Reads up to `@data`."""
    said: dict[str, tuple[str, list[str]]] = {}
    number = 1
    for number, line in content:
        key, *words = line.split()
        name, place = key[1:].lower(), f"{path}:{number}"
        if not line.startswith("@"):
            raise DataError(f"{place}: `{shortened(line)}` stands before `@data`", help="series stand after a line `@data`")
        if name == "data":
            return _checked_header(path, said)
        if name not in _KEYS:
            raise DataError(
                f"{place}: `{shortened(key)}` is no key of a .ts file", help=f"there are: @{', @'.join(_KEYS)}, @data"
            )
        if name in said:
            raise DataError(f"{place}: `{key}` is there twice, first in {said[name][0]}", help="remove one of them")
        said[name] = (place, words)
    raise DataError(f"{path}:{number}: the file ends before a line `@data`", help="is it whole, and a .ts file?")


def _checked_header(path: Path, said: Mapping[str, tuple[str, list[str]]]) -> _Header:
    if _flag(said, "timestamps"):
        what = f"{said['timestamps'][0]}: the series have time stamps, which can't be read"
        raise DataError(what, help="write the values alone, one for each step, and `@timeStamps false`")
    has_classes, has_values = _flag(said, "classlabel"), _flag(said, "targetlabel")
    if has_classes == has_values:
        what = f"{path}: neither `@classLabel` nor `@targetLabel` is true" if not has_classes else f"{path}: both are true"
        raise DataError(what, help="write `@classLabel true a b c` for classes, or `@targetLabel true` for values")
    names = tuple(said["classlabel"][1][1:]) if has_classes else None
    if names is not None and (not names or len(set(names)) < len(names)):
        found = "names no class" if not names else "names a class twice"
        raise DataError(f"{said['classlabel'][0]}: `@classLabel` {found}", help="write each class once: `@classLabel true a b c`")
    dimensions = _count(said, "dimensions") or _count(said, "dimension") or (1 if _flag(said, "univariate") else None)
    return _Header(names, dimensions, _count(said, "serieslength"))


def _flag(said: Mapping[str, tuple[str, list[str]]], name: str) -> bool:
    if name not in said:
        return False
    place, words = said[name]
    word = words[0].lower() if words else ""
    if word not in ("true", "false"):
        found = f"'{shortened(words[0])}'" if words else "nothing"
        raise DataError(f"{place}: `@{name}` is {found}, expected true or false", help=f"write `@{name} true` or `@{name} false`")
    return word == "true"


def _count(said: Mapping[str, tuple[str, list[str]]], name: str) -> int | None:
    if name not in said:
        return None
    place, words = said[name]
    if len(words) != 1 or not words[0].isdecimal() or int(words[0]) < 1:
        found = f"'{shortened(' '.join(words))}'" if words else "nothing"
        raise DataError(f"{place}: `@{name}` is {found}, expected a whole number from 1", help="mend it, or remove the line")
    return int(words[0])


def _target(label: str, header: _Header, place: str) -> float:
    if header.class_names is None:
        value = number_in(label)
        if value is None:
            raise DataError(f"{place}: the value to predict is '{shortened(label)}', expected a number", help=_LABEL)
        return value
    if label not in header.class_names:
        known = ", ".join(header.class_names[:10]) + (", ..." if len(header.class_names) > 10 else "")
        raise DataError(f"{place}: the class is '{shortened(label)}', and `@classLabel` has: {known}", help=_LABEL)
    return header.class_names.index(label)


_LABEL: Final = "the class or the value stands at the end of the line, after the last `:`"


def _values(dimensions: list[str], place: str) -> NDArray[np.float32]:
    """The series of a line, (T, dimensions)."""
    if not dimensions:
        raise DataError(f"{place}: the line has no `:`, so no series before its class or value", help=_LABEL)
    rows: list[list[float]] = []
    for which, text in enumerate(dimensions, 1):
        row = []
        for step, cell in enumerate(text.split(","), 1):
            value = number_in(cell)
            if value is None:
                raise _no_number(cell.strip(), f"{place}: value {step} of dimension {which}")
            row.append(value)
        if rows and len(row) != len(rows[0]):
            what = f"{place}: dimension {which} has {len(row)} steps, and dimension 1 has {len(rows[0])}"
            raise DataError(what, help="dimensions of different lengths can't be read: fill the shorter ones up")
        rows.append(row)
    return np.array(rows, dtype=np.float32).T


def _no_number(cell: str, where: str) -> DataError:
    if cell.lower() in _MISSING:
        return DataError(
            f"{where} is missing (`{cell}`)", help="missing values can't be read yet: fill them in, or remove the line"
        )
    return DataError(
        f"{where} is '{shortened(cell)}', expected a number", help="numbers stand between `,`, dimensions between `:`"
    )


def _check_alike(values: NDArray[np.float32], header: _Header, place: str, first: tuple[str, NDArray[np.float32]]) -> None:
    """That a series has the size of the first one, and the size that the header says."""
    first_place, first_values = first
    dimensions = header.dimensions or first_values.shape[1]
    if values.shape[1] != dimensions:
        what = f"{place}: this series has {values.shape[1]} dimensions, expected {dimensions}"
        raise DataError(what, help="dimensions and the class or value stand between `:`, as many in each line")
    if len(values) != len(first_values):
        raise _unequal(place, len(values), first_place, len(first_values))
    if header.steps is not None and len(values) != header.steps:
        what = f"{place}: this series has {len(values)} steps, and `@seriesLength` is {header.steps}"
        raise DataError(what, help="mend the line, or remove `@seriesLength`")


def _unequal(place: str, steps: int, first_place: str, first_steps: int) -> DataError:
    what = f"{place}: this series has {steps} steps, and that in {first_place} has {first_steps}"
    return DataError(what, help="series of different lengths can't be read yet: cut or fill them up to one length")
