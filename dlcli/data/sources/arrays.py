"""NumPy arrays of an .npz file: which are there, what a sample is, and whether all values can be used."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import Arrays
from dlcli.config.facts import INPUT, TARGET, DataFacts
from dlcli.config.shapes import Image, Layout, Shape, Time, Token, Vector, Volume
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, NewSamples, RawData, RawSplit
from dlcli.data.sources.answers import Answers, check_finite, is_per_step, read_answers
from dlcli.data.sources.layouts import Arrangement, arrangement
from dlcli.data.sources.located import locate
from dlcli.data.sources.npz import Header, read_array, read_headers
from dlcli.data.sources.padding import cleared, read_lengths
from dlcli.errors import DataError

_SPLITS: Final = ("train", "valid", "test")
_ALONE: Final = "train"
"""The split of arrays that stand alone."""
_LENGTHS: Final = "lengths"
_SEQUENCES: Final[tuple[Layout, ...]] = ("series", "tokens", "clip")


@dataclass(frozen=True)
class _Input:
    """One input.

    Attributes:
        arrays: split -> the name of its array.
        arranged: what the axes are.
    """

    arrays: Mapping[str, str]
    arranged: Arrangement


@dataclass(frozen=True)
class _File:
    """Where everything is.

    Attributes:
        path: absolute.
        splits: which there are.
        inputs: by name.
        targets: by name: split -> the name of its array.
        lengths: split -> steps of each sample, int64 (N,), where any has fewer than its array.
    """

    path: Path
    splits: tuple[str, ...]
    inputs: Mapping[str, _Input]
    targets: Mapping[str, Mapping[str, str]]
    lengths: Mapping[str, NDArray[np.int64]] | None


def facts(spec: Arrays, directories: Directories) -> DataFacts:
    """From the shapes of the inputs and the answers; inputs are read only where they are tokens.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, or is not what the config says.
    """
    file = _opened(spec, directories)
    answers = _answers(spec, file)
    shapes: dict[str, Shape] = {}
    for name, part in file.inputs.items():
        tokens = [_tokens(file, split, array) for split, array in part.arrays.items() if part.arranged.layout == "tokens"]
        shapes |= _shapes(spec, name, part.arranged, 1 + max((int(array.max()) for array in tokens), default=0))
    if file.lengths is not None:
        shapes = {name: _of_any_length(shape) for name, shape in shapes.items()}
    return DataFacts(shapes, {name: answer.target for name, answer in answers.items()})


def read(spec: Arrays, directories: Directories, _: bool) -> RawData:
    """Reads and checks all arrays.

    Raises:
        DataUnavailableError: there is no such file.
        DataError: it is damaged, is not what the config says, or holds values that nothing can be learned from.
    """
    file = _opened(spec, directories)
    answers = _answers(spec, file)
    splits = {}
    for split in file.splits:
        inputs = {name: _inputs(file, split, part) for name, part in file.inputs.items()}
        targets = {name: answer.by_split[split] for name, answer in answers.items()}
        splits[split] = RawSplit(_alone(inputs), _alone(targets), None if file.lengths is None else file.lengths[split])
    return RawData(splits["train"], splits.get("valid"), splits.get("test"), None, str(file.path))


def read_new(spec: Arrays, path: Path) -> NewSamples:
    """Reads samples to predict: `x`, or each input by its name, without `_train`; where they are padded also `lengths`.

    Args:
        spec: of a run.
        path: of the .npz file.

    Raises:
        DataError: the file is damaged, lacks an array, or holds what can't be read.
    """
    headers = read_headers(path)
    stems = {INPUT: "x"} if spec.inputs is None else {name: name for name in spec.inputs}
    missing = [stem for stem in stems.values() if stem not in headers]
    if missing:
        there, wanted = ", ".join(headers) or "nothing", ", ".join(f"{stem}=..." for stem in stems.values())
        raise DataError(f"{path} has no array {missing[0]}; there are: {there}", help=f"write np.savez(path, {wanted})")
    with_lengths = _LENGTHS in headers
    _check_rows(path, {name: headers[name] for name in (*stems.values(), *([_LENGTHS] if with_lengths else []))})
    arrays = {name: {_ALONE: stem} for name, stem in stems.items()}
    parts = {name: _Input(of_input, _arranged(spec, path, headers, of_input)) for name, of_input in arrays.items()}
    steps = {stems[name]: part.arranged.sizes[0] for name, part in parts.items() if part.arranged.layout in _SEQUENCES}
    lengths = read_lengths(path, {_ALONE: _LENGTHS}, steps) if with_lengths else None
    file = _File(path, (_ALONE,), parts, {}, lengths)
    inputs = {name: _inputs(file, _ALONE, part) for name, part in parts.items()}
    names = tuple(map(str, range(headers[next(iter(stems.values()))].shape[0])))
    return NewSamples(_alone(inputs), None if lengths is None else lengths[_ALONE], names)


def _alone(arrays: dict[str, Array]) -> Array | dict[str, Array]:
    """Where there is one array, that array without its name."""
    return arrays if len(arrays) > 1 else next(iter(arrays.values()))


def _opened(spec: Arrays, directories: Directories) -> _File:
    path = locate(spec.path, directories, "file", "give the .npz file", Path.is_file)
    headers = read_headers(path)
    stems = {INPUT: "x"} if spec.inputs is None else {name: name for name in spec.inputs}
    answer_stems = {TARGET: "y"} if spec.targets is None else {name: name for name in spec.targets}
    wanted = (*stems.values(), *answer_stems.values())
    with_lengths = _has_lengths(headers, wanted)
    names = _names(path, headers, (*wanted, _LENGTHS) if with_lengths else wanted)
    for of_split in names.values():
        _check_rows(path, {name: headers[name] for name in of_split.values()})
    inputs = {}
    for name, stem in stems.items():
        of_input = {split: of_split[stem] for split, of_split in names.items()}
        inputs[name] = _Input(of_input, _arranged(spec, path, headers, of_input))
    targets = {name: {split: of_split[stem] for split, of_split in names.items()} for name, stem in answer_stems.items()}
    lengths = {split: of_split[_LENGTHS] for split, of_split in names.items()} if with_lengths else {}
    steps = {part.arrays["train"]: part.arranged.sizes[0] for part in inputs.values() if part.arranged.layout in _SEQUENCES}
    return _File(path, tuple(names), inputs, targets, read_lengths(path, lengths, steps) if with_lengths else None)


def _has_lengths(headers: Mapping[str, Header], stems: tuple[str, ...]) -> bool:
    """Whether there are lengths beside the arrays of the splits, or beside those that stand alone."""
    if _LENGTHS in stems:
        return False
    has_splits = any(f"{stem}_train" in headers for stem in stems)
    names = [f"{_LENGTHS}_{split}" for split in _SPLITS] if has_splits else [_LENGTHS]
    return any(name in headers for name in names)


def _names(path: Path, headers: Mapping[str, Header], stems: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Split -> stem -> name of its array."""
    wanted = {split: {stem: f"{stem}_{split}" for stem in stems} for split in _SPLITS}
    has_train = any(name in headers for name in wanted["train"].values())
    if not has_train and any(stem in headers for stem in stems):
        wanted["train"] = {stem: stem for stem in stems}
    names = {
        split: of_split
        for split, of_split in wanted.items()
        if split == "train" or any(name in headers for name in of_split.values())
    }
    missing = [name for of_split in names.values() for name in of_split.values() if name not in headers]
    if missing:
        there = ", ".join(headers) or "nothing"
        train, valid, test = (", ".join(f"{stem}_{split}" for stem in stems) for split in _SPLITS)
        help = f"write {train}, and where there are any {valid}, {test}; or {', '.join(stems)} alone"
        raise DataError(f"{path} has no array {missing[0]}; there are: {there}", help=help)
    return names


def _check_rows(path: Path, arrays: Mapping[str, Header]) -> None:
    """Of one split: numbers, and as many rows in each."""
    for name, header in arrays.items():
        if not header.shape or 0 in header.shape:
            raise DataError(
                f"{name} in {path} holds no numbers: its shape is {list(header.shape)}", help="write no axis of size 0"
            )
        if header.dtype.kind not in "biuf":
            raise DataError(f"{name} in {path} holds {header.dtype}, expected numbers", help="write integers or floats")
    (first, expected), *others = ((name, header.shape[0]) for name, header in arrays.items())
    for name, rows in others:
        if rows != expected:
            what = f"{first} has {expected} rows and {name} {rows}, in {path}"
            raise DataError(what, help="each row of one belongs to a row of the other")


def _arranged(spec: Arrays, path: Path, headers: Mapping[str, Header], names: Mapping[str, str]) -> Arrangement:
    """What the axes of an input are, the same in all splits."""
    first = names["train"]
    arranged = arrangement(headers[first], spec.layout, f"{first} in {path}")
    theirs = headers[first]
    for name in names.values():
        mine = headers[name]
        same_units = arranged.layout not in _EIGHT_BIT or (mine.dtype == np.uint8) == (theirs.dtype == np.uint8)
        if mine.shape[1:] != theirs.shape[1:] or not same_units:
            found = f"{first} is {theirs.dtype} {list(theirs.shape)} and {name} is {mine.dtype} {list(mine.shape)}"
            help = "all arrays of an input have one type and one shape, apart from the number of rows"
            raise DataError(f"{found}, in {path}", help=help)
    reads_pictures = spec.resize is not None or spec.view != "image" or spec.augment
    if reads_pictures and arranged.layout != "image":
        what = f"{first} in {path} holds samples of the layout {arranged.layout}"
        what += ", and `resize`, `view` and `augment` are for images"
        raise DataError(what, help="leave them out, or write `layout: image`")
    return arranged


def _of_any_length(shape: Shape) -> Shape:
    return SequenceShape(Time(), shape.item) if isinstance(shape, SequenceShape) else shape


def _shapes(spec: Arrays, name: str, arranged: Arrangement, vocabulary: int) -> dict[str, Shape]:
    """Of a sample as a network reads it, by name: several where a picture is viewed in several ways."""
    if arranged.layout == "image":
        viewed = spec.viewed(Image(arranged.sizes[-1], *arranged.sizes[:-1]))
        return viewed if len(viewed) > 1 else {name: next(iter(viewed.values()))}
    return {name: _shape(arranged, vocabulary)}


def _shape(arranged: Arrangement, vocabulary: int) -> Shape:
    *sizes, channels = arranged.sizes
    if arranged.layout == "vector":
        return Vector(channels)
    if arranged.layout == "tokens":
        return SequenceShape(arranged.sizes[0], Token(vocabulary))
    if arranged.layout == "series":
        return SequenceShape(sizes[0], Vector(channels))
    if arranged.layout == "clip":
        return SequenceShape(sizes[0], Image(channels, *sizes[1:]))
    return Volume(channels, *sizes)


def _inputs(file: _File, split: str, part: _Input) -> Array:
    name, arranged = part.arrays[split], part.arranged
    if arranged.layout == "tokens":
        return _tokens(file, split, name)
    values = arranged.arrange(read_array(file.path, name))
    if file.lengths is not None and arranged.layout in _SEQUENCES:
        values = cleared(values, file.lengths[split])
    if values.dtype == np.uint8 and arranged.layout in _EIGHT_BIT:
        return values
    check_finite(values, name, file.path)
    return values.astype(np.float32)


_EIGHT_BIT: Final[tuple[Layout, ...]] = ("image", "clip", "volume")
"""Layouts whose 8-bit values stand for 0 to 1."""


def _tokens(file: _File, split: str, name: str) -> NDArray[np.int64]:
    values = read_array(file.path, name)
    if values.dtype.kind not in "iu":
        what = f"{name} in {file.path} holds {values.dtype}, and tokens are whole numbers"
        raise DataError(what, help="number the tokens from 0, or leave `layout: tokens` out")
    if file.lengths is not None:
        values = cleared(values, file.lengths[split])
    if values.min() < 0:
        row = int(np.flatnonzero((values < 0).any(axis=1))[0])
        raise DataError(f"a token in row {row} of {name} in {file.path} is {values[row].min()}", help="number tokens from 0")
    return values.astype(np.int64)


def _answers(spec: Arrays, file: _File) -> dict[str, Answers]:
    shapes = [shape for name, part in file.inputs.items() for shape in _shapes(spec, name, part.arranged, 1).values()]
    steps = {shape.time for shape in shapes if isinstance(shape, SequenceShape) and isinstance(shape.time, int)}
    return {
        name: read_answers({split: _answer(file, split, array, steps) for split, array in arrays.items()}, file.path, steps)
        for name, arrays in file.targets.items()
    }


def _answer(file: _File, split: str, name: str, steps: Collection[int]) -> tuple[str, Array]:
    answers = read_array(file.path, name)
    if file.lengths is not None and is_per_step(answers, steps):
        answers = cleared(answers, file.lengths[split])
    return name, answers
