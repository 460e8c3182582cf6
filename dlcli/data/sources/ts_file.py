"""One `.ts` file: its header, and its series padded to the longest.

Lines of `@key value` and of `# comment`, then `@data`, then a line for each series: the dimensions and the class or value
between `:`, the steps of a dimension between `,`; `?` or `NaN` where a value is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data.series import Missing
from dlcli.config.tree import shortened
from dlcli.config.values import LARGEST_FLOAT
from dlcli.config.words import counted
from dlcli.data.sources.growth import check_growth
from dlcli.data.sources.missing_values import filled
from dlcli.data.sources.text_file import TextFile, number_in
from dlcli.data.sources.ts_header import TsHeader, read_header
from dlcli.errors import DataError

_LARGEST: Final = 10**9
"""Bytes of a file: its series are all in memory at once."""
_MISSING: Final = ("?", "nan", "+nan", "-nan")
LABEL: Final = "the class or the value stands at the end of the line, after the last `:`"


@dataclass(frozen=True)
class TsFile:
    """What a file holds.

    Attributes:
        file: where.
        header: what stands before the series.
        lines: of each series, its line.
        labels: of each series, what stands at the end of its line; empty where nothing does.
        inputs: float32 (N, T, dimensions), zeros behind the last step of each series.
        lengths: steps of each series, int64 (N,).
        filled: missing values of each series that were filled in, int64 (N,).
    """

    file: TextFile
    header: TsHeader
    lines: tuple[int, ...]
    labels: tuple[str, ...]
    inputs: NDArray[np.float32]
    lengths: NDArray[np.int64]
    filled: NDArray[np.int64]

    @property
    def dimensions(self) -> int:
        """How many each series has."""
        return int(self.inputs.shape[2])

    def place(self, row: int) -> str:
        """Where a series stands."""
        return f"{self.file.path}:{self.lines[row]}"


@dataclass(frozen=True)
class _Series:
    """What a line holds.

    Attributes:
        line: its number.
        values: (steps, dimensions), without gaps.
        label: what stands at its end.
        written: how many steps stand there, the missing ones at the end of a shorter series included.
        filled: how many values were filled in.
    """

    line: int
    values: NDArray[np.float64]
    label: str
    written: int
    filled: int


def read_ts(file: TextFile, missing: Missing, *, is_new: bool = False) -> TsFile:
    """Reads and checks a file.

    Args:
        file: which.
        missing: what becomes of missing values.
        is_new: whether the series are to be predicted: what stands at the end of a line may be left out.

    Raises:
        DataError: it is too large or damaged, does not keep to its header, or holds what can't be read.
    """
    if file.size > _LARGEST:
        what = f"{file.path} has {file.size / 1e9:.1f} GB, and files of series of at most {_LARGEST / 1e9:.0f} GB are read"
        raise DataError(what, help="keep fewer series, or save them as an .npz file for `name: arrays`")
    all_series: list[_Series] = []
    with file.opened() as text:
        content = _content(text)
        header = read_header(file.path, content, is_new=is_new)
        for number, line in content:
            series = _series(line, number, header, missing, file.path, is_new=is_new)
            _check_alike(series, header, file.path, all_series[0] if all_series else series)
            all_series.append(series)
    if not all_series:
        raise DataError(f"{file.path} holds no series after `@data`", help="write a line for each: 1,2,3:a")
    lengths = np.array([len(series.values) for series in all_series], dtype=np.int64)
    dimensions = all_series[0].values.shape[1]
    bytes_a_step = np.dtype(np.float32).itemsize * dimensions
    padded, written = (int(steps) * bytes_a_step for steps in (len(lengths) * lengths.max(), lengths.sum()))
    what = f"{file.path}: {len(lengths):,} series padded to {lengths.max():,} steps"
    check_growth(what, padded, written, "cut long series, or leave them out")
    inputs = np.zeros((len(lengths), lengths.max(), dimensions), dtype=np.float32)
    for row, series in zip(inputs, all_series, strict=True):
        row[: len(series.values)] = series.values
    lines, labels = (tuple(series.line for series in all_series), tuple(series.label for series in all_series))
    counts = np.array([series.filled for series in all_series], dtype=np.int64)
    return TsFile(file, header, lines, labels, inputs, lengths, counts)


def _content(text: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers."""
    lines = ((number, line.strip()) for number, line in enumerate(text, 1))
    return ((number, line) for number, line in lines if line and not line.startswith("#"))


def _series(line: str, number: int, header: TsHeader, missing: Missing, path: Path, *, is_new: bool) -> _Series:
    place = f"{path}:{number}"
    parts = line.split(":")
    label = parts.pop().strip() if not is_new or _is_labelled(parts, header) else ""
    if not parts:
        raise DataError(f"{place}: the line has no `:`, so no series before its class or value", help=LABEL)
    values = _values(parts, place)
    written = len(values)
    gaps = np.isnan(values)
    if not gaps.any():
        return _Series(number, values, label, written, 0)
    _check_gaps(gaps, place)
    if header.is_equal_length is False:
        values = values[: np.flatnonzero(~gaps.all(axis=1))[-1] + 1]
        gaps = gaps[: len(values)]
    if missing == "refuse" and gaps.any():
        dimension, step = np.argwhere(gaps.T)[0] + 1
        help = "fill it in, remove the line, or write `missing: linear`, `previous` or `zero` under `data`"
        raise DataError(f"{place}: value {step} of dimension {dimension} is missing", help=help)
    return _Series(number, values if missing == "refuse" else filled(values, missing), label, written, int(gaps.sum()))


def _is_labelled(parts: list[str], header: TsHeader) -> bool:
    """Whether the last part of a line, which may be left out, is a class or a value and not a dimension."""
    if header.dimensions is not None:
        return len(parts) > header.dimensions
    return len(parts) > 1 and "," not in parts[-1] and (header.has_labels or "," in parts[0])


def _values(dimensions: list[str], place: str) -> NDArray[np.float64]:
    """The series of a line, (steps, dimensions); NaN where a value is missing."""
    rows: list[list[float]] = []
    for which, text in enumerate(dimensions, 1):
        cells = text.split(",")
        if "?" in text:
            cells = ["nan" if cell.strip() == "?" else cell for cell in cells]
        try:
            rows.append([*map(float, cells)])
        except ValueError as error:
            raise _odd_value(dimensions, place) from error
        if len(rows[-1]) != len(rows[0]):
            what = f"{place}: dimension {which} has {counted(len(rows[-1]), 'step')}, and dimension 1 has {len(rows[0])}"
            raise DataError(what, help="all dimensions of a series have the same steps: fill the shorter ones up with `?`")
    values = np.array(rows).T
    if (np.abs(values) > LARGEST_FLOAT).any() or any("_" in text for text in dimensions):
        raise _odd_value(dimensions, place)
    return values


def _odd_value(dimensions: list[str], place: str) -> DataError:
    """What is to be said of the first value that is no number; there is one."""
    odd = (
        (which, step, cell)
        for which, text in enumerate(dimensions, 1)
        for step, cell in enumerate((cell.strip() for cell in text.split(",")), 1)
        if cell.lower() not in _MISSING and number_in(cell) is None
    )
    which, step, cell = next(odd)
    if not dimensions[which - 1].strip():
        return DataError(f"{place}: dimension {which} is empty, expected a number for each step", help=_NUMBERS)
    return DataError(f"{place}: value {step} of dimension {which} is '{shortened(cell)}', expected a number", help=_NUMBERS)


_NUMBERS: Final = "numbers stand between `,`, dimensions between `:`"


def _check_gaps(gaps: NDArray[np.bool_], place: str) -> None:
    """That each dimension has a value that its gaps can be filled from."""
    empty = np.flatnonzero(gaps.all(axis=0))
    if empty.size:
        which = f"dimension {empty[0] + 1} has" if empty.size < gaps.shape[1] else "the series has"
        what = f"{place}: {which} no value: all {len(gaps)} steps are missing"
        raise DataError(what, help="remove the line, or the dimension from all lines")


def _check_alike(series: _Series, header: TsHeader, path: Path, first: _Series) -> None:
    """That a series has as many dimensions as the first one, and the size that the header says."""
    place = f"{path}:{series.line}"
    found, expected = series.values.shape[1], header.dimensions or first.values.shape[1]
    if found != expected:
        what = f"{place}: this series has {counted(found, 'dimension')}, expected {expected}"
        raise DataError(what, help="dimensions and the class or value stand between `:`, as many in each line")
    steps = counted(series.written, "step")
    if header.steps is not None and series.written != header.steps:
        raise DataError(f"{place}: this series has {steps}, and `@seriesLength` is {header.steps}", help=LENGTHS)
    if header.is_equal_length and series.written != first.written:
        what = f"{place}: this series has {steps}, and that in line {first.line} has {first.written}"
        raise DataError(f"{what}, but `@equalLength` is true", help=LENGTHS)


LENGTHS: Final = "mend the line, or write `@equalLength false` and no `@seriesLength`: then series may differ in length"
