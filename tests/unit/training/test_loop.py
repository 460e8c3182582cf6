"""The loop: what is evaluated, kept and logged, and when it ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dlcli.config.optimizers import Sgd
from dlcli.config.schedules import Exponential, Plateau
from dlcli.config.training import EarlyStoppingSpec, EmaSpec
from dlcli.data.batches import Batch
from dlcli.runtime.signals import StopRequest
from dlcli.training import loop
from dlcli.training.checkpoint import load_checkpoint
from dlcli.training.checkpoint_folder import list_checkpoints, read_hint
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer
from tests.unit.training.checkpoint_cases import assert_same_bits
from tests.unit.training.trainings import Watcher, fitted, make_trainer, run_folder, train_spec, vectors


def with_values(trainer: Trainer, values: Iterable[float], metric: str = "accuracy") -> Trainer:
    """A trainer that finds these values of a metric, one an epoch, whatever its network does."""
    left = iter(values)
    trainer.evaluate = lambda *_: {"loss": 1.0, metric: next(left)}  # type: ignore[method-assign] # scripted
    return trainer


def steps(path: Path) -> list[int]:
    """The steps of the checkpoints that are there."""
    return [int(checkpoint.name.partition("-")[2]) for checkpoint in list_checkpoints(path / "checkpoints")]


def hinted(path: Path, which: str) -> int | None:
    """The step that a hint names."""
    found = read_hint(path / "checkpoints", which)
    return int(found.name.partition("-")[2]) if found else None


def test_a_whole_training(tmp_path: Path) -> None:
    """Three epochs of four steps: a line and a checkpoint for each epoch, and the end says why."""
    trainer = make_trainer(train_spec())
    watcher = fitted(trainer, tmp_path)
    assert (trainer.progress.epoch, trainer.progress.step, trainer.progress.finished) == (3, 12, "epochs")
    expected = {"step": 0, "epochs": 3, "steps_per_epoch": 4, "total_steps": 12, "monitored": "valid/accuracy"}
    assert watcher.starts == [expected]
    assert len(watcher.losses) == 12
    assert RunFolder(tmp_path).metrics.read() == watcher.records
    assert [(record["event"], record["epoch"], record["step"]) for record in watcher.records] == [
        ("epoch", 1, 4),
        ("epoch", 2, 8),
        ("epoch", 3, 12),
    ]
    assert steps(tmp_path)[-2:] == [8, 12]
    assert hinted(tmp_path, "last") == 12


def test_the_line_of_an_epoch(tmp_path: Path) -> None:
    """The keys of the contract; train/loss is the mean over the epoch's samples, the rest is what evaluation says."""
    trainer = make_trainer(train_spec(epochs=2))
    watcher = fitted(trainer, tmp_path)
    record = watcher.records[-1]
    assert list(record) == [
        "event",
        "epoch",
        "step",
        "train/loss",
        "valid/loss",
        "valid/accuracy",
        "train_seconds",
        "samples_per_second",
        "lr",
    ]
    expected = sum(loss * size for loss, size in zip(watcher.losses[4:], (8, 8, 8, 2), strict=True)) / 26
    assert record["train/loss"] == pytest.approx(expected)
    found = trainer.evaluate("valid")
    assert (record["valid/loss"], record["valid/accuracy"]) == (found["loss"], found["accuracy"])
    assert record["samples_per_second"] == pytest.approx(26 / record["train_seconds"])


def test_the_rate_of_an_epoch_is_that_of_its_first_step(tmp_path: Path) -> None:
    """Also of an epoch that was resumed in its middle, so that the log does not show where a run was stopped."""
    spec = train_spec(schedule=Exponential(gamma=0.5), optimizer=Sgd(lr=0.4))
    watcher = fitted(make_trainer(spec), tmp_path)
    assert [record["lr"] for record in watcher.records] == pytest.approx([0.4, 0.2, 0.1])


def test_without_a_validation_split_the_training_loss_decides(tmp_path: Path) -> None:
    """The lowest training loss is best, although the metric is one of which more is better."""
    trainer = make_trainer(train_spec(), vectors(valid=0))
    watcher = fitted(trainer, tmp_path)
    losses = [record["train/loss"] for record in watcher.records]
    assert loop.monitored(trainer) == "train/loss"
    assert "valid/loss" not in watcher.records[0]
    assert trainer.progress.best is not None
    assert trainer.progress.best.value == min(losses)


@pytest.mark.parametrize(
    ("monitor", "key", "best_epoch"), [(None, "valid/accuracy", 2), ("accuracy", "valid/accuracy", 2), ("loss", "valid/loss", 1)]
)
def test_the_monitored_value_decides_which_epoch_is_best(monitor: str | None, key: str, best_epoch: int, tmp_path: Path) -> None:
    """The first metric unless another is named; of an accuracy the highest, of a loss the lowest."""
    trainer = with_values(make_trainer(train_spec(monitor=monitor)), [0.2, 0.8, 0.5])
    watcher = fitted(trainer, tmp_path)
    assert loop.monitored(trainer) == key
    assert trainer.progress.best is not None
    assert trainer.progress.best.epoch == best_epoch
    assert watcher.best == ([True, True, False] if best_epoch == 2 else [True, False, False])
    assert hinted(tmp_path, "best") == 4 * best_epoch


def test_the_best_and_the_newest_two_checkpoints_are_kept(tmp_path: Path) -> None:
    """However long the training goes on after its best epoch."""
    trainer = with_values(make_trainer(train_spec(epochs=6)), [0.1, 0.9, 0.3, 0.4, 0.5, 0.6])
    fitted(trainer, tmp_path)
    assert steps(tmp_path) == [8, 20, 24]
    assert (hinted(tmp_path, "best"), hinted(tmp_path, "last")) == (8, 24)


def test_early_stopping_ends_after_epochs_without_a_better_value(tmp_path: Path) -> None:
    """With patience 2, the second epoch in a row that is not better by min_delta is the last."""
    spec = train_spec(epochs=50, early_stopping=EarlyStoppingSpec(patience=2, min_delta=0.1))
    trainer = with_values(make_trainer(spec), [0.3, 0.25, 0.45, 0.5, 0.54, 0.9])
    fitted(trainer, tmp_path)
    assert (trainer.progress.epoch, trainer.progress.finished) == (5, "early_stopping")
    assert hinted(tmp_path, "best") == 20


def test_a_plateau_lowers_the_rate(tmp_path: Path) -> None:
    """One epoch more than its patience without a better value, and the next epoch has a tenth of the rate."""
    spec = train_spec(epochs=6, optimizer=Sgd(lr=0.1), schedule=Plateau(patience=1))
    trainer = with_values(make_trainer(spec), [0.5, 0.5, 0.4, 0.4, 0.6, 0.7])
    watcher = fitted(trainer, tmp_path)
    assert [record["lr"] for record in watcher.records] == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01, 0.01])


@pytest.mark.parametrize(("max_steps", "epochs"), [(1, 1), (4, 1), (6, 2), (8, 2), (11, 3)])
def test_max_steps_is_the_last_step(max_steps: int, epochs: int, tmp_path: Path) -> None:
    """Also in the middle of an epoch, which is evaluated, logged and kept like any other."""
    trainer = make_trainer(train_spec(max_steps=max_steps))
    watcher = fitted(trainer, tmp_path)
    assert len(watcher.losses) == trainer.progress.step == max_steps
    assert (trainer.progress.epoch, trainer.progress.finished) == (epochs, "max_steps")
    assert watcher.records[-1]["step"] == max_steps
    assert hinted(tmp_path, "last") == max_steps
    assert watcher.starts[0]["total_steps"] == max_steps


@pytest.mark.parametrize("max_steps", [12, 13])
def test_max_steps_at_or_beyond_the_last_epoch_changes_nothing(max_steps: int, tmp_path: Path) -> None:
    """The end comes with the epochs, and that is what is said."""
    trainer = make_trainer(train_spec(max_steps=max_steps))
    fitted(trainer, tmp_path)
    assert (trainer.progress.step, trainer.progress.finished) == (12, "epochs")


class _Clock:
    """A clock by which each step takes a second and each evaluation a hundred."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        monkeypatch.setattr(loop, "time", self)

    def perf_counter(self) -> float:
        return self.seconds

    def times(self, trainer: Trainer, *, evaluation: float = 100.0) -> Trainer:
        """The same trainer, with steps and evaluations that take so long."""
        step, evaluate = trainer.step, trainer.evaluate

        def slow_step(group: list[Batch]) -> Tensor:
            self.seconds += 1.0
            return step(group)

        def slow_evaluation(split: str, stop: StopRequest) -> dict[str, float]:
            self.seconds += evaluation
            return evaluate(split, stop)

        trainer.step = slow_step  # type: ignore[method-assign] # takes time
        trainer.evaluate = slow_evaluation  # type: ignore[method-assign] # takes time
        return trainer


def resumed_trainer(path: Path, trainer: Trainer) -> Trainer:
    """The trainer as the newest checkpoint says."""
    trainer.restore(load_checkpoint(list_checkpoints(path / "checkpoints")[-1]))
    return trainer


@pytest.mark.parametrize(("max_time", "step", "epoch"), [(0.5, 1, 1), (3.0, 3, 1), (4.0, 4, 1), (6.0, 6, 2)])
def test_max_time_ends_an_epoch_in_its_middle(
    max_time: float, step: int, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step during which time runs out is the last; its epoch is evaluated, logged and kept."""
    trainer = _Clock(monkeypatch).times(make_trainer(train_spec(max_time=max_time)), evaluation=0.0)
    watcher = fitted(trainer, tmp_path)
    assert (trainer.progress.step, trainer.progress.epoch, trainer.progress.finished) == (step, epoch, "max_time")
    assert watcher.records[-1]["step"] == step == hinted(tmp_path, "last")


def test_max_time_includes_evaluations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that passes while an epoch is evaluated ends the run with that epoch."""
    trainer = _Clock(monkeypatch).times(make_trainer(train_spec(max_time=50.0)))
    fitted(trainer, tmp_path)
    assert (trainer.progress.finished, trainer.progress.step) == ("max_time", 4)


@pytest.mark.parametrize("stop_after", [1, 3, 5])
def test_max_time_counts_the_time_before_a_stop(stop_after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is stopped and resumed has no more time than one that was not."""
    clock, spec = _Clock(monkeypatch), train_spec(max_time=7.0, epochs=50)
    fitted(clock.times(make_trainer(spec), evaluation=0.0), tmp_path, stop_after=[stop_after])
    clock.seconds = 5.0  # another process, another clock
    trainer = resumed_trainer(tmp_path, clock.times(make_trainer(spec), evaluation=0.0))
    assert trainer.progress.elapsed_seconds == stop_after
    fitted(trainer, tmp_path)
    assert (trainer.progress.finished, trainer.progress.step) == ("max_time", 7)


@pytest.mark.parametrize("stop_after", [None, 1, 3, 4, 6])
def test_times_of_epochs_leave_evaluation_out(stop_after: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`train_seconds` of a line is the training part alone, whole also after a stop in the epoch; `elapsed_seconds` is all."""
    clock = _Clock(monkeypatch)
    trainer = clock.times(make_trainer(train_spec(epochs=2)))
    fitted(trainer, tmp_path, stop_after=[stop_after] if stop_after else [])
    if stop_after:
        clock.seconds = 5.0
        trainer = resumed_trainer(tmp_path, clock.times(make_trainer(train_spec(epochs=2))))
        fitted(trainer, tmp_path)
    records = RunFolder(tmp_path).metrics.read()
    assert [record["train_seconds"] for record in records] == [4.0, 4.0]
    assert [record["samples_per_second"] for record in records] == [6.5, 6.5]
    assert trainer.progress.train_seconds == 8.0
    assert trainer.progress.elapsed_seconds == 208.0


@pytest.mark.parametrize("stop_after", [1, 3, 4, 6])
def test_a_stop_request_saves_and_leaves(stop_after: int, tmp_path: Path) -> None:
    """After the step under way: a checkpoint of exactly that step, no line for an epoch that is not over."""
    trainer = make_trainer(train_spec())
    watcher = fitted(trainer, tmp_path, stop_after=[stop_after])
    assert len(watcher.losses) == stop_after
    assert trainer.progress.finished is None
    assert hinted(tmp_path, "last") == stop_after
    assert [record["epoch"] for record in RunFolder(tmp_path).metrics.read()] == ([1] if stop_after > 4 else [])
    checkpoint = load_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1])
    assert_same_bits(checkpoint.tensors["model"], dict(trainer.network.state_dict()))
    assert checkpoint.state["progress"]["step"] == stop_after


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_stop_request_during_the_evaluation_does_not_wait_for_it(when: str, tmp_path: Path) -> None:
    """What is not judged is judged by the run that goes on; once all is judged, the epoch is closed. The next does not begin."""
    trainer, watcher = make_trainer(train_spec()), Watcher()
    evaluate = trainer.evaluate

    def interrupted(split: str, stop: StopRequest) -> dict[str, float]:
        if when == "before":
            stop.signal = signal.SIGINT
        figures = evaluate(split, stop)
        stop.signal = signal.SIGINT
        return figures

    trainer.evaluate = interrupted  # type: ignore[method-assign] # a signal at that moment
    loop.fit(trainer, run_folder(tmp_path), watcher, watcher.stop)
    assert len(watcher.losses) == 4
    assert [record["epoch"] for record in watcher.records] == ([] if when == "before" else [1])
    assert trainer.progress.finished is None
    assert (trainer.progress.epoch, trainer.progress.step_in_epoch) == ((0, 4) if when == "before" else (1, 0))
    assert hinted(tmp_path, "last") == 4


def test_the_average_is_what_is_judged_and_kept(tmp_path: Path) -> None:
    """With a moving average, figures are the average's, and a checkpoint's weights to use are too."""
    trainer = make_trainer(train_spec(ema=EmaSpec(decay=0.99), optimizer=Sgd(lr=0.5)))
    watcher = fitted(trainer, tmp_path)
    assert trainer.judged_network is not trainer.network
    assert trainer.dataset.valid is not None
    outputs = trainer.judged_network(trainer.dataset.valid.inputs)
    accuracy = float((outputs.argmax(dim=1) == trainer.dataset.valid.targets).double().mean())
    assert watcher.records[-1]["valid/accuracy"] == accuracy
    checkpoint = load_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1])
    assert_same_bits(checkpoint.weights, dict(trainer.judged_network.state_dict()))
    assert_same_bits(checkpoint.tensors["model"], dict(trainer.network.state_dict()))
    assert not torch.equal(checkpoint.weights["0.weight"], checkpoint.tensors["model"]["0.weight"])


def test_the_best_weights_can_be_loaded_to_be_judged(tmp_path: Path) -> None:
    """What the best checkpoint holds gives the figures that were logged for its epoch."""
    trainer = make_trainer(train_spec(epochs=5, optimizer=Sgd(lr=2.0)))
    watcher = fitted(trainer, tmp_path)
    best = read_hint(tmp_path / "checkpoints", "best")
    assert best is not None
    trainer.load_judged(load_checkpoint(best))
    assert trainer.progress.best is not None
    record = watcher.records[trainer.progress.best.epoch - 1]
    assert trainer.evaluate("valid") == {"loss": record["valid/loss"], "accuracy": record["valid/accuracy"]}


def test_the_network_is_in_training_mode_in_every_epoch(tmp_path: Path) -> None:
    """Whatever mode it comes in, and also after an evaluation between two epochs."""
    trainer = make_trainer(train_spec())
    trainer.network.eval()
    modes = []
    step = trainer.step
    trainer.step = lambda group: (modes.append(trainer.network.training), step(group))[1]  # type: ignore[method-assign] # looks on
    fitted(trainer, tmp_path)
    assert modes == [True] * 12


def test_a_hint_that_a_kill_left_out_is_mended(tmp_path: Path) -> None:
    """Killed between a best checkpoint and its note, and resumed: the note names that checkpoint, not an older one."""
    trainer = with_values(make_trainer(train_spec(epochs=2)), [0.1, 0.9])
    fitted(trainer, tmp_path)
    (tmp_path / "checkpoints" / "best.json").write_text(json.dumps({"checkpoint": "step-00000004", "step": 4}))
    again = make_trainer(train_spec(epochs=2))
    again.restore(load_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1]))
    fitted(again, tmp_path)
    assert hinted(tmp_path, "best") == 8


def test_lines_that_a_kill_left_behind_are_dropped(tmp_path: Path) -> None:
    """Killed between a line of the log and its checkpoint, then resumed: each epoch has one line."""
    fitted(make_trainer(train_spec()), tmp_path, stop_after=[4])
    folder = RunFolder(tmp_path)
    folder.metrics.append([{"event": "epoch", "epoch": 1, "step": 4, "train/loss": 9.9}])
    trainer = make_trainer(train_spec())
    trainer.restore(load_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1]))
    fitted(trainer, tmp_path)
    events = folder.metrics.read()
    assert [event["epoch"] for event in events] == [1, 2, 3]
    assert events[0]["train/loss"] != 9.9
