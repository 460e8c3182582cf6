"""Metrics of classes against torchmetrics and scikit-learn."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn
from torch import Tensor
from torchmetrics.functional import classification as torchmetrics

from dlcli.config.facts import Target
from dlcli.config.losses import CrossEntropy
from dlcli.config.metrics import F1, Accuracy, MetricSpec, Precision, Recall, TopK
from dlcli.training.metrics import build_metrics
from tests.unit.training.metric_cases import CPU, batch_sizes, in_batches, measured, random_scores, seeds

AVERAGES: tuple[Literal["macro", "micro", "weighted"], ...] = ("macro", "micro", "weighted")


def scores_and_classes(seed: int, count: int, classes: int, present: int) -> tuple[Tensor, Tensor]:
    """Random scores, and targets of which only the first few classes occur."""
    scores, generator = random_scores(seed, count, classes)
    return scores, torch.randint(0, present, (count,), generator=generator)


def of_classes(spec: MetricSpec, scores: Tensor, targets: Tensor, sizes: list[int]) -> float:
    """What dlcli says of all batches."""
    batches = in_batches(scores, targets, sizes)
    return measured(spec, CrossEntropy(), batches, num_classes=scores.shape[1])


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=batch_sizes, classes=st.integers(2, 6))
def test_accuracy(seed: int, sizes: list[int], classes: int) -> None:
    """The share of right samples, equal to both references."""
    scores, targets = scores_and_classes(seed, sum(sizes), classes, classes)
    found = of_classes(Accuracy(), scores, targets, sizes)
    assert found == pytest.approx(sklearn.accuracy_score(targets, scores.argmax(dim=1)))
    reference = torchmetrics.multiclass_accuracy(scores, targets, num_classes=classes, average="micro")
    assert found == pytest.approx(float(reference))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=batch_sizes, classes=st.integers(2, 6), data=st.data())
def test_top_k(seed: int, sizes: list[int], classes: int, data: st.DataObject) -> None:
    """The share of samples among the k highest scores, equal to both references."""
    k = data.draw(st.integers(1, classes))
    scores, targets = scores_and_classes(seed, sum(sizes), classes, classes)
    found = of_classes(TopK(k=k), scores, targets, sizes)
    reference = torchmetrics.multiclass_accuracy(scores, targets, num_classes=classes, average="micro", top_k=k)
    assert found == pytest.approx(float(reference))
    if 2 < classes > k:  # scikit-learn reads two classes as one score, and warns where nothing can be wrong
        assert found == pytest.approx(sklearn.top_k_accuracy_score(targets, scores, k=k, labels=range(classes)))


@settings(max_examples=60, deadline=None)
@given(seed=seeds, sizes=batch_sizes, classes=st.integers(2, 6), data=st.data())
@pytest.mark.parametrize("average", AVERAGES)
def test_precision_recall_and_f1(
    average: Literal["macro", "micro", "weighted"], seed: int, sizes: list[int], classes: int, data: st.DataObject
) -> None:
    """All three by each average, equal to both references, also where some classes have no sample."""
    present = data.draw(st.integers(1, classes))
    scores, targets = scores_and_classes(seed, sum(sizes), classes, present)
    called = scores.argmax(dim=1)
    expected = sklearn.precision_recall_fscore_support(targets, called, average=average, zero_division=0)[:3]
    chosen = (Precision(average=average), Recall(average=average), F1(average=average))
    found = [of_classes(spec, scores, targets, sizes) for spec in chosen]
    assert found == pytest.approx(list(expected))
    references = (torchmetrics.multiclass_precision, torchmetrics.multiclass_recall, torchmetrics.multiclass_f1_score)
    assert found == pytest.approx([float(f(scores, targets, num_classes=classes, average=average)) for f in references])


@pytest.mark.parametrize("spec", [Precision(), Recall(), F1()], ids=lambda spec: spec.kind)
def test_a_class_that_nothing_is_and_nothing_is_called_does_not_count(spec: MetricSpec) -> None:
    """A perfect network is perfect, however many classes the data could have had."""
    targets = torch.tensor([0, 1, 1, 0])
    assert of_classes(spec, torch.eye(50)[targets], targets, [4]) == 1.0


def test_accuracy_is_exact() -> None:
    """The figure is one division of whole numbers, so that the same predictions always give the same digits."""
    targets = torch.zeros(3, dtype=torch.int64)
    scores = torch.eye(2)[torch.tensor([0, 0, 1])]
    assert of_classes(Accuracy(), scores, targets, [1, 2]) == 2 / 3


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (Accuracy(), 0.5),
        (TopK(k=1), 0.5),
        (TopK(k=2), 0.75),
        (Recall(average="micro"), 0.5),
        (Precision(average="micro"), 2 / 3),
    ],
    ids=str,
)
def test_scores_of_classes_that_the_data_does_not_have(spec: MetricSpec, expected: float) -> None:
    """A network may end with more scores than there are classes: a sample that is called one of those is wrong."""
    scores = torch.tensor([[3.0, 1, 0, 0], [0, 1, 0, 2], [0, 4, 0, 3], [1, 2, 0, 0]])  # called 0, 3, 1 and 1
    targets = torch.tensor([0, 1, 0, 1])
    assert measured(spec, CrossEntropy(), [(scores, targets)], num_classes=2) == pytest.approx(expected)


def test_counts_do_not_depend_on_the_batches() -> None:
    """Any cut gives the same digits, not only close ones."""
    scores, targets = scores_and_classes(7, 60, 4, 4)
    for spec in (Accuracy(), F1(), Precision(average="weighted"), TopK(k=2)):
        whole = of_classes(spec, scores, targets, [60])
        assert of_classes(spec, scores, targets, [1, 29, 30]) == whole
        assert of_classes(spec, scores, targets, [1] * 60) == whole


def test_each_metric_has_its_name_and_its_own_counts() -> None:
    """Several metrics of one split come in the order of the config, under the names that it uses."""
    chosen = [Accuracy(), TopK(k=2), F1()]
    built = build_metrics(chosen, CrossEntropy(), Target(num_classes=3), CPU)
    assert [metric.name for metric in built] == ["accuracy", "top_k", "f1"]
    built[0].update(torch.eye(3), torch.tensor([0, 1, 0]))
    built[1].update(torch.eye(3), torch.tensor([0, 1, 2]))
    assert built[0].value() == 2 / 3
    assert built[1].value() == 1.0
