"""One step of a training against plain torch."""

from __future__ import annotations

import copy
import math
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlcli.config.losses import CrossEntropy, LossSpec
from dlcli.config.optimizers import Sgd
from dlcli.config.schedules import Cosine
from dlcli.config.training import ClipSpec, EmaSpec
from dlcli.training.checkpoint import save_checkpoint
from dlcli.training.checkpoint_folder import load_newest
from dlcli.training.trainer import Trainer
from tests.unit.training.trainings import fitted, linear_network, make_trainer, train_spec, vectors

CLASS_WEIGHTS = (0.2, 1.0, 5.0)
WEIGHTED = CrossEntropy(class_weights=CLASS_WEIGHTS)


def take_epoch(batch_size: int, accumulate: int, **fields: Any) -> tuple[nn.Module, list[float]]:
    """The network in float64 after an epoch, and the loss of each step."""
    spec = train_spec(batch_size=batch_size, accumulate=accumulate, optimizer=Sgd(lr=0.3, momentum=0.9), **fields)
    trainer = make_trainer(spec, vectors(dtype=torch.float64), linear_network(dtype=torch.float64))
    trainer.network.train()
    return trainer.network, [float(trainer.step(group)) for group in trainer.groups()]


def gradients(network: nn.Module, loss: Tensor) -> list[Tensor]:
    """Of all weights, in order."""
    return list(torch.autograd.grad(loss, list(network.parameters())))


@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy(class_weights=CLASS_WEIGHTS, label_smoothing=0.1)], ids=str)
def test_a_step_is_a_plain_torch_step(loss: CrossEntropy) -> None:
    """Forward, loss, backward and SGD written by hand give the same weights and the same loss."""
    trainer = make_trainer(train_spec(loss=loss, optimizer=Sgd(lr=0.25)))
    network = copy.deepcopy(trainer.network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.25)
    weights = torch.tensor(loss.class_weights) if loss.class_weights else None
    for group in trainer.groups():
        [batch] = group
        expected = functional.cross_entropy(network(batch.inputs), batch.targets, weights, label_smoothing=loss.label_smoothing)
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        torch.testing.assert_close(trainer.step(group), expected.detach())
    for found, right in zip(trainer.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(found, right)


@pytest.mark.parametrize(("batch_size", "accumulate"), [(1, 12), (3, 4), (4, 3), (6, 2)])
@pytest.mark.parametrize(
    "loss",
    [CrossEntropy(), WEIGHTED, CrossEntropy(label_smoothing=0.2)],
    ids=str,
)
def test_accumulated_batches_are_one_large_batch(batch_size: int, accumulate: int, loss: LossSpec) -> None:
    """Several batches of any size give the weights and losses of one batch of all their samples, the last group included."""
    network, losses = take_epoch(batch_size, accumulate, loss=loss)
    large_network, large_losses = take_epoch(12, 1, loss=loss)
    rounding = 1e-6 if loss == WEIGHTED else 1e-12  # the weights of classes are float32
    assert losses == pytest.approx(large_losses, rel=rounding)
    for found, expected in zip(network.parameters(), large_network.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=rounding * 100, atol=rounding)


def test_progress_counts_steps_and_samples() -> None:
    """A step of several batches is one step, and its samples are all counted once."""
    trainer = make_trainer(train_spec(batch_size=4, accumulate=3))
    sizes = []
    for group in trainer.groups():
        trainer.step(group)
        sizes.append(trainer.progress.samples)
    assert sizes == [12, 24, 26]
    assert (trainer.progress.step, trainer.progress.step_in_epoch, trainer.steps_per_epoch) == (3, 3, 3)


def test_the_mean_loss_is_over_samples() -> None:
    """A last batch of few samples counts as few samples."""
    trainer = make_trainer(train_spec())
    losses, sizes = [], []
    for group in trainer.groups():
        losses.append(float(trainer.step(group)))
        sizes.append(group[0].size)
    assert sizes == [8, 8, 8, 2]
    expected = sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / 26
    assert trainer.mean_loss() == pytest.approx(expected)


@pytest.mark.parametrize("bound", [0.05, 0.3, 100.0])
def test_gradients_are_clipped_by_their_norm(bound: float) -> None:
    """All gradients together are scaled to the bound where they are longer, and left alone where they are not."""
    trainer = make_trainer(train_spec(optimizer=Sgd(lr=1.0), clip_gradients=ClipSpec(max_norm=bound)))
    [group, *_] = list(trainer.groups())
    before = [parameter.detach().clone() for parameter in trainer.network.parameters()]
    loss = functional.cross_entropy(trainer.network(group[0].inputs), group[0].targets)
    steps = gradients(trainer.network, loss)
    norm = torch.sqrt(sum((step.square().sum() for step in steps), torch.zeros(())))
    scale = min(1.0, bound / float(norm))
    assert (scale < 1) == (bound < 1)
    trainer.step(group)
    for parameter, old, step in zip(trainer.network.parameters(), before, steps, strict=True):
        torch.testing.assert_close(parameter.detach(), old - scale * step, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bound", [0.01, 100.0])
def test_gradients_are_clipped_by_their_value(bound: float) -> None:
    """Each gradient alone is held within the bound."""
    trainer = make_trainer(train_spec(optimizer=Sgd(lr=1.0), clip_gradients=ClipSpec(max_value=bound)))
    [group, *_] = list(trainer.groups())
    before = [parameter.detach().clone() for parameter in trainer.network.parameters()]
    loss = functional.cross_entropy(trainer.network(group[0].inputs), group[0].targets)
    steps = gradients(trainer.network, loss)
    assert any(bool((step.abs() > bound).any()) for step in steps) == (bound < 1)
    trainer.step(group)
    for parameter, old, step in zip(trainer.network.parameters(), before, steps, strict=True):
        torch.testing.assert_close(parameter.detach(), old - step.clamp(-bound, bound))


def test_accumulated_gradients_are_clipped_once() -> None:
    """The bound is for the gradients of the whole group: clipping each batch's would be another training."""
    clip = ClipSpec(max_norm=0.05)
    network, _ = take_epoch(4, 3, clip_gradients=clip)
    large_network, _ = take_epoch(12, 1, clip_gradients=clip)
    for found, expected in zip(network.parameters(), large_network.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_the_mean_norm_is_over_the_steps_that_were_bounded(tmp_path: Path) -> None:
    """Gradients that a resume began to bound, after the first of an epoch's four steps, and another resume two steps later."""
    fitted(make_trainer(train_spec()), tmp_path, stop_after=[1])
    norms = []
    for last in (3, 4):
        trainer = bounded_from(tmp_path)
        for group in islice(trainer.groups(), last - trainer.progress.step):
            trainer.step(group)
            norms.append(norm_of_gradients(trainer.network))
        saved = trainer.snapshot()
        save_checkpoint(tmp_path / "checkpoints" / f"step-{last:08d}", saved.tensors, saved.state)
    assert len(norms) == 3
    assert trainer.mean_gradient_norm() == pytest.approx(sum(norms) / 3)


def test_an_epoch_none_of_whose_steps_was_bounded_has_no_norm(tmp_path: Path) -> None:
    """Its last step was taken before the resume that began to bound them; only its evaluation is left."""
    fitted(make_trainer(train_spec()), tmp_path, stop_after=[4])
    trainer = bounded_from(tmp_path)
    assert trainer.progress.step_in_epoch == 4
    assert trainer.mean_gradient_norm() is None


def test_each_epoch_has_a_mean_norm_of_its_own() -> None:
    """The steps of the epoch before are not counted."""
    trainer = make_trainer(train_spec(clip_gradients=ClipSpec(max_norm=1e9)))
    for group in trainer.groups():
        trainer.step(group)
    trainer.end_epoch(1.0, 1.0)
    trainer.step(next(trainer.groups()))
    assert trainer.mean_gradient_norm() == pytest.approx(norm_of_gradients(trainer.network))


def norm_of_gradients(network: nn.Module) -> float:
    """Of the last step, where nothing bounded them."""
    squares = [parameter.grad.square().sum() for parameter in network.parameters() if parameter.grad is not None]
    return math.sqrt(float(sum(squares)))


def bounded_from(path: Path) -> Trainer:
    """A trainer that goes on from a folder's newest checkpoint, and measures gradients without changing them."""
    trainer, checkpoint = (
        make_trainer(train_spec(clip_gradients=ClipSpec(max_norm=1e9))),
        load_newest(path / "checkpoints", pytest.fail),
    )
    assert checkpoint is not None
    trainer.restore(checkpoint)
    return trainer


def test_each_step_has_the_rate_of_the_schedule() -> None:
    """With plain SGD the change of a bias is the rate times its gradient: the rates are those of the schedule."""
    spec = train_spec(optimizer=Sgd(lr=0.4), schedule=Cosine(warmup=2), epochs=1)
    trainer = make_trainer(spec)
    rates = []
    for group in trainer.groups():
        planned = trainer.learning_rate
        bias = trainer.network.get_parameter("2.bias")
        before = bias.detach().clone()
        trainer.step(group)
        assert bias.grad is not None
        rates.append(float(((before - bias.detach()) / bias.grad).mean()))
        assert rates[-1] == pytest.approx(planned, rel=1e-3, abs=1e-6)
    assert rates == pytest.approx([0.4 / 3, 0.8 / 3, 0.4, 0.0], rel=1e-3, abs=1e-6)


def test_a_schedule_ends_with_max_steps() -> None:
    """The cosine comes down within the steps that there will be, not within those of all epochs."""
    trainer = make_trainer(train_spec(schedule=Cosine(), max_steps=3, epochs=100))
    rates = []
    for group in trainer.groups():
        rates.append(trainer.learning_rate)
        trainer.step(group)
    assert rates == pytest.approx([0.1, 0.05, 0.0])


def test_max_steps_ends_an_epoch_in_its_middle() -> None:
    """No batch is fetched beyond the last step."""
    trainer = make_trainer(train_spec(max_steps=2))
    assert len([trainer.step(group) for group in trainer.groups()]) == 2
    assert list(trainer.groups()) == []


def test_the_average_follows_from_the_first_step_on() -> None:
    """Step 0 takes in nine tenths of the new weights, step 1 nine elevenths: the average is updated once a step."""
    trainer = make_trainer(train_spec(ema=EmaSpec(decay=0.999), optimizer=Sgd(lr=1.0)))
    expected = trainer.network.get_parameter("0.weight").detach().clone()
    for group, kept in zip(list(trainer.groups())[:2], (1 / 10, 2 / 11), strict=True):
        trainer.step(group)
        expected = kept * expected + (1 - kept) * trainer.network.get_parameter("0.weight").detach()
        torch.testing.assert_close(trainer.judged_network.get_parameter("0.weight"), expected)
