"""The training loop."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from dlcli.errors import DivergedError
from dlcli.runtime.signals import StopRequest
from dlcli.training.checkpoint import prune, read_hint, write_hint
from dlcli.training.progress import Observer
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer


def fit(trainer: Trainer, folder: RunFolder, observer: Observer, stop: StopRequest) -> None:
    """Trains until the config's end or until somebody asks to stop, and leaves a checkpoint either way.

    Args:
        trainer: new, or restored from a checkpoint.
        folder: takes metrics and checkpoints.
        observer: looks on.
        stop: read after each step.

    Raises:
        DivergedError: a loss, a weight or the monitored value is NaN or infinite; what was saved before is untouched.
    """
    progress, spec = trainer.progress, trainer.spec
    observer.started(progress, epochs=spec.epochs, steps_per_epoch=trainer.steps_per_epoch)
    before = time.perf_counter() - progress.elapsed_seconds
    while progress.finished is None:
        trainer.network.train()
        start = time.perf_counter() - progress.epoch_seconds
        rate = trainer.learning_rate
        for group in trainer.groups():
            loss = trainer.step(group)
            observer.stepped(progress, loss)
            if stop.requested or progress.step == spec.max_steps:
                break
            if spec.max_time is not None and time.perf_counter() - before >= spec.max_time:
                break
        trainer.check_losses()
        progress.epoch_seconds = time.perf_counter() - start
        progress.elapsed_seconds = time.perf_counter() - before
        if stop.requested:
            save(trainer, folder.checkpoints)
            return
        record = _evaluated(trainer, rate)
        is_best = trainer.end_epoch(record[monitored(trainer)])
        progress.elapsed_seconds = time.perf_counter() - before
        folder.append_metrics(record)
        save(trainer, folder.checkpoints, is_best=is_best)
        observer.epoch_ended(record, is_best=is_best)
        if stop.requested:
            return


def monitored(trainer: Trainer) -> str:
    """The key of the value that decides which epoch is best; without a validation split, the training loss."""
    return f"valid/{trainer.spec.monitored}" if trainer.dataset.valid is not None else "train/loss"


def _evaluated(trainer: Trainer, rate: float) -> dict[str, Any]:
    """The line of the epoch under way in metrics.jsonl.

    Raises:
        DivergedError: the monitored value is NaN or infinite.
    """
    progress = trainer.progress
    record: dict[str, Any] = {
        "event": "epoch",
        "epoch": progress.epoch + 1,
        "step": progress.step,
        "train/loss": trainer.mean_loss(),
    }
    if trainer.dataset.valid is not None:
        record |= {f"valid/{name}": value for name, value in trainer.evaluate("valid").items()}
    record |= {
        "train_seconds": progress.epoch_seconds,
        "samples_per_second": progress.samples / progress.epoch_seconds,
        "lr": rate,
    }
    value = record[monitored(trainer)]
    if not math.isfinite(value):
        help = "lower train.optimizer.lr, or bound the gradients: --set train.clip_gradients=1"
        raise DivergedError(f"{monitored(trainer)} is {value} after epoch {progress.epoch + 1}", help=help)
    return record


def save(trainer: Trainer, folder: Path, *, is_best: bool = False) -> None:
    """Writes a checkpoint, notes it as the last (and the best), and removes those that nobody needs any more."""
    path = trainer.save(folder)
    step = trainer.progress.step
    if is_best:
        write_hint(folder, "best", path, step)
    write_hint(folder, "last", path, step)
    best = read_hint(folder, "best")
    prune(folder, [best] if best else [])
