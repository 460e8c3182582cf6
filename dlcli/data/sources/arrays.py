"""NumPy arrays of an .npz file: which are there, what a sample and an answer is, and whether all values can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import Arrays
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Image, Layout, Shape, Token, Vector, Volume
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, DataUnavailableError, RawData, RawSplit
from dlcli.data.sources.layouts import Arrangement, arrangement
from dlcli.data.sources.npz import Header, read_array, read_headers
from dlcli.errors import DataError

_SPLITS: Final = ("train", "valid", "test")
_CHUNK: Final = 1 << 20
"""Values checked in one go."""


@dataclass(frozen=True)
class _File:
    """Where everything is.

    Attributes:
        path: absolute.
        names: split -> names of inputs and answers.
        headers: of all arrays, by name.
        arranged: what the axes of the inputs are.
    """

    path: Path
    names: Mapping[str, tuple[str, str]]
    headers: Mapping[str, Header]
    arranged: Arrangement

    @property
    def inputs_name(self) -> str:
        return self.names["train"][0]


@dataclass(frozen=True)
class _Answers:
    """The answers of all splits, and how many classes or values there are."""

    targets: Mapping[str, Array]
    num_classes: int | None
    num_targets: int | None


def facts(spec: Arrays, directories: Directories) -> DataFacts:
    """From the shapes of the inputs and the answers; inputs are read only where they are tokens.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, or is not what the config says.
    """
    file = _opened(spec, directories)
    answers = _answers(file)
    tokens = [_tokens(file, name) for name, _ in file.names.values()] if file.arranged.layout == "tokens" else []
    return DataFacts(_shape(spec, file.arranged, tokens), answers.num_classes, answers.num_targets)


def read(spec: Arrays, directories: Directories, _: bool) -> RawData:
    """Reads and checks all arrays.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, is not what the config says, or holds values that nothing can be learned from.
    """
    file = _opened(spec, directories)
    answers = _answers(file)
    splits = {split: RawSplit(_inputs(file, names[0]), answers.targets[split]) for split, names in file.names.items()}
    return RawData(splits["train"], splits.get("valid"), splits.get("test"), None, str(file.path))


def _opened(spec: Arrays, directories: Directories) -> _File:
    candidates = directories.candidates(spec.path)
    path = next((candidate for candidate in candidates if candidate.is_file()), None)
    if path is None:
        looked = ", ".join(str(candidate) for candidate in candidates)
        help = "give the .npz file; a relative path starts at --data-dir, here, or the config"
        raise DataUnavailableError(f"the file {spec.path}", f"there is no file {looked}", help=help)
    headers = read_headers(path)
    names = _names(path, headers)
    for inputs, answers in names.values():
        _check_pair(path, inputs, headers[inputs], answers, headers[answers])
    first = names["train"][0]
    arranged = arrangement(headers[first], spec.layout, f"{first} in {path}")
    _check_same_shape(path, names, headers, arranged)
    reads_pictures = spec.resize is not None or spec.view != "image" or spec.augment
    if reads_pictures and arranged.layout != "image":
        what = (
            f"{first} in {path} holds samples of the layout {arranged.layout}, and `resize`, `view` and `augment` are for images"
        )
        raise DataError(what, help="leave them out, or write `layout: image`")
    return _File(path.absolute(), names, headers, arranged)


def _names(path: Path, headers: Mapping[str, Header]) -> dict[str, tuple[str, str]]:
    """Split -> names of its two arrays."""
    wanted = {split: (f"x_{split}", f"y_{split}") for split in _SPLITS}
    if "x_train" not in headers and "y_train" not in headers and ("x" in headers or "y" in headers):
        wanted["train"] = ("x", "y")
    names = {split: pair for split, pair in wanted.items() if pair[0] in headers or pair[1] in headers}
    missing = [name for pair in [wanted["train"], *names.values()] for name in pair if name not in headers]
    if missing:
        there = ", ".join(headers) or "nothing"
        help = "write x_train and y_train, and where there are any x_valid, y_valid, x_test and y_test; or x and y alone"
        raise DataError(f"{path} has no array {missing[0]}; there are: {there}", help=help)
    return names


def _check_pair(path: Path, inputs_name: str, inputs: Header, answers_name: str, answers: Header) -> None:
    for name, header in ((inputs_name, inputs), (answers_name, answers)):
        if not header.shape or 0 in header.shape:
            raise DataError(f"{name} in {path} has no samples: its shape is {list(header.shape)}", help="write at least one")
        if header.dtype.kind not in "biuf":
            raise DataError(f"{name} in {path} holds {header.dtype}, expected numbers", help="write integers or floats")
    if inputs.shape[0] != answers.shape[0]:
        what = f"{inputs_name} has {inputs.shape[0]} rows and {answers_name} {answers.shape[0]}, in {path}"
        raise DataError(what, help="each row of one belongs to a row of the other")


def _check_same_shape(
    path: Path, names: Mapping[str, tuple[str, str]], headers: Mapping[str, Header], arranged: Arrangement
) -> None:
    first = names["train"][0]
    for name, _ in names.values():
        mine, theirs = headers[name], headers[first]
        same_units = arranged.layout not in ("image", "clip", "volume") or (mine.dtype == np.uint8) == (theirs.dtype == np.uint8)
        if mine.shape[1:] != theirs.shape[1:] or not same_units:
            found = f"{first} is {theirs.dtype} {list(theirs.shape)} and {name} is {mine.dtype} {list(mine.shape)}"
            raise DataError(f"{found}, in {path}", help="all inputs have one type and one shape, apart from the number of rows")


def _shape(spec: Arrays, arranged: Arrangement, tokens: Sequence[Array]) -> Shape:
    """Of a sample as a network reads it."""
    *sizes, channels = arranged.sizes
    if arranged.layout == "vector":
        return Vector(channels)
    if arranged.layout == "tokens":
        return SequenceShape(arranged.sizes[0], Token(1 + max(int(part.max()) for part in tokens)))
    if arranged.layout == "series":
        return SequenceShape(sizes[0], Vector(channels))
    if arranged.layout == "image":
        return spec.viewed(Image(channels, *sizes))
    if arranged.layout == "clip":
        return SequenceShape(sizes[0], Image(channels, *sizes[1:]))
    return Volume(channels, *sizes)


def _inputs(file: _File, name: str) -> Array:
    if file.arranged.layout == "tokens":
        return _tokens(file, name)
    values = file.arranged.arrange(read_array(file.path, name))
    if values.dtype == np.uint8 and file.arranged.layout in _EIGHT_BIT:
        return values
    _check_finite(values, name, file.path)
    return values.astype(np.float32)


_EIGHT_BIT: Final[tuple[Layout, ...]] = ("image", "clip", "volume")
"""Layouts whose 8-bit values stand for 0 to 1."""


def _tokens(file: _File, name: str) -> NDArray[np.int64]:
    values = read_array(file.path, name)
    if values.dtype.kind not in "iu":
        what = f"{name} in {file.path} holds {values.dtype}, and tokens are whole numbers"
        raise DataError(what, help="number the tokens from 0, or leave `layout: tokens` out")
    if values.min() < 0:
        row = int(np.flatnonzero((values < 0).any(axis=1))[0])
        raise DataError(f"a token in row {row} of {name} in {file.path} is {values[row].min()}", help="number tokens from 0")
    return values.astype(np.int64)


def _check_finite(values: Array, name: str, path: Path) -> None:
    """Refuses what is NaN or infinite, or would be in float32."""
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


def _answers(file: _File) -> _Answers:
    targets = {split: read_array(file.path, name) for split, (_, name) in file.names.items()}
    kinds = {split: answers.dtype.kind == "f" for split, answers in targets.items()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{file.names[split][1]} {answers.dtype}" for split, answers in targets.items())
        help = "integers are classes and floats are values: write all answers alike"
        raise DataError(f"some answers are classes and some are values in {file.path}: {found}", help=help)
    if kinds["train"]:
        return _values(file, targets)
    return _classes(file, targets)


def _values(file: _File, targets: Mapping[str, Array]) -> _Answers:
    shaped = {}
    for split, answers in targets.items():
        name = file.names[split][1]
        if answers.ndim > 2:
            what = f"{name} in {file.path} has {answers.ndim} axes, expected (rows,) or (rows, values)"
            raise DataError(what, help="give each sample one row of numbers")
        _check_finite(answers, name, file.path)
        shaped[split] = answers.reshape(len(answers), -1).astype(np.float32)
    counts = {split: answers.shape[1] for split, answers in shaped.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{file.names[split][1]} {count}" for split, count in counts.items())
        raise DataError(
            f"the splits have different numbers of values to predict in {file.path}: {found}", help="give all the same"
        )
    return _Answers(shaped, None, counts["train"])


def _classes(file: _File, targets: Mapping[str, Array]) -> _Answers:
    classes = {}
    for split, answers in targets.items():
        name = file.names[split][1]
        squeezed = answers[:, 0] if answers.ndim == 2 and answers.shape[1] == 1 else answers
        if squeezed.ndim != 1:
            what = f"{name} in {file.path} holds whole numbers of shape {list(answers.shape)}, expected one class for each row"
            help = f"one-hot classes: {name}.argmax(axis=1); several labels or values: {name}.astype('float32')"
            raise DataError(what, help=help)
        if squeezed.min() < 0:
            row = int(np.flatnonzero(squeezed < 0)[0])
            what = f"row {row} of {name} in {file.path} is class {squeezed[row]}"
            raise DataError(what, help="number classes from 0; for values to predict write floats: y.astype('float32')")
        classes[split] = squeezed
    total = sum(len(answers) for answers in classes.values())
    largest = max(int(answers.max()) for answers in classes.values())
    if largest >= total:
        what = f"the largest class is {largest} in {file.path}, which has only {total} samples"
        raise DataError(what, help="number classes from 0; for values to predict write floats: y.astype('float32')")
    return _Answers({split: answers.astype(np.int64) for split, answers in classes.items()}, largest + 1, None)
