"""Recorded steps against the same training without a recording, and a step on a GPU that there need not be.

Where there is no GPU, a stand-in for the recording keeps to its rule: it reads and writes the memory of the first time, and runs
nothing while it records. What a GPU makes of it is in tests/integration/test_cuda.py.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
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
from dlcli.errors import UsageError
from dlcli.training.checkpoint import load_checkpoint, save_checkpoint
from dlcli.training.recorded_steps import CudaGraphs, RecordedSteps, Results, Run
from dlcli.training.trainer import Trainer
from tests.unit.training.trainings import make_trainer, pictures, text, train_spec, vectors

ELSEWHERE = torch.device("meta")
"""A device whose tensors have no numbers: none can be read from it, which makes it a stand-in for a GPU that must not be waited for."""


class _StandIn:
    """Runs the function again for each replay, into results that stay where they are.

    Args:
        trainer: whose steps they are.
        reason: why they can't be recorded, if that is to show.
    """

    def __init__(self, trainer: Trainer, reason: str | None = None) -> None:
        clip = trainer.spec.clip_gradients
        self._results = 2 if clip is not None and clip.max_norm is not None else 1
        self._reason = reason
        self.recordings = 0

    def tried(self, function: Run) -> tuple[Results, str | None]:
        return function(), self._reason

    def recorded(self, function: Run) -> tuple[Callable[[], None], Results]:
        self.recordings += 1
        results = tuple(torch.full((), torch.nan) for _ in range(self._results))

        def replay() -> None:
            for kept, value in zip(results, function(), strict=True):
                kept.copy_(value)

        return replay, results


def _recording(trainer: Trainer, recorder: _StandIn | None = None, notices: list[str] | None = None) -> Trainer:
    """The same trainer with its steps recorded, from wherever it stands."""
    assert trainer._optimisers.keep_rate_in(torch.zeros(()))
    tell = notices.append if notices is not None else pytest.fail
    trainer._recorded = RecordedSteps(trainer._changed_weights, recorder or _StandIn(trainer), tell)
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
    assert recorded._recorded is not None
    assert recorded._recorded.is_replayed, "nothing was recorded"
    torch.testing.assert_close(found_losses, losses, rtol=1e-6, atol=0)
    torch.testing.assert_close(found, tensors, rtol=1e-5, atol=1e-7)
    assert recorded.mean_gradient_norm() == pytest.approx(plain.mean_gradient_norm())
    rounded = {"loss_sum", "norm_sum", "best", "to_beat"}
    found_progress, progress = recorded.progress.as_json(), plain.progress.as_json()
    assert {**found_progress, **dict.fromkeys(rounded)} == {**progress, **dict.fromkeys(rounded)}


def test_a_recorded_training_goes_on_where_it_was_left(tmp_path: Path) -> None:
    """With the rate of the schedule: what optimisers are restored from holds copies of the tensor that it is in."""
    spec = train_spec(batch_size=8, epochs=2, optimizer=optimizers.Adam(lr=0.01), schedule=OneCycle())
    plain = make_trainer(spec, vectors(60))
    losses, tensors = _course(plain)
    halves = [_recording(make_trainer(spec, vectors(60))) for _ in range(2)]
    torch.manual_seed(3)
    found = [float(halves[0].step(group)) for group, _ in zip(halves[0].groups(), range(6), strict=False)]
    snapshot = halves[0].snapshot()
    save_checkpoint(tmp_path / "step-00000006", snapshot.tensors, snapshot.state)
    halves[1].restore(load_checkpoint(tmp_path / "step-00000006"))
    for _ in range(2):
        found += [float(halves[1].step(group)) for group in halves[1].groups()]
        halves[1].end_epoch(halves[1].mean_loss(), halves[1].mean_loss())
    torch.testing.assert_close(found, losses, rtol=1e-6, atol=0)
    assert halves[1]._recorded is not None
    assert halves[1]._recorded.is_replayed
    for name, tensor in halves[1].snapshot().tensors["model"].items():
        torch.testing.assert_close(tensor, tensors[f"model/{name}"], rtol=1e-5, atol=1e-7)


def test_a_first_batch_of_another_size_is_not_the_one_that_is_recorded() -> None:
    """A training may be taken up at the last, smaller batch of an epoch."""
    trainer = make_trainer(train_spec(batch_size=8), vectors(60))
    recorder = _StandIn(trainer)
    _recording(trainer, recorder)
    groups = list(trainer.groups())
    trainer.step(groups[-1])
    for group in groups[:6]:
        trainer.step(group)
    assert groups[-1][0].size != groups[0][0].size
    assert recorder.recordings == 1
    assert trainer._recorded is not None
    assert trainer._recorded.is_replayed


def test_losses_that_are_kept_are_not_overwritten_by_the_next_step() -> None:
    """They are looked at later, all together."""
    trainer = _recording(make_trainer(train_spec(batch_size=8), vectors(60)))
    kept = [trainer.step(group) for group in trainer.groups()]
    again = make_trainer(train_spec(batch_size=8), vectors(60))
    torch.testing.assert_close(torch.stack(kept), torch.stack([again.step(group) for group in again.groups()]))


def test_what_waits_for_the_gpu_is_run_as_ever_and_said_once() -> None:
    """A layer of a plug-in may read a number from it."""
    notices, trainer = list[str](), make_trainer(train_spec(batch_size=8), vectors(60))
    recorder = _StandIn(trainer, reason="own.py:3 waits for the GPU")
    _recording(trainer, recorder, notices)
    losses = [float(trainer.step(group)) for group in trainer.groups()]
    plain = make_trainer(train_spec(batch_size=8), vectors(60))
    assert losses == pytest.approx([float(plain.step(group)) for group in plain.groups()])
    assert recorder.recordings == 0
    [notice] = notices
    assert notice == "steps are not recorded, but run one operation at a time: own.py:3 waits for the GPU"


def test_steps_are_recorded_only_where_that_is_asked_for_and_can_be() -> None:
    """On a CPU nothing changes, and nothing is said."""
    trainer = make_trainer(train_spec(cuda_graph=True))
    trainer.record_steps(pytest.fail)
    assert trainer._recorded is None
    notices = list[str]()
    trainer.device = torch.device("cuda")
    trainer._optimisers = make_trainer(train_spec(optimizer=optimizers.RmsProp()))._optimisers
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "full", lambda *_, **__: torch.zeros(()))
        trainer.record_steps(notices.append)
    assert trainer._recorded is None
    [notice] = notices
    assert notice.endswith("reads the learning rate on the CPU")


@pytest.mark.parametrize("optimizer", [optimizers.Adagrad(), optimizers.RmsProp(), optimizers.NAdam(), optimizers.Muon()])
def test_optimisers_that_compute_with_the_rate_on_the_cpu_are_left_as_they_are(optimizer: optimizers.OptimizerSpec) -> None:
    """A recording would go on with the first rate for ever."""
    network = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3))
    trainer = make_trainer(train_spec(optimizer=optimizer), network=network)
    assert not trainer._optimisers.keep_rate_in(torch.zeros(()))


@pytest.mark.parametrize(
    ("error", "raised", "told"),
    [
        (RuntimeError("operation not permitted\nmore of it"), UsageError, "can't be recorded: operation not permitted$"),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError, "out of memory"),
    ],
)
def test_a_recording_that_fails_says_what_to_do(
    error: Exception, raised: type[Exception], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lack of memory is told as one: smaller batches help."""
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", lambda _: nullcontext())

    def function() -> Results:
        raise error

    with pytest.raises(raised, match=told):
        CudaGraphs().recorded(function)


def test_what_torch_says_of_waiting_is_why_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other warnings are passed on, and torch's setting is put back."""
    modes = list[object]()
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def function() -> Results:
        warnings.warn("called a synchronizing CUDA operation", UserWarning, stacklevel=1)
        warnings.warn("of another kind", UserWarning, stacklevel=1)
        return (torch.ones(()),)

    with pytest.warns(UserWarning, match="of another kind"):
        results, reason = CudaGraphs().tried(function)
    assert results[0] == 1
    assert reason is not None
    assert reason.endswith("waits for the GPU")
    assert modes == ["warn", 0]
    assert CudaGraphs().tried(lambda: ()) == ((), None)


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
