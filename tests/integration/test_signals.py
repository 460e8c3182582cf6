"""A run that is asked to end, at any moment: it leaves in seconds, saved, and goes on to the end it would have had."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from dlcli import train
from tests.integration.conftest import Outcome
from tests.integration.small_trainings import assert_same_end, committed
from tests.integration.started_commands import (
    DATA,
    EVALUATION,
    PATIENCE,
    PROCESSES,
    SAVE,
    STEP,
    HoldAfterStep,
    HoldSave,
    SignalWithin,
    Started,
    Together,
    count_moments,
    dlcli,
)

_SECONDS_TO_LEAVE: Final = 10.0
"""From the signal to the end of the process."""

_SIGTERMS: Final = pytest.mark.parametrize("signals", [pytest.param(3, id="sample"), pytest.param(50, marks=pytest.mark.slow)])

_EACH_SIGNAL: Final = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["SIGINT", "SIGTERM", "SIGHUP"]
)


@pytest.fixture
def longer(quick: Path) -> Path:
    """The config that trains in a second, with epochs enough for a save to remove a checkpoint."""
    quick.write_text(quick.read_text().replace("epochs: 2", "epochs: 4"))
    return quick


@pytest.fixture
def undisturbed(longer: Path) -> Path:
    """The run of it that nothing disturbed."""
    assert dlcli("train", longer, "--name", "undisturbed", folder=longer.parent).code == 0
    return longer.parent / "runs" / "undisturbed"


@_SIGTERMS
@pytest.mark.parametrize("phase", [STEP, EVALUATION, SAVE])
def test_sigterm_saves_and_the_run_goes_on_to_the_same_end(
    phase: str, signals: int, longer: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At moments spread over all of the steps, the evaluations and the saves of a run.

    Exit code 143 within seconds; the last step taken is in a checkpoint; nothing is half done; and `--resume` gives the
    weights, the log and the results of a run that nothing disturbed.
    """
    folder, problems = longer.parent, list[str]()
    moments = count_moments(phase, "train", longer, "--name", "counted", folder=folder)
    for number in range(signals):
        run, moment = folder / "runs" / f"stopped-{number}", _moment(number, signals, moments)
        try:
            _sigterm(phase, moment, "train", longer, "--name", run.name, folder=folder)
            _assert_saved(run)
            _resume(run)
            assert_same_end(run, undisturbed)
        except AssertionError as error:
            problems.append(f"moment {moment} of {moments}: {error}")
    with capsys.disabled():
        print(
            f"\nSIGTERM within {phase}: {signals - len(problems)} of {signals} saved and resumed to the same end, exit code 143"
        )
    assert problems == []


@_SIGTERMS
def test_sigterm_while_data_is_read_leaves_nothing(
    signals: int, longer: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 143 within seconds, no folder whole or half made, and the same command then works."""
    folder, problems = longer.parent, list[str]()
    moments = count_moments(DATA, "train", longer, "--name", "counted", folder=folder)
    runs = sorted((folder / "runs").iterdir())
    for number in range(signals):
        moment = _moment(number, signals, moments)
        try:
            _sigterm(DATA, moment, "train", longer, "--name", "a", folder=folder)
            assert sorted((folder / "runs").iterdir()) == runs
        except AssertionError as error:
            problems.append(f"moment {moment} of {moments}: {error}")
    with capsys.disabled():
        print(f"\nSIGTERM within data loading: {signals - len(problems)} of {signals} left nothing behind, exit code 143")
    assert problems == []
    assert dlcli("train", longer, "--name", "a", folder=folder).code == 0
    assert_same_end(folder / "runs" / "a", undisturbed)


@_SIGTERMS
def test_sigterm_while_a_run_that_goes_on_reads_its_data_changes_nothing(
    signals: int, longer: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 143 within seconds, not a byte of the run is another, and it then goes on to the same end."""
    folder, run, problems = longer.parent, undisturbed.parent / "a", list[str]()
    _sigterm(STEP, _steps(longer) // 2, "train", longer, "--name", run.name, folder=folder)
    shutil.copytree(run, run.with_name("copy"))
    moments = count_moments(DATA, "train", "--resume", "copy", folder=folder)
    before = _files(run)
    for number in range(signals):
        moment = _moment(number, signals, moments)
        try:
            _sigterm(DATA, moment, "train", "--resume", run.name, folder=folder)
            assert _files(run) == before
        except AssertionError as error:
            problems.append(f"moment {moment} of {moments}: {error}")
    with capsys.disabled():
        print(
            f"\nSIGTERM within data loading of a resumed run: {signals - len(problems)} of {signals} left it as it was, exit code 143"
        )
    assert problems == []
    _resume(run)
    assert_same_end(run, undisturbed)


def test_sigterm_while_the_test_split_is_judged(longer: Path, undisturbed: Path) -> None:
    """The training is over and saved, and only its result is missing: `--resume` writes no checkpoint, and gives the result."""
    folder, run = longer.parent, undisturbed.parent / "a"
    moments = count_moments(EVALUATION, "train", longer, "--name", "counted", folder=folder)
    in_the_last_of_five = moments * 83 // 100
    _sigterm(EVALUATION, in_the_last_of_five, "train", longer, "--name", run.name, folder=folder)
    record = _record(run)
    assert (record["status"], record["finished"], record["test"]) == ("interrupted", "epochs", None)
    before = _files(run / "checkpoints")
    _resume(run)
    assert _files(run / "checkpoints") == before
    assert_same_end(run, undisturbed)


@pytest.mark.parametrize("phase", [EVALUATION, SAVE])
def test_sigterm_in_the_last_moment_of_a_run_without_a_test_split(phase: str, longer: Path) -> None:
    """After the last batch is judged, or in the last save: 143 all the same, and `--resume` has nothing left but to say it."""
    folder, runs = longer.parent, longer.parent / "runs"
    longer.write_text(longer.read_text().replace("limit: 300", "limit: 300, split: {test: 0}"))
    moments = count_moments(phase, "train", longer, "--name", "undisturbed", folder=folder)
    assert _record(runs / "undisturbed")["test"] is None
    _sigterm(phase, moments - 2, "train", longer, "--name", "a", folder=folder)
    _assert_saved(runs / "a")
    _resume(runs / "a")
    assert_same_end(runs / "a", runs / "undisturbed")


@_EACH_SIGNAL
def test_each_signal_has_its_exit_code(number: int, code: int, longer: Path, undisturbed: Path) -> None:
    """As a shell reports them, in the record too; one JSON object all the same, and the run goes on to the same end."""
    folder, run = longer.parent, undisturbed.parent / "a"
    in_the_middle = SignalWithin(STEP, _steps(longer) // 3, (number,))
    stopped = dlcli("train", longer, "--name", run.name, "--json", folder=folder, disturbance=in_the_middle)
    assert stopped.code == code, stopped.err
    assert stopped.json["status"] == "interrupted"
    _assert_saved(run, code)
    progress = committed(run)[-1].state["progress"]
    assert progress["step_in_epoch"] > 0, "the signal was to come within an epoch"
    _resume(run)
    assert_same_end(run, undisturbed)


@_EACH_SIGNAL
def test_each_signal_is_told_before_the_training_too(number: int, code: int, longer: Path) -> None:
    """While data is read: its exit code, one JSON object that says so, no traceback, and no folder of the run."""
    folder = longer.parent
    moments = count_moments(DATA, "train", longer, "--name", "counted", folder=folder)
    in_the_middle = SignalWithin(DATA, moments // 2, (number,))
    stopped = dlcli("train", longer, "--name", "a", "--json", folder=folder, disturbance=in_the_middle)
    assert stopped.code == code, stopped.err
    assert (stopped.json["error"], stopped.json["exit_code"]) == ("interrupted", code)
    assert "Traceback" not in stopped.err
    assert not (folder / "runs" / "a").exists()


def test_a_run_that_was_told_to_outlive_its_terminal_does(longer: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Under `nohup`, SIGHUP comes in the middle of a step and changes nothing: exit code 0 and the same end."""
    nohup, sent = shutil.which("nohup"), tmp_path / "sent"
    if nohup is None:
        pytest.skip("needs nohup, which has a command ignore SIGHUP")
    script = f"""
import torch
from pathlib import Path
from dlcli.cli.main import main
from tests.integration.started_commands import STEP, SignalWithin
torch.set_num_threads(1)
SignalWithin(STEP, {_steps(longer) // 3}, ({int(signal.SIGHUP)},), Path({str(sent)!r})).install()
main()
"""
    command = [nohup, sys.executable, "-c", script, "train", str(longer), "--name", "a"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=tmp_path, env=environment, check=False
    )
    assert sent.exists(), done.stderr
    assert done.returncode == 0, done.stderr
    assert_same_end(undisturbed.parent / "a", undisturbed)


def test_sigterm_to_the_whole_process_group(longer: Path, undisturbed: Path) -> None:
    """As a terminal and a scheduler send it: whatever else is in the group, the training saves, leaves and goes on the same."""
    folder, run = longer.parent, undisturbed.parent / "a"
    reached, go_on = PROCESSES.Event(), PROCESSES.Event()
    started = Started("train", longer, "--name", run.name, folder=folder, disturbance=HoldAfterStep(12, reached, go_on))
    assert reached.wait(PATIENCE)
    os.killpg(started.pid, signal.SIGTERM)
    go_on.set()
    outcome = started.outcome(within=_SECONDS_TO_LEAVE)
    assert outcome.code == 143, outcome.err
    _assert_saved(run)
    _resume(run)
    assert_same_end(run, undisturbed)


@pytest.mark.parametrize("phase", [STEP, EVALUATION])
def test_a_second_ctrl_c_does_not_wait_for_a_step_or_an_evaluation(phase: str, longer: Path, undisturbed: Path) -> None:
    """Exit code 130 in the middle of it, nothing more is saved, what was saved verifies, and the run goes on to the same end."""
    folder, run = longer.parent, undisturbed.parent / "a"
    moments = count_moments(phase, "train", longer, "--name", "counted", folder=folder)
    twice = SignalWithin(phase, moments // 2, (signal.SIGINT, signal.SIGINT))
    outcome = dlcli("train", longer, "--name", run.name, folder=folder, disturbance=twice)
    _assert_left_at_once(run, outcome)
    _resume(run)
    assert_same_end(run, undisturbed)


@pytest.mark.parametrize("waits", [True, False], ids=["waiting for it", "taking a step"])
def test_a_second_ctrl_c_does_not_wait_for_a_save(waits: bool, longer: Path, undisturbed: Path) -> None:
    """A disk that hangs, while the training waits for it or goes on: exit code 130, and the checkpoints before as they were."""
    folder, run = longer.parent, undisturbed.parent / "a"
    moments = count_moments(SAVE, "train", longer, "--name", "counted", folder=folder)
    reached, stepped, never, heard = (PROCESSES.Event() for _ in range(4))
    hold_save, hold_step = HoldSave(moments * 2 // 3, reached, heard), HoldAfterStep(31, stepped, never)
    held = hold_save if waits else Together((hold_save, hold_step))
    started = Started("train", longer, "--name", run.name, folder=folder, disturbance=held)
    assert reached.wait(PATIENCE)
    assert waits or stepped.wait(PATIENCE)
    before = {path: content for path, content in _files(run).items() if path.parent.name.startswith("step-")}
    assert before
    os.kill(started.pid, signal.SIGINT)
    assert heard.wait(PATIENCE)
    assert not started.has_ended_after(0), "the first waits"
    os.kill(started.pid, signal.SIGINT)
    _assert_left_at_once(run, started.outcome(within=_SECONDS_TO_LEAVE))
    assert {path: path.read_bytes() for path in before} == before
    _resume(run)
    assert_same_end(run, undisturbed)


@pytest.mark.parametrize("place", ["dlcli.app.train.point_latest_at", "dlcli.training.run_folder.RunFolder.seal"])
def test_a_second_ctrl_c_before_the_first_or_after_the_last_step_is_recorded(
    place: str, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run that has ended says that it is running."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(quick, runs=quick.parent / "runs", name="a")
    record = json.loads((quick.parent / "runs" / "a" / "run.json").read_text())
    assert (record["status"], record["exit_code"]) == ("interrupted", 130)


def test_a_run_out_of_time_ends_in_order_and_with_more_time_as_if_it_had_had_it(longer: Path, undisturbed: Path) -> None:
    """`max_time` in the middle of an epoch: exit code 0, a result, and with a higher limit the end of a run without one."""
    folder, run = longer.parent, undisturbed.parent / "a"
    outcome = dlcli("train", longer, "--name", run.name, "--set", "train.max_time=0.001", folder=folder)
    assert outcome.code == 0, outcome.err
    record = _record(run)
    assert (record["status"], record["finished"], record["step"]) == ("completed", "max_time", 1)
    assert record["test"] is not None
    _resume(run, "--set", "train.max_time=1h")
    assert_same_end(run, undisturbed)


def _moment(number: int, of: int, moments: int) -> int:
    """The middle of one of so many equal parts of all moments."""
    return (2 * number + 1) * moments // (2 * of)


def _steps(config: Path) -> int:
    """How many moments its steps have."""
    return count_moments(STEP, "train", config, "--name", "counted", folder=config.parent)


def _sigterm(phase: str, moment: int, *arguments: object, folder: Path) -> None:
    """Runs a command that gets SIGTERM at a moment, and has to end with 143 soon after that."""
    sent = folder / "sent"
    sent.unlink(missing_ok=True)
    outcome = dlcli(*arguments, folder=folder, disturbance=SignalWithin(phase, moment, (signal.SIGTERM,), sent))
    ended = time.monotonic()
    assert outcome.code == 143, f"exit code {outcome.code}\n{outcome.err}"
    assert ended - float(sent.read_text()) < _SECONDS_TO_LEAVE


def _assert_saved(run: Path, code: int = 143) -> None:
    """The record says how the run was left, a checkpoint has its last step, all verify, and nothing is half done."""
    record = _record(run)
    assert (record["status"], record["exit_code"], record["error"]) == ("interrupted", code, None)
    assert committed(run)[-1].state["progress"]["step"] == record["step"]
    assert list(run.rglob(".*")) == []


def _assert_left_at_once(run: Path, outcome: Outcome) -> None:
    """By a second Ctrl-C, and what the run has is whole."""
    assert outcome.code == 130, outcome.err
    assert "Traceback" not in outcome.err
    record = _record(run)
    assert (record["status"], record["exit_code"]) == ("interrupted", 130)
    assert record["error"].startswith("KeyboardInterrupt"), "the first Ctrl-C alone would have ended the run in order"
    verified = dlcli("verify", run.name, folder=run.parent.parent)
    assert verified.code == 0, verified.out


def _resume(run: Path, *options: str) -> None:
    outcome = dlcli("train", "--resume", run.name, *options, folder=run.parent.parent)
    assert outcome.code == 0, outcome.err


def _record(run: Path) -> dict[str, Any]:
    record = json.loads((run / "run.json").read_text())
    assert isinstance(record, dict)
    return record


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
