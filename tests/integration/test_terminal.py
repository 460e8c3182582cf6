"""A training on a terminal that is lost: what it saves and says is as if nobody had ever looked."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import termios
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.small_trainings import assert_same_end
from tests.integration.started_commands import PATIENCE, PROCESSES, HoldAfterStep, Started, Together, dlcli


@dataclass(frozen=True)
class OnTerminal:
    """Has a terminal control the process, and show its stderr.

    Attributes:
        path: of the terminal.
        outlives_it: whether SIGHUP is ignored, as `nohup` and a shell's `disown` have it.
    """

    path: str
    outlives_it: bool

    def install(self) -> None:
        terminal = os.open(self.path, os.O_RDWR)
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        os.dup2(terminal, 2)
        os.environ["TERM"] = "xterm"
        os.environ.pop("CI", None)
        if self.outlives_it:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.parametrize(("outlives_it", "code"), [(False, 129), (True, 0)], ids=["SIGHUP", "SIGHUP ignored"])
def test_a_training_whose_terminal_is_closed_saves_and_ends_in_order(outlives_it: bool, code: int, quick: Path) -> None:
    """In the middle of an epoch, under its bar: 129 and a run that goes on, or, told to outlive it, the end itself."""
    folder, run = quick.parent, quick.parent / "runs" / "a"
    assert dlcli("train", quick, "--name", "undisturbed", folder=folder).code == 0
    (terminal, ours), reached, go_on = os.openpty(), PROCESSES.Event(), PROCESSES.Event()
    held = Together((OnTerminal(os.ttyname(ours), outlives_it), HoldAfterStep(3, reached, go_on)))
    started = Started("train", quick, "--name", run.name, "--json", folder=folder, disturbance=held)
    assert reached.wait(PATIENCE)
    assert b"epoch 1/2" in os.read(terminal, 100_000), "the bar was to be there"
    os.close(ours)
    os.close(terminal)
    go_on.set()
    outcome = started.outcome()
    assert outcome.code == code, outcome.err
    record = json.loads((run / "run.json").read_text())
    assert (record["exit_code"], outcome.json["status"]) == (code, record["status"])
    if not outlives_it:
        assert record["status"] == "interrupted"
        assert dlcli("train", "--resume", run.name, folder=folder).code == 0
    assert_same_end(run, folder / "runs" / "undisturbed")
