"""A training on a terminal: what is shown and left there, and a terminal that is lost."""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import signal
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.small_trainings import assert_same_end
from tests.integration.started_commands import PATIENCE, PROCESSES, HoldAfterStep, Started, Together, dlcli
from tests.unit.cli.terminal_screen import TerminalScreen


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
        for name in ("CI", "NO_COLOR"):
            os.environ.pop(name, None)
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


class Shown:
    """A terminal of the system's, and its screen.

    Attributes:
        path: what a process opens to be shown on it.
        screen: what it shows, up to now.
    """

    def __init__(self, columns: int, lines: int) -> None:
        self._keyboard, self._held = os.openpty()
        fcntl.ioctl(self._keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.path = os.ttyname(self._held)
        self.screen = TerminalScreen(columns, lines)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        while True:
            try:
                self.screen.write(decoder.decode(os.read(self._keyboard, 100_000)))
            except OSError:  # nobody has it open any more
                return

    def press(self, keys: bytes) -> None:
        """As somebody at the keyboard does."""
        os.write(self._keyboard, keys)

    def end(self) -> None:
        """Waits until all that was written is on the screen."""
        os.close(self._held)
        self._reader.join(PATIENCE)
        os.close(self._keyboard)


@contextmanager
def shown_on(columns: int, lines: int) -> Iterator[Shown]:
    shown = Shown(columns, lines)
    try:
        yield shown
    finally:
        shown.end()


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (60, 20)])
def test_a_training_leaves_a_table_on_the_terminal(columns: int, lines: int, quick: Path) -> None:
    """Each epoch in it, no line broken, no bar any more, and the terminal ready for the next command."""
    with shown_on(columns, lines) as shown:
        outcome = Started("train", quick, "--name", "a", folder=quick.parent, disturbance=OnTerminal(shown.path, False)).outcome()
    assert outcome.code == 0, outcome.err
    begin, head, *rows = shown.screen.rows
    assert begin == "2 epochs of 10 steps"
    assert head.split()[:4] == ["epoch", "train/loss", "valid/loss", "valid/accuracy"]
    logged = [json.loads(line) for line in (quick.parent / "runs" / "a" / "metrics.jsonl").read_text().splitlines()]
    for row, epoch in zip(rows, logged, strict=False):
        values = [f"{epoch[key]:.4f}" for key in ("train/loss", "valid/loss", "valid/accuracy")]
        assert row.split()[:4] == [str(epoch["epoch"]), *values]
    assert sum(row.endswith("best") for row in rows) == 1
    assert not any("left" in row or "epoch 2/2" in row for row in rows)
    assert shown.screen.wrapped == 0
    assert shown.screen.is_ready
    assert "Trained for 2 epochs" in outcome.out


@pytest.mark.parametrize("times", [1, 2])
def test_control_c_leaves_the_terminal_as_it_should_be(times: int, quick: Path) -> None:
    """Once, it ends in order, twice, at once; the bar is gone either way, and so is the `^C` that a terminal shows."""
    folder = quick.parent
    reached, go_on = PROCESSES.Event(), PROCESSES.Event()
    with shown_on(80, 24) as shown:
        held = Together((OnTerminal(shown.path, False), HoldAfterStep(13, reached, go_on)))
        started = Started("train", quick, "--name", "a", "--set", "train.epochs=3", folder=folder, disturbance=held)
        assert reached.wait(PATIENCE)
        for _ in range(times):
            shown.press(b"\x03")
        go_on.set()
        outcome = started.outcome()
    assert outcome.code == 130
    assert json.loads((folder / "runs" / "a" / "run.json").read_text())["status"] == "interrupted"
    assert shown.screen.is_ready
    assert shown.screen.wrapped == 0
    assert not any("━" in row or "left" in row for row in shown.screen.rows)
    assert any(row.startswith("    1 ") for row in shown.screen.rows)
    if times == 1:
        assert "can go on" in outcome.out
        assert not any("^C" in row for row in shown.screen.rows)


def test_quiet_shows_nothing_and_says_where_the_run_is(quick: Path) -> None:
    """On a terminal too."""
    with shown_on(80, 24) as shown:
        held = OnTerminal(shown.path, False)
        outcome = Started("train", quick, "--name", "a", "--quiet", folder=quick.parent, disturbance=held).outcome()
    assert (outcome.code, outcome.out, shown.screen.rows) == (0, "runs/a\n", [])
