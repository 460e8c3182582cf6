"""Tables in Parquet files."""

from __future__ import annotations

import csv
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.config.data import Csv
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Vector
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError, RawData
from dlcli.data.sources import csv_table, parquet
from dlcli.data.sources.text_file import TextFile
from dlcli.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def _facts(path: Path, **fields: Any) -> DataFacts:
    return csv_table.facts(Csv(path=str(path), **fields), Directories((), path))


def _read(path: Path, **fields: Any) -> RawData:
    return csv_table.read(Csv(path=str(path), **fields), Directories((), path), False)


def _written(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return path


_HOURS = [datetime(2024, 1, 1) + timedelta(hours=hour) for hour in range(60)]
_NUMBERS = [round(hour / 7, 3) for hour in range(60)]
_FIELDS: dict[str, Any] = {"time": "date", "window": 6, "horizon": 2, "date_features": ["hour", "weekday"]}


@pytest.mark.parametrize(
    ("dates", "numbers"),
    [
        (pa.array(_HOURS, pa.timestamp("s")), pa.array(_NUMBERS, pa.float64())),
        (pa.array(_HOURS, pa.timestamp("ns")), pa.array(_NUMBERS, pa.float32())),
        (pa.array([str(hour) for hour in _HOURS]), pa.array([Decimal(str(number)) for number in _NUMBERS])),
        (pa.array([str(hour) for hour in _HOURS]).dictionary_encode(), pa.array(_NUMBERS).dictionary_encode()),
        (pa.array(_HOURS, pa.timestamp("us")), pa.array([f" {number} " for number in _NUMBERS])),
        (pa.chunked_array([_HOURS[:7], _HOURS[7:]]), pa.chunked_array([_NUMBERS[:50], _NUMBERS[50:]])),
    ],
)
def test_a_parquet_file_gives_what_its_text_gives(tmp_path: Path, dates: Any, numbers: Any) -> None:
    """Timestamps are dates, and any type of number is a number."""
    path = _written(tmp_path, {"date": dates, "x": numbers, "n": pa.array(range(60), pa.int8()), "note": ["a"] * 60})
    with (tmp_path / "table.csv").open("w", newline="") as text:
        csv.writer(text).writerows([("date", "x", "n", "note"), *zip(_HOURS, _NUMBERS, range(60), ["a"] * 60, strict=True)])
    expected, found = (_read(file, target="all", **_FIELDS) for file in (tmp_path / "table.csv", path))
    assert found.found == expected.found == {"target": ("x", "n"), "features": ("x", "n")}
    assert expected.test is not None
    assert found.test is not None
    for one, other in ((found.train, expected.train), (found.test, expected.test)):
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.targets, other.targets)
    assert _facts(path, target="all", **_FIELDS) == _facts(tmp_path / "table.csv", target="all", **_FIELDS)


@pytest.mark.parametrize(
    ("values", "targets", "names"),
    [
        (["b", "a", "b"], [1, 0, 1], ("a", "b")),
        ([True, False, True], [1, 0, 1], ("False", "True")),
        (pa.array([3, 7, 3], pa.uint8()), [0, 1, 0], ("3", "7")),
        ([3.0, 7.0, 3.0], [[3], [7], [3]], None),
        (pa.array(["b", "a", "b"]).dictionary_encode(), [1, 0, 1], ("a", "b")),
    ],
)
def test_classes_and_values_are_told_apart(
    tmp_path: Path, values: Any, targets: list[Any], names: tuple[str, ...] | None
) -> None:
    """Texts, truth values and whole numbers are classes; numbers that can have a fraction are values."""
    data = _read(_written(tmp_path, {"x": [1.5, 2.5, 3.5], "list": [[1], [2], [3]], "y": values}))
    assert (data.train.targets.tolist(), data.class_names) == (targets, names)
    assert data.train.inputs.tolist() == [[1.5], [2.5], [3.5]]


def test_an_index_of_pandas_that_numbers_rows_is_no_column(tmp_path: Path) -> None:
    """One of dates without a name is: it can be the time."""
    numbered = _written(tmp_path, {"x": [1.5, 2.5, 3.5], "y": [0.5, 1.5, 2.5], "__index_level_0__": [4, 7, 9]})
    assert _read(numbered).found == {"target": ("y",), "features": ("x",)}
    dated = _written(tmp_path, {"x": [1.5, 2.5, 3.5], "y": [0.5, 1.5, 2.5], "__index_level_0__": _HOURS[:3]})
    assert _read(dated, time="__index_level_0__", split={"valid": 0, "test": 0}).found["target"] == ("y",)


@pytest.mark.parametrize(
    ("dates", "after"),
    [
        (pa.array([date(2024, 2, 28), date(2024, 2, 29)]), ("2024-03-01", "2024-03-02")),
        (pa.array([datetime(2024, 1, 1), datetime(2024, 2, 1)]), ("2024-03-01 00:00:00", "2024-04-01 00:00:00")),
        (
            pa.array([datetime(2024, 1, 1, 22, tzinfo=UTC), datetime(2024, 1, 1, 23, tzinfo=UTC)], pa.timestamp("ms", "UTC")),
            ("2024-01-02 00:00:00+00:00", "2024-01-02 01:00:00+00:00"),
        ),
    ],
)
def test_forecasts_continue_the_dates(tmp_path: Path, dates: Any, after: tuple[str, ...]) -> None:
    """Written as ISO 8601 does."""
    path = _written(tmp_path, {"t": dates, "x": [1.0, 2.0]})
    spec = Csv(path="trained_on.parquet", features=["x"], target=["x"], time="t", window=2, horizon=2)
    new = csv_table.read_new(spec, path)
    assert (new.inputs.tolist(), new.steps) == ([[[1], [2]]], after)


@pytest.mark.parametrize(
    ("columns", "fields", "words"),
    [
        ({"x": [1.0, None, 3.0], "y": [0.5] * 3}, {}, "row 2: column `x` is empty, expected a number"),
        ({"x": [1.0, 2.0, float("nan")], "y": [0.5] * 3}, {}, "row 3: column `x` holds 'nan', expected a number"),
        ({"x": [1.0, 2.0, 1e300], "y": [0.5] * 3}, {}, r"row 3: column `x` holds '1e\+300', expected a number"),
        ({"x": [1, None, 3], "y": [0.5] * 3}, {"window": 1}, "row 2: column `x` is empty, expected a number"),
        ({"x": [1.0] * 3, "y": ["a", None, "b"]}, {}, "row 2: column `y` is empty, expected a class"),
        ({"x": [1.0] * 3, "y": [1, 2, None]}, {}, "row 3: column `y` is empty, expected a number"),
        ({"t": [_HOURS[0], None], "x": [1.0] * 2}, {"time": "t", "window": 1}, "row 2: column `t` holds '', expected a number or"),
        ({"t": [_HOURS[0]] * 2, "x": [1.0] * 2}, {"time": "t", "window": 1}, "row 2: column `t` holds .*, which row 1 holds too"),
        ({"x": [[1], [2]], "y": [0.5] * 2}, {"features": "x"}, "row 1: column `x` holds 'a nested value', expected a number"),
        ({"x": [1.0], "y": [2.0]}, {"target": "z"}, "has no column `z`, which data.target names"),
        ({"x": pa.array([], pa.float64()), "y": pa.array([], pa.float64())}, {}, "has columns and no rows"),
        ({}, {}, "has no columns"),
    ],
)  # fmt: skip
def test_tables_that_can_not_be_used_are_refused(
    tmp_path: Path, columns: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    """With the file, the number of the row from 1, the column, and a mend."""
    path = _written(tmp_path, columns)
    with pytest.raises(DataError, match=words) as caught:
        _read(path, **fields)
    assert str(path) in caught.value.message
    assert caught.value.help


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """Which of them is meant can't be told."""
    path = tmp_path / "table.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], ["x", "x"]), path)
    with pytest.raises(DataError, match="two columns of .*table.parquet are called `x`"):
        _read(path)


@pytest.mark.parametrize("damage", ["cut", "start", "end", "middle", "empty", "text"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    """Wherever the damage is."""
    path = _written(tmp_path, {"x": [float(number) for number in range(1000)], "y": [0.5] * 1000})
    content = bytearray(path.read_bytes())
    middle = len(content) // 4
    damaged = {
        "cut": content[: len(content) // 2],
        "start": b"" + content[100:],
        "end": content[:-8] + b"\xff" * 8,
        "middle": content[:middle] + b"\xff" * 600 + content[middle + 600 :],
        "empty": b"",
        "text": b"x,y\n1,2\n",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(DataError, match=r"table\.parquet can't be read as a Parquet file") as caught:
        _read(path)
    assert "\n" not in caught.value.message
    assert not isinstance(caught.value, DataUnavailableError)


def test_more_numbers_than_fit_into_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal values take no room in a file: what counts is how many there will be, of the columns that are asked for."""
    monkeypatch.setattr(parquet, "_LARGEST", 8 * 1000)
    path = _written(tmp_path, {"x": [1.0] * 400, "y": [0.5] * 400, "z": [0.5] * 400})
    with pytest.raises(DataError, match="has 400 rows of 3 columns, and at most 1,000 numbers are read"):
        _facts(path)
    assert _facts(path, features="x").input == Vector(1)


def test_a_long_text_that_many_rows_share_is_refused(tmp_path: Path) -> None:
    """It stands once in the file, which has 50 kB, and would fill 4 GB."""
    places = pa.array(np.zeros(4000, np.int32))
    text = pa.DictionaryArray.from_arrays(places, pa.array(["x" * 1_000_000]))
    path = _written(tmp_path, {"x": text, "y": [0.5] * 4000})
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="column `x` has a cell of 1,000,000 characters, and at most 131,072 are read"):
        _facts(path, features="x")


def test_texts_that_many_rows_share_are_kept_once(tmp_path: Path) -> None:
    """Classes in the order of the rows, missing ones among them, from several groups of rows."""
    names = [None if row == 7 else "ab"[row % 2] for row in range(10_000)]
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"x": np.arange(10_000.0), "y": names}), path, row_group_size=3000)
    table = parquet.read_columns(TextFile.at(path), ("x",), ("y",))
    assert table.columns["y"].texts == tuple(name or "" for name in names)
    assert len({id(text) for text in table.columns["y"].texts}) == 3


def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the extra; no fallback hides it."""
    path = _written(tmp_path, {"x": [1.0], "y": [2.0]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match="is a Parquet file, and pyarrow, which reads these, can't be imported") as caught:
        _facts(path)
    assert "`tables`" in (caught.value.help or "")
    assert not isinstance(caught.value, DataUnavailableError)
    (tmp_path / "table.csv").write_text("x,y\n1,2.5\n")
    assert _facts(tmp_path / "table.csv").input == Vector(1)
