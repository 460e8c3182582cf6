"""How a training is shown: a bar on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from torch import Tensor

from dlcli.cli.console import is_interactive, losable, print_notice, print_progress
from dlcli.training.observers import epoch_line
from dlcli.training.progress import Observer, Progress

_REDRAW_SECONDS: Final = 0.1


@contextmanager
def progress_display() -> Iterator[Observer]:
    """The display that fits stderr; a bar is taken off the terminal at the end."""
    if not is_interactive(sys.stderr):
        yield PlainDisplay()
        return
    bar = BarDisplay()
    try:
        yield bar
    finally:
        bar.close()


class PlainDisplay:
    """One line an epoch."""

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int) -> None:
        after = f", going on after step {progress.step:,}" if progress.step else ""
        steps = f"{steps_per_epoch:,} step{'' if steps_per_epoch == 1 else 's'}"
        end = f", up to step {total_steps:,}" if total_steps < epochs * steps_per_epoch else ""
        print_progress(f"{epochs} epoch{'' if epochs == 1 else 's'} of {steps}{end}{after}")

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        """A line for each step would be too many."""

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        print_progress(epoch_line(record, is_best=is_best))

    def notice(self, text: str) -> None:
        print_notice(text)


class BarDisplay:
    """A bar over the epoch, with loss and the time that is left; each finished epoch becomes a line above it.

    Where its terminal is lost, nothing is shown any more, and the training goes on.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(file=losable(sys.stderr))
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%  loss {task.fields[loss]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
        )
        self._epochs = 1
        self._drawn = 0.0

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int) -> None:  # noqa: ARG002 - as an observer has it
        self._epochs = epochs
        done, epoch = progress.step, progress.epoch + 1
        self._task = self._bar.add_task("", total=total_steps, completed=done, epoch=epoch, epochs=epochs, loss="-")
        self._bar.start()

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        now = time.perf_counter()
        if now - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = now
        self._bar.update(self._task, completed=progress.step, epoch=progress.epoch + 1, loss=f"{float(loss):.4f}")

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        self._bar.update(self._task, completed=record["step"], epoch=min(record["epoch"] + 1, self._epochs))
        self._console.print(epoch_line(record, is_best=is_best), highlight=False, markup=False)

    def notice(self, text: str) -> None:
        self._console.print(f"note: {text}", style="yellow", highlight=False, markup=False)

    def close(self) -> None:
        """Takes the bar off the terminal."""
        self._bar.stop()
