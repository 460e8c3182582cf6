"""Observers: the log for people, and passing on to several."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from dlcli.training.observers import Observers, TextLog, epoch_line
from dlcli.training.progress import Progress
from tests.unit.runtime.file_operations import FileOperations

RECORD: dict[str, Any] = {
    "event": "epoch",
    "epoch": 3,
    "step": 30,
    "train/loss": 0.123456,
    "valid/loss": 0.2,
    "valid/accuracy": 0.98765,
    "train_seconds": 2.0,
    "samples_per_second": 12345.6,
    "lr": 0.1,
}

SIZES: dict[str, Any] = {"epochs": 5, "steps_per_epoch": 10, "monitored": "valid/loss"}


class Listener:
    """Writes down every call."""

    def __init__(self, name: str, calls: list[tuple[Any, ...]]) -> None:
        self._name = name
        self._calls = calls

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:
        self._calls.append((self._name, "started", progress, epochs, steps_per_epoch, total_steps, monitored))

    def stepped(self, progress: Progress, loss: torch.Tensor) -> None:
        self._calls.append((self._name, "stepped", progress, loss))

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        self._calls.append((self._name, "epoch_ended", record, is_best))

    def notice(self, text: str) -> None:
        self._calls.append((self._name, "notice", text))


def lines(path: Path) -> list[str]:
    """The log without its times, each of which must be one."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d (.*)", line)
        assert match is not None, line
        found.append(match[1])
    return found


def test_every_observer_gets_every_call_in_order() -> None:
    """With the very same values."""
    calls: list[tuple[Any, ...]] = []
    progress, loss = Progress(), torch.tensor(0.5)
    both = Observers([Listener("a", calls), Listener("b", calls)])
    both.started(progress, epochs=2, steps_per_epoch=7, total_steps=14, monitored="valid/loss")
    both.stepped(progress, loss)
    both.epoch_ended(RECORD, is_best=True)
    both.notice("text")
    started = ("started", progress, 2, 7, 14, "valid/loss")
    expected = [started, ("stepped", progress, loss), ("epoch_ended", RECORD, True), ("notice", "text")]
    assert calls == [(name, *call) for call in expected for name in ("a", "b")]


def test_no_observer_is_fine() -> None:
    """Nobody has to look."""
    Observers([]).notice("text")


@pytest.mark.parametrize("is_best", [False, True])
def test_an_epoch_in_one_line(is_best: bool) -> None:
    """Losses and metrics with four places, the speed, and whether it is the best so far."""
    expected = "epoch 3: train/loss 0.1235, valid/loss 0.2000, valid/accuracy 0.9877, 12,346 samples/s"
    assert epoch_line(RECORD, is_best=is_best) == expected + (" (best)" if is_best else "")


def test_the_log_says_where_max_steps_ends_a_run(tmp_path: Path) -> None:
    """Within the epochs that the config has."""
    TextLog(tmp_path / "train.log").started(Progress(), **SIZES, total_steps=15)
    assert lines(tmp_path / "train.log") == ["training 5 epochs of 10 steps, up to step 15"]


def test_the_log_tells_the_story_of_a_run(tmp_path: Path) -> None:
    """A line with its time for the start, each epoch, each notice and the resume; steps are too small for it."""
    log = TextLog(tmp_path / "train.log")
    log.started(Progress(), **SIZES, total_steps=50)
    log.stepped(Progress(step=1), torch.tensor(0.5))
    log.epoch_ended(RECORD, is_best=False)
    log.notice("é 中")
    TextLog(tmp_path / "train.log").started(Progress(step=35, epoch=3), **SIZES, total_steps=50)
    assert lines(tmp_path / "train.log") == [
        "training 5 epochs of 10 steps",
        epoch_line(RECORD, is_best=False),
        "é 中",
        "going on after step 35 (epoch 4 of 5)",
    ]


def test_a_log_that_is_held_touches_no_file(tmp_path: Path) -> None:
    """Until it is released: then comes what it was told meanwhile, and each line after that at once."""
    log = TextLog(tmp_path / "train.log", is_held=True)
    log.notice("first")
    log.notice("second")
    assert list(tmp_path.iterdir()) == []
    log.release()
    assert lines(tmp_path / "train.log") == ["first", "second"]
    log.notice("third")
    assert lines(tmp_path / "train.log") == ["first", "second", "third"]


@pytest.mark.parametrize("fail_at", [0, 1])
def test_a_line_that_the_disk_does_not_take_comes_with_the_next(fail_at: int, tmp_path: Path) -> None:
    """A log is no reason to end a training: what it lacks is written once there is room."""
    log = TextLog(tmp_path / "train.log")
    with FileOperations(fail_at, errno.ENOSPC).watching():
        log.notice("first")
    log.notice("second")
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert [line.split()[-1] for line in lines if len(line.split()) == 2] == ["first", "second"]
