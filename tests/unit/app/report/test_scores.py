"""Precision, recall, F1 and calibration, against scikit-learn and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from dlcli.app.report.class_scores import expected_calibration_error, macro, scores
from dlcli.app.report.classes import calibration_figure, class_parts, confusion_figure
from dlcli.app.report.parts import Figures, Side, Table
from dlcli.training.outcomes.answers import Calibration, JudgedClasses

BINS = 15


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(classes: int, seed: int) -> None:
    """Of each class and in the mean; also where a class never occurs or is never called."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, max(2, classes - seed), 200)
    called = np.where(random.random(200) < 0.6, truth, random.integers(0, classes, 200))
    confusion = confusion_matrix(truth, called, labels=range(classes))
    hits, calls, support = confusion.diagonal(), confusion.sum(0), confusion.sum(1)
    found = scores(hits, calls, support)
    expected = precision_recall_fscore_support(truth, called, labels=range(classes), zero_division=0)
    for own, other in zip((found.precision, found.recall, found.f1), expected[:3], strict=True):
        np.testing.assert_allclose(own, other)
    mean = precision_recall_fscore_support(truth, called, average="macro", zero_division=0)
    for own, other in zip((found.precision, found.recall, found.f1), mean[:3], strict=True):
        assert macro(own, (support, calls)) == pytest.approx(other)


def calibration(confidence: np.ndarray, right: np.ndarray) -> Calibration:
    bins = np.ceil(confidence * BINS).astype(int) - 1
    return Calibration(
        counts=np.bincount(bins, minlength=BINS),
        confidence=np.bincount(bins, confidence, BINS),
        hits=np.bincount(bins, right, BINS).astype(np.int64),
    )


def test_who_is_as_sure_as_right_is_calibrated() -> None:
    """In each bin the mean confidence is the accuracy: no error; who is always sure and never right has the largest."""
    confidence = np.repeat([0.5, 0.75], 100)
    right = np.concatenate([np.arange(100) < 50, np.arange(100) < 75])
    assert expected_calibration_error(calibration(confidence, right)) == pytest.approx(0)
    assert expected_calibration_error(calibration(np.ones(10), np.zeros(10))) == 1
    assert (
        expected_calibration_error(Calibration(counts=np.zeros(BINS, int), confidence=np.zeros(BINS), hits=np.zeros(BINS, int)))
        == 0
    )


@pytest.mark.parametrize("gap", [0.1, 0.3])
def test_the_calibration_error_is_the_mean_gap(gap: float) -> None:
    """Who is right in `c - gap` of the cases of confidence c, for any c, has the error `gap`: in closed form."""
    confidence = np.repeat(np.linspace(0.5, 0.98, 9), 1000)
    right = (np.arange(len(confidence)) % 1000) < 1000 * (confidence - gap)
    assert expected_calibration_error(calibration(confidence, right)) == pytest.approx(gap, abs=2e-3)


def judged(truth: np.ndarray, called: np.ndarray, classes: int) -> JudgedClasses:
    confusion = np.zeros((classes, classes + 1), np.int64)
    np.add.at(confusion, (truth, called), 1)
    sure = np.full(len(truth), 0.9)
    return JudgedClasses(
        per_step=False, support=confusion.sum(1), called=confusion.sum(0), hits=confusion.diagonal(), confusion=confusion,
        calibration=calibration(sure, truth == called), answers=None, mistakes=None,
    )  # fmt: skip


def tables(parts: list) -> list[Table]:
    return [inner for part in parts for inner in (part.parts if isinstance(part, Side) else [part]) if isinstance(inner, Table)]


def test_the_table_of_a_report_has_these_scores() -> None:
    """A row for each class, the mean of the classes at the end."""
    random = np.random.default_rng(7)
    truth, called = random.integers(0, 4, 300), random.integers(0, 4, 300)
    table, confusions = tables(class_parts(judged(truth, called, 4), list("abcd"), ""))
    expected = precision_recall_fscore_support(truth, called, zero_division=0)
    for place, row in enumerate(table.rows[1:5]):
        assert row[0] == "abcd"[place]
        assert row[1:3] == [expected[3][place], (called == place).sum()]
        np.testing.assert_allclose(row[3:], [values[place] for values in expected[:3]])
    np.testing.assert_allclose(table.rows[5][3:], precision_recall_fscore_support(truth, called, average="macro")[:3])
    matrix = confusion_matrix(truth, called)
    np.fill_diagonal(matrix, 0)
    assert confusions.rows[1][2] == matrix.max()
    assert [row[2] for row in confusions.rows[1:]] == sorted((row[2] for row in confusions.rows[1:]), reverse=True)  # type: ignore[type-var]


def test_a_confusion_matrix_has_its_numbers() -> None:
    """In the drawing up to twelve classes, in the table always; a column for other classes only where one was called."""
    truth, called = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
    small = confusion_figure(judged(truth, called, 3).confusion, ["zero", "one", "two"], "")  # type: ignore[arg-type]
    assert list(small.numbers[0]) == ["is", "called zero", "called one", "called two"]
    assert [list(row) for row in small.numbers[1:]] == [["zero", 1, 0, 0], ["one", 0, 1, 1], ["two", 0, 0, 1]]
    assert small.svg.count(">1</text>") == 4
    other = confusion_figure(judged(truth, np.array([0, 1, 3, 2]), 3).confusion, ["zero", "one", "two"], "")  # type: ignore[arg-type]
    assert other.numbers[0][-1] == "called other"


@pytest.mark.parametrize("classes", [13, 26, 50, 100])
def test_a_matrix_of_many_classes_is_a_map_of_a_bounded_size(classes: int) -> None:
    """Shades in place of numbers; cells of a shade are one shape, so that a page of a hundred classes stays small."""
    random = np.random.default_rng(1)
    truth, called = random.integers(0, classes, (2, 20_000))
    found = confusion_figure(judged(truth, called, classes).confusion, [str(place) for place in range(classes)], "")  # type: ignore[arg-type]
    assert len(found.svg) < 2_000_000
    assert found.svg.count("<path") < 400


def test_a_calibration_has_its_error_and_its_bins() -> None:
    """In words, and as numbers."""
    found = calibration_figure(calibration(np.repeat([0.5, 0.9], 10), np.arange(20) < 10), "digit-")
    assert found.name == "digit-calibration"
    assert f"{0.5 * (0.5 + 0.9):.4f}" in found.reading
    assert sum(int(row[2] or 0) for row in found.numbers[1:]) == 20


def test_of_many_classes_all_are_listed() -> None:
    """Folded up."""
    truth = np.arange(80) % 40
    (table,) = tables(class_parts(judged(truth, truth, 40), [str(place) for place in range(40)], ""))
    assert table.is_long
    assert [row[0] for row in table.rows[1:4]] == ["mean", "0", "1"]
    assert len(table.rows) == 42


def test_of_very_many_classes_the_most_frequent_are_listed() -> None:
    """Folded up, with the mean first; and there is no picture."""
    truth = np.arange(700) % 510
    parts = class_parts(judged(truth, truth, 510), [str(place) for place in range(510)], "")
    (table,) = tables(parts)
    assert table.is_long
    assert len(table.rows) == 502
    assert table.rows[1][0] == "mean"
    assert [figure.name for part in parts if isinstance(part, Figures) for figure in part.figures] == ["calibration"]


def test_classes_that_the_data_has_not_are_told() -> None:
    """A network with more scores than classes may name one of them."""
    parts = class_parts(judged(np.array([0, 1]), np.array([0, 2]), 2), ["a", "b"], "")
    assert any("more classes than the data: 1 answer" in getattr(part, "text", "") for part in parts)
