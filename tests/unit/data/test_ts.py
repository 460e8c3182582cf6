"""Series in `.ts` files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.config.data import Ts
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence, Time, Vector
from dlcli.data.dataset import open_dataset
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError, RawData
from dlcli.data.sources import ts
from dlcli.errors import DataError

HEADER = "@problemName Small\n@timeStamps false\n@univariate false\n@dimensions 2\n@classLabel true walk run\n@data\n"
SERIES = "1,2,3:4,5,6:run\n7,8,9:-1,.5,1e2:walk\n"


UNEQUAL = HEADER.replace("@data", "@equalLength false\n@data")


def _facts(path: Path) -> DataFacts:
    return ts.facts(Ts(path=str(path)), Directories((), path))


def _read(path: Path, **fields: Any) -> RawData:
    return ts.read(Ts(path=str(path), **fields), Directories((), path), False)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Call it with a text and the name of its file; it gives the path."""

    def written(text: str, name: str = "Small_TRAIN.ts") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return written


def test_series_are_steps_of_dimensions(write: Callable[..., Path]) -> None:
    """(N, T, dimensions) as float32, classes by their place in the header, which is no alphabetical one."""
    path = write(HEADER + SERIES)
    data, facts = _read(path), _facts(path)
    expected = [[[1, 4], [2, 5], [3, 6]], [[7, -1], [8, 0.5], [9, 100]]]
    np.testing.assert_array_equal(data.train.inputs, np.array(expected, dtype=np.float32))
    assert data.train.inputs.dtype == np.float32
    assert (data.train.targets.dtype, data.train.targets.tolist()) == (np.int64, [1, 0])
    assert (data.class_names, data.valid, data.test, data.origin) == (("walk", "run"), None, None, str(path))
    assert (facts.input, facts.target.num_classes, facts.target.num_targets) == (Sequence(3, Vector(2)), 2, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.upper().replace("WALK", "walk").replace("RUN", "run"),
        lambda text: text.replace("\n", "\n\n  \n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff# a comment\n#\n" + text,
        lambda text: text.replace(",", " , ").replace(":", " : "),
        lambda text: text.replace("@dimensions 2", "@dimension 2\n@seriesLength 3\n@equalLength true\n@missing false"),
        lambda text: text.replace("@dimensions 2\n", ""),
    ],
    ids=["case", "blank lines", "windows", "byte order mark", "spaces", "other keys", "fewer keys"],
)
def test_the_same_series_can_be_written_in_many_ways(write: Callable[..., Path], change: Callable[[str], str]) -> None:
    """Case of keys, blank lines, line ends, comments, spaces and what the header leaves out change nothing."""
    plain, other = _read(write(HEADER + SERIES)), _read(write(change(HEADER + SERIES), "Other_TRAIN.ts"))
    np.testing.assert_array_equal(other.train.inputs, plain.train.inputs)
    assert (other.train.targets.tolist(), other.class_names) == ([1, 0], ("walk", "run"))


def test_values_to_predict_are_read_as_such(write: Callable[..., Path]) -> None:
    """With `@targetLabel true`: float32 (N, 1), and no classes."""
    path = write("@univariate true\n@classLabel false\n@targetLabel true\n@data\n1,2:0.25\n3,4:-7\n")
    data, facts = _read(path), _facts(path)
    assert (data.train.targets.dtype, data.train.targets.tolist(), data.class_names) == (np.float32, [[0.25], [-7.0]], None)
    assert (facts.input, facts.target.num_classes, facts.target.num_targets) == (Sequence(2, Vector(1)), None, 1)


def test_the_file_beside_is_the_test(write: Callable[..., Path], tmp_path: Path) -> None:
    """Found from the training file and from the folder; its classes have the numbers of the training's header."""
    path = write(HEADER + SERIES)
    write(HEADER.replace("walk run", "run walk") + "0,0,0:0,0,0:walk\n1,1,1:1,1,1:run\n2,2,2:2,2,2:run\n", "Small_TEST.ts")
    for given_path in (path, tmp_path):
        data = _read(given_path)
        assert data.test is not None
        assert (data.test.targets.tolist(), data.test.inputs[:, 0, 0].tolist()) == ([0, 1, 1], [0.0, 1.0, 2.0])
        assert (len(data.train), data.origin) == (2, str(path))


def test_what_is_read_is_handed_out_as_a_copy(write: Callable[..., Path]) -> None:
    """Who changes it does not change what is read next."""
    path = write(HEADER + SERIES)
    _read(path).train.inputs[:] = 0
    assert _read(path).train.inputs[0, 0, 0] == 1


def test_a_file_that_was_changed_is_read_again(write: Callable[..., Path]) -> None:
    """What is kept of a file is kept only as long as the file is the same."""
    assert len(_read(write(HEADER + SERIES)).train) == 2
    assert len(_read(write(HEADER + SERIES * 2)).train) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r":1: the file ends before a line `@data`"),
        (HEADER, r"holds no series after `@data`"),
        (HEADER.replace("@data\n", "") + SERIES, r":6: `1,2,3:4,5,6:run` stands before `@data`"),
        ("@clasLabel true a\n" + HEADER + SERIES, r":1: `@clasLabel` is no key"),
        ("@univariate false\n" + HEADER + SERIES, r":4: `@univariate` is there twice, first in .*:1"),
        (HEADER.replace("@timeStamps false", "@timeStamps true") + SERIES, r":2: the series have time stamps"),
        (
            HEADER.replace("@timeStamps false", "@timeStamps maybe") + SERIES,
            r":2: `@timestamps` is 'maybe', expected true or false",
        ),
        (HEADER.replace("@timeStamps false", "@timeStamps") + SERIES, r":2: `@timestamps` is nothing"),
        (HEADER.replace("true walk run", "false") + SERIES, r"neither `@classLabel` nor `@targetLabel` is true"),
        ("@targetLabel true\n" + HEADER + SERIES, r"both are true"),
        (HEADER.replace("true walk run", "true") + SERIES, r":5: `@classLabel` names no class"),
        (HEADER.replace("true walk run", "true walk walk") + SERIES, r":5: `@classLabel` names a class twice"),
        (HEADER.replace("@dimensions 2", "@dimensions two") + SERIES, r":4: `@dimensions` is 'two', expected a whole number"),
        (HEADER.replace("@dimensions 2", "@dimensions 0") + SERIES, r":4: `@dimensions` is '0'"),
        (HEADER.replace("@dimensions 2", "@dimensions " + "9" * 5000) + SERIES, r":4: `@dimensions` is '999"),
        (HEADER.replace("@dimensions 2", "@dimensions 3") + SERIES, r":7: this series has 2 dimensions, expected 3"),
        (HEADER.replace("@dimensions 2", "@seriesLength 4") + SERIES, r":7: this series has 3 steps, and `@seriesLength` is 4"),
        (HEADER + SERIES + "1,2,3:4,5,6:hop\n", r":9: the class is 'hop', and `@classLabel` has: walk, run"),
        (HEADER + SERIES + "1,2,3:4,5,6:\n", r":9: the class is ''"),
        (HEADER + SERIES + "1,2,3\n", r":9: the line has no `:`"),
        (HEADER + SERIES + "walk\n", r":9: the line has no `:`"),
        (HEADER + SERIES + "1,2,3:4,5,6:7,8,9:walk\n", r":9: this series has 3 dimensions, expected 2"),
        (
            HEADER.replace("@data", "@equalLength true\n@data") + SERIES + "\n1,2:4,5:walk\n",
            r":11: this series has 2 steps, and that in line 8 has 3, but `@equalLength` is true",
        ),
        (
            HEADER.replace("@data", "@seriesLength 3\n@data") + SERIES + "1:4:walk\n",
            r":10: this series has 1 step, and `@seriesLength` is 3",
        ),
        (UNEQUAL.replace("@data", "@seriesLength 10\n@data") + SERIES, r":9: this series has 3 steps, and `@seriesLength` is 10"),
        (HEADER + SERIES + "1,2,3:4,5:walk\n", r":9: dimension 2 has 2 steps, and dimension 1 has 3"),
        (HEADER + SERIES + "1,2,3:?,?,NaN:walk\n", r":9: dimension 2 has no value: all 3 steps are missing"),
        (UNEQUAL + SERIES + "1,2,3:?,?,NaN:walk\n", r":10: dimension 2 has no value: all 3 steps are missing"),
        (HEADER + SERIES + "?,nan:NaN,?:walk\n", r":9: the series has no value: all 2 steps are missing"),
        (HEADER + SERIES + ":4,5,6:walk\n", r":9: dimension 1 is empty, expected a number for each step"),
        (HEADER + SERIES + "::walk\n", r":9: dimension 1 is empty"),
        (HEADER + SERIES + "1,2,x:4,5,6:walk\n", r":9: value 3 of dimension 1 is 'x', expected a number"),
        (HEADER + SERIES + "1,2,:4,5,6:walk\n", r":9: value 3 of dimension 1 is '', expected a number"),
        (HEADER + SERIES + "1,2,inf:4,5,6:walk\n", r":9: value 3 of dimension 1 is 'inf'"),
        (HEADER + SERIES + "1,2,1e39:4,5,6:walk\n", r":9: value 3 of dimension 1 is '1e39'"),
        (HEADER + SERIES + "1,2,1_0:4,5,6:walk\n", r":9: value 3 of dimension 1 is '1_0'"),
        ("@targetLabel true\n@data\n1,2:high\n", r":3: the value to predict is 'high', expected a number"),
        ("@targetLabel true\n@data\n1,2:?\n", r":3: the value to predict is '\?'"),
    ],
)
def test_damaged_files_are_refused(write: Callable[..., Path], text: str, words: str) -> None:
    """With the file, the line, what was found and a mend."""
    path = write(text)
    for reading in (_read, _facts):
        with pytest.raises(DataError, match=words) as caught:
            reading(path)
        assert str(path) in caught.value.message
        assert caught.value.help
        assert not isinstance(caught.value, DataUnavailableError)


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            HEADER.replace("@data", "@seriesLength 2\n@data") + "1,2:3,4:run\n",
            r"Small_TEST\.ts:8: this series has 2 steps, and that in .*Small_TRAIN\.ts:8 has 3, but both files say",
        ),
        (HEADER.replace("@dimensions 2\n", "") + "1,2,3:run\n", r"Small_TEST\.ts:6: this series has 1 dimension, and that in"),
        (
            HEADER.replace("walk run", "walk hop") + "1,2,3:4,5,6:hop\n",
            r"TEST\.ts:5: the class 'hop' is none of those of .*TRAIN\.ts: walk, run",
        ),
        ("@targetLabel true\n@data\n1,2,3:4,5,6:1\n", r"one of .* has classes, and the other has values"),
    ],
)
def test_a_test_that_does_not_fit_the_training_is_refused(write: Callable[..., Path], test: str, words: str) -> None:
    """Other lengths, dimensions, classes or kinds of answers."""
    path = write(HEADER.replace("@data", "@equalLength true\n@data") + SERIES)
    write(test, "Small_TEST.ts")
    for reading in (_read, _facts):
        with pytest.raises(DataError, match=words) as caught:
            reading(path)
        assert caught.value.help


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """With the first line that is not UTF-8."""
    path = tmp_path / "X_TRAIN.ts"
    path.write_bytes(HEADER.encode() + b"1,2,3:4,5,6:walk\n\xff\xfe:walk\n")
    with pytest.raises(DataError, match=r"X_TRAIN\.ts:8: this line is not UTF-8"):
        _read(path)


def test_paths_that_hold_no_training_series_are_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    """Nothing there, a folder of no file or of two, and the file of the test."""
    with pytest.raises(DataUnavailableError, match="there is no file"):
        _facts(tmp_path / "absent")
    with pytest.raises(DataError, match=r"holds 0 files NAME_TRAIN\.ts, expected one: none"):
        _facts(tmp_path)
    test = write(HEADER + SERIES, "A_TEST.ts")
    with pytest.raises(DataError, match="holds the series of the test"):
        _facts(test)
    for name in ("A_TRAIN.ts", "B_TRAIN.ts"):
        write(HEADER + SERIES, name)
    with pytest.raises(DataError, match=r"holds 2 files NAME_TRAIN\.ts, expected one: A_TRAIN\.ts, B_TRAIN\.ts"):
        _facts(tmp_path)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any finite series of one size, to the last bit of float32."""
    sizes = [data.draw(st.integers(1, 5), label=what) for what in ("series", "steps", "dimensions")]
    count = int(np.prod(sizes))
    numbers = data.draw(st.lists(st.floats(-(2.0**126), 2.0**126, width=32), min_size=count, max_size=count))
    series = np.array(numbers, dtype=np.float32).reshape(sizes)
    classes = data.draw(st.lists(st.integers(0, 2), min_size=sizes[0], max_size=sizes[0]))
    lines = [
        ":".join([*(",".join(map(repr, map(float, dimension))) for dimension in one.T), "cab"[number]])
        for one, number in zip(series, classes, strict=True)
    ]
    path = tmp_path_factory.mktemp("written") / "W_TRAIN.ts"
    path.write_text("@classLabel true c a b\n@data\n" + "\n".join(lines))
    train = _read(path).train
    np.testing.assert_array_equal(train.inputs, series)
    assert train.targets.tolist() == classes


@pytest.mark.parametrize(
    ("name", "train", "test", "classes"),
    [("GunPoint", (50, 150, 1), (150, 150, 1), ("1", "2")), ("BasicMotions", (40, 100, 6), (40, 100, 6), None)],
)
def test_files_of_the_archive_are_read(
    shared_data: Path, name: str, train: tuple[int, ...], test: tuple[int, ...], classes: tuple[str, ...] | None
) -> None:
    """Sizes as the archive's site has them, and the values that `numpy.genfromtxt` reads."""
    path = shared_data / "timeseries" / f"{name}_TRAIN.ts"
    data = _read(path)
    assert data.test is not None
    assert (data.train.inputs.shape, data.test.inputs.shape) == (train, test)
    assert data.class_names == (classes or ("Standing", "Running", "Walking", "Badminton"))
    lines = path.read_text().partition("@data\n")[2].splitlines()
    values = np.genfromtxt([line.rpartition(":")[0].replace(":", ",") for line in lines], delimiter=",", dtype=np.float32)
    np.testing.assert_array_equal(data.train.inputs, values.reshape(train[0], train[2], train[1]).swapaxes(1, 2))
    labels = [line.rpartition(":")[2] for line in lines]
    assert [data.class_names[number] for number in data.train.targets] == labels


def test_series_of_the_archive_of_different_lengths_are_padded(shared_data: Path) -> None:
    """JapaneseVowels: 270 and 370 utterances of 7 to 29 steps, the values as `numpy.genfromtxt` reads them, then zeros."""
    path = shared_data / "timeseries" / "JapaneseVowels_TRAIN.ts"
    data = _read(path)
    assert _facts(path) == DataFacts.of(Sequence(Time(), Vector(12)), num_classes=9)
    assert data.test is not None
    lengths = [split.lengths for split in (data.train, data.test) if split.lengths is not None]
    assert [(len(of_split), of_split.min(), of_split.max()) for of_split in lengths] == [(270, 7, 26), (370, 7, 29)]
    assert (data.train.inputs.shape, data.test.inputs.shape) == ((270, 26, 12), (370, 29, 12))
    lines = path.read_text().partition("@data\n")[2].splitlines()
    for line, padded, length in zip(lines, data.train.inputs, lengths[0], strict=True):
        values = np.genfromtxt(line.split(":")[:-1], delimiter=",", dtype=np.float32).T
        assert len(values) == length
        np.testing.assert_array_equal(padded, np.pad(values, [(0, 26 - length), (0, 0)]))


def test_series_of_different_lengths_are_padded_with_zeros(write: Callable[..., Path]) -> None:
    """To the longest of their file; the number of steps is symbolic, whatever the answers are."""
    for header, labels in ((HEADER, ("walk", "run")), ("@targetLabel true\n@data\n", ("1.5", "-2"))):
        data = _read(path := write(f"{header}1,2:3,4:{labels[0]}\n5,6,7:8,9,10:{labels[1]}\n1:2:{labels[0]}\n"))
        expected = [[[1, 3], [2, 4], [0, 0]], [[5, 8], [6, 9], [7, 10]], [[1, 2], [0, 0], [0, 0]]]
        np.testing.assert_array_equal(data.train.inputs, np.array(expected, dtype=np.float32))
        assert data.train.lengths is not None
        assert (data.train.lengths.dtype, data.train.lengths.tolist()) == (np.int64, [2, 3, 1])
        assert _facts(path).input == Sequence(Time(), Vector(2))
    assert _facts(path).target.num_targets == 1
    assert data.train.targets.tolist() == [[1.5], [-2.0], [1.5]]


def test_one_length_is_fixed_and_two_are_not(write: Callable[..., Path]) -> None:
    """Whatever the header says; lengths of training and test count together, and then both splits have them."""
    path = write(UNEQUAL + SERIES)
    write(UNEQUAL + SERIES, "Small_TEST.ts")
    data = _read(path)
    assert data.test is not None
    assert (data.train.lengths, data.test.lengths, _facts(path).input) == (None, None, Sequence(3, Vector(2)))
    write(HEADER + "1,2:3,4:run\n", "Small_TEST.ts")
    data = _read(path)
    assert data.test is not None
    assert data.train.lengths is not None
    assert data.test.lengths is not None
    assert (data.train.lengths.tolist(), data.test.lengths.tolist()) == ([3, 3], [2])
    assert _facts(path).input == Sequence(Time(), Vector(2))


@pytest.mark.parametrize(
    ("missing", "first", "second"),
    [
        ("linear", [2, 2, 3, 4, 5, 5], [0, 3, 6, 4, 2, 0]),
        ("previous", [2, 2, 2, 2, 5, 5], [0, 0, 6, 6, 6, 0]),
        ("zero", [0, 2, 0, 0, 5, 0], [0, 0, 6, 0, 0, 0]),
    ],
)
def test_missing_values_are_filled_in(write: Callable[..., Path], missing: str, first: list[int], second: list[int]) -> None:
    """In each dimension by itself, `?` and NaN alike, and it is said how many."""
    path = write(HEADER + SERIES + "?,2,NaN, ? ,5,nan:0,-nan,6,?,?,0:walk\n")
    write(HEADER + SERIES, "Small_TEST.ts")
    data = _read(path, missing=missing)
    assert data.train.inputs[2].T.tolist() == [first, second]
    [notice] = data.notices
    assert "7 of 24 values are missing, in 1 of 3 series of Small_TRAIN.ts" in notice
    assert notice.endswith(f"(`missing: {missing}`)")


def test_missing_values_are_filled_in_linearly_by_default(write: Callable[..., Path]) -> None:
    """As the archive itself does it."""
    path = write(HEADER + "1,?,2:?,0,0:run\n")
    assert _read(path).train.inputs.tolist() == _read(path, missing="linear").train.inputs.tolist()
    assert _read(write(HEADER + SERIES)).notices == ()


def test_missing_values_can_be_refused(write: Callable[..., Path]) -> None:
    """The first of them by its line, dimension and step."""
    path = write(HEADER + SERIES + "1,2,3:4,?,NaN:walk\n")
    with pytest.raises(DataError, match=r":9: value 2 of dimension 2 is missing") as caught:
        _read(path, missing="refuse")
    assert "missing: linear" in (caught.value.help or "")


def test_steps_missing_at_the_end_are_padding_only_where_lengths_may_differ(write: Callable[..., Path]) -> None:
    """With `@equalLength false` they end the series, also under `refuse`; else they are filled in."""
    series = "1,2,?,?:3,?,NaN,?:run\n"
    for fields in ({}, {"missing": "refuse"}):
        text = UNEQUAL + SERIES + (series if not fields else series.replace("3,?", "3,3"))
        data = _read(path := write(text), **fields)
        assert data.train.lengths is not None
        assert (data.train.lengths.tolist(), data.train.inputs.shape) == ([3, 3, 2], (3, 3, 2))
        assert data.train.inputs[2].tolist() == [[1, 3], [2, 3], [0, 0]]
    assert data.notices == ()
    data = _read(path := write(HEADER + series))
    assert data.train.inputs[0].tolist() == [[1, 3], [2, 3], [2, 3], [2, 3]]
    assert _facts(path).input == Sequence(4, Vector(2))


NEW = [
    "1,2,3:4,5,6:walk\n7,8:9,1:run",
    "1,2,3:4,5,6:never seen\n7,8:9,1:",
    "1,2,3:4,5,6:?\n7,8:9,1:0.5",
    "1,2,3:4,5,6\n7,8:9,1",
]


@pytest.mark.parametrize("series", NEW)
@pytest.mark.parametrize(
    "header",
    [HEADER, HEADER.replace("@dimensions 2\n", ""), HEADER.replace("true walk run", "false"), "@targetLabel true\n@data\n"],
    ids=["as in training", "no dimensions", "no classes", "values"],
)
def test_new_series_need_no_answers(write: Callable[..., Path], header: str, series: str) -> None:
    """A class, one never seen, a `?`, nothing at all: the series are the same, named by their lines."""
    new = ts.read_new(Ts(path="gone_TRAIN.ts"), write(f"{header}# two\n{series}\n", "wishes.ts"))
    assert isinstance(new.inputs, np.ndarray)
    assert new.inputs.tolist() == [[[1, 4], [2, 5], [3, 6]], [[7, 9], [8, 1], [0, 0]]]
    assert new.lengths is not None
    assert new.lengths.tolist() == [3, 2]
    first = header.count("\n") + 2
    assert (new.names, new.steps) == ((f"line {first}", f"line {first + 1}"), None)


def test_new_series_of_one_length_have_no_lengths(write: Callable[..., Path]) -> None:
    """As in training; also a single step without its class."""
    assert ts.read_new(Ts(path="x"), write(HEADER + SERIES)).lengths is None
    new = ts.read_new(Ts(path="x"), write(HEADER + "1:2\n"))
    assert (new.inputs.tolist(), new.lengths) == ([[[1, 2]]], None)


def test_new_series_are_filled_in_as_the_run_did_it(write: Callable[..., Path]) -> None:
    """By the run's `missing`."""
    path = write(HEADER + "1,?,3:0,0,?\n")
    filled = ts.read_new(Ts(path="x", missing="zero"), path).inputs
    assert filled.tolist() == [[[1, 0], [0, 0], [3, 0]]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER, "holds no series"),
        (HEADER + "1,2,3:run\n", r":7: value 1 of dimension 2 is 'run'"),
        (HEADER + "1,2,3\n", r":7: this series has 1 dimension, expected 2"),
        (HEADER + "1,2,3:1\n", r":7: dimension 2 has 1 step, and dimension 1 has 3"),
        (HEADER + "1,2:3,4:5,6:run\n", r":7: this series has 3 dimensions, expected 2"),
        (HEADER + "1,2:3,4:run\n1,x:3,4:run\n", r":8: value 2 of dimension 1 is 'x'"),
        (
            HEADER.replace("@data", "@seriesLength 3\n@data") + "1,2:3,4\n",
            r":8: this series has 2 steps, and `@seriesLength` is 3",
        ),
        (HEADER.replace("@timeStamps false", "@timeStamps true") + SERIES, r":2: the series have time stamps"),
        ("@targetLabel true\n" + HEADER + SERIES, "both are true"),
        ("step,value\n1,2\n", r":1: `step,value` stands before `@data`"),
    ],
)
def test_damaged_files_of_new_series_are_refused(write: Callable[..., Path], text: str, words: str) -> None:
    """By the rules of the training."""
    with pytest.raises(DataError, match=words) as caught:
        ts.read_new(Ts(path="x"), write(text))
    assert caught.value.help


def test_a_path_that_is_no_file_of_new_series_is_refused(tmp_path: Path) -> None:
    """A folder, and nothing."""
    for path in (tmp_path, tmp_path / "absent.ts"):
        with pytest.raises(DataError, match="can't be read"):
            ts.read_new(Ts(path="x"), path)


def test_series_are_normalised_by_dimension(write: Callable[..., Path]) -> None:
    """Mean and deviation of the training series alone, over series and steps."""
    path = write(HEADER + SERIES * 5)
    write(HEADER + "100,100,100:100,100,100:run\n", "Small_TEST.ts")
    dataset = open_dataset(Ts(path=str(path), split={"valid": 0}), Directories((), path), pytest.fail)
    values = np.array([[1, 4], [2, 5], [3, 6], [7, -1], [8, 0.5], [9, 100]])
    np.testing.assert_allclose(dataset.spec.normalize.mean, values.mean(0), rtol=1e-6)
    np.testing.assert_allclose(dataset.spec.normalize.std, values.std(0), rtol=1e-6)
