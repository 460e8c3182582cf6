"""Metrics where each step of a sequence has an answer: each step counts like a sample."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dlcli.config.losses import BinaryCrossEntropy, CrossEntropy, LossSpec, MeanSquaredError
from dlcli.config.metrics import (
    F1,
    METRICS,
    R2,
    Accuracy,
    MeanAbsoluteError,
    MetricSpec,
    Precision,
    Recall,
    RootMeanSquaredError,
    TopK,
)
from tests.unit.training.metric_cases import in_batches, measured, random_scores

CASES: list[tuple[MetricSpec, LossSpec]] = [
    *((spec, CrossEntropy()) for spec in (Accuracy(), TopK(k=2), Precision(), Recall(average="micro"), F1(average="weighted"))),
    *((spec, BinaryCrossEntropy()) for spec in (Accuracy(), Precision(), Recall(average="micro"), F1(average="weighted"))),
    *((spec, MeanSquaredError()) for spec in (MeanAbsoluteError(), RootMeanSquaredError(), R2())),
]


def test_every_metric_is_tested() -> None:
    """The list above holds every metric that a config can name."""
    assert {spec.kind for spec, _ in CASES} == set(METRICS)


def _outputs_and_targets(loss: LossSpec) -> tuple[Tensor, Tensor]:
    """Scores or values (40, 3) and targets that fit the loss."""
    scores, generator = random_scores(0, 40, 3)
    if isinstance(loss, CrossEntropy):
        return scores, torch.randint(0, 3, (40,), generator=generator)
    if isinstance(loss, BinaryCrossEntropy):
        return scores, torch.randint(0, 2, (40, 3), generator=generator).float()
    return scores, torch.randn(40, 3, generator=generator)


@pytest.mark.parametrize("sizes", [[8], [1, 7], [3, 3, 2]])
@pytest.mark.parametrize(("spec", "loss"), CASES, ids=str)
def test_a_metric_is_over_all_steps(spec: MetricSpec, loss: LossSpec, sizes: list[int]) -> None:
    """8 samples of 5 steps give what 40 samples give."""
    outputs, targets = _outputs_and_targets(loss)
    counts = {"num_classes": 3} if isinstance(loss, CrossEntropy) else {"num_targets": 3}
    expected = measured(spec, loss, [(outputs, targets)], **counts)
    stepwise = in_batches(outputs.reshape(8, 5, 3), targets.reshape(8, 5, *targets.shape[1:]), sizes)
    assert measured(spec, loss, stepwise, **counts) == pytest.approx(expected, rel=1e-6)


def test_a_yes_or_no_question_of_each_step() -> None:
    """Outputs (batch, time, 1) with classes (batch, time)."""
    outputs = torch.tensor([[1.0, -1.0], [2.0, 3.0]])[..., None]
    targets = torch.tensor([[1, 1], [1, 0]])
    assert measured(Accuracy(), BinaryCrossEntropy(), [(outputs, targets)], num_classes=2) == 0.5
    assert measured(Precision(), BinaryCrossEntropy(), [(outputs, targets)], num_classes=2) == pytest.approx(2 / 3)
