"""The file of an outcome: it reads back as it was written, and nothing else is read."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load, save

from dlcli.errors import CheckpointError
from dlcli.training.outcomes import storage
from dlcli.training.outcomes.answers import (
    AnswersOfSamples,
    Calibration,
    ClassMistakes,
    Errors,
    JudgedClasses,
    JudgedLabels,
    JudgedValues,
    LabelMistakes,
    ShownValues,
    StepMistakes,
)
from dlcli.training.outcomes.outcome import (
    ClassCounts,
    DataDigest,
    Example,
    Judgement,
    Outcome,
    StepCounts,
    ValueRanges,
    WrittenText,
)
from dlcli.training.outcomes.samples import Pictures, Samples, Series, Texts, Vectors
from dlcli.training.outcomes.storage import packed, read_outcome

FLOATS = np.array([0.5, 0.25], dtype=np.float32)
PAIR = np.array([1, 0])
PICTURES = Samples(numbers=np.array([4, 7]), inputs={"": Pictures(pixels=np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1))})
SERIES = Samples(
    numbers=np.array([0, 1]),
    inputs={
        "left": Series(values=np.full((2, 5, 1), np.nan, dtype=np.float32), steps=np.array([5, 2]), columns=("load",)),
        "right": Vectors(values=np.ones((2, 3), dtype=np.float32)),
    },
)
TEXTS = Samples(numbers=np.array([0, 1]), inputs={"": Texts(texts=(("a", "b"), ("<b>",)), joint=" ", steps=np.array([2, 90]))})
BINS = Calibration(counts=np.full(15, 2), confidence=np.full(15, 1.5), hits=np.ones(15, dtype=np.int64))
VALUES = ShownValues(samples=SERIES, target=np.ones((2, 2), dtype=np.float32), predicted=np.zeros((2, 2), dtype=np.float32))


def classes(**changes: Any) -> JudgedClasses:
    """Two classes, told for six samples."""
    fields: dict[str, Any] = {
        "per_step": False,
        "support": np.array([3, 3]),
        "called": np.array([4, 1, 1]),
        "hits": np.array([2, 1]),
        "confusion": np.array([[2, 0, 1], [2, 1, 0]]),
        "calibration": BINS,
        "answers": AnswersOfSamples(target=PAIR, predicted=np.array([2, 0]), confidence=FLOATS, of_target=FLOATS),
        "mistakes": ClassMistakes(samples=PICTURES, target=PAIR, predicted=PAIR[::-1], confidence=FLOATS, of_target=FLOATS),
    }
    return JudgedClasses(**fields | changes)


def values(**changes: Any) -> JudgedValues:
    """A forecast of one column over two steps."""
    fields: dict[str, Any] = {
        "per_step": False,
        "columns": ("load",),
        "horizon": 2,
        "count": 6,
        "errors": Errors(absolute=FLOATS, squared=FLOATS),
        "mean": FLOATS,
        "spread": FLOATS,
        "repeating": Errors(absolute=FLOATS, squared=FLOATS),
        "scatter": (np.ones((3, 1), dtype=np.float32), np.ones((3, 1), dtype=np.float32)),
        "examples": VALUES,
        "worst": VALUES,
    }
    return JudgedValues(**fields | changes)


def labels(**changes: Any) -> JudgedLabels:
    """Two labels."""
    mistakes = LabelMistakes(samples=TEXTS, target=np.eye(2, dtype=np.int64), probability=np.eye(2, dtype=np.float32))
    fields: dict[str, Any] = {
        "per_step": False, "count": 6, "support": np.array([3, 2]), "called": np.array([2, 4]), "hits": np.array([1, 2]),
        "calibration": BINS, "mistakes": mistakes,
    }  # fmt: skip
    return JudgedLabels(**fields | changes)


def outcome(**outputs: Any) -> Outcome:
    """All kinds of everything."""
    steps = StepMistakes(samples=TEXTS, target=np.array([[0, 1], [1, -1]]), predicted=np.array([[1, 1], [0, -1]]), wrong=FLOATS)
    outputs = outputs or {
        "digit": classes(),
        "tags": classes(per_step=True, confusion=None, answers=None, mistakes=steps),
        "array": labels(),  # as the key is called that stands for an array
        "load": values(),
    }
    digest = DataDigest(
        answers={
            "digit": ClassCounts(splits={"train": PAIR, "test": PAIR}),
            "load": ValueRanges(columns=("a", "b"), mean=FLOATS, std=FLOATS, least=FLOATS, largest=FLOATS),
        },
        steps=StepCounts(edges=np.array([1, 3, 5]), counts=np.array([7, 9])),
        examples=PICTURES,
        told={"digit": Example(kind="classes", answers=np.array([[1.0], [np.nan]]))},
    )
    written = (WrittenText(prompt="To be", text=" or not <script>", temperature=0.5),)
    judgement = Judgement(split="test", samples=6, figures={"loss": 0.5}, outputs=outputs, written=written)
    return Outcome(data=digest, judgement=judgement)


def equal(first: Any, second: Any) -> bool:
    """Whether two values are the same, arrays to the last bit."""
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


def test_an_outcome_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """Each array to the last bit, each text and each number."""
    path = tmp_path / "outcome.safetensors"
    path.write_bytes(packed(outcome()))
    assert equal(read_outcome(path).model_dump(), outcome().model_dump())


def test_an_output_may_be_called_as_arrays_are(tmp_path: Path) -> None:
    """`array` alone is the name of an output, where no text stands behind it."""
    path, only = tmp_path / "outcome.safetensors", outcome(array=labels())
    path.write_bytes(packed(only))
    assert equal(read_outcome(path).model_dump(), only.model_dump())


def test_a_run_that_was_not_judged_keeps_what_its_data_is_like(tmp_path: Path) -> None:
    """No judgement, and nothing in its place."""
    path = tmp_path / "outcome.safetensors"
    path.write_bytes(packed(Outcome(data=outcome().data, judgement=None)))
    assert read_outcome(path).judgement is None


def repacked(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> bytes:
    """The file with its facts and its arrays changed."""
    content = packed(outcome())
    (length,) = struct.unpack("<Q", content[:8])
    facts = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["dlcli"])
    arrays = dict(load(content))
    change(facts, arrays)
    return bytes(save(arrays, metadata={"dlcli": json.dumps(facts)}))


DIGIT = "judgement/outputs/digit"
TAMPERED: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "another format": lambda facts, _: facts.update(format=2),
    "something unknown": lambda facts, _: facts.update(code="import os"),
    "an array that is not there": lambda _, arrays: arrays.pop(f"{DIGIT}/support"),
    "an array in place of a text": lambda facts, _: facts["judgement"].update(split={"array": f"{DIGIT}/support"}),
    "a text in place of an array": lambda facts, _: facts["judgement"]["outputs"]["digit"].update(support="all"),
    "a path in place of an array": lambda facts, _: facts["judgement"]["outputs"]["digit"].update(
        support={"array": "/etc/passwd"}
    ),
    "a count below 0": lambda _, arrays: arrays[f"{DIGIT}/support"].__setitem__(0, -1),
    "a count too large": lambda _, arrays: arrays[f"{DIGIT}/support"].__setitem__(0, 1 << 60),
    "counts that don't fit each other": lambda _, arrays: arrays[f"{DIGIT}/support"].__setitem__(0, 4),
    "more hits than answers": lambda _, arrays: arrays[f"{DIGIT}/hits"].__setitem__(0, 9),
    "fractions of counts": lambda _, arrays: arrays.update({f"{DIGIT}/support": np.array([3.0, 3.0])}),
    "a class that is not there": lambda _, arrays: arrays[f"{DIGIT}/answers/target"].__setitem__(0, 2),
    "a class below 0": lambda _, arrays: arrays[f"{DIGIT}/mistakes/predicted"].__setitem__(0, -1),
    "a class of a step that is not there": lambda _, arrays: arrays["judgement/outputs/tags/mistakes/target"].__setitem__(
        (0, 0), -2
    ),
    "a probability above 1": lambda _, arrays: arrays[f"{DIGIT}/answers/confidence"].__setitem__(0, 1.5),
    "a probability that is none": lambda _, arrays: arrays[f"{DIGIT}/answers/confidence"].__setitem__(0, np.nan),
    "too few bins": lambda _, arrays: arrays.update({f"{DIGIT}/calibration/counts": np.array([1])}),
    "more hits than answers in a bin": lambda _, arrays: arrays[f"{DIGIT}/calibration/hits"].__setitem__(3, 5),
    "answers of different numbers": lambda _, arrays: arrays.update({f"{DIGIT}/answers/target": np.array([1])}),
    "mistakes without samples": lambda _, arrays: arrays.update({f"{DIGIT}/mistakes/target": np.array([1])}),
    "pictures of no size": lambda _, arrays: arrays.update({"data/examples/inputs//pixels": np.zeros((2, 0, 4, 1), np.uint8)}),
    "pictures of five channels": lambda _, arrays: arrays.update(
        {"data/examples/inputs//pixels": np.zeros((2, 3, 4, 5), np.uint8)}
    ),
    "pictures of floats": lambda _, arrays: arrays.update({"data/examples/inputs//pixels": np.zeros((2, 3, 4, 1), np.float32)}),
    "too few pictures": lambda _, arrays: arrays.update({"data/examples/inputs//pixels": np.zeros((1, 3, 4, 1), np.uint8)}),
    "too many samples": lambda _, arrays: arrays.update(
        {"data/examples/numbers": np.arange(99), "data/examples/inputs//pixels": np.zeros((99, 3, 4, 1), np.uint8)}
    ),
    "a text too long": lambda facts, _: facts["judgement"]["written"][0].update(text="x" * 10_000),
    "a negative sum of errors": lambda _, arrays: arrays["judgement/outputs/load/errors/squared"].__setitem__(0, -1),
    "columns that don't fit": lambda facts, _: facts["judgement"]["outputs"]["load"].update(horizon=3),
    "a mean that is none": lambda _, arrays: arrays["judgement/outputs/load/mean"].__setitem__(0, np.inf),
    "scatters of different sizes": lambda _, arrays: arrays.update(
        {"judgement/outputs/load/scatter/0": np.ones((2, 1), np.float32)}
    ),
    "too few sums of who repeats": lambda _, arrays: arrays.update(
        {f"judgement/outputs/load/repeating/{name}": np.ones(1) for name in ("absolute", "squared")}
    ),
    "more yes than answers": lambda facts, _: facts["judgement"]["outputs"]["array"].update(count=2),
    "labels of different numbers": lambda _, arrays: arrays.update({"judgement/outputs/array/hits": np.array([1])}),
    "edges that fall": lambda _, arrays: arrays.update({"data/steps/edges": np.array([5, 3, 1])}),
    "splits of different classes": lambda _, arrays: arrays.update({"data/answers/digit/splits/test": np.array([1])}),
    "examples without answers": lambda _, arrays: arrays.update({"data/told/digit/answers": np.ones((1, 1))}),
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_what_a_run_would_not_write_is_refused(change: Callable[[dict[str, Any], dict[str, Any]], None], tmp_path: Path) -> None:
    """With the file's name, and in one line that a person can be told."""
    path = tmp_path / "outcome.safetensors"
    path.write_bytes(repacked(change))
    with pytest.raises(CheckpointError, match="outcome.safetensors"):
        read_outcome(path)


def counted(num_classes: int) -> JudgedClasses:
    """So many classes that nobody was asked about."""
    none = np.zeros(num_classes, dtype=np.int64)
    return classes(
        support=none, called=np.zeros(num_classes + 1, dtype=np.int64), hits=none, confusion=None, answers=None, mistakes=None
    )


def answered(rows: int) -> AnswersOfSamples:
    none, sure = np.zeros(rows, dtype=np.int64), np.ones(rows, dtype=np.float32)
    return AnswersOfSamples(target=none, predicted=none, confidence=sure, of_target=sure)


def confused(num_classes: int) -> JudgedClasses:
    cells = np.eye(num_classes, num_classes + 1, dtype=np.int64)
    support, called = cells.sum(1), cells.sum(0)
    return classes(support=support, called=called, hits=support, confusion=cells, answers=None, mistakes=None)


def scattered(rows: int) -> JudgedValues:
    points = np.ones((rows, 1), dtype=np.float32)
    return values(scatter=(points, points))


def shown(width: int) -> ShownValues:
    rows = np.ones((2, width), dtype=np.float32)
    return ShownValues(samples=SERIES, target=rows, predicted=rows)


def forecast(horizon: int) -> JudgedValues:
    sums = np.ones(horizon)
    return values(horizon=horizon, errors=Errors(absolute=sums, squared=sums), mean=sums, spread=sums, repeating=None)


def told(answers: int) -> Example:
    return Example(kind="values", answers=np.ones((2, answers)))


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (counted, 100_000), (answered, 100_000), (confused, 512), (scattered, 1000), (shown, 4096), (forecast, 100_000), (told, 64),
    ],
)  # fmt: skip
def test_more_than_a_run_keeps_is_refused(make: Callable[[int], object], most: int) -> None:
    """Though all of it fits together: a report would make a row of each."""
    make(most)
    with pytest.raises(ValidationError):
        make(most + 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"\xff" * 64,
        b"PK\x03\x04" + bytes(60),
        packed(outcome())[:-1],
        packed(outcome())[:200],
        save({"a": np.ones(2)}),
        save({"a": np.ones(2)}, metadata={"dlcli": "{"}),
        save({"a": np.ones(2)}, metadata={"dlcli": "[" * 100_000}),
        save({"a": np.ones(2)}, metadata={"dlcli": "[]"}),
        save({"a": np.ones(2)}, metadata={"dlcli": "null"}),
        save({"a": np.ones(2)}, metadata={"other": "{}"}),
    ],
)
def test_what_is_no_such_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """Whatever it is."""
    path = tmp_path / "outcome.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="outcome.safetensors"):
        read_outcome(path)


def test_no_more_than_a_bound_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger file is refused by its size."""
    path = tmp_path / "outcome.safetensors"
    path.write_bytes(packed(outcome()))
    monkeypatch.setattr(storage, "MOST_BYTES", 100)
    with pytest.raises(CheckpointError, match="at most 100 are read"):
        read_outcome(path)
