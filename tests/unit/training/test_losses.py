"""Losses against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dlcli.config import losses as specs
from dlcli.training.losses import Loss, build_loss

CPU = torch.device("cpu")
CLASS_WEIGHTS = (0.5, 1.0, 4.0)

CLASS_LOSSES = [
    specs.CrossEntropy(),
    specs.CrossEntropy(label_smoothing=0.2),
    specs.CrossEntropy(class_weights=CLASS_WEIGHTS),
    specs.CrossEntropy(class_weights=CLASS_WEIGHTS, label_smoothing=0.1),
]
LABEL_LOSSES = [specs.BinaryCrossEntropy(), specs.BinaryCrossEntropy(pos_weight=(0.5, 2.0))]
VALUE_LOSSES = [specs.MeanSquaredError(), specs.L1(), specs.Huber(), specs.Huber(delta=0.3)]


def batch(loss: specs.LossSpec, size: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random outputs and targets that fit a loss."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(loss, specs.CrossEntropy):
        return torch.randn(size, 3, generator=generator), torch.randint(0, 3, (size,), generator=generator)
    outputs = torch.randn(size, 2, generator=generator)
    if isinstance(loss, specs.BinaryCrossEntropy):
        return outputs, torch.randint(0, 2, (size, 2), generator=generator).float()
    return outputs, torch.randn(size, 2, generator=generator)


def value(spec: specs.LossSpec, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of a spec."""
    return build_loss(spec, CPU)(outputs, targets)


def test_every_loss_is_tested() -> None:
    """The lists above hold every loss that a config can name."""
    assert {spec.kind for spec in [*CLASS_LOSSES, *LABEL_LOSSES, *VALUE_LOSSES]} == set(specs.LOSSES)


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("weights", [None, CLASS_WEIGHTS])
def test_cross_entropy_from_its_definition(smoothing: float, weights: tuple[float, ...] | None) -> None:
    """Minus the log-probability, weighted by class; smoothing spreads a share of the target over all classes."""
    spec = specs.CrossEntropy(label_smoothing=smoothing, class_weights=weights)
    outputs, targets = batch(spec)
    by_class = torch.tensor(weights or (1.0, 1.0, 1.0))
    probabilities = (1 - smoothing) * functional.one_hot(targets, 3) + smoothing / 3
    expected = -(probabilities * by_class * outputs.log_softmax(dim=1)).sum() / by_class[targets].sum()
    torch.testing.assert_close(value(spec, outputs, targets), expected)


@pytest.mark.parametrize("spec", CLASS_LOSSES, ids=str)
def test_cross_entropy_is_torchs(spec: specs.CrossEntropy) -> None:
    """To the last bit what torch's function gives."""
    outputs, targets = batch(spec)
    weights = torch.tensor(spec.class_weights) if spec.class_weights else None
    expected = functional.cross_entropy(outputs, targets, weight=weights, label_smoothing=spec.label_smoothing)
    assert torch.equal(value(spec, outputs, targets), expected)


@pytest.mark.parametrize("pos_weight", [None, (0.5, 3.0)])
def test_binary_cross_entropy_from_its_definition(pos_weight: tuple[float, ...] | None) -> None:
    """Minus the log-probability of each label, those that are yes counted more often on request."""
    spec = specs.BinaryCrossEntropy(pos_weight=pos_weight)
    outputs, targets = batch(spec)
    yes, no = outputs.sigmoid().log(), (-outputs).sigmoid().log()
    expected = -(targets * torch.tensor(pos_weight or (1.0, 1.0)) * yes + (1 - targets) * no).mean()
    torch.testing.assert_close(value(spec, outputs, targets), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_one_label_may_come_as_a_plain_list_of_classes(dtype: torch.dtype) -> None:
    """Outputs (batch, 1) with targets (batch,) of two classes: the same as with targets (batch, 1)."""
    outputs, targets = torch.randn(9, 1, generator=torch.Generator().manual_seed(1)), (torch.arange(9) % 2).to(dtype)
    expected = functional.binary_cross_entropy_with_logits(outputs[:, 0], targets.float())
    torch.testing.assert_close(value(specs.BinaryCrossEntropy(), outputs, targets), expected)


@pytest.mark.parametrize("spec", VALUE_LOSSES, ids=str)
def test_losses_of_values_from_their_definition(spec: specs.LossSpec) -> None:
    """Mean of squared, absolute or Huber's differences over samples and targets."""
    outputs, targets = batch(spec)
    distance = (outputs - targets).abs()
    match spec:
        case specs.MeanSquaredError():
            expected = distance.square()
        case specs.L1():
            expected = distance
        case specs.Huber(delta=delta):
            expected = torch.where(distance < delta, distance.square() / 2, delta * (distance - delta / 2))
    torch.testing.assert_close(value(spec, outputs, targets), expected.mean())


def _batched_mean(loss: Loss, outputs: Tensor, targets: Tensor, sizes: list[int]) -> Tensor:
    """The losses of uneven batches, put together by their weights."""
    total, weight = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for part, answers in zip(outputs.split(sizes), targets.split(sizes), strict=True):
        share = loss.weight(answers)
        total += loss(part, answers).double() * share
        weight += share
    return total / weight


@pytest.mark.parametrize("sizes", [[40], [1, 39], [13, 13, 13, 1], [1] * 40])
@pytest.mark.parametrize("spec", [*CLASS_LOSSES, *LABEL_LOSSES, *VALUE_LOSSES], ids=str)
def test_weights_put_batches_together_as_one(spec: specs.LossSpec, sizes: list[int]) -> None:
    """However the samples are cut into batches, the weighted mean is the loss of all of them at once."""
    outputs, targets = batch(spec)
    loss = build_loss(spec, CPU)
    whole = loss(outputs, targets).double()
    torch.testing.assert_close(_batched_mean(loss, outputs, targets, sizes), whole, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("spec", [*CLASS_LOSSES, *LABEL_LOSSES, *VALUE_LOSSES], ids=str)
def test_losses_take_wider_numbers(spec: specs.LossSpec) -> None:
    """A network in float64 has its loss in float64, close to that of float32."""
    outputs, targets = batch(spec)
    wide = value(spec, outputs.double(), targets.double() if targets.is_floating_point() else targets)
    assert wide.dtype == torch.float64
    assert wide.item() == pytest.approx(value(spec, outputs, targets).item(), rel=1e-5)


def _per_step(spec: specs.LossSpec, samples: int, steps: int) -> tuple[Tensor, Tensor]:
    """Outputs and targets with an axis of steps."""
    outputs, targets = batch(spec, samples * steps)
    return outputs.reshape(samples, steps, -1), targets.reshape(samples, steps, *targets.shape[1:])


@pytest.mark.parametrize("sizes", [[8], [1, 7], [3, 3, 2]])
@pytest.mark.parametrize("spec", [*CLASS_LOSSES, *LABEL_LOSSES, *VALUE_LOSSES], ids=str)
def test_each_step_counts_like_a_sample(spec: specs.LossSpec, sizes: list[int]) -> None:
    """With an answer for each step the loss is that of all steps as samples, also put together from batches."""
    outputs, targets = _per_step(spec, 8, 5)
    loss = build_loss(spec, CPU)
    expected = loss(outputs.flatten(0, 1), targets.flatten(0, 1)).double()
    torch.testing.assert_close(loss(outputs, targets).double(), expected)
    torch.testing.assert_close(_batched_mean(loss, outputs, targets, sizes), expected, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(loss.weight(targets), loss.weight(targets.flatten(0, 1)))


def test_one_label_for_each_step_may_come_as_classes() -> None:
    """Outputs (batch, time, 1) with targets (batch, time) of two classes weigh as many as there are steps."""
    outputs, targets = torch.randn(4, 5, 1, generator=torch.Generator().manual_seed(1)), torch.arange(20).reshape(4, 5) % 2
    loss = build_loss(specs.BinaryCrossEntropy(), CPU)
    expected = functional.binary_cross_entropy_with_logits(outputs[..., 0], targets.float())
    torch.testing.assert_close(loss(outputs, targets), expected)
    assert loss.weight(targets) == 20
