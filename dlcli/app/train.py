"""A training from its config to its run folder."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from dlcli.app.baseline import repeat_last
from dlcli.app.configs import Config
from dlcli.app.experiments import open_experiment, recorded_data_dir
from dlcli.app.resume import check_changes, check_same_config, check_same_data
from dlcli.app.runs import Run, read_record
from dlcli.app.trainable import check_trainable
from dlcli.config.compose import STDIN, read_text
from dlcli.config.experiment import Experiment
from dlcli.config.yaml_output import as_yaml
from dlcli.data.dataset import Dataset
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import EXIT_BUG, EXIT_OK, EXIT_SIGINT, DivergedError, DlcliError, ResourceError, UsageError
from dlcli.models.network import build_network
from dlcli.plugins import installed, plugin_errors
from dlcli.runtime.device import choose_device, device_title
from dlcli.runtime.environment import environment, git_commit
from dlcli.runtime.memory import keep_freed_memory, memory_errors
from dlcli.runtime.seed import seeded
from dlcli.runtime.signals import StopRequest, watching_signals
from dlcli.training.checkpoint import best_checkpoint, load_checkpoint, load_newest
from dlcli.training.loop import fit, monitored
from dlcli.training.observers import Observers, TextLog
from dlcli.training.progress import Observer
from dlcli.training.run_folder import RunFolder, create_run_folder, discard_run_folder, find_run, point_latest_at
from dlcli.training.trainer import Trainer

NEWEST = "latest"


@dataclass(frozen=True)
class TrainRequest:
    """What `dlcli train` is asked to do.

    Attributes:
        config: a path or a dict; None goes on with a run's own.
        overrides: as for `--set`.
        name: the run's, in place of one from the config's name and the time.
        runs: the folder of all runs.
        device: as for `--device`.
        data_dir: where data is looked for first.
        resume: the run to go on with, or `latest`.
        downloads: whether data that is not on disk may be fetched.
    """

    config: Config | None
    overrides: tuple[str, ...] = ()
    name: str | None = None
    runs: Path = Path("runs")
    device: str = "auto"
    data_dir: Path | None = None
    resume: str | None = None
    downloads: bool = True
    observers: tuple[Observer, ...] = field(default=())


def train(request: TrainRequest) -> Run:
    """Trains, evaluates and keeps a network.

    Returns:
        The run: completed, or interrupted by a signal and ready to be taken up again.

    Raises:
        DlcliError: see its subclasses; a run folder is left only where training began, and says how it ended.
    """
    device = choose_device(request.device)
    keep_freed_memory()
    show = Observers(request.observers)
    with plugin_errors(), memory_errors():
        old = _run_to_resume(request, show) if request.resume is not None else None
        config = old.resolved_config if old else request.config
        if old and isinstance(request.config, dict):
            raise UsageError("a run that goes on has its config", help="give None, and what changes by its dotted key")
        if config is None:
            raise UsageError("there is no config", help="for example: dlcli train configs/cnn.yaml")
        data_dir = recorded_data_dir(old, request.data_dir) if old else request.data_dir
        experiment, dataset = open_experiment(config, request.overrides, data_dir, show.notice, downloads=request.downloads)
        check_trainable(experiment, dataset)
    if old:
        check_same_data(read_record(old), dataset)
    with watching_signals() as stop, seeded(experiment.train.seed, deterministic=experiment.train.deterministic):
        with plugin_errors(), memory_errors():
            trainer = _trainer(experiment, dataset, device)
        constant = _constant_record(request, trainer, experiment, old, data_dir)
        folder = old or _new_folder(request, config, experiment)
        observer = Observers([*request.observers, TextLog(folder.log)])
        for warning in experiment.warnings if old is None else ():  # a run that goes on gave them when it began
            observer.notice(warning.in_one_line())
        if old:
            _take_up(trainer, folder, observer)
            folder.write_resolved(as_yaml(experiment.resolved()))
        record = _Record(folder, constant, time.perf_counter())
        try:
            with plugin_errors(), memory_errors():
                return _run(trainer, folder, record, observer, stop)
        except BaseException as error:
            record.fail(trainer, error)
            show.notice(f"what was done so far is in {folder.path}")
            raise


def _run(trainer: Trainer, folder: RunFolder, record: _Record, observer: Observer, stop: StopRequest) -> Run:
    """Trains, and writes the record at the start and at the end."""
    record.write(trainer, "running")
    point_latest_at(folder)
    fit(trainer, folder, observer, stop)
    if trainer.progress.finished is None:
        return Run(folder.path, record.write(trainer, "interrupted", exit_code=stop.exit_code))
    best = best_checkpoint(folder.checkpoints, observer.notice)
    if best is not None:
        trainer.load_judged(load_checkpoint(best))
    figures: dict[str, Any] = {}
    if trainer.dataset.test is not None:
        figures = {"test": trainer.evaluate("test"), "baseline": repeat_last(trainer.dataset, "test", trainer.objective)}
    return Run(folder.path, record.write(trainer, "completed", exit_code=EXIT_OK, **figures))


def _run_to_resume(request: TrainRequest, show: Observer) -> RunFolder:
    """The run that goes on, once it is clear that it can."""
    run = None if request.resume == NEWEST else request.resume
    by_path = isinstance(request.config, str | Path)
    folder = find_run(run, request.runs, config=str(request.config) if by_path and run is None else None)
    if request.name is not None:
        raise UsageError("a run that goes on keeps its name", help="leave out --name")
    read_record(folder)
    data_dir = recorded_data_dir(folder, request.data_dir)
    if isinstance(request.config, str | Path):
        check_same_config(Path(request.config), folder, data_dir)
    for change in check_changes(folder.resolved_config, request.overrides, data_dir):
        show.notice(change)
    return folder


def _trainer(experiment: Experiment, dataset: Dataset, device: torch.device) -> Trainer:
    spec = experiment.train
    network = build_network(experiment.graph, experiment.model.init).to(device)
    preprocessing = Preprocessing(dataset.spec, dataset.facts, seed=spec.seed).to(device)
    return Trainer(network, dataset.to(device), preprocessing, spec, device, outputs=experiment.graph.outputs)


def _new_folder(request: TrainRequest, config: Config, experiment: Experiment) -> RunFolder:
    stem = "run" if isinstance(config, dict) or str(config) == STDIN else Path(config).stem
    given = as_yaml(config) if isinstance(config, dict) else read_text(Path(config))
    folder = create_run_folder(request.runs, stem, request.name)
    try:
        folder.write_configs(given, as_yaml(experiment.resolved()))
    except ResourceError:
        discard_run_folder(folder)
        raise
    return folder


def _take_up(trainer: Trainer, folder: RunFolder, observer: Observer) -> None:
    """Puts a training back to its run's newest checkpoint."""
    checkpoint = load_newest(folder.checkpoints, observer.notice)
    if checkpoint is None:
        observer.notice(f"{folder.path} has no checkpoint yet: starting with its first step")
        return
    trainer.restore(checkpoint)
    if trainer.progress.finished is not None:
        trainer.progress.finished = trainer.why_over()
    if trainer.progress.finished is not None:
        ended = f"the run is over ({trainer.progress.finished}, after epoch {trainer.progress.epoch})"
        observer.notice(f"{ended}: a higher limit, such as --set {_higher_limit(trainer)}, lets it go on")


def _higher_limit(trainer: Trainer) -> str:
    """What would let a run go on that is over."""
    progress, spec = trainer.progress, trainer.spec
    match progress.finished:
        case "max_steps":
            return f"train.max_steps={2 * progress.step}"
        case "max_time":
            return f"train.max_time={2 * (spec.max_time or progress.elapsed_seconds):.0f}"
        case "early_stopping":
            return f"train.early_stopping.patience={progress.epochs_without_better + 5}"
    return f"train.epochs={progress.epoch + 5}"


class _Record:
    """Keeps run.json up to date."""

    def __init__(self, folder: RunFolder, constant: dict[str, Any], began: float) -> None:
        self._folder = folder
        self._constant = constant
        self._began = began

    def write(self, trainer: Trainer, status: str, **facts: Any) -> dict[str, Any]:
        """Writes how the run stands and gives it back."""
        progress = trainer.progress
        seconds = progress.train_seconds + progress.epoch_seconds
        best = progress.best
        record = {
            **self._constant,
            "status": status,
            "ended": None if status == "running" else _now(),
            "finished": progress.finished,
            "epochs": progress.epoch,
            "step": progress.step,
            "train_seconds": seconds,
            "total_seconds": time.perf_counter() - self._began,
            "samples_per_second": (progress.total_samples + progress.samples) / seconds if seconds else None,
            "best": {"metric": monitored(trainer), "value": best.value, "epoch": best.epoch} if best else None,
            "test": None,
            "baseline": None,
            "exit_code": None,
            "error": None,
            **facts,
        }
        self._folder.write_record(record)
        return record

    def fail(self, trainer: Trainer, error: BaseException) -> None:
        """Writes how the run ended, if the disk still takes it."""
        status = "diverged" if isinstance(error, DivergedError) else "failed"
        code = error.exit_code if isinstance(error, DlcliError) else EXIT_BUG
        if isinstance(error, KeyboardInterrupt):
            status, code = "interrupted", EXIT_SIGINT
        message = error.message if isinstance(error, DlcliError) else f"{type(error).__name__}: {error}"
        try:
            self.write(trainer, status, exit_code=code, error=message)
        except DlcliError as second:
            error.add_note(f"and run.json could not say so: {second.message}")


def _constant_record(
    request: TrainRequest, trainer: Trainer, experiment: Experiment, old: RunFolder | None, data_dir: Path | None
) -> dict[str, Any]:
    """What does not change while a run lasts."""
    dataset = trainer.dataset
    before = read_record(old) if old else {}
    return {
        "started": before.get("started", _now()),
        "resumed": [*before.get("resumed", []), _now()] if old else [],
        "config": before.get("config", str(Path(request.config).resolve()) if isinstance(request.config, str | Path) else None),
        "overrides": [*before.get("overrides", []), *request.overrides],
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
        },
        "versions": environment(trainer.device),
        "git_commit": git_commit(),
        "plugins": installed(),
    }


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")
