"""Rows of predictions: what is told of an answer is what an evaluation judges."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from dlcli.app.prediction_rows import Head
from dlcli.config.metrics import Accuracy
from dlcli.training.metrics import LabelMetric

NAMES = ("a", "b", "c", "d")


def _head(judges: str, top: int | None = None, names: tuple[str, ...] = NAMES, *, lists: bool = False) -> Head:
    return Head("out", "", judges, max(len(names), 4), names, per_step=False, top=top, lists=lists)


def test_the_class_is_that_of_the_highest_score_also_where_its_probability_is_no_higher() -> None:
    """Two scores so close that a softmax makes them equal: an evaluation sees which is higher."""
    scores = torch.tensor([0, 1e-9, -20, -20])
    shares = scores.softmax(0)
    assert shares[0] == shares[1]
    assert int(scores.argmax()) == 1
    record = _head("classes").record(scores.numpy(), shares.numpy())
    assert (record["class"], record["probability"]) == ("b", 0.5)
    listed = _head("classes", top=3).record(scores.numpy(), shares.numpy())
    assert [listed[f"class_{place}"] for place in (1, 2, 3)] == ["b", "a", "c"]


@pytest.mark.parametrize("value", [1e-9, 0.0, -1e-9, 3.0, -3.0])
def test_yes_is_what_a_metric_takes_for_yes(value: float) -> None:
    """A score above 0, however little, for a class of two and for a label of its own."""
    scores = torch.tensor([[value]])
    metric = LabelMetric(Accuracy(), 1, torch.device("cpu"))
    metric.update(scores, torch.ones(1))
    is_yes = metric.value() == 1
    row, answer = scores[0].numpy(), scores[0].sigmoid().numpy()
    assert _head("classes", names=("no", "yes")).record(row, answer)["class"] == ("no", "yes")[is_yes]
    listed = _head("classes", top=2, names=("no", "yes")).record(row, answer)
    assert [listed["class_1"], listed["class_2"]] == (["yes", "no"] if is_yes else ["no", "yes"])
    assert _head("labels", names=("it",)).record(row, answer) == {"it": int(is_yes), "it_probability": float(str(answer[0]))}


def test_classes_without_a_name_are_numbered() -> None:
    """Those that a network has beyond the names of the data."""
    head = _head("classes", names=("a", "b"), lists=True)
    record = head.record(np.float32([0, 0, 0, 9]), np.float32([0.1, 0.1, 0.1, 0.7]))
    assert record == {"class": 3, "probability": 0.7, "probabilities": {"a": 0.1, "b": 0.1, "2": 0.1, "3": 0.7}}


@pytest.mark.parametrize(
    ("judges", "count", "names", "columns"),
    [
        ("values", 2, ("x", "y"), ["x", "y"]),
        ("values", 1, (), ["value"]),
        ("values", 2, (), ["value_1", "value_2"]),
        ("labels", 2, (), ["label_1", "label_1_probability", "label_2", "label_2_probability"]),
    ],
)
def test_values_and_labels_have_a_column_each(judges: str, count: int, names: tuple[str, ...], columns: list[str]) -> None:
    """By the names of the columns they were learnt from, or numbered."""
    numbers = np.full(count, 0.25, np.float32)
    assert [*_head(judges, names=names).record(numbers, numbers)] == columns


@pytest.mark.parametrize("top", [None, 2])
def test_rows_take_no_memory_for_classes_that_nobody_asked_for(top: int | None) -> None:
    """A thousand classes: a row that tells the best has the same columns and numbers, in less than a tenth of the memory."""
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(200, 1000)).astype(np.float32)
    names, sizes, rows = tuple(f"class {number}" for number in range(1000)), {}, {}
    for lists in (False, True):
        head = _head("classes", top, names, lists=lists)
        tracemalloc.start()
        rows[lists] = [head.record(row, row) for row in scores]
        sizes[lists] = tracemalloc.get_traced_memory()[0] / len(scores)
        tracemalloc.stop()
    assert [row.pop("probabilities") for row in rows[True]] == [
        {name: float(str(value)) for name, value in zip(names, row, strict=True)} for row in scores
    ]
    assert rows[False] == rows[True]
    assert sizes[False] < 1000
    assert sizes[True] > 10 * sizes[False]
