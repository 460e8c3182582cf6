"""Losses and metrics of sequences of different lengths: those of the steps that are there, as if they stood side by side."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dlcli.config.facts import DataFacts, Target
from dlcli.config.losses import L1, BinaryCrossEntropy, CrossEntropy, Huber, LossSpec, MeanSquaredError
from dlcli.config.metrics import METRICS, MetricSpec, TopK
from dlcli.config.normalisation import FixedNormalize
from dlcli.config.objectives import Objective as ObjectiveSpec
from dlcli.config.shapes import Sequence, Time, Vector
from dlcli.config.training import TrainSpec
from dlcli.training.objectives import Objective, build_objective

CPU = torch.device("cpu")
SHAPE = Sequence(Time(), Vector(2))
LENGTHS = [[5, 2, 3], [1, 6]]
"""Of two batches."""
CLASS_WEIGHTS = (0.5, 2.0, 3.0)
SCALE = FixedNormalize(mean=(3.0, -200.0, 0.1), std=(2.0, 50.0, 0.01))

LOSSES: list[tuple[LossSpec, Target]] = [
    (CrossEntropy(), Target(num_classes=3, per_step=True)),
    (CrossEntropy(class_weights=CLASS_WEIGHTS, label_smoothing=0.2), Target(num_classes=3, per_step=True)),
    (BinaryCrossEntropy(), Target(num_targets=3, per_step=True)),
    (BinaryCrossEntropy(pos_weight=(2.0, 1.0, 0.5)), Target(num_targets=3, per_step=True)),
    (BinaryCrossEntropy(), Target(num_classes=2, per_step=True)),
    (MeanSquaredError(), Target(num_targets=3, per_step=True)),
    (L1(), Target(num_targets=3, per_step=True)),
    (Huber(delta=0.7), Target(num_targets=3, per_step=True)),
]


def _by_torch(loss: LossSpec, outputs: Tensor, answers: Tensor) -> Tensor:
    """Of outputs (steps, K), by torch's own functions."""
    match loss:
        case CrossEntropy(class_weights=weights, label_smoothing=smoothing):
            given = None if weights is None else torch.tensor(weights, dtype=torch.float64)
            return functional.cross_entropy(outputs, answers, given, label_smoothing=smoothing)
        case BinaryCrossEntropy(pos_weight=weights):
            given = None if weights is None else torch.tensor(weights, dtype=torch.float64)
            labels = answers.reshape(outputs.shape).double()
            return functional.binary_cross_entropy_with_logits(outputs, labels, pos_weight=given)
        case MeanSquaredError():
            return functional.mse_loss(outputs, answers)
        case L1():
            return functional.l1_loss(outputs, answers)
        case Huber(delta=delta):
            return functional.huber_loss(outputs, answers, delta=delta)
    raise AssertionError(loss)


def _metrics(loss: LossSpec) -> tuple[MetricSpec, ...]:
    """All that judge what the loss judges."""
    judged = "values" if loss.judges == "values" else "classes"
    specs = [TopK(k=2) if kind == TopK.kind else spec() for kind, spec in METRICS.items() if spec.judges == judged]
    return tuple(spec for spec in specs if loss.judges != "labels" or not isinstance(spec, TopK))


def _objective(loss: LossSpec, target: Target) -> Objective:
    facts = DataFacts({"input": SHAPE}, {"target": target})
    return build_objective(TrainSpec(loss=loss, metrics=_metrics(loss)), facts, ("output",), CPU)


class Ragged:
    """Random outputs (batch, time, K) with NaN in the padding, and what they are compared with."""

    def __init__(self, lengths: list[int], target: Target, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        time, width = max(lengths) + 1, target.num_targets or {2: 1}.get(target.num_classes or 0, 3)
        padded = torch.randn(len(lengths), time, width, generator=generator, dtype=torch.float64)
        there = torch.arange(time) < torch.tensor(lengths)[:, None]
        self.outputs = padded.where(there[..., None], torch.nan).requires_grad_()
        self.steps = there.flatten().nonzero()[:, 0]
        count = sum(lengths)
        self.answers = (
            torch.randint(0, target.num_classes, (count,), generator=generator)
            if target.num_classes
            else torch.randint(0, 2, (count, width), generator=generator).double()
        )
        self.alone = torch.cat([row[:steps] for row, steps in zip(padded, lengths, strict=True)])
        """The outputs of the steps that are there, (steps, K)."""


def _batches(target: Target) -> tuple[Ragged, Ragged]:
    first, second = (Ragged(lengths, target, seed) for seed, lengths in enumerate(LENGTHS))
    return first, second


@pytest.mark.parametrize(("loss", "target"), LOSSES, ids=str)
def test_a_loss_is_the_mean_over_the_steps_that_are_there(loss: LossSpec, target: Target) -> None:
    """Equal to torch's on those steps side by side; padding has no gradient, though it holds NaN."""
    ragged, _ = _batches(target)
    found = _objective(loss, target)(ragged.outputs, ragged.answers, ragged.steps)
    alone = ragged.alone.clone().requires_grad_()
    expected = _by_torch(loss, alone, ragged.answers)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-12)
    found.backward()
    expected.backward()
    assert ragged.outputs.grad is not None
    assert alone.grad is not None
    torch.testing.assert_close(ragged.outputs.grad.flatten(0, 1)[ragged.steps], alone.grad, rtol=1e-7, atol=1e-12)
    assert float(ragged.outputs.grad.abs().sum()) == pytest.approx(float(alone.grad.abs().sum()), rel=1e-7)


@pytest.mark.parametrize(("loss", "target"), LOSSES, ids=str)
def test_two_batches_put_together_are_one_large_batch(loss: LossSpec, target: Target) -> None:
    """Each counts by its steps (with weights of classes, by those), not by its samples."""
    objective, batches = _objective(loss, target), _batches(target)
    part = objective.in_group([batch.answers for batch in batches])
    found = sum(float(part(batch.outputs.detach(), batch.answers, batch.steps)) for batch in batches)
    outputs, answers = torch.cat([batch.alone for batch in batches]), torch.cat([batch.answers for batch in batches])
    assert found == pytest.approx(float(_by_torch(loss, outputs, answers)), rel=1e-7)


@pytest.mark.parametrize(("loss", "target"), LOSSES, ids=str)
def test_figures_are_those_of_all_steps_side_by_side(loss: LossSpec, target: Target) -> None:
    """Loss and every metric of two ragged batches, against one batch in which each step is a sample."""
    ragged, plain = _objective(loss, target).tally(), _objective(loss, Target(target.num_classes, target.num_targets)).tally()
    batches = _batches(target)
    for batch in batches:
        ragged.update(batch.outputs.detach(), batch.answers, batch.steps)
    plain.update(torch.cat([batch.alone for batch in batches]), torch.cat([batch.answers for batch in batches]))
    found = ragged.figures()
    assert found.keys() == {"loss", *(metric.kind for metric in _metrics(loss))}
    assert found == pytest.approx(plain.figures(), rel=1e-7)


def test_an_answer_for_each_step_beside_one_for_each_sample() -> None:
    """Each output counts by its own answers: steps here, samples there; in one batch, in a group and in the figures."""
    tag, size = Target(num_classes=3, per_step=True), Target(num_targets=2)
    losses = {"tag": ObjectiveSpec(loss=CrossEntropy(), weight=0.5), "size": ObjectiveSpec(loss=MeanSquaredError(), weight=3.0)}
    facts = DataFacts({"input": SHAPE}, {"tag": tag, "size": size})
    objective = build_objective(TrainSpec(loss=losses), facts, ("tag", "size"), CPU)
    batches = _batches(tag)
    generator = torch.Generator().manual_seed(9)
    outputs, targets = [], []
    for batch, lengths in zip(batches, LENGTHS, strict=True):
        values = torch.randn(2, len(lengths), 2, generator=generator, dtype=torch.float64)
        outputs.append({"tag": batch.outputs.detach(), "size": values[0]})
        targets.append({"tag": batch.answers, "size": values[1]})

    def by_torch(which: slice) -> float:
        tags = torch.cat([batch.alone for batch in batches[which]]), torch.cat([batch.answers for batch in batches[which]])
        sizes = [torch.cat([part["size"] for part in parts[which]]) for parts in (outputs, targets)]
        return 0.5 * float(functional.cross_entropy(*tags)) + 3.0 * float(functional.mse_loss(*sizes))

    assert float(objective(outputs[0], targets[0], batches[0].steps)) == pytest.approx(by_torch(slice(1)))
    part, tally = objective.in_group(targets), objective.tally()
    shares = []
    for batch, output, target in zip(batches, outputs, targets, strict=True):
        shares.append(float(part(output, target, batch.steps)))
        tally.update(output, target, batch.steps)
    assert sum(shares) == pytest.approx(by_torch(slice(2)))
    assert tally.figures()["loss"] == pytest.approx(by_torch(slice(2)))


@pytest.mark.parametrize("loss", [MeanSquaredError(), L1(), Huber(delta=0.7)], ids=str)
def test_losses_are_in_deviations_and_metrics_in_the_units_of_the_data(loss: LossSpec) -> None:
    """With a scale the loss compares standardised answers with the outputs; a metric brings the outputs into units."""
    target = Target(num_targets=3, per_step=True)
    facts = DataFacts({"input": SHAPE}, {"target": target})
    objective = build_objective(TrainSpec(loss=loss, metrics=_metrics(loss)), facts, ("output",), CPU, SCALE)
    ragged, _ = _batches(target)
    mean, std = torch.tensor(SCALE.mean, dtype=torch.float64), torch.tensor(SCALE.std, dtype=torch.float64)
    answers = torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) * std + mean
    found = objective(ragged.outputs, answers, ragged.steps)
    torch.testing.assert_close(found, _by_torch(loss, ragged.alone, (answers - mean) / std), rtol=1e-5, atol=0)
    tally = objective.tally()
    tally.update(ragged.outputs.detach(), answers, ragged.steps)
    errors = (ragged.alone * std + mean - answers).numpy()
    figures = tally.figures()
    assert figures["loss"] == pytest.approx(float(found.detach()), rel=1e-6)
    assert figures["mae"] == pytest.approx(abs(errors).mean(), rel=1e-5)
    assert figures["rmse"] == pytest.approx((errors**2).mean() ** 0.5, rel=1e-5)
