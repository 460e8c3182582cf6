"""Observers that every run has: one that writes train.log, and one that passes on to several."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from torch import Tensor

from dlcli.training.progress import Observer, Progress


class Observers:
    """Passes on to each of several observers, in their order.

    One that raises keeps the call from those behind it, and ends the training, whose record then says so.
    """

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:
        for observer in self._observers:
            observer.started(
                progress, epochs=epochs, steps_per_epoch=steps_per_epoch, total_steps=total_steps, monitored=monitored
            )

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        for observer in self._observers:
            observer.stepped(progress, loss)

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        for observer in self._observers:
            observer.epoch_ended(record, is_best=is_best)

    def notice(self, text: str) -> None:
        for observer in self._observers:
            observer.notice(text)


class TextLog:
    """Writes train.log: one line an event, with the time.

    A line that the disk does not take is written with the next one: it is no reason to end a training.

    Args:
        path: of the file.
        is_held: whether lines wait for `release`.
    """

    def __init__(self, path: Path, *, is_held: bool = False) -> None:
        self._path = path
        self._is_held = is_held
        self._waiting = ""

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:  # noqa: ARG002 - as an observer has it
        if progress.step:
            self.notice(f"going on after step {progress.step} (epoch {progress.epoch + 1} of {epochs})")
        else:
            end = f", up to step {total_steps}" if total_steps < epochs * steps_per_epoch else ""
            self.notice(f"training {epochs} epochs of {steps_per_epoch} steps{end}")

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        """A step is too small an event for a log."""

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        self.notice(epoch_line(record, is_best=is_best))

    def notice(self, text: str) -> None:
        self._waiting += f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}\n"
        if not self._is_held:
            self._write()

    def release(self) -> None:
        """Writes what was held, and from now on each line as it comes."""
        self._is_held = False
        self._write()

    def _write(self) -> None:
        try:
            with self._path.open("ab", buffering=0) as file:  # else what was refused would be written when it is closed
                file.write(self._waiting.encode())
        except OSError:
            return
        self._waiting = ""


def epoch_line(record: dict[str, Any], *, is_best: bool) -> str:
    """An epoch's record in one line."""
    values = [f"{key} {value:.4f}" for key, value in record.items() if key.startswith(("train/", "valid/"))]
    rate = f"{record['samples_per_second']:,.0f} samples/s"
    return ", ".join([f"epoch {record['epoch']}: {values[0]}", *values[1:], rate]) + (" (best)" if is_best else "")
