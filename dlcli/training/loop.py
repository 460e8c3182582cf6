"""The training loop."""

from __future__ import annotations

import math
import time
from typing import Any

from dlcli.errors import DivergedError
from dlcli.runtime.signals import StoppedError, StopRequest
from dlcli.training.checkpoint_folder import point_at
from dlcli.training.checkpoint_writer import CheckpointWriter
from dlcli.training.divergence import what_to_change
from dlcli.training.progress import Observer
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer


def fit(trainer: Trainer, folder: RunFolder, observer: Observer, stop: StopRequest) -> None:
    """Trains until the config's end or until somebody asks to stop, and leaves a checkpoint either way.

    Args:
        trainer: new, or restored from a checkpoint.
        folder: takes metrics and checkpoints.
        observer: looks on.
        stop: read after each step, and while an epoch is evaluated: then it is not closed, and evaluated anew by the run
            that goes on.

    Raises:
        DivergedError: a loss, a weight or a metric is NaN or infinite; what was saved before is untouched.
        ResourceError: the disk takes no checkpoints.
    """
    progress, spec = trainer.progress, trainer.spec
    trainer.record_steps(observer.notice)
    folder.metrics.forget_after(progress.epoch)
    point_at(folder.checkpoints, "best", progress.best.step if progress.best else None)
    if progress.finished is None and progress.step_in_epoch == 0:
        progress.finished = trainer.why_over()
    if progress.finished is None:
        sizes = {"steps_per_epoch": trainer.steps_per_epoch, "total_steps": trainer.total_steps}
        observer.started(progress, epochs=spec.epochs, **sizes, monitored=monitored(trainer))
    training_began = time.perf_counter() - progress.elapsed_seconds
    compiling, elapsed_before = spec.compile, progress.elapsed_seconds
    with CheckpointWriter(folder, observer.notice) as writer:
        while progress.finished is None:
            trainer.network.train()
            epoch_began = time.perf_counter() - progress.epoch_seconds
            for group in trainer.groups():
                loss = trainer.step(group)
                observer.stepped(progress, loss)
                _note_time(trainer, epoch_began, training_began)
                if compiling:
                    observer.notice(f"torch.compile: the first step took {progress.elapsed_seconds - elapsed_before:.0f} s")
                    compiling = False
                if stop.requested or (spec.max_time is not None and progress.elapsed_seconds >= spec.max_time):
                    break
                if writer.seconds_since_save >= spec.save_every:
                    writer.save(trainer.snapshot)
            trainer.check()
            _note_time(trainer, epoch_began, training_began)
            try:
                record = _evaluated(trainer, stop)
            except StoppedError:
                writer.save(trainer.snapshot)
                return
            progress.elapsed_seconds = time.perf_counter() - training_began
            is_best = trainer.end_epoch(record[monitored(trainer)], record.get("valid/loss", record["train/loss"]))
            writer.save(trainer.snapshot, record)
            observer.epoch_ended(record, is_best=is_best)
            if stop.requested:
                return


def _note_time(trainer: Trainer, epoch_began: float, training_began: float) -> None:
    """How long the epoch and the training have taken, from the clock's readings at their begins."""
    now = time.perf_counter()
    trainer.progress.epoch_seconds, trainer.progress.elapsed_seconds = now - epoch_began, now - training_began


def monitored(trainer: Trainer) -> str:
    """The key of the value that decides which epoch is best; without a validation split, the training loss."""
    return f"valid/{trainer.spec.monitored}" if trainer.dataset.valid is not None else "train/loss"


def _evaluated(trainer: Trainer, stop: StopRequest) -> dict[str, Any]:
    """The line of the epoch under way in metrics.jsonl.

    Raises:
        StoppedError: somebody asked to stop.
        DivergedError: a loss or a metric is NaN or infinite.
    """
    stop.check()
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
        record |= {f"valid/{name}": value for name, value in trainer.evaluate("valid", stop).items()}
    for key, value in record.items():
        if isinstance(value, float) and not math.isfinite(value):
            message, help = f"{key} is {value} after {trainer.moment(progress.step)}", what_to_change(trainer.spec, progress.step)
            found = trainer.first_bad_of("valid") if key.startswith("valid/") else None
            raise DivergedError(f"{message}: {found[0]}" if found else message, help=found[1] if found else help)
    return (
        record
        | {
            "train_seconds": progress.epoch_seconds,
            "samples_per_second": progress.samples / progress.epoch_seconds,
            "lr": trainer.first_learning_rate,
        }
        | ({"padding": padding} if padding is not None else {})
    )
