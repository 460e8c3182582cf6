"""A run that is being trained, and other processes that want something of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.integration.small_trainings import assert_same_end
from tests.integration.started_commands import PATIENCE, PROCESSES, HoldAfterStep, Started, dlcli

_STEP: Final = 25
"""In the third epoch of ten steps. The first is on the disk by then, for the second's save has waited for that."""


@pytest.fixture
def longer(quick: Path) -> Path:
    """The config that trains in a second, with a third epoch."""
    quick.write_text(quick.read_text().replace("epochs: 2", "epochs: 3"))
    return quick


@pytest.fixture
def training(longer: Path) -> Iterator[Started]:
    """The process of run `a`, held in its third epoch."""
    reached, never = PROCESSES.Event(), PROCESSES.Event()
    started = Started("train", longer, "--name", "a", folder=longer.parent, disturbance=HoldAfterStep(_STEP, reached, never))
    assert reached.wait(PATIENCE)
    yield started
    started.kill()


def test_a_second_training_is_told_who_has_the_run(training: Started, longer: Path) -> None:
    """Exit code 2, the number of the process that trains, and how to stop it."""
    refused = dlcli("train", "--resume", "a", folder=longer.parent)
    assert refused.code == 2
    assert f"is being trained by process {training.pid}, since " in refused.err
    assert f"kill {training.pid}" in refused.err


def test_a_run_can_be_verified_while_it_is_trained(training: Started, longer: Path) -> None:
    """What is there by then is found whole, and who trains is named."""
    outcome = dlcli("verify", "a", "--json", folder=longer.parent)
    assert outcome.code == 0, outcome.err
    assert outcome.json["verified"]
    assert outcome.json["status"] == "running"
    assert outcome.json["files"] > 0
    assert outcome.json["notes"][0].startswith(f"it is being trained by process {training.pid}, since ")


def test_the_best_epoch_so_far_can_be_judged_while_the_run_is_trained(training: Started, longer: Path) -> None:
    """`eval` gives the figures of the validation split that the training wrote down for that epoch."""
    outcome = dlcli("eval", "a", "--split", "valid", "--json", folder=longer.parent)
    assert outcome.code == 0, outcome.err
    log = [json.loads(line) for line in (longer.parent / "runs" / "a" / "metrics.jsonl").read_text().splitlines()]
    (epoch,) = (line for line in log if outcome.json["checkpoint"] == f"step-{line['step']:08d}")
    assert outcome.json["metrics"] == {name: epoch[f"valid/{name}"] for name in ("loss", "accuracy")}
    assert not training.has_ended_after(0)


def test_a_killed_training_leaves_its_run_to_the_next(training: Started, longer: Path) -> None:
    """The file of its lock is still there and holds nobody up: the run goes on to the end of one that nothing disturbed."""
    folder = longer.parent
    assert training.kill()
    assert (folder / "runs" / "a" / ".lock").exists()
    assert dlcli("verify", "a", "--json", folder=folder).json["status"] == "killed"
    outcome = dlcli("train", "--resume", "a", folder=folder)
    assert outcome.code == 0, outcome.err
    assert dlcli("train", longer, "--name", "undisturbed", folder=folder).code == 0
    assert_same_end(folder / "runs" / "a", folder / "runs" / "undisturbed")
