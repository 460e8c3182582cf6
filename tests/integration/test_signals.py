"""A signal at any moment ends a run in seconds, saved, and it goes on to the same end."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.integration.small_trainings import assert_same_end
from tests.integration.started_commands import (
    DATA,
    EVALUATION,
    PROCESSES,
    SAVE,
    STEP,
    HoldAfterStep,
    SignalWithin,
    Started,
    count_moments,
    dlcli,
)

_SECONDS_TO_LEAVE: Final = 10.0
_SLOW: Final = pytest.mark.slow


@pytest.fixture
def whole(quick: Path) -> Path:
    """The run of a config that nothing stopped."""
    assert dlcli("train", quick, "--name", "whole", folder=quick.parent).code == 0
    return quick.parent / "runs" / "whole"


@pytest.mark.parametrize("signals", [pytest.param(3, id="sample"), pytest.param(50, id="50", marks=_SLOW)])
@pytest.mark.parametrize("phase", [DATA, STEP, EVALUATION, SAVE])
def test_sigterm_within_any_phase_saves_and_leaves(
    phase: str, signals: int, quick: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At moments spread over all that a run does of it: exit code 143 within seconds, and after --resume the same end.

    While data is read nothing is there to be saved: no folder is left, and the same command begins anew.
    """
    folder = quick.parent
    moments = count_moments(phase, "train", quick, "--name", "counted", folder=folder)
    for number in range(signals):
        run = folder / "runs" / f"stopped-{number}"
        moment = number * moments // signals
        stopped = Started(
            "train", quick, "--name", run.name, folder=folder, disturbance=SignalWithin(phase, moment, (signal.SIGTERM,))
        )
        outcome = stopped.outcome(within=_SECONDS_TO_LEAVE + 20)
        assert outcome.code == 143, (moment, outcome.err)
        if phase == DATA:
            assert not run.exists()
        command = ["train", "--resume", run.name] if run.exists() else ["train", quick, "--name", run.name]
        if run.exists():
            record = json.loads((run / "run.json").read_text())
            assert (record["status"], record["exit_code"]) == ("interrupted", 143)
        outcome = dlcli(*command, folder=folder)
        assert outcome.code == 0, (moment, outcome.err)
        assert_same_end(run, whole)
    with capsys.disabled():
        print(f"\nSIGTERM within {phase}: {signals} of {signals} saved and taken up, exit code 143")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["SIGINT", "SIGTERM", "SIGHUP"]
)
def test_each_signal_has_its_exit_code(number: int, code: int, quick: Path, whole: Path) -> None:
    """As a shell reports them; one JSON object all the same, and the run goes on to the same end."""
    stopped = dlcli("train", quick, "--name", "a", "--json", folder=quick.parent, disturbance=SignalWithin(STEP, 100, (number,)))
    assert stopped.code == code, stopped.err
    assert stopped.json["status"] == "interrupted"
    assert dlcli("train", "--resume", "a", folder=quick.parent).code == 0
    assert_same_end(whole.parent / "a", whole)


def test_sigterm_while_a_run_that_goes_on_reads_its_data_changes_nothing(quick: Path, whole: Path) -> None:
    """Not a byte of the run, and it can be taken up again."""
    folder, run = quick.parent, whole.parent / "a"
    assert dlcli("train", quick, "--name", "a", "--set", "train.max_steps=15", folder=folder).code == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    again = ("train", "--resume", "a", "--set", "train.max_steps=20")
    for moment in (0, 500, 1500):
        stopped = dlcli(*again, folder=folder, disturbance=SignalWithin(DATA, moment, (signal.SIGTERM,)))
        assert stopped.code == 143, stopped.err
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert dlcli(*again, folder=folder).code == 0


def test_a_signal_to_the_whole_process_group(quick: Path, whole: Path) -> None:
    """As a terminal sends Ctrl-C, and a scheduler SIGTERM: whatever else runs in the group, the training saves and leaves."""
    reached, go_on = PROCESSES.Event(), PROCESSES.Event()
    held = HoldAfterStep(12, reached, go_on)
    started = Started("train", quick, "--name", "a", folder=quick.parent, disturbance=held)
    assert reached.wait(60)
    os.killpg(started.pid, signal.SIGTERM)
    go_on.set()
    assert started.outcome(within=_SECONDS_TO_LEAVE + 20).code == 143
    assert dlcli("train", "--resume", "a", folder=quick.parent).code == 0
    assert_same_end(whole.parent / "a", whole)


@pytest.mark.parametrize("phase", [STEP, EVALUATION, SAVE])
def test_a_second_ctrl_c_leaves_at_once(phase: str, quick: Path, whole: Path) -> None:
    """Without waiting for a step, an evaluation or a save: exit code 130, what was saved before verifies, and the run goes on."""
    folder = quick.parent
    twice = SignalWithin(phase, count_moments(phase, "train", quick, folder=folder) // 2, (signal.SIGINT, signal.SIGINT))
    stopped = dlcli("train", quick, "--name", "a", folder=folder, disturbance=twice)
    assert stopped.code == 130, stopped.err
    assert "Traceback" not in stopped.err
    assert json.loads((whole.parent / "a" / "run.json").read_text())["exit_code"] == 130
    assert dlcli("verify", "a", folder=folder).code == 0
    assert dlcli("train", "--resume", "a", folder=folder).code == 0
    assert_same_end(whole.parent / "a", whole)


def test_a_run_in_use_is_left_alone_and_can_be_looked_at(quick: Path, whole: Path) -> None:
    """A second process is told who has it (exit code 2); `verify` and `eval` work beside it; SIGKILL leaves no lock behind."""
    folder, reached, never = quick.parent, PROCESSES.Event(), PROCESSES.Event()
    started = Started("train", quick, "--name", "a", folder=folder, disturbance=HoldAfterStep(15, reached, never))
    assert reached.wait(60)
    refused = dlcli("train", "--resume", "a", folder=folder)
    assert refused.code == 2
    assert f"is being trained by process {started.pid}, since" in refused.err
    assert f"it is being trained by process {started.pid}" in dlcli("verify", "a", folder=folder).out
    assert dlcli("eval", "a", "--checkpoint", "last", folder=folder).code == 0
    assert started.kill()
    assert dlcli("verify", "a", "--json", folder=folder).json["status"] == "killed"
    assert dlcli("train", "--resume", "a", folder=folder).code == 0
    assert_same_end(whole.parent / "a", whole)
