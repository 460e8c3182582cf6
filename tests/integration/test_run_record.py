"""What a run's folder says of how it was trained and how it ended, whatever comes in between."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

from dlcli.app import experiments
from dlcli.app.train import TrainRequest, train
from dlcli.app.verify import verify
from dlcli.errors import ResourceError
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer
from tests.integration.conftest import Cli
from tests.integration.small_trainings import committed

RUN = Path("runs/a")


def _record() -> dict[str, Any]:
    record = json.loads((RUN / "run.json").read_text())
    assert isinstance(record, dict)
    return record


@pytest.mark.parametrize("source", ["digits", "mnist, fallback: digits"])
@pytest.mark.parametrize("change", [lambda path: path.write_text("epochs: 7"), Path.unlink], ids=["edited", "deleted"])
def test_a_config_that_changes_while_data_is_read_is_the_one_that_was_given(
    source: str, change: Callable[[Path], None], cli: Cli, quick: Path, no_download: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read once: what is checked is what is trained, also where a fallback has it looked at again, and what is kept."""
    real, given = experiments.open_dataset, quick.read_text().replace("name: digits", f"name: {source}")
    quick.write_text(given)

    def change_and_read(*arguments: Any, **options: Any) -> Any:
        change(quick)
        return real(*arguments, **options)

    monkeypatch.setattr(experiments, "open_dataset", change_and_read)
    outcome = cli("train", quick, "--name", "a")
    assert outcome.code == 0, outcome.err
    assert (RUN / "config.yaml").read_text() == given
    assert _record()["epochs"] == 2


@pytest.mark.parametrize(
    ("method", "logged"),
    [("started", "training 2 epochs"), ("stepped", "training 2 epochs"), ("epoch_ended", "epoch 1: "), ("notice", "softmax")],
)
def test_an_observer_that_fails_ends_the_run_in_order(method: str, logged: str, cli: Cli, quick: Path) -> None:
    """run.json says so, train.log has what it was told, and the folder verifies."""
    failing = Mock(**{f"{method}.side_effect": RuntimeError("the observer's own bug")})
    quick.write_text(quick.read_text().replace("train:", "    - softmax\ntrain:"))  # of which a warning tells
    with pytest.raises(RuntimeError, match="the observer's own bug"):
        train(TrainRequest(quick, name="a", observers=(failing,)))
    record = _record()
    assert (record["status"], record["exit_code"], record["error"]) == ("failed", 1, "RuntimeError: the observer's own bug")
    assert logged in (RUN / "train.log").read_text()
    assert verify("a", Path("runs")).problems == []


def _take_no_step(trainer: Trainer, *_: Any) -> Tensor:
    return torch.zeros(3).put_(torch.tensor([0]), torch.ones(1))


def test_an_operation_that_is_refused_for_its_bits_is_told_as_it_is_recorded(
    cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `deterministic: true`, in the middle of a run: exit code 2, which operation it was, and the same in run.json."""
    monkeypatch.setattr(Trainer, "step", _take_no_step)
    outcome = cli("train", quick, "--name", "a", "--set", "train.deterministic=true", "--json")
    assert outcome.code == 2
    assert outcome.json["error"] == "`deterministic: true` can't be had here: put_ has no deterministic form"
    record = _record()
    assert (record["status"], record["exit_code"], record["error"]) == ("failed", 2, outcome.json["error"])


def test_an_operation_that_is_refused_for_its_bits_is_told_by_eval(
    cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another device than the training's, for example."""
    assert cli("train", quick, "--set", "train.deterministic=true").code == 0
    monkeypatch.setattr("dlcli.app.use.judge", _take_no_step)
    outcome = cli("eval")
    assert outcome.code == 2
    assert "put_ has no deterministic form" in outcome.err


@pytest.mark.parametrize(
    ("fail_at", "saved"),
    [(4, "nothing was saved yet; to begin anew"), (14, "saved up to step 10; to go on from there")],
)
def test_the_end_of_a_run_that_failed_says_how_it_goes_on(
    fail_at: int, saved: str, cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to which step it is saved, and the command; train.log has that too, behind the error; and the command works."""
    real = Trainer.step

    def fail(trainer: Trainer, *arguments: Any) -> Tensor:
        if trainer.progress.step == fail_at:
            raise ResourceError("the machine is on fire")
        return real(trainer, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", fail)
        outcome = cli("train", quick, "--name", "a")
    assert outcome.code == 6
    told = f"{saved}: dlcli train --resume runs/a"
    assert f"note: {told}\nerror: the machine is on fire\n" in outcome.err
    lines = [line.partition(" ")[2] for line in (RUN / "train.log").read_text().splitlines()]
    assert lines[-2:] == ["error: the machine is on fire", told]
    assert verify("a", Path("runs")).problems == []
    assert cli("train", "--resume", "runs/a", "--json").json["step"] == 20


def test_the_log_says_that_a_run_was_interrupted(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its last line, and what is saved."""
    real = Trainer.step

    def interrupted(trainer: Trainer, *arguments: Any) -> Tensor:
        if trainer.progress.step == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return real(trainer, *arguments)

    monkeypatch.setattr(Trainer, "step", interrupted)
    assert cli("train", quick, "--name", "a").code == 130
    assert (RUN / "train.log").read_text().endswith(" interrupted, and saved up to step 7\n")
    assert verify("a", Path("runs")).problems == []


def test_all_seconds_of_a_run_count_over_its_resumes(cli: Cli, quick: Path) -> None:
    """As those of its training alone do: `--resume` of a run that is over adds nothing to them."""
    assert cli("train", quick, "--name", "a", "--set", "train.max_steps=15").code == 0
    assert cli("train", "--resume", "--set", "train.max_steps=20").code == 0
    seconds = committed(RUN)[-1].state["progress"]["elapsed_seconds"]
    assert _record()["total_seconds"] == seconds
    assert cli("train", "--resume").code == 0
    assert _record()["total_seconds"] == seconds


def test_a_run_that_can_not_be_kept_to_itself_is_not_begun(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room for its lock: exit code 6, no folder that says it is running, and the same command then works."""

    def refuse(descriptor: int, content: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", refuse)
        outcome = cli("train", quick, "--name", "a")
    assert outcome.code == 6
    assert "runs/a/.lock can't be written" in outcome.err
    assert list(Path("runs").iterdir()) == []
    assert cli("train", quick, "--name", "a").code == 0


def test_a_run_that_can_not_go_on_is_left_as_it_was(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk does not take back what the run's end noted of its files, none of them is another: it still verifies."""
    assert cli("train", quick, "--name", "a").code == 0
    monkeypatch.setattr(RunFolder, "unseal", _refuse)
    assert cli("train", "--resume", "--set", "train.epochs=3").code == 6
    assert verify("a", Path("runs")).problems == []


def _refuse(folder: RunFolder) -> None:
    raise ResourceError("the disk is full")


def test_a_record_that_could_not_be_written_is_told(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the error that ended the run, whose exit code stays."""
    monkeypatch.setattr(RunFolder, "seal", _refuse)
    outcome = cli("train", quick, "--name", "a", "--set", "train.optimizer.lr=1e30")
    assert outcome.code == 4
    assert "note: run.json could not say so: the disk is full" in outcome.err
