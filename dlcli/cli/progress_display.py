"""How a training is shown: redrawn in place on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor

from dlcli.cli.console import is_interactive, print_notice, print_progress
from dlcli.cli.live_region import LiveRegion
from dlcli.cli.training_view import BLOCKS, Course, frame
from dlcli.runtime.memory import peak_memory
from dlcli.training.observers import epoch_line
from dlcli.training.progress import Observer, Progress

_REDRAW_SECONDS: Final = 0.1


@contextmanager
def progress_display(*, quiet: bool = False) -> Iterator[Observer]:
    """The display that fits stderr, or one that shows nothing but notices; what is redrawn comes to rest at the end."""
    if quiet or not is_interactive(sys.stderr):
        yield QuietDisplay() if quiet else PlainDisplay()
        return
    region = LiveRegion(sys.stderr)
    display = LiveDisplay(region)
    with region.printing_above():
        try:
            yield display
        finally:
            display.close()


class QuietDisplay:
    """Nothing but notices."""

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:
        """The begin is not shown."""

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        """Nor is a step."""

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        """Nor is an epoch."""

    def notice(self, text: str) -> None:
        print_notice(text)


class PlainDisplay(QuietDisplay):
    """One line an epoch."""

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:  # noqa: ARG002 - as an observer has it
        after = f", going on after step {progress.step:,}" if progress.step else ""
        steps = f"{steps_per_epoch:,} step{'' if steps_per_epoch == 1 else 's'}"
        end = f", up to step {total_steps:,}" if total_steps < epochs * steps_per_epoch else ""
        print_progress(f"{epochs} epoch{'' if epochs == 1 else 's'} of {steps}{end}{after}")

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        print_progress(epoch_line(record, is_best=is_best))


class LiveDisplay(PlainDisplay):
    """A table of epochs, curves and a bar over the epoch, drawn at most ten times a second; notices go above them.

    The last step of an epoch that took a second or longer is drawn too.

    Args:
        region: where it is drawn.
        clock: gives seconds.
    """

    def __init__(self, region: LiveRegion, clock: Callable[[], float] = time.perf_counter) -> None:
        self._region = region
        self._clock = clock
        self._drawn_at = -_REDRAW_SECONDS
        self._has_blocks = region.can_show(BLOCKS)
        self._course: Course | None = None

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:
        sizes = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "total_steps": total_steps}
        super().started(progress, **sizes, monitored=monitored)
        self._course = Course(epochs, steps_per_epoch, total_steps, monitored)
        self._progress = progress

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        if self._course is not None and (self._is_due() or self._ends_long_epoch(progress)):
            self._course.losses.add(float(loss))
            self._course.memory = _memory(loss.device)
            self._draw(progress)

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        if self._course is not None:
            self._course.records.append(record)
            self._course.best = record["epoch"] if is_best else self._course.best
            if self._is_due():
                self._draw(self._progress)

    def close(self) -> None:
        """Leaves the table and the curves on the terminal."""
        self._draw(None)

    def _ends_long_epoch(self, progress: Progress) -> bool:
        """Whether an evaluation follows, which may take long: until its end nothing is drawn."""
        return self._course is not None and progress.step_in_epoch == self._course.steps_per_epoch and progress.epoch_seconds >= 1

    def _is_due(self) -> bool:
        return self._clock() - self._drawn_at >= _REDRAW_SECONDS

    def _draw(self, progress: Progress | None) -> None:
        self._drawn_at = self._clock()
        if self._course is not None:
            columns, lines = self._region.size
            self._region.draw(frame(self._course, progress, columns, lines, has_blocks=self._has_blocks))


def _memory(device: torch.device) -> dict[str, int]:
    """The most that was in use at once, of the process and of a GPU."""
    of_process = {"memory": peak_memory(torch.device("cpu"))}
    return of_process | ({"GPU": peak_memory(device)} if device.type == "cuda" else {})
