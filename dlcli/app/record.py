"""What run.json says."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from dlcli.app.resume import Resumption, machine
from dlcli.config.experiment import Experiment
from dlcli.data.dataset import Dataset
from dlcli.errors import EXIT_BUG, EXIT_SIGINT, DivergedError, DlcliError
from dlcli.plugins import installed
from dlcli.runtime.device import device_title
from dlcli.runtime.environment import git_commit
from dlcli.training.loop import monitored
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer


class RunRecord:
    """Says how a run stands, from its begin to its end.

    Args:
        trainer: the run's.
        experiment: the same, as it is understood.
        dataset: the same, as it was read.
        resumption: of a run that goes on.
        config: the file that a run which begins was given.
        overrides: as for `--set`, of this time.
        data_dir: where data was looked for first.
    """

    def __init__(
        self,
        trainer: Trainer,
        experiment: Experiment,
        dataset: Dataset,
        *,
        resumption: Resumption | None = None,
        config: str | None = None,
        overrides: tuple[str, ...],
        data_dir: Path | None,
    ) -> None:
        self._trainer = trainer
        self._resumption = resumption
        before = resumption.record if resumption else {}
        self._constant: dict[str, Any] = {
            "started": before.get("started", now()),
            "config": before.get("config", config),
            "overrides": [*before.get("overrides", []), *overrides],
            "device": str(trainer.device),
            "device_title": device_title(trainer.device),
            "seed": trainer.spec.seed,
            "parameters": sum(parameter.numel() for parameter in trainer.network.parameters()),
            "outputs": {name: str(shape) for name, shape in experiment.graph.output_shapes.items()},
            "data": {
                "asked": before.get("data", {}).get("asked", dataset.asked),
                "used": dataset.used,
                "origin": dataset.origin,
                "folder": str(data_dir.resolve()) if data_dir is not None else None,
                "notice": before.get("data", {}).get("notice", dataset.notice),
                "samples": dataset.counts(),
                "classes": dataset.class_names,
                "facts": dataset.facts.as_json(),
                "fingerprint": dataset.fingerprint,
            },
            "versions": machine(trainer.device),
            "git_commit": git_commit(),
            "plugins": installed(),
        }

    def as_json(self, status: str, **facts: Any) -> dict[str, Any]:
        """The record at this moment.

        Args:
            status: running, completed, interrupted, diverged or failed.
            facts: what else is known.
        """
        progress = self._trainer.progress
        seconds = progress.train_seconds + progress.epoch_seconds
        best = progress.best
        return {
            **self._constant,
            "resumed": self._resumption.as_json() if self._resumption else [],
            "status": status,
            "ended": None if status == "running" else now(),
            "finished": progress.finished,
            "epochs": progress.epoch,
            "step": progress.step,
            "train_seconds": seconds,
            "total_seconds": progress.elapsed_seconds,
            "samples_per_second": (progress.total_samples + progress.samples) / seconds if seconds else None,
            "best": {"metric": monitored(self._trainer), "value": best.value, "epoch": best.epoch} if best else None,
            "test": None,
            "baseline": None,
            "exit_code": None,
            "error": None,
            **facts,
        }

    def close(self, folder: RunFolder, status: str, **facts: Any) -> dict[str, Any]:
        """Writes how the run ended, seals its folder and gives the record.

        Raises:
            ResourceError: the disk does not take it.
        """
        record = self.as_json(status, **facts)
        folder.write_record(record)
        folder.seal()
        return record

    def fail(self, folder: RunFolder, error: BaseException) -> None:
        """Writes that an error ended the run, if the disk still takes it."""
        code = error.exit_code if isinstance(error, DlcliError) else EXIT_BUG
        message = told(error)
        try:
            if isinstance(error, KeyboardInterrupt):  # a second Ctrl-C: a save may be under way, so nothing is sealed
                folder.write_record(self.as_json(status_after(error), exit_code=EXIT_SIGINT, error=message))
            else:
                self.close(folder, status_after(error), exit_code=code, error=message)
        except DlcliError as second:
            error.add_note(f"run.json could not say so: {second.message}")


def status_after(error: BaseException) -> str:
    """The status of a run that an error ended."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "diverged" if isinstance(error, DivergedError) else "failed"


def told(error: BaseException) -> str:
    """What is said of an error that ended a run."""
    return error.message if isinstance(error, DlcliError) else f"{type(error).__name__}: {error}"


def now() -> str:
    """The time in ISO 8601, with the offset of its zone."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")
