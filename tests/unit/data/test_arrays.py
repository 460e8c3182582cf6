"""NumPy arrays of an .npz file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.config.data import Arrays
from dlcli.config.diagnostics import Report
from dlcli.config.facts import DataFacts, Target
from dlcli.config.shapes import Image, Sequence, Shape, Time, Token, Vector, Volume
from dlcli.config.spec import read
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError, RawData
from dlcli.data.sources import arrays
from dlcli.errors import DataError
from tests.unit.config.configs import parse

CLASSES = np.array([0, 1, 2, 1, 0, 2])
VALUES = np.linspace(-1, 1, 6)


class Saved:
    """A file with arrays, and how it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, **named: Any) -> Saved:
        np.savez(self.path, **named)
        return self

    def facts(self, **fields: Any) -> DataFacts:
        return arrays.facts(Arrays(path=str(self.path), **fields), Directories((), self.path))

    def read(self, **fields: Any) -> RawData:
        return arrays.read(Arrays(path=str(self.path), **fields), Directories((), self.path), False)


@pytest.fixture
def save(tmp_path: Path) -> Saved:
    """Call it with arrays by name, then read."""
    return Saved(tmp_path / "my.npz")


def _counting(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


CASES = [
    (_counting(6, 5), {}, Vector(5), (6, 5)),
    (_counting(6, 5, dtype=np.uint8), {}, Vector(5), (6, 5)),
    (_counting(6, 9, 2), {}, Sequence(9, Vector(2)), (6, 9, 2)),
    (_counting(6, 9), {"layout": "series"}, Sequence(9, Vector(1)), (6, 9, 1)),
    (_counting(6, 9, 2, dtype=np.uint8), {"layout": "series"}, Sequence(9, Vector(2)), (6, 9, 2)),
    (_counting(6, 9, 8, dtype=np.uint8), {}, Image(1, 9, 8), (6, 9, 8, 1)),
    (_counting(6, 9, 8), {"layout": "image"}, Image(1, 9, 8), (6, 9, 8, 1)),
    (_counting(6, 9, 8, 3), {}, Image(3, 9, 8), (6, 9, 8, 3)),
    (_counting(6, 3, 9, 8), {}, Image(3, 9, 8), (6, 9, 8, 3)),
    (_counting(6, 1, 9, 8, dtype=np.uint8), {}, Image(1, 9, 8), (6, 9, 8, 1)),
    (_counting(6, 2, 9, 8), {}, Image(2, 9, 8), (6, 9, 8, 2)),
    (_counting(6, 9, 8, 5), {}, Image(5, 9, 8), (6, 9, 8, 5)),
    (_counting(6, 4, 4, 1), {}, Image(1, 4, 4), (6, 4, 4, 1)),
    (_counting(6, 7, 9, 8, 3), {"layout": "clip"}, Sequence(7, Image(3, 9, 8)), (6, 7, 9, 8, 3)),
    (_counting(6, 7, 3, 9, 8), {"layout": "clip"}, Sequence(7, Image(3, 9, 8)), (6, 7, 9, 8, 3)),
    (_counting(6, 7, 9, 8), {"layout": "clip"}, Sequence(7, Image(1, 9, 8)), (6, 7, 9, 8, 1)),
    (_counting(6, 1, 7, 9, 8), {"layout": "volume"}, Volume(1, 7, 9, 8), (6, 7, 9, 8, 1)),
    (_counting(6, 7, 9, 8), {"layout": "volume"}, Volume(1, 7, 9, 8), (6, 7, 9, 8, 1)),
    (_counting(6, 9, 8, 3), {"view": "rows"}, Sequence(9, Vector(24)), (6, 9, 8, 3)),
]


@pytest.mark.parametrize(("values", "fields", "shape", "stored"), CASES)
def test_what_a_sample_is_follows_from_axes_and_type(
    save: Saved, values: np.ndarray, fields: dict[str, Any], shape: object, stored: tuple[int, ...]
) -> None:
    """For each layout: the shape a network reads, and arrays whose channels come last."""
    save(x_train=values, y_train=CLASSES)
    assert save.facts(**fields).input == shape
    inputs = save.read(**fields).train.inputs
    assert inputs.shape == stored
    eight_bit = values.dtype == np.uint8 and fields.get("layout") != "series" and len(stored) > 3
    assert inputs.dtype == (np.uint8 if eight_bit else np.float32)
    moved = values if values.size == inputs.size and values.shape == stored else None
    if moved is not None:
        np.testing.assert_array_equal(inputs, moved)
    assert sorted(inputs.ravel().tolist()) == sorted(values.ravel().tolist())


def test_channels_move_with_their_pixels(save: Saved) -> None:
    """(N, C, H, W) is kept as (N, H, W, C)."""
    values = _counting(6, 3, 9, 8)
    inputs = save(x_train=values, y_train=CLASSES).read().train.inputs
    assert inputs[4, 7, 2, 1] == values[4, 1, 7, 2]


def test_tokens_are_whole_numbers_of_a_vocabulary(save: Saved) -> None:
    """One larger than the largest of all splits."""
    tokens = np.array([[0, 3], [1, 2], [0, 0], [1, 1], [2, 2], [3, 3]])
    save(x_train=tokens, y_train=CLASSES, x_test=tokens[:2] + 4, y_test=CLASSES[:2])
    assert save.facts(layout="tokens").input == Sequence(2, Token(8))
    data = save.read(layout="tokens")
    assert data.train.inputs.dtype == np.int64
    np.testing.assert_array_equal(data.train.inputs, tokens)


def test_splits_are_read_by_their_names(save: Saved) -> None:
    """All three, or only those that are there; x and y alone stand for the training samples."""
    x = _counting(6, 5)
    save(x_train=x, y_train=CLASSES, x_valid=x[:2], y_valid=CLASSES[:2], x_test=x[:3], y_test=CLASSES[:3], other=x)
    data = save.read()
    assert [len(data.train), len(data.valid or ()), len(data.test or ())] == [6, 2, 3]
    data = save(x=x, y=CLASSES).read()
    assert (len(data.train), data.valid, data.test) == (6, None, None)
    assert data.origin == str(save.path)


@pytest.mark.parametrize("answers", [CLASSES, CLASSES.astype(np.uint8), CLASSES[:, None], CLASSES.astype(np.uint64)])
def test_whole_numbers_are_classes(save: Saved, answers: np.ndarray) -> None:
    """Of any type, also in one column; their number is one more than the largest of all splits."""
    save(x_train=_counting(6, 5), y_train=answers, x_test=_counting(1, 5), y_test=np.array([4]))
    facts = save.facts()
    assert (facts.target.num_classes, facts.target.num_targets) == (5, None)
    targets = save.read().train.targets
    assert targets.dtype == np.int64
    assert targets.tolist() == CLASSES.tolist()


def test_yes_and_no_are_two_classes(save: Saved) -> None:
    """True is 1."""
    save(x=_counting(6, 5), y=VALUES > 0)
    assert save.facts().target.num_classes == 2
    assert save.read().train.targets.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("answers", [VALUES, VALUES[:, None], np.stack([VALUES, -VALUES], axis=1).astype(np.float16)])
def test_floats_are_values_to_predict(save: Saved, answers: np.ndarray) -> None:
    """(N,) is one value; all as float32 (N, K)."""
    save(x=_counting(6, 5), y=answers)
    facts, targets = save.facts(), save.read().train.targets
    assert (facts.target.num_classes, facts.target.num_targets) == (None, 1 if answers.ndim == 1 else answers.shape[1])
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets, answers.reshape(6, -1), rtol=1e-6)


def _with(values: np.ndarray, index: tuple[int, ...], value: float) -> np.ndarray:
    changed = values.copy()
    changed[index] = value
    return changed


X = _counting(6, 5)


@pytest.mark.parametrize(
    ("named", "fields", "words"),
    [
        ({"a": X}, {}, "has no array x_train; there are: a"),
        ({"x_train": X}, {}, "has no array y_train; there are: x_train"),
        ({"x": X}, {}, "has no array y"),
        ({"x_train": X, "y_train": CLASSES, "x_test": X}, {}, "has no array y_test"),
        ({"x": X, "y": CLASSES[:5]}, {}, "x has 6 rows and y 5"),
        ({"x": X[:0], "y": CLASSES[:0]}, {}, "x in .* holds no numbers"),
        ({"x": np.float32(1), "y": CLASSES}, {}, "x in .* holds no numbers"),
        ({"x": X.astype(str), "y": CLASSES}, {}, "x in .* holds <U32, expected numbers"),
        ({"x": X, "y": CLASSES.astype(complex)}, {}, "y in .* holds complex128, expected numbers"),
        ({"x": X, "y": np.array([0, 1, None, 1, 0, 2])}, {}, "y in .* holds Python objects"),
        ({"x": _with(X, (3, 2), np.nan), "y": CLASSES}, {}, "row 3 of x in .* holds nan"),
        ({"x": _with(X, (5, 0), np.inf), "y": CLASSES}, {}, "row 5 of x in .* holds inf"),
        ({"x": _with(X.astype(np.float64), (5, 0), 1e300), "y": CLASSES}, {}, r"row 5 of x in .* holds 1e\+300"),
        ({"x": X, "y": _with(VALUES, (2,), np.nan)}, {}, "row 2 of y in .* holds nan"),
        ({"x": X, "y": _with(VALUES[:, None], (2, 0), np.nan)}, {}, "row 2 of y in .* holds nan"),
        ({"x": X, "y": CLASSES - 1}, {}, "row 0 of y in .* is class -1"),
        ({"x": X, "y": CLASSES * 100}, {}, "the largest class is 200 in .*, which has only 6 answers"),
        ({"x": X, "y": np.eye(6, 3, dtype=int)}, {}, r"whole numbers of shape \[6, 3\], expected one class for each row"),
        ({"x": X, "y": np.zeros((6, 2, 2))}, {}, "y in .* has 3 axes"),
        ({"x_train": X, "y_train": CLASSES, "x_test": X, "y_test": VALUES}, {}, "some answers are classes and some are values"),
        (
            {"x_train": X, "y_train": VALUES, "x_test": X, "y_test": np.zeros((6, 2))},
            {},
            r"the answers of a sample differ from split to split in .*: y_train \[1\], y_test \[2\]",
        ),
        (
            {"x_train": X, "y_train": CLASSES, "x_test": X[:, :4], "y_test": CLASSES},
            {},
            r"x_train is float32 \[6, 5\] and x_test",
        ),
        ({"x": X[:, 0], "y": CLASSES}, {}, r"can't be told what a sample of x .* is: its shape is \[6\]"),
        ({"x": np.zeros((6, 2, 3, 4, 5)), "y": CLASSES}, {}, "can't be told what a sample of x .* is"),
        ({"x": np.zeros((6, 7, 7, 7)), "y": CLASSES}, {}, "can't be told which axis of x .* is the channels"),
        ({"x": np.zeros((6, 3, 9, 3)), "y": CLASSES}, {}, "can't be told which axis of x .* is the channels"),
        ({"x": X, "y": CLASSES}, {"layout": "image"}, r"has the shape \[6, 5\], and the layout image takes 3 or 4 axes"),
        ({"x": X, "y": CLASSES}, {"layout": "tokens"}, "x in .* holds float32, and tokens are whole numbers"),
        ({"x": -CLASSES[:, None], "y": CLASSES}, {"layout": "tokens"}, "a token in row 1 of x in .* is -1"),
        ({"x": X, "y": CLASSES}, {"view": "rows"}, "holds samples of the layout vector, and .* are for images"),
        ({"x": X, "y": CLASSES}, {"resize": (4, 4)}, "are for images"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(save: Saved, named: dict[str, Any], fields: dict[str, Any], words: str) -> None:
    """With the array, the row where there is one, and a mend."""
    save(**named)
    with pytest.raises(DataError, match=words) as caught:
        save.read(**fields)
    assert str(save.path) in caught.value.message
    assert caught.value.help
    assert not isinstance(caught.value, DataUnavailableError)


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "flipped", "no header"])
def test_a_damaged_file_is_refused(save: Saved, damage: str) -> None:
    """What is no .npz file, ends too early, or has one bit changed."""
    save(x=_counting(600, 5), y=np.zeros(600, int))
    content = bytearray(save.path.read_bytes())
    if damage == "flipped":
        content[2000] ^= 1
    if damage == "no header":
        content = bytearray(content.replace(b"\x93NUMPY", b"\x93NUMPX"))
    broken = {"text": b"x,y\n1,2\n", "empty": b"", "cut": content[:-500]}.get(damage, bytes(content))
    save.path.write_bytes(broken)
    with pytest.raises(DataError, match="damaged|no .npz file"):
        save.read()


def test_a_pickle_inside_is_not_run(save: Saved) -> None:
    """Object arrays are refused by their header, before anything of them is read."""

    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("a pickle was run",))

    save(x=X, y=np.array([Attack()] * 6, dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        save.facts()


def test_facts_read_no_inputs(save: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their header is enough, however large they are."""
    asked: list[str] = []
    read_array = arrays.read_array
    monkeypatch.setattr(arrays, "read_array", lambda path, name: asked.append(name) or read_array(path, name))
    save(x_train=X, y_train=CLASSES).facts()
    assert asked == ["y_train"]


def test_an_absent_file_is_unavailable(tmp_path: Path) -> None:
    """The error that a fallback answers."""
    with pytest.raises(DataUnavailableError, match="there is no file"):
        arrays.facts(Arrays(path="absent.npz"), Directories((tmp_path,), tmp_path))


IMAGES = _counting(6, 9, 8, dtype=np.uint8)


def test_several_inputs_and_targets_are_named(save: Saved) -> None:
    """Each has its own shape and its own kind of answers, in the order of the config; arrays that no name asks for are left."""
    save(image_train=IMAGES, meta_train=X, digit_train=CLASSES, size_train=VALUES, other=X)
    fields = {"inputs": ("image", "meta"), "targets": ("size", "digit")}
    facts = save.facts(**fields)
    assert list(facts.inputs.items()) == [("image", Image(1, 9, 8)), ("meta", Vector(5))]
    assert list(facts.targets.items()) == [("size", Target(num_targets=1)), ("digit", Target(num_classes=3))]
    train = save.read(**fields).train
    assert isinstance(train.inputs, dict)
    assert isinstance(train.targets, dict)
    assert {name: (array.shape, array.dtype) for name, array in train.inputs.items()} == {
        "image": ((6, 9, 8, 1), np.uint8),
        "meta": ((6, 5), np.float32),
    }
    assert train.targets["digit"].tolist() == CLASSES.tolist()
    np.testing.assert_allclose(train.targets["size"], VALUES[:, None], rtol=1e-6)


def test_named_arrays_have_the_splits_of_x_and_y(save: Saved) -> None:
    """All three, or none where the names stand alone."""
    fields = {"inputs": ("a", "b"), "targets": ("c",)}
    arrays = {"a": X, "b": IMAGES, "c": CLASSES}
    rows = {"train": 6, "valid": 2, "test": 3}
    save(**{f"{name}_{split}": array[:count] for name, array in arrays.items() for split, count in rows.items()})
    data = save.read(**fields)
    assert [len(data.train), len(data.valid or ()), len(data.test or ())] == [6, 2, 3]
    data = save(**arrays).read(**fields)
    assert (len(data.train), data.valid, data.test) == (6, None, None)


def test_one_name_is_simply_what_the_array_is_called(save: Saved) -> None:
    """Arrays come without names where there is one of each, and `layout` and `view` hold."""
    save(photo=_counting(6, 9, 8), digit=CLASSES)
    fields = {"inputs": ("photo",), "targets": ("digit",), "layout": "image"}
    train = save.read(**fields).train
    assert isinstance(train.inputs, np.ndarray)
    assert isinstance(train.targets, np.ndarray)
    assert save.facts(**fields) == DataFacts({"photo": Image(1, 9, 8)}, {"digit": Target(num_classes=3)})
    assert save.facts(**fields, view="rows").inputs == {"photo": Sequence(9, Vector(8))}


def test_several_views_are_inputs_of_their_names(save: Saved) -> None:
    """The pictures are kept once."""
    save(x=IMAGES, y=CLASSES)
    assert save.facts(view=["rows", "image"]).inputs == {"rows": Sequence(9, Vector(8)), "image": Image(1, 9, 8)}
    assert save.read(view=["rows", "image"]).train.inputs.shape == (6, 9, 8, 1)


STEPS = _counting(6, 4, 2)


@pytest.mark.parametrize(
    ("named", "fields", "target", "stored"),
    [
        ({"x": STEPS, "y": np.arange(24).reshape(6, 4) % 5}, {}, Target(num_classes=5, per_step=True), (6, 4)),
        ({"x": STEPS, "y": np.zeros((6, 4, 3))}, {}, Target(num_targets=3, per_step=True), (6, 4, 3)),
        ({"x": STEPS, "y": np.zeros((6, 4))}, {}, Target(num_targets=4), (6, 4)),
        ({"x": IMAGES, "y": np.ones((6, 9), int)}, {"view": "rows"}, Target(num_classes=2, per_step=True), (6, 9)),
        (
            {"x": np.ones((6, 4), int), "y": np.ones((6, 4), int)},
            {"layout": "tokens"},
            Target(num_classes=2, per_step=True),
            (6, 4),
        ),
    ],
)
def test_each_step_can_have_an_answer(
    save: Saved, named: dict[str, np.ndarray], fields: dict[str, Any], target: Target, stored: tuple[int, ...]
) -> None:
    """Whole numbers (rows, steps) and floats (rows, steps, values), where an input has as many steps."""
    save(**named)
    assert save.facts(**fields).target == target
    targets = save.read(**fields).train.targets
    assert isinstance(targets, np.ndarray)
    assert (targets.shape, targets.dtype) == (stored, np.int64 if target.num_classes else np.float32)
    np.testing.assert_array_equal(targets, named["y"])


LENGTHS = np.array([4, 2, 1, 3, 4, 2])
BEHIND = np.arange(4) >= LENGTHS[:, None]


def _padded(values: np.ndarray, padding: float) -> np.ndarray:
    """The same with something in its padding."""
    padded = values.copy()
    padded[BEHIND] = padding
    return padded


TOKENS = np.arange(24).reshape(6, 4) % 7
CLIPS = _counting(6, 4, 5, 5, 3)


@pytest.mark.parametrize(
    ("padded", "clean", "fields", "shape"),
    [
        (_padded(STEPS, np.nan), STEPS, {}, Sequence(Time(), Vector(2))),
        (_padded(STEPS[..., 0], np.inf), STEPS[..., :1], {"layout": "series"}, Sequence(Time(), Vector(1))),
        (_padded(TOKENS, -1), TOKENS, {"layout": "tokens"}, Sequence(Time(), Token(7))),
        (_padded(TOKENS, 999), TOKENS, {"layout": "tokens"}, Sequence(Time(), Token(7))),
        (_padded(CLIPS, np.nan), CLIPS, {"layout": "clip"}, Sequence(Time(), Image(3, 5, 5))),
        (
            np.moveaxis(_padded(CLIPS.astype(np.uint8), 9), -1, 2),
            CLIPS.astype(np.uint8),
            {"layout": "clip"},
            Sequence(Time(), Image(3, 5, 5)),
        ),
    ],
    ids=["series", "one feature", "tokens", "large tokens", "clips", "8-bit clips"],
)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_sequences_can_have_lengths(
    save: Saved, padded: np.ndarray, clean: np.ndarray, fields: dict[str, Any], shape: Shape, dtype: type
) -> None:
    """The number of steps is symbolic; what is in the padding does not matter, and zeros stand there."""
    save(x=padded, y=CLASSES, lengths=LENGTHS.astype(dtype))
    assert save.facts(**fields).input == shape
    train = save.read(**fields).train
    assert isinstance(train.inputs, np.ndarray)
    np.testing.assert_array_equal(train.inputs, _padded(clean, 0))
    assert train.lengths is not None
    assert (train.lengths.dtype, train.lengths.tolist()) == (np.int64, LENGTHS.tolist())


def test_each_split_has_its_lengths(save: Saved) -> None:
    """Where any sample of any split is shorter, all splits have them; where none is, the number of steps is fixed."""
    arrays = {f"x_{split}": STEPS[:rows] for split, rows in (("train", 6), ("valid", 2), ("test", 3))}
    arrays |= {f"y_{split}": CLASSES[:rows] for split, rows in (("train", 6), ("valid", 2), ("test", 3))}
    full = {"lengths_train": np.full(6, 4), "lengths_valid": np.full(2, 4), "lengths_test": np.full(3, 4)}
    data = save(**arrays, **full | {"lengths_test": LENGTHS[:3]}).read()
    found = [split.lengths.tolist() for split in (data.train, data.valid, data.test) if split and split.lengths is not None]
    assert found == [[4] * 6, [4, 4], [4, 2, 1]]
    assert save.facts().input == Sequence(Time(), Vector(2))
    data = save(**arrays, **full).read()
    assert [split.lengths for split in (data.train, data.valid, data.test) if split] == [None] * 3
    assert save.facts().input == Sequence(4, Vector(2))


@pytest.mark.parametrize(
    ("answers", "target"),
    [
        (_padded(TOKENS % 3, -100), Target(num_classes=3, per_step=True)),
        (_padded(STEPS, np.nan), Target(num_targets=2, per_step=True)),
    ],
)
def test_answers_of_each_step_are_padded_alike(save: Saved, answers: np.ndarray, target: Target) -> None:
    """What stands in their padding is not read either."""
    save(x=STEPS, y=answers, lengths=LENGTHS)
    assert save.facts().target == target
    np.testing.assert_array_equal(save.read().train.targets, _padded(answers, 0))


def test_all_sequences_of_a_sample_have_the_same_lengths(save: Saved) -> None:
    """What is no sequence has none."""
    save(a=_padded(STEPS, np.nan), b=_padded(STEPS[..., :1], np.nan), meta=X, y=CLASSES, lengths=LENGTHS)
    fields = {"inputs": ("a", "meta", "b"), "targets": ("y",)}
    assert list(save.facts(**fields).inputs.values()) == [Sequence(Time(), Vector(2)), Vector(5), Sequence(Time(), Vector(1))]
    train = save.read(**fields).train
    assert isinstance(train.inputs, dict)
    np.testing.assert_array_equal(train.inputs["b"], _padded(STEPS[..., :1], 0))
    np.testing.assert_array_equal(train.inputs["meta"], X)


def test_an_input_can_be_called_lengths(save: Saved) -> None:
    """Then it is one, and no count of steps."""
    save(lengths=X, y=CLASSES)
    assert save.facts(inputs=("lengths",), targets=("y",)).input == Vector(5)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"x": STEPS, "y": CLASSES, "lengths": LENGTHS - 1}, "row 2 of lengths in .* is 0, expected 1 to 4"),
        ({"x": STEPS, "y": CLASSES, "lengths": LENGTHS + 1}, "row 0 of lengths in .* is 5, expected 1 to 4"),
        ({"x": STEPS, "y": CLASSES, "lengths": -LENGTHS}, "row 0 of lengths in .* is -4, expected 1 to 4"),
        ({"x": STEPS, "y": CLASSES, "lengths": LENGTHS[:5]}, "x has 6 rows and lengths 5"),
        ({"x": STEPS, "y": CLASSES, "lengths": LENGTHS / 1}, r"lengths in .* is float64 \[6\], expected one whole number"),
        ({"x": STEPS, "y": CLASSES, "lengths": LENGTHS[:, None]}, r"lengths in .* is int64 \[6, 1\], expected one whole number"),
        ({"x": STEPS, "y": CLASSES, "lengths": LENGTHS > 2}, r"lengths in .* is bool \[6\], expected one whole number"),
        ({"x": X, "y": CLASSES, "lengths": LENGTHS}, "lengths in .* counts steps, and no input is a sequence"),
        ({"x": _with(STEPS, (3, 2, 0), np.nan), "y": CLASSES, "lengths": LENGTHS}, "row 3 of x in .* holds nan"),
        (
            {"x_train": STEPS, "y_train": CLASSES, "x_test": STEPS, "y_test": CLASSES, "lengths_train": LENGTHS},
            "has no array lengths_test; there are",
        ),
        ({"x_train": STEPS, "y_train": CLASSES, "lengths_test": LENGTHS}, "has no array lengths_train; there are"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(save: Saved, named: dict[str, Any], words: str) -> None:
    """With the array and the row, before anything is trained."""
    save(**named)
    with pytest.raises(DataError, match=words) as caught:
        save.read()
    assert str(save.path) in caught.value.message
    assert caught.value.help


def test_lengths_are_for_one_number_of_steps(save: Saved) -> None:
    """Two inputs that are padded to different numbers of steps can't share them."""
    save(a=STEPS, b=STEPS[:, :3], y=CLASSES, lengths=LENGTHS)
    with pytest.raises(DataError, match="a has 4 steps and b 3, and lengths is for both") as caught:
        save.facts(inputs=("a", "b"), targets=("y",))
    assert caught.value.help == "pad both to as many steps"


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"image": IMAGES, "digit": CLASSES}, "has no array meta; there are: image, digit"),
        ({"image_train": IMAGES, "meta_train": X, "digit": CLASSES}, "has no array digit_train"),
        ({"image": IMAGES, "meta": X[:5], "digit": CLASSES}, "image has 6 rows and meta 5"),
        ({"image": IMAGES, "meta": X, "digit": CLASSES[:4]}, "image has 6 rows and digit 4"),
        ({"image": IMAGES, "meta": X.astype(str), "digit": CLASSES}, "meta in .* holds <U32, expected numbers"),
        ({"image": IMAGES, "meta": _with(X, (3, 2), np.nan), "digit": CLASSES}, "row 3 of meta in .* holds nan"),
        (
            {"image": STEPS, "meta": X, "digit": np.ones((6, 3), int)},
            "expected one class for each row or for each of its 4 steps",
        ),
        ({"image": STEPS, "meta": X, "digit": np.zeros((6, 3, 1))}, r"or for each step \(rows, 4, values\)"),
        ({"image": STEPS, "meta": X, "digit": -np.ones((6, 4), int)}, "row 0 of digit in .* is class -1"),
    ],
)
def test_named_arrays_that_do_not_fit_are_refused(save: Saved, named: dict[str, Any], words: str) -> None:
    """The message names the array."""
    save(**named)
    with pytest.raises(DataError, match=words) as caught:
        save.read(inputs=("image", "meta"), targets=("digit",))
    assert caught.value.help


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{path: a, inputs: [a, b], layout: image}", "`layout` is for a single input, and `inputs` names 2"),
        ("{path: a, inputs: [a, b], view: rows}", "`view` is for a single input"),
        ("{path: a, inputs: [a, b], resize: 8}", "`resize` is for a single input"),
        ("{path: a, inputs: [a, b], augment: [shift]}", "`augment` is for a single input"),
        ("{path: a, inputs: [a, a]}", "`inputs`: one of them is named twice"),
        ("{path: a, targets: [a b]}", "`targets`: 'a b' is no name"),
        ("{path: a, inputs: []}", "`inputs` must have at least 1 entry"),
        ("{path: a, inputs: [3]}", "`inputs` must be a text, not the number 3"),
        ("{path: a, inputs: [a, b], normalize: {c: none}}", "`normalize` names 'c', and the inputs are: a, b"),
        ("{path: a, inputs: [a], normalize: {a: none}}", "`normalize` is by input only where `inputs` names several"),
        ("{path: a, view: [rows, rows]}", "`view`: name at least one view, and none of them twice"),
        ("{path: a, view: [row]}", "`view`: the text 'row' is no view"),
        ("{path: a, view: row}", "`view` must be 'image', 'rows', 'pixels' or 'permuted_pixels', not the text 'row'"),
    ],
)
def test_what_does_not_go_together_is_a_mistake_of_the_config(text: str, words: str) -> None:
    """One message, which names the field."""
    report = Report()
    assert read(parse(text), Arrays, "arrays", report) is None
    [mistake] = report.diagnostics
    assert words in mistake.message


@pytest.mark.parametrize(
    ("short", "long"),
    [("{path: a, targets: digit}", "{path: a, targets: [digit]}"), ("{path: a, view: [rows]}", "{path: a, view: rows}")],
)
def test_one_name_stands_for_a_list_of_it(short: str, long: str) -> None:
    """And a list of one view is that view."""
    report = Report()
    assert read(parse(short), Arrays, "arrays", report) == read(parse(long), Arrays, "arrays", report)
    assert not report.diagnostics
