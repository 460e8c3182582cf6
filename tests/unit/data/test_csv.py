"""Tables as samples."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dlcli.config.data import Csv
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Vector
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError, RawData
from dlcli.data.sources import csv_table
from dlcli.errors import DataError

PETS = "weight,age,name,kind\n4.5,3,Tom,cat\n30,5,Rex,dog\n0.5,1,Jim,ant\n5,2,Kim,cat\n"


def _facts(path: Path, **fields: Any) -> DataFacts:
    return csv_table.facts(Csv(path=str(path), **fields), Directories((), path))


def _read(path: Path, **fields: Any) -> RawData:
    return csv_table.read(Csv(path=str(path), **fields), Directories((), path), False)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Call it with a text and the name of its file; it gives the path."""

    def written(text: str, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return written


def _steps(count: int) -> str:
    """Rows of time, x = time + 0.5 and y = -time."""
    return "t,x,y\n" + "".join(f"{step},{step + 0.5},{-step}\n" for step in range(count))


def test_a_row_is_a_sample_and_the_last_column_its_class(write: Callable[..., Path]) -> None:
    """Columns of numbers are the features, in the file's order; texts are classes, sorted; other columns of text are left out."""
    path = write(PETS)
    data, facts = _read(path), _facts(path)
    np.testing.assert_array_equal(data.train.inputs, np.array([[4.5, 3], [30, 5], [0.5, 1], [5, 2]], dtype=np.float32))
    assert data.train.inputs.dtype == np.float32
    assert (data.train.targets.dtype, data.train.targets.tolist()) == (np.int64, [1, 2, 0, 1])
    assert (data.class_names, data.valid, data.test, data.origin) == (("ant", "cat", "dog"), None, None, str(path))
    assert (facts.input, facts.target.num_classes, facts.target.num_targets) == (Vector(2), 3, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace(",", "|"),
        lambda text: text.replace(",", ", "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("Tom", '"Tom, the ""big""\n;;;; one"').replace("age", '"age"'),
        lambda text: text.replace("Tom", "Tom;|;|;|;|;"),
        lambda text: text.removesuffix("\n"),
        lambda text: text.replace("30", " +3.0e1 "),
    ],
)
def test_the_same_table_can_be_written_in_many_ways(write: Callable[..., Path], change: Callable[[str], str]) -> None:
    """Delimiters, spaces, line ends, blank lines, a byte order mark, quotes, and cells that hold other delimiters."""
    plain, other = _read(write(PETS)), _read(write(change(PETS), "other.csv"))
    np.testing.assert_array_equal(other.train.inputs, plain.train.inputs)
    assert (other.train.targets.tolist(), other.class_names) == (plain.train.targets.tolist(), plain.class_names)


@pytest.mark.parametrize(
    ("cells", "targets", "names"),
    [
        ("0 1 2 1 0 2", [0, 1, 2, 1, 0, 2], None),
        ("3 10 3 10 10 3", [0, 1, 0, 1, 1, 0], ("3", "10")),
        ("-1 1 +1 -1 1 1", [0, 1, 1, 0, 1, 1], ("-1", "1")),
        ("1 2 1 2 1 2", [0, 1, 0, 1, 0, 1], ("1", "2")),
        ("b 7 b a a b", [2, 0, 2, 1, 1, 2], ("7", "a", "b")),
        ("0 1 2 1 0 2.0", [[0.0], [1.0], [2.0], [1.0], [0.0], [2.0]], None),
        ("5e-1 1 2 1 0 2", [[0.5], [1.0], [2.0], [1.0], [0.0], [2.0]], None),
    ],
)
def test_what_is_predicted_follows_from_the_cells(
    write: Callable[..., Path], cells: str, targets: list[Any], names: tuple[str, ...] | None
) -> None:
    """Whole numbers and texts are classes; one number with a fraction makes them all values."""
    path = write("x,y\n" + "".join(f"1.5,{cell}\n" for cell in cells.split()))
    data, target = _read(path), _facts(path).target
    assert (data.train.targets.tolist(), data.class_names) == (targets, names)
    is_values = isinstance(targets[0], list)
    assert data.train.targets.dtype == (np.float32 if is_values else np.int64)
    expected = (None, 1) if is_values else (len(names or {*targets}), None)
    assert (target.num_classes, target.num_targets) == expected


def test_columns_are_chosen_by_name(write: Callable[..., Path]) -> None:
    """Features in the order that is asked for; several targets are values, whole numbers too."""
    path = write("a,b,c,d\n1,2,3,4\n5,6,7,8\n")
    data = _read(path, features=["d", "b"], target=["c", "a"])
    assert data.train.inputs.tolist() == [[4, 2], [8, 6]]
    assert (data.train.targets.tolist(), data.train.targets.dtype) == ([[3, 1], [7, 5]], np.float32)
    assert _facts(path, features=["d", "b"], target=["c", "a"]).target.num_targets == 2
    assert _read(path, target="b").train.inputs.tolist() == [[1, 3, 4], [5, 7, 8]]


def test_a_damaged_column_that_is_not_asked_for_does_not_matter(write: Callable[..., Path]) -> None:
    """`features` leaves it out."""
    path = write("a,b,c\n1,2,x\n3,,y\n")
    assert _read(path, features=["a"]).train.inputs.tolist() == [[1], [3]]


def test_reading_settles_which_columns_are_read_and_predicted(write: Callable[..., Path]) -> None:
    """With what was found the same samples are read again, whatever columns the table has by then."""
    path = write(PETS)
    found = dict(_read(path).found)
    assert found == {"target": ("kind",), "features": ("weight", "age")}
    again = _read(write(PETS.replace("name,kind", "name,kind,more").replace("\n", ",1\n").replace("more,1", "more")), **found)
    np.testing.assert_array_equal(again.train.inputs, [[4.5, 3], [30, 5], [0.5, 1], [5, 2]])
    assert again.class_names == ("ant", "cat", "dog")


def test_the_last_column_is_predicted_unless_it_is_the_time(write: Callable[..., Path]) -> None:
    """As pandas writes a frame whose dates are its index, for example."""
    data = _read(write("x,y,t\n1,2.5,1\n3,4.5,2\n5,6.5,3\n"), time="t", split={"valid": 0, "test": 0})
    assert (data.train.inputs.tolist(), data.train.targets.tolist()) == ([[1], [3], [5]], [[2.5], [4.5], [6.5]])


def test_only_the_first_rows_are_read(write: Callable[..., Path]) -> None:
    """In the order of time where there is one; what the others hold does not matter."""
    path = write("t,x,y\n5,,b\n1,10,a\n2,20,a\n4,?,c\n3,30,a\n")
    data = _read(path, time="t", rows=3, features=["x"], split={"valid": 0, "test": 0})
    assert (data.train.inputs.tolist(), data.class_names) == ([[10], [20], [30]], ("a",))
    with pytest.raises(DataError, match=r":5: column `x` holds no number"):
        _read(path, time="t", rows=4, features=["x"])
    assert _read(write("x,y\n1,2.5\n3,4.5\n5,\n"), rows=2).train.inputs.tolist() == [[1], [3]]


_ROWS = Csv(path="x.csv", features=["age", "weight"], target=["kind"])


def test_new_rows_need_the_features_alone(write: Callable[..., Path]) -> None:
    """Each row is a sample called after its line, its columns in the order of the training."""
    new = csv_table.read_new(_ROWS, write("weight,note,age\n4.5,x,3\n\n30,,5\n"))
    np.testing.assert_array_equal(new.inputs, np.array([[3, 4.5], [5, 30]], dtype=np.float32))
    assert (new.names, new.lengths, new.steps) == (("2", "4"), None, None)
    with pytest.raises(DataError, match=r"has no column `age`, which data\.features of the run names") as caught:
        csv_table.read_new(_ROWS, write("weight,ages\n4.5,3\n"))
    assert caught.value.help == "did you mean `ages`?"
    with pytest.raises(DataError, match=r":3: column `age` is empty"):
        csv_table.read_new(_ROWS, write("weight,age\n4.5,3\n1,\n"))


def test_new_rows_that_are_not_there(tmp_path: Path) -> None:
    """No file, and a folder."""
    with pytest.raises(DataError, match="can't be read: No such file"):
        csv_table.read_new(_ROWS, tmp_path / "absent.csv")
    with pytest.raises(DataError, match="is a folder, expected a table"):
        csv_table.read_new(_ROWS, tmp_path)


@pytest.mark.parametrize(
    ("name", "cycle", "place"),
    [
        ("minute", 60, lambda date: date.minute),
        ("hour", 24, lambda date: date.hour),
        ("weekday", 7, lambda date: date.isoweekday() - 1),
        ("day", 31, lambda date: date.day - 1),
        ("month", 12, lambda date: date.month - 1),
        ("dayofyear", 366, lambda date: int(date.strftime("%j")) - 1),
    ],
)
def test_dates_are_features_on_request(
    write: Callable[..., Path], name: str, cycle: int, place: Callable[[datetime], int]
) -> None:
    """Where in its cycle each date lies is the angle of the two numbers beside the features, by the clock it is written in."""
    dates = [datetime(2015, 12, 27, 5, 7) + timedelta(hours=31, minutes=11) * step for step in range(300)]
    path = write("when,x,y\n" + "".join(f"{date.isoformat()}+05:30,{step},0.5\n" for step, date in enumerate(dates)))
    data = _read(path, time="when", date_features=name, split={"valid": 0, "test": 0})
    np.testing.assert_array_equal(data.train.inputs[:, 0], np.arange(300))
    angles = np.arctan2(data.train.inputs[:, 1], data.train.inputs[:, 2]) % (2 * np.pi)
    places = np.round(angles * cycle / (2 * np.pi)).astype(int) % cycle
    assert places.tolist() == [place(date) for date in dates]
    np.testing.assert_allclose(np.hypot(data.train.inputs[:, 1], data.train.inputs[:, 2]), 1, rtol=1e-6)
    assert _facts(path, time="when", date_features=[name, "hour" if name != "hour" else "day"]).input == Vector(5)


def test_rows_with_a_time_are_split_in_its_order(write: Callable[..., Path]) -> None:
    """The earliest for training, the latest for the test; no split whose share is 0."""
    order = np.random.default_rng(0).permutation(20)
    path = write("t,x,y\n" + "".join(f"{step},{step},{step}.5\n" for step in order))
    data = _read(path, time="t")
    assert data.valid is not None
    assert data.test is not None
    assert [part.inputs[:, 0].tolist() for part in (data.train, data.valid, data.test)] == [
        [*range(14)],
        [14, 15],
        [*range(16, 20)],
    ]
    assert data.test.targets.tolist() == [[16.5], [17.5], [18.5], [19.5]]
    without = _read(path, time="t", split={"valid": 0, "test": 0})
    assert (without.valid, without.test, len(without.train)) == (None, None, 20)


@pytest.mark.parametrize(
    "times",
    [
        ["2016-07-01", "2016-07-02", "2016-10-01", "2017-01-01"],
        ["2016-07-01 09:00", "2016-07-01 10:30", "2016-07-01 10:30:01", "2016-07-02 00:00"],
        ["1949-01", "1949-02", "1949-11", "1950-01"],
        ["2016-07-01T12:00+02:00", "2016-07-01T10:30", "2016-07-01T11:00Z", "2016-07-01T11:00-01:00"],
        ["-3", "2.5", "9", "10"],
        ["1e-1", "1.5", "1.50", "20"],
    ],
)
def test_times_are_numbers_or_dates(write: Callable[..., Path], times: list[str]) -> None:
    """Ordered by what they mean and not by their letters; equal times stay in the file's order."""
    rows = [f"{time},{place}.5,{place}.5" for place, time in enumerate(times)]
    shuffled = [rows[2], rows[0], rows[3], rows[1]] if times[1] != "1.5" else [rows[1], rows[2], rows[0], rows[3]]
    path = write("\n".join(["when,x,y", *shuffled]))
    data = _read(path, time="when", split={"valid": 0, "test": 0.25})
    assert data.test is not None
    assert [*data.train.inputs[:, 0], *data.test.inputs[:, 0]] == [0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        ("", {}, "is empty"),
        ("\n\n", {}, "is empty"),
        ("a,b\n", {}, "has a header and no rows"),
        ("1,2.5\n3,4\n", {}, r":1: the first row is all numbers, 1, 2\.5, expected the names"),
        ("a,,b\n1,2,3\n", {}, r":1: column 2 has no name"),
        ("\n\na,b,a\n1,2,3\n", {}, r":3: columns 1 and 3 are both called `a`"),
        ("a,b\n1,2\n3\n", {}, r":3: the row has 1 cells, and the header 2"),
        ("a,b\n1,2\n3,4,5\n", {}, r":3: the row has 3 cells, and the header 2"),
        ('a,b\n1,2\n"x,3\n', {}, r":3: the row that begins here can't be read: unexpected end"),
        ('a,b\n1,2\n"x"y,3\n', {}, r":3: the row that begins here can't be read"),
        ("a,b\n1,2.5\n" + '"' + "x" * 200_000, {}, r":3: the row that begins here can't be read: field larger"),
        ("a,b\n1,2.5\n,3\n", {}, r":3: column `a` is empty, expected a number"),
        ("a,b\n1,2.5\n\n2,3\nx,3\n", {}, r":5: column `a` holds 'x', expected a number"),
        ('a,n,b\n1,"x\ny",2.5\nNaN,z,3\n', {}, r":4: column `a` holds 'NaN'"),
        ("a,b\n1,2.5\ninf,3\n", {}, r":3: column `a` holds 'inf'"),
        ("a,b\n1,2.5\n1e39,3\n", {}, r":3: column `a` holds '1e39'"),
        ("a,b\n1,2.5\n1_000,3\n", {}, r":3: column `a` holds '1_000'"),
        ("a;b\n1,5;2\n2,5;2\n", {}, r":2: column `a` holds '1,5', expected a number like 12\.5"),
        ("a,b\n,2.5\n,3\n", {}, "has no column of numbers to predict `b` from; its columns: a, b"),
        ("b\n1\n2\n", {}, "has no column of numbers to predict `b` from"),
        ("a,b\n1,2.5\n2,\n", {}, r":3: column `b` is empty, expected a number"),
        ("a,b\n1,x\n2,\n3,y\n", {}, r":3: column `b` is empty, expected a class"),
        ("a,b\n" + "".join(f"1,{row}\n" for row in range(11)), {}, r"column `b` has 11 classes in 11 rows"),
        ("a,b\n" + "".join(f"1,x{row}\n" for row in range(11)), {}, r"column `b` has 11 classes in 11 rows"),
        ("a,b\n1,2\n", {"features": ["a", "c"]}, "has no column `c`, which data.features names"),
        ("a,b\n1,2\n", {"target": "c"}, "has no column `c`, which data.target names"),
        ("a,b\n1,2\n", {"time": "c"}, "has no column `c`, which data.time names"),
        ("a,b\n1,2\n", {"time": "b"}, "has no column of numbers to predict `a` from"),
        ("a\n1\n", {"time": "a"}, "has no column of numbers beside `a`"),
        ("a,b\n1,2\n", {"features": ["a", "b"]}, "the last column, `b`, is to be predicted, and data.features names it"),
        ("a,b,c\n1,2,x\n3,4,y\n", {"target": ["b", "c"]}, r":2: column `c` holds 'x', expected a number"),
        ("a,b,c\nx,2,1\ny,4,0\n", {"features": ["a"]}, r":2: column `a` holds 'x', expected a number"),
        ("t,a,b\n1/2/16,2,1\n2/2/16,4,0\n", {"time": "t"}, r":2: column `t` holds '1/2/16', expected a number or a date"),
        ("t,a,b\n2016-01-01,2,1\n,4,0\n", {"time": "t"}, r":3: column `t` holds '', expected a number or a date"),
        ("t,a,b\n1,2,1\n2,4,0\nx,4,0\n", {"time": "t"}, r":4: column `t` holds 'x', expected a number"),
        (_steps(9), {"rows": 10}, "has 9 rows, and data.rows asks for the first 10"),
        (_steps(9), {"time": "t", "date_features": "hour"}, "column `t` holds numbers like 0"),
        (_steps(4), {"time": "t", "target": "x"}, "the valid split has 0 of 4 rows, expected at least one"),
    ],
)
def test_tables_that_can_not_be_used_are_refused(
    write: Callable[..., Path], text: str, fields: dict[str, Any], words: str
) -> None:
    """With the file, the line and the column where there is one, what was found and a mend."""
    path = write(text)
    with pytest.raises(DataError, match=words) as caught:
        _read(path, **fields)
    assert str(path) in caught.value.message
    assert caught.value.help
    assert not isinstance(caught.value, DataUnavailableError)


def test_what_looks_like_code_is_text(write: Callable[..., Path]) -> None:
    """Cells are data."""
    path = write("a,b\n1,=1+1\n2,__import__('os')\n3,=1+1\n4,=1+1\n")
    assert _read(path).class_names == ("=1+1", "__import__('os')")


@pytest.mark.parametrize("content", [b"a,b\n1,2.5\n\xe9,3\n", "a,b\n1,2.5\n".encode("utf-16"), b"\x1f\x8b\x08\x00"])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    """With the first line that is not UTF-8: in another encoding, or packed."""
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"table\.csv:{3 if content[:1] == b'a' else 1}: this line is not UTF-8"):
        _read(path)


def test_a_file_that_does_not_fit_into_memory_is_refused(tmp_path: Path) -> None:
    """By its size, before anything of it is read."""
    path = tmp_path / "table.csv"
    path.touch()
    os.truncate(path, 2 * 10**9 + 1)
    with pytest.raises(DataError, match=r"has 2\.0 GB, and tables of at most 2 GB are read") as caught:
        _facts(path)
    assert ".npz" in (caught.value.help or "")


def test_absent_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    """A fallback answers the first alone."""
    with pytest.raises(DataUnavailableError, match="there is no file"):
        _facts(tmp_path / "absent.csv")
    with pytest.raises(DataError, match="is a folder, expected a table"):
        _facts(tmp_path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"horizon": 2}, "`horizon` needs `window`"),
        ({"stride": 2}, "`stride` needs `window`"),
        ({"target": "all"}, "`target` is `all`, which needs `window`"),
        ({"target": []}, "expected the name of a column, a list of names, or `all`, found"),
        ({"target": 5}, "expected the name of a column, a list of names, or `all`, found the number 5"),
        ({"target": ["x", 5]}, "expected the name of a column, a list of names, or `all`, found"),
        ({"date_features": "hour"}, "`date_features` needs `time`"),
        ({"date_features": ["hour", "hour"], "time": "t"}, "one of them is named twice"),
        ({"time": "t", "features": ["t", "x"]}, "`features` names 't', which is `time`"),
        ({"time": "t", "target": "t", "window": 2}, "`target` names 't', which is `time`"),
        ({"features": ["x"], "target": ["y", "x"]}, "`features` names 'x', which is to be predicted"),
        ({"features": ["x", "x"]}, "one of them is named twice"),
    ],
)
def test_a_column_has_one_use(fields: dict[str, Any], words: str) -> None:
    """What contradicts itself is refused before a file is looked at."""
    with pytest.raises(ValidationError, match=words):
        Csv(path="table.csv", **fields)


def test_a_table_is_parsed_once_for_facts_and_samples(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """And again where the file has changed; what was handed out can be changed without harm."""
    path = write(PETS)
    csv_table.read_table.cache_clear()
    _facts(path)
    _read(path).train.inputs[:] = 0
    assert _read(path).train.inputs[0, 0] == 4.5
    assert csv_table.read_table.cache_info().misses == 1
    write(PETS + "1,1,Pip,ant\n")
    assert len(_read(path).train) == 5


_LABELS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).map(str.strip).filter(bool)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(",;\t|"), st.sampled_from([("\n", csv.QUOTE_NONNUMERIC), ("\r\n", csv.QUOTE_MINIMAL)]))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, delimiter: str, style: tuple[str, Any]
) -> None:
    """Any finite float32 numbers and any texts, as Python's own writer puts them down."""
    rows, columns = data.draw(st.integers(3, 8)), data.draw(st.integers(1, 4))
    numbers = data.draw(st.lists(st.floats(-(2.0**126), 2.0**126, width=32), min_size=rows * columns, max_size=rows * columns))
    inputs = np.array(numbers, dtype=np.float32).reshape(rows, columns)
    words = data.draw(st.lists(_LABELS.map(lambda text: f"a {text}"), min_size=1, max_size=2, unique=True))
    labels = [words[number % len(words)] for number in range(rows)]
    path = tmp_path_factory.mktemp("written") / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=style[0], quoting=style[1])
        writer.writerow([*(f"column {number}" for number in range(columns)), "label"])
        writer.writerows([*map(float, row), label] for row, label in zip(inputs, labels, strict=True))
    read = _read(path)
    np.testing.assert_array_equal(read.train.inputs, inputs)
    assert read.class_names == tuple(sorted(set(labels)))
    assert [read.class_names[number] for number in read.train.targets] == labels
