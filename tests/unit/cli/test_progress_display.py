"""A training as it is shown: how often, and what comes to rest on the terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import torch

from dlcli.cli.live_region import LiveRegion
from dlcli.cli.progress_display import LiveDisplay, QuietDisplay, progress_display
from dlcli.training.progress import Observer, Progress
from tests.unit.cli.test_live_region import Terminal

SIZES: dict[str, Any] = {"epochs": 3, "steps_per_epoch": 1000, "total_steps": 3000, "monitored": "valid/accuracy"}


def record(epoch: int) -> dict[str, Any]:
    values = {"train/loss": 0.5, "valid/loss": 0.75, "valid/accuracy": 0.9}
    return {"event": "epoch", "epoch": epoch, "step": 1000 * epoch, **values, "train_seconds": 2.0, "samples_per_second": 9.0}


class Loss:
    """A loss on a device, which counts how often it is waited for."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.num_read = 0

    def __float__(self) -> float:
        self.num_read += 1
        return 0.25


class Clock:
    """Seconds, as somebody sets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """One of 100 columns, whose lines never break."""
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal(columns=100)
    yield terminal
    assert terminal.screen.wrapped == 0


@contextmanager
def showing_on(terminal: Terminal, *, quiet: bool = False) -> Iterator[Observer]:
    """The display where stderr is the terminal, and stdout a pipe; both are theirs again at the end."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        patch.setattr(sys, "stdout", out)
        try:
            with progress_display(quiet=quiet) as display:
                yield display
        finally:
            assert (sys.stderr, sys.stdout) == (terminal, out)
            assert out.getvalue() == ""


@pytest.mark.parametrize(("steps_a_second", "epochs_a_second"), [(10_000, 1), (1000, 100), (50, 0), (3, 0)])
def test_it_is_drawn_at_most_ten_times_a_second(terminal: Terminal, steps_a_second: int, epochs_a_second: int) -> None:
    """However quick steps and epochs are; the loss is waited for only where it is drawn, and never otherwise."""
    clock, loss, progress = Clock(), Loss(), Progress()
    display = LiveDisplay(LiveRegion(terminal), clock)
    display.started(progress, **SIZES)
    before = terminal.num_writes
    for step in range(2 * steps_a_second):
        clock.now += 1 / steps_a_second
        progress.step += 1
        progress.step_in_epoch = 1 + step % 999
        display.stepped(progress, loss)  # type: ignore[arg-type]
        if epochs_a_second and step % (steps_a_second // epochs_a_second) == 0:
            display.epoch_ended(record(1), is_best=False)
    drawn = terminal.num_writes - before
    assert loss.num_read <= drawn <= 20
    assert drawn >= min(16, 2 * steps_a_second)


@pytest.mark.parametrize(("seconds", "is_drawn"), [(0.5, False), (1.0, True)])
def test_the_last_step_of_a_long_epoch_is_drawn(terminal: Terminal, seconds: float, is_drawn: bool) -> None:
    """However short a time after the last drawing: the evaluation that follows may take long."""
    display = LiveDisplay(LiveRegion(terminal), Clock())
    display.started(Progress(), **SIZES)
    display.stepped(Progress(step=999, step_in_epoch=999), torch.tensor(0.5))
    display.stepped(Progress(step=1000, step_in_epoch=1000, epoch_seconds=seconds), torch.tensor(0.5))
    assert any("evaluating" in row for row in terminal.screen.rows) is is_drawn


def test_a_training_on_a_terminal(terminal: Terminal) -> None:
    """The bar while it goes on, notices above; at the end the table, without the bar, and the cursor on an empty line."""
    with showing_on(terminal) as display:
        progress = Progress()
        display.started(progress, **SIZES)
        progress.step, progress.step_in_epoch = 5, 5
        display.stepped(progress, torch.tensor(0.25))
        rows = terminal.screen.rows
        assert rows[0] == "3 epochs of 1,000 steps"
        assert rows[-2].startswith("epoch 1/3  ")
        assert "loss 0.2500" in rows[-1]
        assert "memory" in rows[-1]
        display.epoch_ended(record(1), is_best=True)
        display.notice("a checkpoint was kept")
        print("from a plug-in", file=sys.stderr)
    assert terminal.screen.rows == [
        "3 epochs of 1,000 steps",
        "note: a checkpoint was kept",
        "from a plug-in",
        "epoch  train/loss  valid/loss  valid/accuracy       time",
        "    1      0.5000      0.7500          0.9000      2.0 s  best",
    ]
    assert terminal.screen.is_ready


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("steps", [0, 1])
def test_an_error_leaves_the_terminal_as_it_should_be(terminal: Terminal, error: type[BaseException], steps: int) -> None:
    """The bar is gone, and what follows begins on a line of its own."""
    with suppress(error), showing_on(terminal) as display:
        for _ in range(steps):
            display.started(Progress(), **SIZES)
            display.stepped(Progress(step=1, step_in_epoch=1), torch.tensor(0.25))
        raise error
    assert terminal.screen.rows == ["3 epochs of 1,000 steps"][:steps]
    assert terminal.screen.is_ready


def test_before_a_training_begins_notices_are_shown(terminal: Terminal) -> None:
    """Of data and the like; and an observer of a run that is over hears of no begin at all."""
    with showing_on(terminal) as display:
        display.notice("using digits instead")
        display.stepped(Progress(), torch.tensor(0.25))
        display.epoch_ended(record(1), is_best=True)
    assert terminal.screen.rows == ["note: using digits instead"]


def test_a_run_that_goes_on_says_so(terminal: Terminal) -> None:
    """And shows the epochs from there on."""
    with showing_on(terminal) as display:
        display.started(Progress(epoch=1, step=1000), **SIZES)
        display.epoch_ended(record(2), is_best=False)
    assert terminal.screen.rows == [
        "3 epochs of 1,000 steps, going on after step 1,000",
        "epoch  train/loss  valid/loss  valid/accuracy       time",
        "    2      0.5000      0.7500          0.9000      2.0 s",
    ]


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_where_nothing_can_be_redrawn_there_are_plain_lines(
    terminal: Terminal, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In CI, and on a terminal that knows no codes."""
    monkeypatch.setenv(name, value)
    with showing_on(terminal) as display:
        display.started(Progress(), **SIZES)
        display.stepped(Progress(step=1), torch.tensor(0.25))
        display.epoch_ended(record(1), is_best=True)
    assert [row.partition(":")[0] for row in terminal.screen.rows] == ["3 epochs of 1,000 steps", "epoch 1"]
    assert terminal.screen.styles == set()


def test_quiet_is_notices_alone(terminal: Terminal) -> None:
    """On a terminal and elsewhere."""
    with showing_on(terminal, quiet=True) as display:
        assert isinstance(display, QuietDisplay)
        display.started(Progress(), **SIZES)
        display.stepped(Progress(step=1), torch.tensor(0.25))
        display.epoch_ended(record(1), is_best=True)
        display.notice("using digits instead")
    assert terminal.screen.rows == ["note: using digits instead"]


def test_memory_of_a_gpu_is_shown_beside_that_of_the_process(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tensors on the device that the loss is on."""
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3_000_000_000)
    loss = Loss()
    loss.device = torch.device("cuda")  # type: ignore[misc]
    with showing_on(terminal) as display:
        display.started(Progress(), **SIZES)
        display.stepped(Progress(step=1), loss)  # type: ignore[arg-type]
        assert "GPU 3.0 GB" in terminal.screen.rows[-1]
