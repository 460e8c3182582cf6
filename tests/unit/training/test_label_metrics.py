"""Metrics of yes-or-no labels against torchmetrics and scikit-learn."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn
from torch import Tensor
from torchmetrics.functional import classification as torchmetrics

from dlcli.config.losses import BinaryCrossEntropy
from dlcli.config.metrics import F1, Accuracy, MetricSpec, Precision, Recall
from tests.unit.training.metric_cases import batch_sizes, in_batches, measured, random_scores, seeds

AVERAGES: tuple[Literal["macro", "micro", "weighted"], ...] = ("macro", "micro", "weighted")


def scores_and_labels(seed: int, count: int, labels: int, share: float) -> tuple[Tensor, Tensor]:
    """Random scores, and labels of which a share is yes."""
    scores, generator = random_scores(seed, count, labels)
    return scores, (torch.rand(count, labels, generator=generator) < share).float()


def of_labels(spec: MetricSpec, scores: Tensor, targets: Tensor, sizes: list[int]) -> float:
    """What dlcli says of all batches."""
    batches = in_batches(scores, targets, sizes)
    return measured(spec, BinaryCrossEntropy(), batches, num_targets=scores.shape[1])


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=batch_sizes, labels=st.integers(1, 4))
def test_accuracy(seed: int, sizes: list[int], labels: int) -> None:
    """The share of right labels over samples and labels."""
    scores, targets = scores_and_labels(seed, sum(sizes), labels, 0.5)
    found = of_labels(Accuracy(), scores, targets, sizes)
    assert found == pytest.approx(sklearn.accuracy_score(targets.flatten(), scores.flatten() > 0))
    if labels > 1:
        reference = torchmetrics.multilabel_accuracy(scores.sigmoid(), targets.long(), num_labels=labels, average="micro")
        assert found == pytest.approx(float(reference))


@settings(max_examples=60, deadline=None)
@given(seed=seeds, sizes=batch_sizes, labels=st.integers(2, 4), share=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
@pytest.mark.parametrize("average", AVERAGES)
def test_precision_recall_and_f1(
    average: Literal["macro", "micro", "weighted"], seed: int, sizes: list[int], labels: int, share: float
) -> None:
    """All three by each average, equal to both references, also where a label is never yes."""
    scores, targets = scores_and_labels(seed, sum(sizes), labels, share)
    expected = sklearn.precision_recall_fscore_support(targets, scores > 0, average=average, zero_division=0)[:3]
    chosen = (Precision(average=average), Recall(average=average), F1(average=average))
    found = [of_labels(spec, scores, targets, sizes) for spec in chosen]
    assert found == pytest.approx(list(expected))
    references = (torchmetrics.multilabel_precision, torchmetrics.multilabel_recall, torchmetrics.multilabel_f1_score)
    arguments = (scores.sigmoid(), targets.long(), labels)
    assert found == pytest.approx([float(reference(*arguments, average=average)) for reference in references])


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=batch_sizes)
@pytest.mark.parametrize("average", AVERAGES)
def test_one_label_is_a_yes_or_no_question(average: Literal["macro", "micro", "weighted"], seed: int, sizes: list[int]) -> None:
    """With two classes as targets (batch,), figures are those of the class that is yes, by any average."""
    scores, labels = scores_and_labels(seed, sum(sizes), 1, 0.5)
    targets = labels[:, 0].long()
    expected = sklearn.precision_recall_fscore_support(targets, scores[:, 0] > 0, average="binary", zero_division=0)[:3]
    chosen = (Precision(average=average), Recall(average=average), F1(average=average))
    batches = in_batches(scores, targets, sizes)
    found = [measured(spec, BinaryCrossEntropy(), batches, num_classes=2) for spec in chosen]
    assert found == pytest.approx(list(expected))


def test_a_label_that_is_never_yes_and_never_called_counts_in_macro() -> None:
    """Unlike a class, a label is a question of its own; as in scikit-learn it scores 0 where it has no yes."""
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    scores = torch.tensor([[2.0, -1.0], [-2.0, -1.0]])
    assert of_labels(F1(), scores, targets, [2]) == 0.5
    assert of_labels(F1(average="weighted"), scores, targets, [2]) == 1.0


def test_a_score_of_zero_is_a_no() -> None:
    """Only what is more likely than not is a yes."""
    assert of_labels(Accuracy(), torch.zeros(1, 1), torch.zeros(1, 1), [1]) == 1.0
