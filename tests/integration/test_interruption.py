"""A signal ends a run after the step under way: saved, and ready to be taken up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_SIGNALLED = """
import os, signal, sys
from dlcli.cli.main import run
from dlcli.training import trainer

step = trainer.Trainer.step

def signalled(self, group):
    loss = step(self, group)
    if self.progress.step == 5:
        os.kill(os.getpid(), int(sys.argv[1]))
    return loss

trainer.Trainer.step = signalled
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_run_goes_on_to_the_same_end(number: int, code: int, quick: Path, tmp_path: Path) -> None:
    """Exit code 130 or 143, a record that says so, and after --resume the weights of an undisturbed run."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def dlcli(*arguments: str, script: str = "from dlcli.cli.main import main; main()") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)

    stopped = dlcli(str(int(number)), "train", str(quick), "--name", "cut", "--json", script=_SIGNALLED)
    assert stopped.returncode == code, stopped.stderr
    assert json.loads(stopped.stdout)["status"] == "interrupted"
    assert json.loads((tmp_path / "runs/cut/run.json").read_text())["exit_code"] == code
    (state,) = (tmp_path / "runs/cut/checkpoints").glob("*/state.json")
    assert json.loads(state.read_text())["progress"]["step_in_epoch"] == 5, "the signal was to come within an epoch"
    resumed = dlcli("train", "--resume", "cut", "--json")
    assert resumed.returncode == 0, resumed.stderr
    whole = dlcli("train", str(quick), "--name", "whole", "--json")
    results = [json.loads(done.stdout) for done in (resumed, whole)]
    for key in ("status", "epochs", "step", "best", "test"):
        assert results[0][key] == results[1][key]
    files = [sorted((tmp_path / "runs" / name / "checkpoints").glob("*/model.safetensors"))[-1] for name in ("cut", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_training_ends_at_once_and_says_so(number: int, quick: Path, tmp_path: Path) -> None:
    """While data is read: the exit code of the signal, one JSON object, no run folder."""
    script = """
import os, sys
import dlcli.app.train
number = int(sys.argv.pop(1))
def signalled(*arguments, **options):
    os.kill(os.getpid(), number)
dlcli.app.train.open_experiment = signalled
from dlcli.cli.main import main
main()
"""
    command = [sys.executable, "-c", script, str(int(number)), "train", str(quick), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 128 + number, done.stderr
    assert json.loads(done.stdout)["error"] == "interrupted"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_streams_that_take_nothing_change_no_outcome(quick: Path, tmp_path: Path) -> None:
    """stdout and stderr full or closed: the training's own exit code."""
    for redirect in (">/dev/full", ">/dev/full 2>/dev/full", "2>&-", ">&-"):
        command = f"{sys.executable} -m dlcli train {quick} --json {redirect}"
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, (redirect, done.stderr)
