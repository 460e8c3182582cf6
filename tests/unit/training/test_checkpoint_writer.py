"""Saving behind the training: one at a time, tried again, told, and at last given up."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dlcli.errors import DivergedError, ResourceError
from dlcli.training import checkpoint_writer as module
from dlcli.training.checkpoint import load_checkpoint
from dlcli.training.checkpoint_folder import best_checkpoint, list_checkpoints, read_hint
from dlcli.training.checkpoint_writer import CheckpointWriter
from dlcli.training.run_folder import RunFolder
from dlcli.training.snapshot import Snapshot, TensorCopies
from tests.unit.runtime.file_operations import FileOperations
from tests.unit.training.checkpoint_cases import assert_is_of_step, contents
from tests.unit.training.trainings import run_folder


def snapshot(step: int, *best_steps: int) -> Snapshot:
    """A training after this step."""
    return Snapshot(step, contents(step), {"progress": {"step": step}}, best_steps or (step,))


def event(epoch: int) -> dict[str, Any]:
    """The line of an epoch."""
    return {"event": "epoch", "epoch": epoch}


def steps(folder: RunFolder) -> list[int]:
    """The steps of the checkpoints, each of which must be whole."""
    found = []
    for path in list_checkpoints(folder.checkpoints):
        checkpoint = load_checkpoint(path)
        found.append(checkpoint.state["progress"]["step"])
        assert_is_of_step(checkpoint, found[-1])
    return found


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return run_folder(tmp_path / "run")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the next so many checkpoints fail."""
    left = [0]
    real = module.save_checkpoint

    def save(target: Path, *arguments: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            raise ResourceError(f"the disk is full: {target} can't be written", help="free some space")
        real(target, *arguments)

    monkeypatch.setattr(module, "save_checkpoint", save)
    return lambda count: left.__setitem__(0, count)


def test_a_save_is_a_line_a_checkpoint_and_the_hints(folder: RunFolder) -> None:
    """All is there at the end of the block; the newest two and the best stay."""
    with CheckpointWriter(folder, pytest.fail) as writer:
        for step in (1, 2, 3, 4):
            writer.save(lambda step=step: snapshot(step, 1), event(step))  # type: ignore[misc] # bound by its default
    assert steps(folder) == [1, 3, 4]
    assert [line["epoch"] for line in folder.metrics.read()] == [1, 2, 3, 4]
    assert folder.metrics.table.read_text().split() == ["epoch", "1", "2", "3", "4"]
    hints = [read_hint(folder.checkpoints, which) for which in ("best", "last")]
    assert [path.name for path in hints if path] == ["step-00000001", "step-00000004"]


def test_a_save_within_an_epoch_has_no_line(folder: RunFolder) -> None:
    """A checkpoint alone, and no log is made for it; before the first epoch there is no best."""
    with CheckpointWriter(folder, pytest.fail) as writer:
        writer.save(lambda: replace(snapshot(5), best_steps=()))
    assert steps(folder) == [5]
    assert sorted(path.name for path in folder.path.iterdir()) == ["checkpoints"]
    assert read_hint(folder.checkpoints, "best") is None


def test_the_training_goes_on_while_a_save_is_written(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """`save` returns before the disk has anything; the next one waits until the first has ended, before it takes its copy."""
    go, order = threading.Event(), list[str]()
    real = module.save_checkpoint

    def slow(target: Path, *arguments: Any) -> None:
        assert go.wait(timeout=60)
        real(target, *arguments)
        order.append(f"wrote {target.name[-1]}")

    def take(step: int) -> Snapshot:
        order.append(f"took {step}")
        return snapshot(step)

    monkeypatch.setattr(module, "save_checkpoint", slow)
    with CheckpointWriter(folder, pytest.fail) as writer:
        writer.save(lambda: take(1))
        assert steps(folder) == []
        go.set()
        writer.save(lambda: take(2))
    assert order == ["took 1", "wrote 1", "took 2", "wrote 2"]


@pytest.mark.parametrize("failures", [1, 2])
def test_a_failed_save_is_tried_again(failures: int, folder: RunFolder, full_disk: Callable[[int], None]) -> None:
    """Twice, and nobody needs to know; the line of the epoch is in the log once."""
    full_disk(failures)
    with CheckpointWriter(folder, pytest.fail, pauses=(0, 0)) as writer:
        writer.save(lambda: snapshot(1), event(1))
    assert steps(folder) == [1]
    assert folder.metrics.read() == [event(1)]


def save_all(writer: CheckpointWriter, *numbers: int) -> None:
    """Saves after these steps, each an epoch, and waits for each."""
    for step in numbers:
        writer.save(lambda step=step: snapshot(step), event(step))  # type: ignore[misc] # bound by its default
        writer.wait()


def test_a_save_that_fails_is_told_and_the_run_goes_on(folder: RunFolder, full_disk: Callable[[int], None]) -> None:
    """The notice names the file and the reason, on the training's thread; the next save works, and counts anew."""
    notices: list[str] = []
    with CheckpointWriter(folder, notices.append, pauses=(0, 0)) as writer:
        full_disk(6)
        save_all(writer, 1, 2, 3)
        full_disk(6)
        save_all(writer, 4, 5, 6)
    assert steps(folder) == [3, 6]
    assert [line["epoch"] for line in folder.metrics.read()] == [1, 2, 3, 4, 5, 6]
    assert len(notices) == 4
    assert notices[0].startswith("not saved: the disk is full: ")
    assert "step-00000001" in notices[0]


def test_the_third_failure_in_a_row_ends_the_run(folder: RunFolder, full_disk: Callable[[int], None]) -> None:
    """Exit code 6, two notices before; what was saved is still there."""
    notices: list[str] = []
    with CheckpointWriter(folder, notices.append, pauses=()) as writer:
        save_all(writer, 1)
        full_disk(3)
        with pytest.raises(ResourceError, match="the disk is full") as caught:
            save_all(writer, 2, 3, 4, 5, 6)
    assert "step-00000004" in caught.value.message
    assert caught.value.exit_code == 6
    assert len(notices) == 2
    assert steps(folder) == [1]


def test_a_last_save_that_fails_ends_the_run(folder: RunFolder, full_disk: Callable[[int], None]) -> None:
    """No limit of failures holds for the end of a training: what is lost is said, and how to go on."""
    full_disk(1)
    with (
        pytest.raises(ResourceError, match="the end of the training is not saved") as caught,
        CheckpointWriter(folder, pytest.fail, pauses=()) as writer,
    ):
        writer.save(lambda: snapshot(1))
    assert caught.value.help == f"free some space; then go on from what was saved before: dlcli train --resume {folder.path}"


def test_an_error_of_the_training_waits_for_the_save_and_comes_first(folder: RunFolder, full_disk: Callable[[int], None]) -> None:
    """The last good checkpoint is whole when the error is shown; a disk that failed as well does not hide it."""

    def diverge(step: int) -> None:
        with CheckpointWriter(folder, pytest.fail, pauses=()) as writer:
            writer.save(lambda: snapshot(step))
            raise DivergedError("the loss is nan")

    for failures in (0, 1):
        full_disk(failures)
        with pytest.raises(DivergedError):
            diverge(1 + failures)
        assert steps(folder) == [1]


def test_a_second_ctrl_c_does_not_wait(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The save under way is left to itself."""
    go, began = threading.Event(), threading.Event()

    def stuck(*_: Any) -> None:
        began.set()
        go.wait(timeout=60)

    def leave() -> None:
        with CheckpointWriter(folder, pytest.fail) as writer:
            writer.save(lambda: snapshot(1))
            assert began.wait(timeout=60)
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "save_checkpoint", stuck)
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert not go.is_set()
    go.set()


def test_a_bug_while_saving_is_no_full_disk(folder: RunFolder) -> None:
    """It is raised as it is, at once, where the training next looks."""
    with pytest.raises(TypeError, match="JSON"), CheckpointWriter(folder, pytest.fail, pauses=(0,)) as writer:
        writer.save(lambda: replace(snapshot(1), state={"progress": object()}))


def test_whichever_operation_fails_a_try_later_completes_the_save(tmp_path: Path) -> None:
    """Log, table, checkpoint, hints and removal: each operation fails once, and the save ends as if none had."""
    fail_at = 0
    while True:
        folder = run_folder(tmp_path / f"run-{fail_at}")
        with CheckpointWriter(folder, pytest.fail) as writer:
            for step in (1, 2, 3):
                writer.save(lambda step=step: snapshot(step, 3), event(step))  # type: ignore[misc]
        operations = FileOperations(fail_at, errno.EIO)
        with operations.watching(), CheckpointWriter(folder, pytest.fail, pauses=(0,)) as writer:
            writer.save(lambda: snapshot(4), event(4))
        assert steps(folder) == [3, 4]
        assert [path.name for path in list_checkpoints(folder.checkpoints)] == ["step-00000003", "step-00000004"]
        assert best_checkpoint(folder.checkpoints, pytest.fail) == folder.checkpoints / "step-00000004"
        assert folder.metrics.read() == [event(epoch) for epoch in (1, 2, 3, 4)]
        assert folder.metrics.table.read_text().split() == ["epoch", "1", "2", "3", "4"]
        if len(operations.log) <= fail_at:
            break
        fail_at += 1
    assert fail_at > 30


def test_the_time_since_a_save(folder: RunFolder) -> None:
    """Counted from the begin of the training, then of each save."""
    now = [100.0]
    with CheckpointWriter(folder, pytest.fail, clock=lambda: now[0]) as writer:
        now[0] = 107.0
        assert writer.seconds_since_save == 7.0
        writer.save(lambda: snapshot(1))
        assert writer.seconds_since_save == 0.0


@pytest.fixture
def copies() -> TensorCopies:
    return TensorCopies()


def test_a_copy_does_not_change_with_the_training(copies: TensorCopies) -> None:
    """A step after the copy leaves it as it was."""
    weight = torch.ones(3)
    taken = copies.of({"model": {"weight": weight}})
    weight += 1
    assert taken["model"]["weight"].tolist() == [1.0, 1.0, 1.0]


def test_copies_use_the_same_memory_again(copies: TensorCopies) -> None:
    """The second copy of a tensor takes the place of the first; one that has grown gets a place of its own."""
    first = copies.of({"model": {"weight": torch.zeros(3)}, "ema": {"weight": torch.zeros(3)}})
    second = copies.of({"model": {"weight": torch.ones(3)}, "ema": {"weight": torch.ones(3)}})
    assert second["model"]["weight"] is first["model"]["weight"]
    assert second["model"]["weight"] is not second["ema"]["weight"]
    grown = copies.of({"model": {"weight": torch.ones(4)}})["model"]["weight"]
    assert grown.tolist() == [1.0] * 4
    retyped = copies.of({"model": {"weight": torch.ones(4, dtype=torch.int64)}})["model"]["weight"]
    assert retyped.dtype == torch.int64


def test_weights_that_share_memory_are_copied_apart(copies: TensorCopies) -> None:
    """As safetensors wants them; views and other layouts become contiguous."""
    weight = torch.arange(6.0).reshape(2, 3)
    taken = copies.of({"model": {"a": weight, "b": weight, "c": weight.t()}})["model"]
    assert len({tensor.data_ptr() for tensor in taken.values()}) == 3
    assert all(tensor.is_contiguous() for tensor in taken.values())
    assert taken["c"].tolist() == weight.t().tolist()
