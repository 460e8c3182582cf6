"""NaN and infinity end a training before anything good is overwritten."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.losses import MeanSquaredError
from dlcli.config.optimizers import Sgd
from dlcli.config.schedules import MultiStep
from dlcli.errors import DivergedError
from dlcli.training.checkpoint import load_checkpoint
from dlcli.training.checkpoint_folder import list_checkpoints, read_hint
from dlcli.training.divergence import MEND_THE_DATA
from dlcli.training.loop import fit
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer
from tests.unit.training.trainings import Watcher, fitted, make_trainer, resumed, run_folder, train_spec, vectors

EXPLODES_IN_EPOCH_2 = train_spec(schedule=MultiStep(milestones=(1,), gamma=1e30), loss=MeanSquaredError(), metrics=())


def files(path: Path) -> dict[str, bytes]:
    """All that is in a run's folder."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def explode(path: Path) -> tuple[Watcher, DivergedError]:
    """A run of which the first epoch is good and the second diverges."""
    dataset = vectors(targets=3)
    trainer, watcher = make_trainer(EXPLODES_IN_EPOCH_2, dataset), Watcher()
    with pytest.raises(DivergedError) as caught:
        fit(trainer, run_folder(path), watcher, watcher.stop)
    return watcher, caught.value


def test_the_message_names_step_epoch_and_rate(tmp_path: Path) -> None:
    """The first step whose loss is not finite, its epoch and its learning rate; exit code 4 and what to do."""
    watcher, error = explode(tmp_path)
    assert all(map(math.isfinite, watcher.losses)), "the step that diverged was not taken"
    step = len(watcher.losses) + 1
    assert step > 4
    assert re.match(
        rf"the loss is (nan|inf) at step {step} \(epoch 2, learning rate 1e\+29\): every layer gives finite numbers",
        error.message,
    )
    assert "train.optimizer.lr" in (error.help or "")
    assert error.exit_code == 4


def test_what_was_good_is_not_touched(tmp_path: Path) -> None:
    """The checkpoint, the hints and the log are those of the epoch before, and they verify."""
    explode(tmp_path)
    best = read_hint(tmp_path / "checkpoints", "best")
    assert best is not None
    assert [load_checkpoint(path).path for path in list_checkpoints(tmp_path / "checkpoints")] == [best]
    assert [event["epoch"] for event in RunFolder(tmp_path).metrics.read()] == [1]


def test_a_bad_loss_is_found_within_the_epoch(tmp_path: Path) -> None:
    """In a long epoch a training that diverges early does not go on to its end."""
    dataset = vectors(train=2000)
    dataset.train.inputs[:] = math.nan
    trainer, watcher = make_trainer(train_spec(batch_size=2), dataset), Watcher()
    with pytest.raises(DivergedError, match=r"the loss is nan at step 1 \(epoch 1, learning rate 0\.1\)"):
        fit(trainer, run_folder(tmp_path), watcher, watcher.stop)
    assert watcher.losses == []


def test_on_an_accelerator_a_bad_loss_is_found_within_the_epoch(tmp_path: Path) -> None:
    """There losses are looked at once in a while; the message names the first that was bad, and a weight that is by now."""
    dataset = vectors(train=2000, targets=3)
    spec = train_spec(batch_size=2, optimizer=Sgd(lr=1e25), loss=MeanSquaredError(), metrics=())
    trainer, watcher = on_an_accelerator(make_trainer(spec, dataset)), Watcher()
    with pytest.raises(
        DivergedError, match=r"the loss is inf at step 2 \(epoch 1, learning rate 1e\+25\); by now `2.weight` holds NaN"
    ):
        fit(trainer, run_folder(tmp_path), watcher, watcher.stop)
    assert len(watcher.losses) < 100


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_on_an_accelerator_bad_data_is_named(accumulate: int, epoch: int) -> None:
    """The weights that it ruined are no reason: what is told is the sample, found by its step, in later epochs too."""
    dataset = vectors(train=24)
    assert isinstance(dataset.train.inputs, Tensor)
    trainer = on_an_accelerator(make_trainer(train_spec(batch_size=4, accumulate=accumulate), dataset))
    trainer.progress.epoch, trainer.progress.step = epoch, epoch * trainer.steps_per_epoch
    batches = [batch.inputs.clone() for batch in trainer.batches.epoch(epoch)]  # type: ignore[union-attr] # one input
    bad = batches[3][2]
    dataset.train.inputs[(dataset.train.inputs == bad).all(dim=1)] = math.nan
    list(map(trainer.step, trainer.groups()))
    step = trainer.progress.step - trainer.steps_per_epoch + (4 if accumulate == 1 else 2)
    batch = "the batch" if accumulate == 1 else "batch 2 of 2"
    with pytest.raises(DivergedError) as caught:
        trainer.check()
    moment = f"step {step} (epoch {epoch + 1}, learning rate 0.1)"
    assert caught.value.message == f"the loss is nan at {moment}: the input holds NaN for sample 2 of {batch}"
    assert caught.value.help == MEND_THE_DATA


def on_an_accelerator(trainer: Trainer) -> Trainer:
    """The same trainer, as if looking at a loss waited for the device."""
    trainer._sees_each_loss = False
    return trainer


def test_a_stop_request_does_not_save_what_diverged(tmp_path: Path) -> None:
    """A signal that comes after a NaN still ends with the error, and nothing is written."""
    dataset = vectors()
    dataset.train.inputs[:] = math.nan
    watcher = Watcher(stop_after=[1])
    with pytest.raises(DivergedError):
        fit(on_an_accelerator(make_trainer(train_spec(), dataset)), run_folder(tmp_path), watcher, watcher.stop)
    assert list_checkpoints(tmp_path / "checkpoints") == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["0.weight", "2.bias"])
def test_a_bad_weight_is_not_saved(name: str, value: float) -> None:
    """The weight is named, and there is nothing to write a checkpoint from."""
    trainer = make_trainer(train_spec())
    with torch.no_grad():
        trainer.network.get_parameter(name).view(-1)[-1] = value
    with pytest.raises(
        DivergedError, match=f"`{name}` holds {'NaN' if math.isnan(value) else 'infinity'} after step 0"
    ) as caught:
        trainer.snapshot()
    assert caught.value.exit_code == 4


class Masked(nn.Module):
    """(batch, 4) -> (batch, 3) by way of a mask of -inf, as attention has one; here it has two names."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 4), nn.Linear(4, 3)
        for name in ("mask", "again"):
            self.register_buffer(name, MASK)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, inputs: Tensor) -> Tensor:
        weights = (self.inner(inputs)[:, None, :] + MASK).softmax(dim=-1)
        return self.outer((weights @ inputs[:, :, None])[:, :, 0])  # type: ignore[no-any-return] # torch's modules are untyped


MASK = torch.full((4, 4), -math.inf).triu(1)


@pytest.mark.parametrize("stop_after", [2, 8])
def test_a_buffer_that_is_infinite_from_the_start_is_no_divergence(stop_after: int, tmp_path: Path) -> None:
    """A layer's mask: the training goes to its end, is saved, and goes on from there, within an epoch and between two."""
    spec = train_spec(epochs=3)
    fitted(make_trainer(spec, network=Masked()), tmp_path, stop_after=[stop_after])
    trainer = resumed(lambda: make_trainer(spec, network=Masked()), tmp_path)
    assert (trainer.progress.finished, trainer.progress.epoch) == ("epochs", 3)


@pytest.mark.parametrize("name", ["inner.weight", "seen"])
def test_beside_such_a_buffer_others_and_weights_are_looked_at(name: str) -> None:
    """What was finite to begin with is named, and not the mask."""
    trainer = make_trainer(train_spec(), network=Masked())
    trainer.network.state_dict()[name].view(-1)[0] = math.inf
    with pytest.raises(DivergedError, match=f"^`{name}` holds infinity after step 0"):
        trainer.snapshot()


def test_on_an_accelerator_such_a_buffer_is_not_blamed_for_a_loss() -> None:
    """The loss is NaN, the data and the weights are finite: no weight is named, and no mask."""
    trainer = on_an_accelerator(make_trainer(train_spec(), network=Masked()))
    trainer._unchecked = [torch.tensor(math.nan)]
    trainer.progress.step = trainer.progress.step_in_epoch = 1
    with pytest.raises(DivergedError) as caught:
        trainer.check_losses()
    assert caught.value.message == "the loss is nan at step 1 (epoch 1, learning rate 0.1)"


def test_a_last_step_that_ruins_the_weights_is_found_before_the_log(tmp_path: Path) -> None:
    """Every loss is finite, and the weights after the last step are not: no line, no best epoch, no checkpoint."""
    spec = train_spec(batch_size=26, epochs=1, optimizer=Sgd.model_construct(lr=1e39))
    trainer, watcher = make_trainer(spec, vectors(valid=0)), Watcher()
    with pytest.raises(DivergedError, match=r"holds infinity after step 1 \(epoch 1, learning rate 1e\+39\)"):
        fit(trainer, run_folder(tmp_path), watcher, watcher.stop)
    assert math.isfinite(watcher.losses[0])
    assert files(tmp_path) == {}
    assert trainer.progress.best is None


@pytest.mark.parametrize("key", ["loss", "accuracy"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_bad_figure_of_the_validation_ends_the_run(key: str, value: float, tmp_path: Path) -> None:
    """Whichever figure it is, monitored or not: no result, and no line in the log; the rate told is that of the last step."""
    trainer, watcher = make_trainer(train_spec(schedule=MultiStep(milestones=(1,)))), Watcher()
    trainer.evaluate = lambda *_: {"loss": 0.5, "accuracy": 0.5, key: value}  # type: ignore[method-assign] # scripted
    with pytest.raises(DivergedError, match=rf"valid/{key} is {value} after step 4 \(epoch 1, learning rate 0\.1\)"):
        fit(trainer, run_folder(tmp_path), watcher, watcher.stop)
    assert files(tmp_path) == {}


def test_a_bad_figure_of_the_validation_is_traced_to_its_data(tmp_path: Path) -> None:
    """A split that holds NaN, which no step sees: the batch of the evaluation, its sample, and to mend the data."""
    dataset, watcher = vectors(train=26, valid=100), Watcher()
    assert dataset.valid is not None
    assert isinstance(dataset.valid.inputs, Tensor)
    dataset.valid.inputs[70] = math.nan
    with pytest.raises(DivergedError) as caught:
        fit(make_trainer(train_spec(batch_size=8), dataset), run_folder(tmp_path), watcher, watcher.stop)
    where = "in batch 2 of 2, the input holds NaN for sample 6 of the batch"
    assert caught.value.message == f"valid/loss is nan after step 4 (epoch 1, learning rate 0.1): {where}"
    assert caught.value.help == MEND_THE_DATA
    assert files(tmp_path) == {}


def test_losses_are_looked_at_once_in_a_while(tmp_path: Path) -> None:
    """Where looking waits for the device no step of a short epoch does it, the end of the epoch does."""
    trainer = on_an_accelerator(make_trainer(train_spec()))
    looked: list[int] = []
    check = trainer.check_losses

    def watched() -> None:
        looked.append(trainer.progress.step)
        check()

    trainer.check_losses = watched  # type: ignore[method-assign] # looks on
    watcher = Watcher(stop_after=[3])
    fit(trainer, run_folder(tmp_path), watcher, watcher.stop)
    assert set(looked) == {3}
