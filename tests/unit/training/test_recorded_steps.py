"""Recorded steps against the same training without a recording, and a step on a GPU that there need not be.

Where there is no GPU, a stand-in for the recording keeps to its rule: it reads and writes the memory of the first time, and runs
nothing while it records. What a GPU makes of it is in tests/integration/test_cuda.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from dlcli.config import optimizers
from dlcli.config.augmentation import Crop, Elastic, Erase, Flip, Rotate, Scale, Shear, Shift
from dlcli.config.schedules import OneCycle
from dlcli.config.training import ClipSpec, EmaSpec
from dlcli.data.batches import Batches
from dlcli.data.preprocessing import Preprocessing
from dlcli.training.recorded_steps import Record, RecordedSteps, Results
from dlcli.training.trainer import Trainer
from tests.unit.training.trainings import make_trainer, pictures, text, train_spec, vectors

ELSEWHERE = torch.device("meta")
"""A device whose tensors have no numbers: none can be read from it, which makes it a stand-in for a GPU that must not be waited for."""


def _stand_in(trainer: Trainer) -> Record:
    """Runs the function again for each replay, into results that stay where they are."""
    has_norm = trainer.spec.clip_gradients is not None and trainer.spec.clip_gradients.max_norm is not None

    def record(function: Callable[[], Results]) -> tuple[Callable[[], None], Results]:
        results = tuple(torch.full((), torch.nan) for _ in range(1 + has_norm))

        def replay() -> None:
            for kept, value in zip(results, function(), strict=True):
                kept.copy_(value)

        return replay, results

    return record


def _recording(trainer: Trainer, record: Record | None = None, notices: list[str] | None = None) -> Trainer:
    """The same trainer with its steps recorded."""
    assert trainer._optimisers.keep_rate_in(torch.zeros(()))
    tell = notices.append if notices is not None else pytest.fail
    trainer._change_weights = RecordedSteps(trainer._changed_weights, record or _stand_in(trainer), tell)
    return trainer


def _course(trainer: Trainer) -> tuple[list[float], dict[str, Tensor]]:
    """The losses of two epochs, and what is saved after them."""
    torch.manual_seed(3)
    trainer.network.train()
    losses = []
    for _ in range(2):
        losses += [float(trainer.step(group)) for group in trainer.groups()]
        trainer.end_epoch(trainer.mean_loss(), trainer.mean_loss())
    tensors = trainer.snapshot().tensors
    return losses, {f"{part}/{name}": tensor for part in ("model", "optimizer") for name, tensor in tensors[part].items()}


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": optimizers.Sgd(lr=0.1, momentum=0.9)},
        {"optimizer": optimizers.Adam(lr=0.01), "schedule": OneCycle()},
        {"optimizer": optimizers.AdamW(lr=0.01), "clip_gradients": ClipSpec(max_norm=0.5), "ema": EmaSpec(decay=0.9)},
        {"optimizer": optimizers.Adam(lr=0.01), "clip_gradients": ClipSpec(max_value=0.1), "accumulate": 2, "batch_size": 2},
    ],
    ids=["sgd", "schedule", "norm and average", "several batches"],
)
@pytest.mark.parametrize("kind", ["vectors", "pictures"])
def test_a_recorded_training_is_the_same_one(kind: str, fields: dict[str, Any]) -> None:
    """Losses, weights, what optimisers remember: also where the rate changes, and the last batch is a smaller one."""
    makes = {"vectors": (lambda: vectors(60), lambda: None), "pictures": (lambda: pictures(60), _pictures_network)}
    dataset, network = makes[kind]
    spec = train_spec(**{"batch_size": 8, "epochs": 2, **fields})
    plain, recorded = (make_trainer(spec, dataset(), network()) for _ in range(2))
    losses, tensors = _course(plain)
    found_losses, found = _course(_recording(recorded))
    assert isinstance(recorded._change_weights, RecordedSteps)
    assert recorded._change_weights._replay is not None, "nothing was recorded"
    torch.testing.assert_close(found_losses, losses, rtol=1e-6, atol=0)
    torch.testing.assert_close(found, tensors, rtol=1e-5, atol=1e-7)
    assert recorded.mean_gradient_norm() == pytest.approx(plain.mean_gradient_norm()) if fields.get("clip_gradients") else True
    assert recorded.progress == plain.progress or recorded.progress.loss_sum == pytest.approx(plain.progress.loss_sum)


def test_losses_that_are_kept_are_not_overwritten_by_the_next_step() -> None:
    """They are looked at later, all together."""
    trainer = _recording(make_trainer(train_spec(batch_size=8), vectors(60)))
    kept = [trainer.step(group) for group in trainer.groups()]
    again = make_trainer(train_spec(batch_size=8), vectors(60))
    torch.testing.assert_close(torch.stack(kept), torch.stack([again.step(group) for group in again.groups()]))


def test_what_cannot_be_recorded_is_run_as_ever_and_said_once() -> None:
    """A layer of a plug-in may wait for the GPU: the step that was to be recorded has not been run, and is now."""
    notices, tried = list[str](), list[int]()

    def record(function: Callable[[], Results]) -> tuple[Callable[[], None], Results]:
        tried.append(1)
        raise RuntimeError("operation not permitted when stream is capturing\nmore of it")

    trainer = _recording(make_trainer(train_spec(batch_size=8), vectors(60)), record, notices)
    losses = [float(trainer.step(group)) for group in trainer.groups()]
    plain = make_trainer(train_spec(batch_size=8), vectors(60))
    assert losses == pytest.approx([float(plain.step(group)) for group in plain.groups()])
    assert len(tried) == 1
    [notice] = notices
    assert "operation not permitted when stream is capturing" in notice
    assert "more of it" not in notice


@pytest.mark.parametrize("optimizer", [optimizers.Adagrad(), optimizers.RmsProp(), optimizers.NAdam(), optimizers.Muon()])
def test_optimisers_that_compute_with_the_rate_on_the_cpu_are_left_as_they_are(optimizer: optimizers.OptimizerSpec) -> None:
    """A recording would go on with the first rate for ever."""
    network = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3))
    trainer = make_trainer(train_spec(optimizer=optimizer), network=network)
    assert not trainer._optimisers.keep_rate_in(torch.zeros(()))


class _NoNumbers(TorchFunctionMode):
    """Refuses to make a tensor on the device of numbers that Python has: they would be copied there."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        made = isinstance(result, Tensor) and function in (torch.tensor, torch.as_tensor) and not isinstance(args[0], Tensor)
        assert not made or result.device.type == "cpu", "numbers go from Python to the device"
        return result


class _NoWaiting(TorchDispatchMode):
    """Refuses what would wait for a GPU: reading a number from it, or copying between it and the CPU."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        devices = {value.device.type for value in (*args, result) if isinstance(value, Tensor)}
        assert "_local_scalar_dense" not in str(function) or devices == {"cpu"}, "a number is read from the device"
        assert "copy" not in str(function) or len(devices) < 2, f"{function} goes from one device to the other"
        return result


def _pictures_network() -> nn.Module:
    """(batch, 1, 8, 8) -> (batch, 3), with dropout and batch normalisation; no bias stands before that, which takes it out again."""
    torch.manual_seed(0)
    layers = (nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(4 * 36, 3))
    return nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), *layers)


def _text_network() -> nn.Module:
    """(batch, time) -> (batch, time, 5)."""
    return nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 5))


def _plain_pictures_network() -> nn.Module:
    """(batch, 1, 8, 8) -> (batch, 3)."""
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(4 * 36, 3))


@pytest.mark.parametrize(
    "fields",
    [
        {"optimizer": optimizers.Adam(lr=0.01), "schedule": OneCycle(), "clip_gradients": ClipSpec(max_norm=1.0)},
        {"optimizer": optimizers.Sgd(lr=0.1, momentum=0.9), "ema": EmaSpec(decay=0.9), "accumulate": 2},
        {"optimizer": optimizers.AdamW(lr=0.01), "clip_gradients": ClipSpec(max_value=1.0)},
    ],
    ids=["adam", "sgd", "adamw"],
)
@pytest.mark.parametrize("kind", ["pictures", "text"])
def test_a_step_waits_for_nothing(kind: str, fields: dict[str, Any]) -> None:
    """Data, augmentation, network, loss, gradients, update and sums: no number is read, nothing is copied from the CPU."""
    data, network = {"pictures": (pictures(), _plain_pictures_network), "text": (text(40), _text_network)}[kind]
    spec, preprocessing = train_spec(**fields), Preprocessing(data.spec, data.facts, seed=0)
    trainer = Trainer(network().to(ELSEWHERE), data.to(ELSEWHERE), preprocessing, spec, ELSEWHERE, outputs=("output",))
    groups = trainer.groups()
    first, second = next(groups), next(groups)
    with _NoWaiting(), _NoNumbers():
        trainer.step(first)
        loss = trainer.step(second)
    assert loss.device == ELSEWHERE
    with pytest.raises(AssertionError, match="goes from one device to the other"), _NoWaiting():
        torch.zeros(3).to(ELSEWHERE)


def test_making_a_batch_waits_for_nothing() -> None:
    """Once the order of an epoch is on the device; pictures are moved, bent, erased and normalised there."""
    changes = (Shift(), Rotate(), Scale(), Shear(), Elastic(), Crop(), Flip(), Erase(p=0.5))
    data = pictures()
    spec = data.spec.model_copy(update={"augment": changes})
    data = dataclasses.replace(data, spec=spec).to(ELSEWHERE)
    preprocessing = Preprocessing(spec, data.facts, seed=0)
    batches = Batches(data.train, preprocessing, 8, facts=data.facts, seed=0, repeat=2).epoch(0)
    next(batches)
    with _NoWaiting(), _NoNumbers():
        batch = next(batches)
    assert isinstance(batch.inputs, Tensor)
    assert batch.inputs.device == ELSEWHERE
