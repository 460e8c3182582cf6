"""A whole save, from the line in the log to the removal of old checkpoints, that is killed or refused at any of its operations."""

from __future__ import annotations

import csv
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dlcli.errors import ResourceError
from dlcli.training.checkpoint_folder import (
    HINTS,
    best_checkpoint,
    list_checkpoints,
    list_set_aside,
    load_newest,
    point_at,
    read_hint,
)
from dlcli.training.checkpoint_writer import CheckpointWriter
from dlcli.training.run_folder import RunFolder
from tests.unit.runtime.file_operations import FailsFrom, FileOperations, Looks, Snapshots
from tests.unit.training.checkpoint_cases import assert_is_of_step, steps_that_load
from tests.unit.training.test_checkpoint_writer import event, snapshot
from tests.unit.training.trainings import run_folder

BEST = {1: 1, 2: 2, 3: 2, 4: 2, 5: 5, 6: 5, 7: 5}
"""The best step so far, by step: each step ends an epoch."""

LAST = max(BEST)

SAVES = [1, 2, 3, 5]
"""The first; one that makes a new best; one that removes an old checkpoint; one that does all of it."""

SAMPLE = [
    (FileOperations, errno.ENOSPC, 1),
    (FileOperations, errno.EIO, 5),
    (FailsFrom, errno.EDQUOT, 2),
    (FailsFrom, errno.EIO, 3),
]
"""Of the ways to be refused, those that are tried each time: who fails, with what, and in which save."""


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a fsync is needed for is told by the order of operations, in other tests: here it would only take time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def save(folder: RunFolder, *steps: int, on_notice: Callable[[str], None] = pytest.fail) -> None:
    """Saves after each of these steps, as a training does, with a single try each."""
    with CheckpointWriter(folder, on_notice, pauses=()) as writer:
        for step in steps:
            writer.save(lambda step=step: snapshot(step, BEST[step]), event(step))  # type: ignore[misc] # bound by its default


def refusal_of_a_save(folder: RunFolder, step: int) -> ResourceError | None:
    """Saves, and gives what is told of it where it fails."""
    try:
        save(folder, step)
    except ResourceError as error:
        return error
    return None


def saved_before(folder: RunFolder, step: int) -> RunFolder:
    """A run that was saved after each step before this one."""
    save(folder, *range(1, step))
    return folder


def taken_up(folder: RunFolder) -> int:
    """Does what a training does that goes on, and gives the step that it goes on from."""
    newest = load_newest(folder.checkpoints, pytest.fail)
    step = 0
    if newest is not None:
        step = newest.state["progress"]["step"]
        assert_is_of_step(newest, step)
    folder.metrics.forget_after(step)
    point_at(folder.checkpoints, "best", BEST.get(step))
    return step


def assert_hints_lead_somewhere(folder: RunFolder) -> None:
    """Each hint that is there names a checkpoint that is there."""
    for name in HINTS:
        path = folder.checkpoints / name
        assert not path.exists() or read_hint(folder.checkpoints, path.stem) is not None, path.read_text()


def assert_ends_well(folder: RunFolder, after: int) -> None:
    """The run goes on to its end, and is then as if nothing had happened: checkpoints, hints, log, table, and nothing else."""
    assert [line["epoch"] for line in folder.metrics.read()] == list(range(1, after + 1))
    save(folder, *range(after + 1, LAST + 1))
    assert steps_that_load(list_checkpoints(folder.checkpoints)) == [5, 6, 7]
    assert [path.name for path in folder.checkpoints.iterdir() if path.name.startswith(".")] == []
    assert read_hint(folder.checkpoints, "last") == folder.checkpoints / "step-00000007"
    assert best_checkpoint(folder.checkpoints, pytest.fail) == folder.checkpoints / "step-00000005"
    assert folder.metrics.read() == [event(step) for step in range(1, LAST + 1)]
    with folder.metrics.table.open(newline="") as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(1, LAST + 1))


@pytest.mark.parametrize("step", SAVES)
def test_a_kill_at_any_moment_of_a_whole_save_costs_nothing(step: int, tmp_path: Path) -> None:
    """Before and after each operation, half-done writes and removals among them: it loads, and goes on as if nothing had been.

    The checkpoint from before or the new one; hints that lead somewhere; each epoch in the log once; and a process of the
    same number can save again.
    """
    folder, copies = saved_before(run_folder(tmp_path / "run"), step), tmp_path / "copies"
    operations = Snapshots(folder.path, copies)
    with operations.watching():
        save(folder, step)
    assert len(operations.log) >= 40
    found = []
    for copy in sorted(copies.iterdir()):
        killed = RunFolder(copy)
        assert_hints_lead_somewhere(killed)
        found.append(taken_up(killed))
        assert_hints_lead_somewhere(killed)
        assert_ends_well(killed, found[-1])
    assert found == sorted(found)
    assert set(found) == {step - 1, step}


@pytest.mark.parametrize(
    ("failing", "error", "step"),
    [
        pytest.param(failing, error, step, marks=() if (failing, error, step) in SAMPLE else pytest.mark.slow)
        for failing in (FileOperations, FailsFrom)
        for error in (errno.ENOSPC, errno.EIO, errno.EDQUOT)
        for step in SAVES
    ],
)
def test_a_refusal_at_any_operation_of_a_whole_save_costs_nothing(
    failing: type[FileOperations], error: int, step: int, tmp_path: Path
) -> None:
    """One operation is refused, or all from that one on: it is told with exit code 6, and no harm is done.

    What loads is the checkpoint from before or the new one, and once the disk works again the run ends as if nothing had been.
    """
    before = saved_before(run_folder(tmp_path / "before"), step)
    refused, fail_at = 0, 0
    while True:
        folder = RunFolder(tmp_path / str(fail_at))
        shutil.copytree(before.path, folder.path)
        operations = failing(fail_at, error)
        with operations.watching():
            told = refusal_of_a_save(folder, step)
        if len(operations.log) <= fail_at:
            break
        if told is not None:
            assert told.exit_code == 6
            assert str(folder.path) in told.message
            refused += 1
        assert_hints_lead_somewhere(folder)
        after = taken_up(folder)
        assert after in (step - 1, step)
        assert_ends_well(folder, after)
        shutil.rmtree(folder.path)
        fail_at += 1
    assert refused >= 40


@pytest.mark.parametrize("step", SAVES)
def test_a_disk_that_cannot_be_read_for_a_moment_is_told(step: int, tmp_path: Path) -> None:
    """A save also looks at what is there. Whichever look fails: it is no bug, no save that only seems to be done, and no harm."""
    before = saved_before(run_folder(tmp_path / "before"), step)
    refused, fail_at = 0, 0
    while True:
        folder = RunFolder(tmp_path / str(fail_at))
        shutil.copytree(before.path, folder.path)
        looks = Looks(fail_at, errno.EIO)
        with looks.watching():
            told = refusal_of_a_save(folder, step)
        if len(looks.log) <= fail_at:
            break
        if told is not None:
            assert "Input/output error" in told.message
            refused += 1
        after = taken_up(folder)
        assert after == step or (told is not None and after == step - 1)
        assert_ends_well(folder, after)
        shutil.rmtree(folder.path)
        fail_at += 1
    assert refused >= 5


@pytest.mark.parametrize(("failing", "error"), [(FileOperations, errno.EIO), (FailsFrom, errno.ENOSPC)])
def test_a_training_goes_on_past_a_refused_save(failing: type[FileOperations], error: int, tmp_path: Path) -> None:
    """The same run, without a resume: the epochs whose save was refused are in the log once, in order, and the hints hold."""
    before = saved_before(run_folder(tmp_path / "before"), 3)
    fail_at, is_over = 0, False
    while not is_over:
        folder, notices = RunFolder(tmp_path / str(fail_at)), list[str]()
        shutil.copytree(before.path, folder.path)
        with CheckpointWriter(folder, notices.append, pauses=()) as writer:
            operations = failing(fail_at, error)
            with operations.watching():
                writer.save(lambda: snapshot(3, BEST[3]), event(3))
                writer.wait()
            is_over = len(operations.log) <= fail_at
            for step in range(4, LAST + 1):
                writer.save(lambda step=step: snapshot(step, BEST[step]), event(step))  # type: ignore[misc]
        assert all(notice.startswith("not saved: ") for notice in notices)
        assert_ends_well(folder, LAST)
        shutil.rmtree(folder.path)
        fail_at += 1


def test_a_best_checkpoint_stays_until_there_is_a_better_one(folder: RunFolder) -> None:
    """The disk did not take the epoch that became the best: what the hint names is not removed for it."""
    save(folder, 1)
    with FailsFrom(0).watching(), pytest.raises(ResourceError):
        save(folder, 2)
    save(folder, 3, 4)
    assert read_hint(folder.checkpoints, "best") == folder.checkpoints / "step-00000001"
    assert steps_that_load(list_checkpoints(folder.checkpoints)) == [1, 3, 4]
    save(folder, 5)
    assert read_hint(folder.checkpoints, "best") == folder.checkpoints / "step-00000005"
    assert steps_that_load(list_checkpoints(folder.checkpoints)) == [4, 5]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return run_folder(tmp_path / "run")


@contextmanager
def shut(path: Path) -> Iterator[None]:
    """A folder that may not be looked into, by a user that this holds for."""
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        path.chmod(0o700)


def test_checkpoints_that_may_not_be_read_are_not_taken_for_none(folder: RunFolder) -> None:
    """A run whose folder of checkpoints is shut must not begin anew with its first step: exit code 6, and nothing is changed."""
    save(folder, 1, 2)
    look: list[Callable[[], object]] = [
        lambda: load_newest(folder.checkpoints, pytest.fail),
        lambda: list_checkpoints(folder.checkpoints),
        lambda: list_set_aside(folder.checkpoints),
    ]
    for attempt in look:
        with shut(folder.checkpoints), pytest.raises(ResourceError, match="can't be read: Permission denied") as caught:
            attempt()
        assert caught.value.exit_code == 6
        assert str(folder.checkpoints) in caught.value.message
        assert "you may read it" in (caught.value.help or "")
    assert steps_that_load(list_checkpoints(folder.checkpoints)) == [1, 2]


def test_a_save_into_a_shut_folder_is_told(folder: RunFolder) -> None:
    """Rights that change while a training runs: the save is refused like one that finds the disk full."""
    save(folder, 1)
    with shut(folder.checkpoints), pytest.raises(ResourceError, match="Permission denied"):
        save(folder, 2)
    after = taken_up(folder)
    assert after == 1
    assert_ends_well(folder, after)
