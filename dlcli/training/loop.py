"""The training loop."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from dlcli.errors import DivergedError
from dlcli.runtime.signals import StopRequest
from dlcli.training.checkpoint import checkpoint_of_step, prune, read_hint, write_hint
from dlcli.training.progress import Observer
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import LOWER_THE_RATE, Trainer


def fit(trainer: Trainer, folder: RunFolder, observer: Observer, stop: StopRequest) -> None:
    """Trains until the config's end or until somebody asks to stop, and leaves a checkpoint either way.

    Args:
        trainer: new, or restored from a checkpoint.
        folder: takes metrics and checkpoints.
        observer: looks on.
        stop: read after each step.

    Raises:
        DivergedError: a loss, a weight or a metric is NaN or infinite; what was saved before is untouched.
        ResourceError: the disk does not take a checkpoint or the log.
    """
    progress, spec = trainer.progress, trainer.spec
    folder.forget_after(progress.epoch)
    _point_best(trainer, folder.checkpoints)
    if progress.finished is None and progress.step_in_epoch == 0:
        progress.finished = trainer.why_over()
    if progress.finished is None:
        observer.started(progress, epochs=spec.epochs, steps_per_epoch=trainer.steps_per_epoch)
    before = time.perf_counter() - progress.elapsed_seconds
    while progress.finished is None:
        trainer.network.train()
        start = time.perf_counter() - progress.epoch_seconds
        for group in trainer.groups():
            loss = trainer.step(group)
            observer.stepped(progress, loss)
            if stop.requested or (spec.max_time is not None and time.perf_counter() - before >= spec.max_time):
                break
        trainer.check()
        progress.epoch_seconds = time.perf_counter() - start
        progress.elapsed_seconds = time.perf_counter() - before
        if stop.requested:
            save(trainer, folder.checkpoints)
            return
        record = _evaluated(trainer)
        is_best = trainer.end_epoch(record[monitored(trainer)], record.get("valid/loss", record["train/loss"]))
        progress.elapsed_seconds = time.perf_counter() - before
        folder.append_metrics(record)
        save(trainer, folder.checkpoints)
        observer.epoch_ended(record, is_best=is_best)
        if stop.requested:
            return


def monitored(trainer: Trainer) -> str:
    """The key of the value that decides which epoch is best; without a validation split, the training loss."""
    return f"valid/{trainer.spec.monitored}" if trainer.dataset.valid is not None else "train/loss"


def _evaluated(trainer: Trainer) -> dict[str, Any]:
    """The line of the epoch under way in metrics.jsonl.

    Raises:
        DivergedError: a loss or a metric is NaN or infinite.
    """
    progress = trainer.progress
    record: dict[str, Any] = {
        "event": "epoch",
        "epoch": progress.epoch + 1,
        "step": progress.step,
        "train/loss": trainer.mean_loss(),
    }
    norm, padding = trainer.mean_gradient_norm(), trainer.batches.padding(progress.epoch)
    if norm is not None:
        record["train/gradient_norm"] = norm
    if trainer.dataset.valid is not None:
        record |= {f"valid/{name}": value for name, value in trainer.evaluate("valid").items()}
    for key, value in record.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise DivergedError(f"{key} is {value} after epoch {progress.epoch + 1}", help=LOWER_THE_RATE)
    return (
        record
        | {
            "train_seconds": progress.epoch_seconds,
            "samples_per_second": progress.samples / progress.epoch_seconds,
            "lr": trainer.first_learning_rate,
        }
        | ({"padding": padding} if padding is not None else {})
    )


def save(trainer: Trainer, folder: Path) -> None:
    """Writes a checkpoint, notes it as the last, and removes those that nobody needs any more."""
    path = trainer.save(folder)
    write_hint(folder, "last", path, trainer.progress.step)
    best = _point_best(trainer, folder)
    prune(folder, [best] if best else [])


def _point_best(trainer: Trainer, folder: Path) -> Path | None:
    """Notes which checkpoint is the best, if that is not noted yet: a kill can come between a save and its note."""
    best = trainer.progress.best
    path = checkpoint_of_step(folder, best.step) if best else None
    if best and path and path != read_hint(folder, "best"):
        write_hint(folder, "best", path, best.step)
    return path
