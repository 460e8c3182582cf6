"""A signal before the training, and streams that take nothing. Signals within a training: test_signals.py."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
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
