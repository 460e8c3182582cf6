"""Windows of rows, the rows after them as answers, and forecasts of what comes after a table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.config.data import Csv
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence, Vector
from dlcli.data.directories import Directories
from dlcli.data.raw import NewSamples, RawData
from dlcli.data.sources import csv_table
from dlcli.errors import DataError

ETT = {"time": "date", "window": 96, "horizon": 24, "rows": 14_400, "split": {"valid": 0.25, "test": 0.2}}
"""12, 4 and 4 months of hours, as Zhou et al. (2021), arXiv:2012.07436, split them."""


def _facts(path: Path, **fields: Any) -> DataFacts:
    return csv_table.facts(Csv(path=str(path), **fields), Directories((), path))


def _read(path: Path, **fields: Any) -> RawData:
    return csv_table.read(Csv(path=str(path), **fields), Directories((), path), False)


def _read_new(path: Path, **fields: Any) -> NewSamples:
    settled = {"features": ["x"], "target": ["x"], "window": 2} | fields
    return csv_table.read_new(Csv(path="trained_on.csv", **settled), path)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Call it with a text; it gives the path."""

    def written(text: str) -> Path:
        path = tmp_path / "table.csv"
        path.write_text(text)
        return path

    return written


def _steps(count: int) -> str:
    """Rows of time, x = time + 0.5 and y = -time."""
    return "t,x,y\n" + "".join(f"{step},{step + 0.5},{-step}\n" for step in range(count))


def _present(data: RawData) -> list[Any]:
    assert data.valid is not None
    assert data.test is not None
    return [data.train, data.valid, data.test]


_SPLITS = ((0, 60), (60, 80), (80, 100))
"""Of 100 rows, with a test of 0.2 and a validation of 0.25 of the rest."""


@settings(max_examples=60, deadline=None)
@given(window=st.integers(1, 30), horizon=st.integers(1, 12), stride=st.integers(1, 50), targets=st.sampled_from(["y", "xy"]))
def test_an_answer_is_the_rows_after_a_window(
    tmp_path_factory: pytest.TempPathFactory, window: int, horizon: int, stride: int, targets: str
) -> None:
    """Step by step, the columns of a step side by side; each window whose answer lies in a split is there, wherever it begins."""
    path = tmp_path_factory.mktemp("series") / "table.csv"
    path.write_text(_steps(100))
    fields = {"window": window, "horizon": horizon, "stride": stride, "time": "t", "target": [*targets]}
    fields |= {"split": {"valid": 0.25, "test": 0.2}}
    facts = _facts(path, **fields)
    assert (facts.input, facts.target.num_targets) == (Sequence(window, Vector(2)), horizon * len(targets))
    rows = [{"x": step + 0.5, "y": -step} for step in range(100)]
    for split, (first, end) in zip(_present(_read(path, **fields)), _SPLITS, strict=True):
        starts = [start for start in range(100) if first <= start + window and start + window + horizon <= end][::stride]
        inputs = [[[row["x"], row["y"]] for row in rows[start : start + window]] for start in starts]
        answers = [[row[name] for row in rows[start + window : start + window + horizon] for name in targets] for start in starts]
        np.testing.assert_array_equal(split.inputs, np.array(inputs, dtype=np.float32))
        np.testing.assert_array_equal(split.targets, np.array(answers, dtype=np.float32))


def test_features_of_windows_may_leave_the_target_out_or_be_it_alone(write: Callable[[str], Path]) -> None:
    """What `features` names is what is read."""
    path = write(_steps(100))
    assert _read(path, window=2, features=["x"]).train.inputs[0].tolist() == [[0.5], [1.5]]
    assert _read(path, window=2, features=["y"], target="y").train.inputs[1].tolist() == [[-1], [-2]]


def test_all_columns_are_predicted_on_request(write: Callable[[str], Path]) -> None:
    """Those of numbers but the time; in a list, `all` is a column like any other."""
    path = write("t,all,note,y\n" + "".join(f"{step},{step}.5,x,{-step}\n" for step in range(60)))
    fields = {"time": "t", "window": 2, "horizon": 2}
    data = _read(path, target="all", **fields)
    assert data.found == {"target": ("all", "y"), "features": ("all", "y")}
    assert data.train.targets[0].tolist() == [2.5, -2, 3.5, -3]
    assert _facts(path, target="all", **fields).target.num_targets == 4
    assert _read(path, target="all", features=["y"], **fields).train.inputs[0].tolist() == [[0], [-1]]
    assert _read(path, target=["all"], **fields).train.targets[0].tolist() == [2.5, 3.5]


@pytest.mark.parametrize("horizon", [1, 4])
def test_of_text_the_answer_is_the_class_at_the_end_of_the_horizon(write: Callable[[str], Path], horizon: int) -> None:
    """One class a window, of a row in the split."""
    path = write("x,y\n" + "".join(f"{step}.5,{'odd' if step % 3 == 0 else 'even'}\n" for step in range(100)))
    fields = {"window": 3, "horizon": horizon, "split": {"valid": 0.25, "test": 0.2}}
    assert _facts(path, **fields).target.num_classes == 2
    for split, (first, end) in zip(_present(_read(path, **fields)), _SPLITS, strict=True):
        ends = range(max(first, 2 + horizon), end)
        assert split.targets.tolist() == [int(step % 3 == 0) for step in ends]
        assert split.inputs[:, -1, 0].tolist() == [step - horizon + 0.5 for step in ends]


def test_splits_without_a_share_are_not_there(write: Callable[[str], Path]) -> None:
    """All rows are then for training."""
    data = _read(write(_steps(20)), window=3, horizon=2, split={"valid": 0, "test": 0})
    assert (data.valid, data.test, len(data.train)) == (None, None, 16)


def test_windows_are_views_of_the_rows(write: Callable[[str], Path]) -> None:
    """No matter how long they are, nothing is copied; tensors can be made of them without a warning."""
    data = _read(write(_steps(3000)), window=1000, horizon=200, target="all", time="t")
    parts = _present(data)
    for part in parts:
        for array in (part.inputs, part.targets):
            ends = (stride * (size - 1) for stride, size in zip(array.strides, array.shape, strict=True))
            assert sum(ends) < 3000 * 2 * array.itemsize
            assert torch.from_numpy(array).shape == array.shape
    assert np.shares_memory(parts[0].inputs, parts[2].inputs)


def test_statistics_are_measured_on_the_training_rows(write: Callable[[str], Path]) -> None:
    """Each row counts once, however many windows it lies in; no row of a later split counts."""
    data = _read(write(_steps(100)), window=10, horizon=3, target=["x", "y"], split={"valid": 0.25, "test": 0.2})
    assert data.measured is not None
    rows = np.array([[step, step + 0.5, -step] for step in range(60)], dtype=np.float32)
    np.testing.assert_array_equal(data.measured.inputs, rows)
    np.testing.assert_array_equal(data.measured.targets, rows[:, [1, 2, 1, 2, 1, 2]])


def test_features_of_dates_are_read_and_never_predicted(write: Callable[[str], Path]) -> None:
    """Beside the columns, in each row of a window."""
    start = datetime(2024, 2, 28, 20)
    path = write("t,x\n" + "".join(f"{start + timedelta(hours=step)},{step}\n" for step in range(80)))
    fields = {"time": "t", "window": 5, "target": "all", "date_features": ["hour", "day"]}
    data = _read(path, **fields)
    assert (_facts(path, **fields).input, data.found["target"]) == (Sequence(5, Vector(5)), ("x",))
    assert data.train.targets[0].tolist() == [5]
    hours = (20 + np.arange(5)) % 24 / 24 * 2 * np.pi
    np.testing.assert_allclose(data.train.inputs[0, :, 1:3], np.stack([np.sin(hours), np.cos(hours)], 1), atol=1e-6)
    np.testing.assert_allclose(data.train.inputs[0, 4, 3:], [np.sin(28 / 31 * 2 * np.pi), np.cos(28 / 31 * 2 * np.pi)], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        (_steps(20), {"window": 14}, "the train split has 14 of 20 rows, expected at least 15 for a window and the 1 after it"),
        (_steps(20), {"window": 500, "horizon": 20}, "the train split has 14 of 20 rows, expected at least 520"),
        (_steps(20), {"window": 2, "horizon": 3}, "the valid split has 2 of 20 rows, expected at least the 3 of an answer"),
        (_steps(20), {"window": 2, "horizon": 5, "split": {"valid": 0}}, "the test split has 4 of 20 rows, expected at least the 5"),
        (_steps(20), {"window": 10**30}, "the train split has 14 of 20 rows, expected"),
        (_steps(20), {"window": 2, "horizon": 10**30}, "the train split has 14 of 20 rows, expected"),
        ("x\n1\n2\n\n3\nNaN\n", {"window": 2}, r":6: column `x` holds 'NaN', expected a number"),
        ("t,x\n1,1\n2,2\n3,\n4,4\n", {"window": 2}, r":4: column `x` is empty, expected a number"),
        ("t,x\n3,1\n1,2\n2,3\n3,4\n", {"time": "t", "window": 2}, r":5: column `t` holds '3', which line 2 holds too"),
        ("t,x\n1,1\n1.0,2\n2,3\n", {"time": "t", "window": 2}, r":3: column `t` holds '1\.0', which line 2 holds too"),
        (
            "t,x\n2016-01-01T01:00+01:00,1\n2016-01-01,2\n",
            {"time": "t", "window": 2},
            r":3: column `t` holds '2016-01-01', which line 2 holds too, expected each time once",
        ),
        ("t,x\n2016-01-01,1\n2016-02-30,2\n", {"time": "t", "window": 2}, r":3: column `t` holds '2016-02-30', expected"),
    ],
)  # fmt: skip
def test_series_that_can_not_be_used_are_refused(
    write: Callable[[str], Path], text: str, fields: dict[str, Any], words: str
) -> None:
    """Before any training, `facts` too: with the file, the place, what was found and a mend."""
    path = write(text)
    for use in (_facts, _read):
        with pytest.raises(DataError, match=words) as caught:
            use(path, **fields)
        assert str(path) in caught.value.message
        assert caught.value.help


def test_what_goes_back_in_time_is_sorted_and_what_never_changes_is_fine(write: Callable[[str], Path]) -> None:
    """Windows follow time, not the file."""
    order = np.random.default_rng(0).permutation(40)
    path = write("t,x,y\n" + "".join(f"2024-01-01 {step // 4:02}:{step % 4 * 15:02},7,{step}.5\n" for step in order))
    data = _read(path, time="t", window=3, split={"valid": 0})
    assert data.train.inputs[:, 0].tolist() == [[7, step + 0.5] for step in range(29)]


def test_the_last_rows_of_a_new_table_are_one_sample(write: Callable[[str], Path]) -> None:
    """In the order of time; gaps before the window and columns that are not read don't matter."""
    path = write("x,note,t\n3,c,3\n,a,1\n4,d,4\n2,b,2\n")
    new = _read_new(path, time="t", horizon=3)
    assert isinstance(new.inputs, np.ndarray)
    assert (new.inputs.tolist(), new.inputs.dtype) == ([[[3], [4]]], np.float32)
    assert (new.names, new.steps, new.lengths) == (("4",), ("5", "6", "7"), None)
    untimed = _read_new(path, horizon=3, window=1)
    assert (untimed.inputs.tolist(), untimed.names, untimed.steps) == ([[[2]]], ("5",), ("1", "2", "3"))


def test_new_tables_may_lack_the_target_and_have_the_features_of_dates(write: Callable[[str], Path]) -> None:
    """As the network was trained: the features, then sines and cosines."""
    path = write("t,x\n2024-01-01 05:00,1\n2024-01-01 06:00,2\n")
    new = _read_new(path, time="t", target=["y"], date_features=["hour"])
    np.testing.assert_allclose(new.inputs[0, 1], [2, 1, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t,x\n1,1\n2,2\n", "has 2 rows, expected at least 3: the window that the network reads"),
        ("t,y\n1,1\n2,2\n3,3\n", r"has no column `x`, which data\.features of the run names"),
        ("d,x\n1,1\n2,2\n3,3\n", r"has no column `t`, which data\.time of the run names"),
        ("t,x\n1,1\n2,2\n2,3\n", r":4: column `t` holds '2', which line 3 holds too"),
        ("t,x\n1,1\n2,2\n3,3\n0,0\n4,\n", r":6: column `x` (is empty|holds no number), expected a number"),
    ],
)
def test_new_tables_that_can_not_be_used_are_refused(write: Callable[[str], Path], text: str, words: str) -> None:
    """What the network reads has to be there."""
    with pytest.raises(DataError, match=words) as caught:
        _read_new(write(text), time="t", window=3)
    assert caught.value.help


@pytest.mark.parametrize(
    ("times", "after"),
    [
        ("1 2 3", "4 5 6"),
        ("1949 1950 1951", "1952 1953 1954"),
        ("0.1 0.2 0.3", "0.4 0.5 0.6"),
        ("10 5 20 15", "25 30 35"),
        ("1 2 3 9 10", "11 12 13"),
        ("1949-01 1949-02 1949-03", "1949-04 1949-05 1949-06"),
        ("1949-10 1949-11", "1949-12 1950-01 1950-02"),
        ("2023-12-01 2024-01-01", "2024-02-01 2024-03-01 2024-04-01"),
        ("2023-12-31 2024-01-31", "2024-02-29 2024-03-31 2024-04-30"),
        ("2023-11-30 2023-12-30", "2024-01-30 2024-02-29 2024-03-30"),
        ("2023-03-31 2023-06-30 2023-09-30", "2023-12-31 2024-03-31 2024-06-30"),
        ("2020-07-04 2021-07-04 2022-07-04", "2023-07-04 2024-07-04 2025-07-04"),
        ("2024-02-26 2024-02-27 2024-02-28", "2024-02-29 2024-03-01 2024-03-02"),
        ("2024-02-22 2024-02-23 2024-02-26 2024-02-27", "2024-02-28 2024-02-29 2024-03-01"),
        ("20240226 20240227 20240228", "20240229 20240301 20240302"),
        ("2024-01-01T22:00 2024-01-01T23:00", "2024-01-02T00:00 2024-01-02T01:00 2024-01-02T02:00"),
        ("2024-01-01T22:00:00Z 2024-01-01T23:00:00Z", "2024-01-02T00:00:00Z 2024-01-02T01:00:00Z 2024-01-02T02:00:00Z"),
        ("2024-01-01T22:00+02:00 2024-01-01T23:00+02:00", "2024-01-02T00:00+02:00 2024-01-02T01:00+02:00 2024-01-02T02:00+02:00"),
        ("2024-01-01T00:00:00.5 2024-01-01T00:00:01.0", "2024-01-01_00:00:01.500000 2024-01-01_00:00:02 2024-01-01_00:00:02.500000"),
        ("2024-01-01T00 2024-01-01T12", "2024-01-02T00 2024-01-02T12 2024-01-03T00"),
        ("2024-01-01_00:00 2024-01-01_12:00", "2024-01-02_00:00 2024-01-02_12:00 2024-01-03_00:00"),
        ("2024-01-01 2024-01-01_12:00 2024-01-02", "2024-01-02_12:00:00 2024-01-03 2024-01-03_12:00:00"),
        ("9999-12-30 9999-12-31", "1 2 3"),
        ("7", "1 2 3"),
        ("2024-01-01", "1 2 3"),
    ],
)  # fmt: skip
def test_times_go_on_as_they_were(write: Callable[[str], Path], times: str, after: str) -> None:
    """By their usual difference, months by months, written as the column is; where nothing shows a step, they are counted."""
    cells = [cell.replace("_", " ") for cell in times.split()]
    path = write("t,x\n" + "".join(f"{cell},1\n" for cell in cells))
    new = _read_new(path, time="t", window=1, horizon=3)
    assert new.steps == tuple(cell.replace("_", " ") for cell in after.split())


@settings(max_examples=60, deadline=None)
@given(
    start=st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    step=st.integers(1, 400),
    count=st.integers(3, 9),
    horizon=st.integers(1, 9),
)
def test_days_go_on_by_days(tmp_path_factory: pytest.TempPathFactory, start: date, step: int, count: int, horizon: int) -> None:
    """Any number of days that is the same each time; unless it makes months or years of them."""
    days = [start + timedelta(days=step * place) for place in range(count + horizon)]
    path = tmp_path_factory.mktemp("days") / "table.csv"
    path.write_text("t,x\n" + "".join(f"{day},1\n" for day in days[:count]))
    steps = _read_new(path, time="t", horizon=horizon).steps
    if len({day.day for day in days[:count]}) > 1:
        assert steps == tuple(map(str, days[count:]))


def test_hours_of_a_transformer_are_forecast(shared_data: Path) -> None:
    """ETTh1: the features that `numpy.genfromtxt` reads, as many windows as the protocol of the Informer has."""
    path = shared_data / "ett" / "ETTh1.csv"
    data = _read(path, target="all", **ETT)
    values = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(1, 8)).astype(np.float32)
    assert [len(part) for part in _present(data)] == [8640 - 96 - 24 + 1, 2880 - 24 + 1, 2880 - 24 + 1]
    np.testing.assert_array_equal(data.train.inputs[1000], values[1000:1096])
    np.testing.assert_array_equal(data.train.targets[1000], values[1096:1120].reshape(-1))
    train, valid, test = _present(data)
    for part, first in ((valid, 8640), (test, 8640 + 2880)):
        np.testing.assert_array_equal(part.inputs[0], values[first - 96 : first])
        np.testing.assert_array_equal(part.targets[-1], values[first + 2880 - 24 : first + 2880].reshape(-1))
    np.testing.assert_array_equal(train.targets[-1], values[8640 - 24 : 8640].reshape(-1))
    assert data.measured is not None
    np.testing.assert_allclose(data.measured.inputs.mean(0, dtype=np.float64), values[:8640].mean(0, dtype=np.float64))
    facts = _facts(path, target="all", **ETT)
    assert (facts.input, facts.target.num_targets) == (Sequence(96, Vector(7)), 24 * 7)


def test_passengers_are_forecast(shared_data: Path) -> None:
    """Airline: months as times, whole numbers that are values and not classes, since there is a window."""
    path = shared_data / "timeseries" / "Airline.csv"
    data = _read(path, time="Date", window=12, horizon=2, split={"valid": 0})
    assert data.train.inputs[0, :, 0].tolist() == [112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118]
    assert data.train.targets[0].tolist() == [115, 126]
    assert data.test is not None
    assert data.test.targets[-1].tolist() == [390, 432]
    new = _read_new(path, features=["Passengers"], target=["Passengers"], time="Date", window=12, horizon=3)
    assert (new.names, new.steps) == (("1960-12",), ("1961-01", "1961-02", "1961-03"))
