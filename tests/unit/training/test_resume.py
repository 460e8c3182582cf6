"""A run that is stopped and taken up again ends as if nothing had happened."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

from dlcli.config.losses import CrossEntropy
from dlcli.config.optimizers import AdamW, NAdam, Sgd
from dlcli.config.schedules import Cosine, OneCycle, Plateau
from dlcli.config.training import ClipSpec, EarlyStoppingSpec, EmaSpec
from dlcli.errors import CheckpointError
from dlcli.runtime.signals import StopRequest
from dlcli.training.checkpoint import Checkpoint, load_checkpoint
from dlcli.training.checkpoint_folder import list_checkpoints, load_newest, read_hint
from dlcli.training.loop import fit
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer
from tests.unit.training.checkpoint_cases import assert_same_bits
from tests.unit.training.trainings import (
    Watcher,
    fitted,
    linear_network,
    make_trainer,
    picture_network,
    pictures,
    resumed,
    run_folder,
    text,
    text_network,
    train_spec,
    vectors,
    without_times,
)

ALL_AT_ONCE = train_spec(
    batch_size=5,
    accumulate=2,
    optimizer=AdamW(lr=0.02),
    schedule=Plateau(patience=0, warmup=2),
    ema=EmaSpec(decay=0.9),
    early_stopping=EarlyStoppingSpec(patience=3, min_delta=0.01),
    monitor="loss",
)
"""Augmentation and dropout come with the data and the network."""

ONE_CYCLE = train_spec(
    batch_size=9,
    optimizer=Sgd(lr=0.5, momentum=0.9, nesterov=True),
    schedule=OneCycle(warmup=1),
    clip_gradients=ClipSpec(max_norm=0.5),
    loss=CrossEntropy(class_weights=(1.0, 2.0, 3.0)),
)

STATEFUL = train_spec(
    batch_size=4,
    optimizer=AdamW(lr=0.02),
    ema=EmaSpec(decay=0.8),
    clip_gradients=ClipSpec(max_norm=0.5),
    stateful=True,
)

CUT_SHORT = train_spec(optimizer=NAdam(), schedule=Cosine(), max_steps=7)


def _all_at_once(seed: int = 9) -> Trainer:
    return make_trainer(ALL_AT_ONCE, pictures(), picture_network(seed))


def _one_cycle(seed: int = 9) -> Trainer:
    return make_trainer(ONE_CYCLE, vectors(valid=0), linear_network(seed))


def _cut_short(seed: int = 9) -> Trainer:
    return make_trainer(CUT_SHORT, vectors(), linear_network(seed))


def _stateful(seed: int = 9) -> Trainer:
    return make_trainer(STATEFUL, text(), text_network(seed))


MAKERS: dict[str, tuple[Callable[..., Trainer], int]] = {
    "all at once": (_all_at_once, 9),
    "one cycle": (_one_cycle, 9),
    "cut short": (_cut_short, 7),
    "stateful": (_stateful, 9),
}
"""How to make a trainer, and how many steps it takes in three epochs or until max_steps."""

EVERY_STEP = [(name, step) for name, (_, steps) in MAKERS.items() for step in range(1, steps + 1)]


@pytest.fixture(autouse=True)
def _random_state_as_before() -> object:
    """Trainings draw from torch's generator: each test starts it anew and puts it back."""
    state = torch.get_rng_state()
    torch.manual_seed(123)
    yield
    torch.set_rng_state(state)


def outcome(path: Path) -> tuple[Checkpoint, list[dict[str, Any]]]:
    """What a run leaves: its last checkpoint and its log."""
    checkpoint = load_newest(path / "checkpoints", pytest.fail)
    assert checkpoint is not None
    return checkpoint, without_times(RunFolder(path).metrics.read())


@cache
def undisturbed(name: str) -> tuple[Checkpoint, list[dict[str, Any]], str | None]:
    """The same for a run that nothing stopped, and the name of its best checkpoint."""
    with TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)
        fitted(MAKERS[name][0](seed=0), Path(folder))
        best = read_hint(Path(folder) / "checkpoints", "best")
        return *outcome(Path(folder)), best.name if best else None


def assert_equal_to_undisturbed(name: str, path: Path) -> None:
    """Weights, buffers, average, optimiser, random state, progress and log, all to the last bit."""
    found, log = outcome(path)
    expected, expected_log, best = undisturbed(name)
    assert_same_bits(found.tensors, expected.tensors)
    times = ("elapsed_seconds", "train_seconds", "epoch_seconds")
    states = [{key: value for key, value in c.state["progress"].items() if key not in times} for c in (found, expected)]
    assert states[0] == states[1]
    assert log == expected_log
    found_best = read_hint(path / "checkpoints", "best")
    assert found_best is not None
    assert found_best.name.partition(".")[0] == best


def start(name: str, path: Path, stop_after: set[int]) -> None:
    """The first part of a run."""
    torch.manual_seed(123)
    fitted(MAKERS[name][0](seed=0), path, stop_after)


@pytest.mark.parametrize(("name", "stop_after"), EVERY_STEP)
def test_resume_is_bit_exact_at_every_step(name: str, stop_after: int, tmp_path: Path) -> None:
    """Stopped after any step, an epoch's last included, and resumed from other weights: equal to a run never stopped."""
    start(name, tmp_path, {stop_after})
    stopped = load_newest(tmp_path / "checkpoints", pytest.fail)
    assert stopped is not None
    assert stopped.state["progress"]["step"] == stop_after
    assert stopped.state["progress"]["finished"] is None
    torch.manual_seed(999)
    resumed(MAKERS[name][0], tmp_path)
    assert_equal_to_undisturbed(name, tmp_path)


@pytest.mark.parametrize("name", MAKERS)
def test_a_run_stopped_after_every_step_is_the_same_run(name: str, tmp_path: Path) -> None:
    """One step a time, each in a process of its own so to speak."""
    make, steps = MAKERS[name]
    start(name, tmp_path, {1})
    for step in range(2, steps + 2):
        torch.manual_seed(step)
        resumed(make, tmp_path, {step})
    assert_equal_to_undisturbed(name, tmp_path)


@pytest.mark.parametrize("name", MAKERS)
def test_a_finished_run_does_not_go_on(name: str, tmp_path: Path) -> None:
    """Resumed after its end it takes no step and writes no line."""
    start(name, tmp_path, set())
    before = list_checkpoints(tmp_path / "checkpoints")
    trainer = resumed(MAKERS[name][0], tmp_path)
    assert trainer.progress.finished is not None
    assert list_checkpoints(tmp_path / "checkpoints") == before
    assert_equal_to_undisturbed(name, tmp_path)


def test_each_sample_is_seen_once_in_an_epoch_of_five_parts(tmp_path: Path) -> None:
    """Whatever the stops, the batches of an epoch are its samples, each once."""
    seen: list[list[float]] = []

    def make() -> Trainer:
        trainer = make_trainer(train_spec(batch_size=4, epochs=1), vectors(train=22), linear_network())
        groups = trainer.groups

        def watched() -> Any:
            for group in groups():
                seen.extend(sample.tolist() for batch in group for sample in batch.inputs)
                yield group

        trainer.groups = watched  # type: ignore[method-assign] # to look at what goes by
        return trainer

    for step in range(1, 6):
        resumed(make, tmp_path, {step})
    resumed(make, tmp_path)
    assert sorted(seen) == sorted(vectors(train=22).train.inputs.tolist())


@pytest.mark.parametrize(
    ("change", "taken"),
    [({"epochs": 1}, 0), ({"max_steps": 4}, 0), ({"max_steps": 2}, 0), ({"max_steps": 6}, 2), ({"epochs": 2}, 4)],
)
def test_a_lowered_limit_ends_the_run(change: dict[str, int], taken: int, tmp_path: Path) -> None:
    """Resumed after its first epoch of four steps with limits that it has reached, a run takes no step more."""
    stopped_while_evaluating(make_trainer(train_spec()), tmp_path)
    checkpoint = load_newest(tmp_path / "checkpoints", pytest.fail)
    assert checkpoint is not None
    trainer = make_trainer(train_spec(**change))
    trainer.restore(checkpoint)
    assert len(fitted(trainer, tmp_path).losses) == taken
    assert trainer.progress.finished == next(iter(change))


def stopped_while_evaluating(trainer: Trainer, path: Path) -> None:
    """Trains until a signal comes once the first epoch is evaluated: the epoch is closed and the run is left."""
    watcher, evaluate = Watcher(), trainer.evaluate

    def interrupted(split: str, stop: StopRequest) -> dict[str, float]:
        figures = evaluate(split, stop)
        stop.signal = signal.SIGTERM
        return figures

    trainer.evaluate = interrupted  # type: ignore[method-assign] # a signal at that moment
    fit(trainer, run_folder(path), watcher, watcher.stop)
    assert trainer.progress.epoch == 1
    assert trainer.progress.finished is None


@pytest.mark.parametrize("limit", [2, 4, 5, 6, 7])
@pytest.mark.parametrize("name", ["all at once", "one cycle", "stateful"])
def test_a_run_cut_by_its_limit_goes_on_to_the_same_end(name: str, limit: int, tmp_path: Path) -> None:
    """With a higher limit an epoch that `max_steps` cut short is taken up where it was cut, and judged and logged once.

    The schedule knows the whole length from the start, as it would in a run that nothing cut.
    """
    make = MAKERS[name][0]

    def cut() -> Trainer:
        trainer = make(seed=0)
        trainer.spec = trainer.spec.model_copy(update={"max_steps": limit})
        return trainer

    torch.manual_seed(123)
    fitted(cut(), tmp_path)
    assert outcome(tmp_path)[0].state["progress"]["finished"] == "max_steps"
    checkpoint = load_newest(tmp_path / "checkpoints", pytest.fail)
    assert checkpoint is not None
    torch.manual_seed(999)
    trainer = make(seed=3)
    trainer.restore(checkpoint)
    trainer.reopen()
    assert trainer.progress.finished is None
    fitted(trainer, tmp_path)
    assert_equal_to_undisturbed(name, tmp_path)


def test_a_run_that_is_over_stays_so_without_a_higher_limit(tmp_path: Path) -> None:
    """Looked at anew, the limits say the same; one that is not over is not touched."""
    trainer = make_trainer(train_spec(max_steps=6))
    trainer.reopen()
    assert trainer.progress.finished is None
    fitted(trainer, tmp_path)
    before = trainer.progress.as_json()
    trainer.reopen()
    assert trainer.progress.as_json() == before


def test_the_best_epoch_before_a_cut_stays_on_the_disk(tmp_path: Path) -> None:
    """The run that goes on forgets the epoch that was cut, so its checkpoints keep the best one before it too."""
    trainer = make_trainer(train_spec(max_steps=14, epochs=4))
    values = iter([0.5, 0.1, 0.2, 0.9])
    trainer.evaluate = lambda *_: {"loss": 1.0, "accuracy": next(values)}  # type: ignore[method-assign] # scripted
    fitted(trainer, tmp_path)
    names = [path.name for path in list_checkpoints(tmp_path / "checkpoints")]
    assert names == ["step-00000004", "step-00000012", "step-00000014"]
    assert read_hint(tmp_path / "checkpoints", "best") == tmp_path / "checkpoints" / names[-1]


@pytest.mark.parametrize("missing", ["optimizer", "random", "progress"])
def test_a_checkpoint_that_lacks_a_part_is_refused(missing: str, tmp_path: Path) -> None:
    """Weights alone are not enough to go on: the checkpoint is named, with exit code 5."""
    fitted(_one_cycle(), tmp_path)
    checkpoint = load_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1])
    tensors = {name: value for name, value in checkpoint.tensors.items() if name != missing}
    state = {key: value for key, value in checkpoint.state.items() if key != missing}
    with pytest.raises(CheckpointError, match="does not say how far the training had come") as caught:
        _one_cycle().restore(replace(checkpoint, tensors=tensors, state=state))
    assert str(checkpoint.path) in caught.value.message
    assert caught.value.exit_code == 5


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    """The names that differ are in the message, what to do in the help."""
    fitted(_one_cycle(), tmp_path)
    checkpoint = load_checkpoint(list_checkpoints(tmp_path / "checkpoints")[-1])
    with pytest.raises(CheckpointError, match="is of another network") as caught:
        _all_at_once().restore(checkpoint)
    assert "config" in (caught.value.help or "")
    with pytest.raises(CheckpointError, match=r"size mismatch for 2\.weight"):
        make_trainer(ONE_CYCLE, vectors(valid=0), linear_network(outputs=4)).restore(checkpoint)
