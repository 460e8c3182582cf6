"""A training from its config to its run folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from dlcli.app.baseline import repeat_last
from dlcli.app.configs import Config
from dlcli.app.experiments import open_experiment, recorded_data_dir
from dlcli.app.loggers import attach_loggers, new_loggers
from dlcli.app.outcomes import Keeper
from dlcli.app.record import RunRecord, status_after, told
from dlcli.app.resume import (
    Resumption,
    changes_of_config,
    check_changes,
    check_same_data,
    only_trainer_of,
    run_to_resume,
    take_up,
    what_is_saved,
)
from dlcli.app.runs import Run, read_checked_record
from dlcli.app.trainable import check_trainable
from dlcli.config.compose import STDIN
from dlcli.config.diagnostics import Diagnostic
from dlcli.config.experiment import Experiment
from dlcli.config.yaml_output import as_yaml
from dlcli.data.dataset import Dataset
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import EXIT_OK, ResourceError, UsageError
from dlcli.models.kernels import flushed_denormals
from dlcli.models.network import build_network
from dlcli.plugins import plugin_errors
from dlcli.runtime.device import choose_device
from dlcli.runtime.memory import keep_freed_memory, memory_errors
from dlcli.runtime.products import products_in
from dlcli.runtime.seed import determinism_errors, seeded
from dlcli.runtime.signals import StoppedError, StopRequest, watching_signals
from dlcli.training.checkpoint import load_checkpoint
from dlcli.training.checkpoint_folder import best_saved
from dlcli.training.compilation import compilation_errors
from dlcli.training.fitting_batch import memory_notice, smaller_batches
from dlcli.training.loggers import check_installed
from dlcli.training.loop import fit
from dlcli.training.observers import Observers, TextLog
from dlcli.training.progress import Observer
from dlcli.training.run_folder import RunFolder, create_run_folder, point_latest_at
from dlcli.training.trainer import Trainer


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
        report: whether a report is made at the end.
    """

    config: Config | None
    overrides: tuple[str, ...] = ()
    name: str | None = None
    runs: Path = Path("runs")
    device: str = "auto"
    data_dir: Path | None = None
    resume: str | None = None
    downloads: bool = True
    report: bool = True
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
    if request.resume is None:
        return _train(request, request.config, request.data_dir, device, None)
    folder = run_to_resume(request.resume, request.runs, request.config)
    if request.name is not None:
        raise UsageError("a run that goes on keeps its name", help="leave out --name")
    with only_trainer_of(folder, show.notice):
        record = read_checked_record(folder)
        data_dir = recorded_data_dir(folder, request.data_dir)
        with plugin_errors():
            overrides = request.overrides
            if isinstance(request.config, str | Path):
                overrides = (*changes_of_config(Path(request.config), folder, record, data_dir), *overrides)
            changes = check_changes(folder.resolved_config, overrides, data_dir)
        resumption = Resumption(folder, record, request.overrides, changes)
        return _train(replace(request, overrides=overrides), folder.resolved_config, data_dir, device, resumption)


def _train(
    request: TrainRequest, config: Config | None, data_dir: Path | None, device: torch.device, resumption: Resumption | None
) -> Run:
    """The same once it is clear whether a run begins or goes on."""
    show = Observers(request.observers)
    if config is None:
        raise UsageError("there is no config", help="give one, or write one to start from: dlcli init my.yaml")
    with plugin_errors(), memory_errors():
        experiment, dataset = open_experiment(config, request.overrides, data_dir, show.notice, downloads=request.downloads)
        check_trainable(experiment, dataset)
        check_installed(experiment.train.loggers)
    if resumption:
        check_same_data(resumption.record, dataset)
    seeding = seeded(experiment.train.seed, deterministic=experiment.train.deterministic)
    with watching_signals() as stop, seeding, flushed_denormals(), products_in(experiment.train.precision):
        with plugin_errors(), memory_errors():
            trainer = build_trainer(experiment, dataset, device)
        notice = memory_notice(trainer)
        if notice is not None:
            show.notice(notice)
        if resumption:
            return _go_on(trainer, experiment, dataset, data_dir, resumption, request=request, stop=stop)
        path = str(Path(config).resolve()) if isinstance(config, str | Path) else None
        record = RunRecord(trainer, experiment, dataset, config=path, overrides=request.overrides, data_dir=data_dir)
        with _new_folder(request, config, experiment, record, show.notice) as folder, _reported(folder, request):
            log, warnings = TextLog(folder.log), experiment.warnings
            return _run(trainer, experiment, folder, record, log, show=show, stop=stop, warnings=warnings)


def _go_on(
    trainer: Trainer,
    experiment: Experiment,
    dataset: Dataset,
    data_dir: Path | None,
    resumption: Resumption,
    *,
    request: TrainRequest,
    stop: StopRequest,
) -> Run:
    """Takes a run up again; of one that is over and stays so nothing is changed."""
    folder, show = resumption.folder, Observers(request.observers)
    log = TextLog(folder.log, is_held=True)
    take_up(trainer, resumption, Observers([log, show]))
    if resumption.is_closed:
        return Run(folder.path, resumption.record)
    overrides = resumption.overrides
    record = RunRecord(trainer, experiment, dataset, resumption=resumption, overrides=overrides, data_dir=data_dir)
    folder.unseal()
    log.release()  # not before: a run that does not come to go on stays as it was
    if trainer.progress.finished is None:
        folder.write_resolved(as_yaml(experiment.resolved()))
    folder.write_record(record.as_json("running"))
    with _reported(folder, request):
        return _run(trainer, experiment, folder, record, log, show=show, stop=stop)


@contextmanager
def _reported(folder: RunFolder, request: TrainRequest) -> Iterator[None]:
    """Makes the report of a run when its training ends, however it does, but for a second Ctrl-C. It changes nothing of that."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException:
        _report(folder, request)
        raise
    _report(folder, request)


def _report(folder: RunFolder, request: TrainRequest) -> None:
    if not request.report:
        return
    try:
        from dlcli.app.report.page import write_report  # noqa: PLC0415  # a tenth of a second, once the training is over

        write_report(folder)
    except (Exception, KeyboardInterrupt) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else told(error)
        Observers(request.observers).notice(f"there is no report of the run ({why}); to make it: dlcli report {folder.path}")


def _run(
    trainer: Trainer,
    experiment: Experiment,
    folder: RunFolder,
    record: RunRecord,
    log: TextLog,
    *,
    show: Observer,
    stop: StopRequest,
    warnings: Iterable[Diagnostic] = (),
) -> Run:
    """Trains, judges the best epoch, and closes the record, whatever happens; the warnings come first."""
    loggers = new_loggers(trainer, Observers([log, show]).notice)
    observer = Observers([log, show, loggers])
    keeper = Keeper(trainer, experiment, folder, observer.notice)
    try:
        for warning in warnings:
            observer.notice(warning.in_one_line())
        point_latest_at(folder)
        attach_loggers(loggers, trainer, experiment, folder)
        with plugin_errors(), memory_errors(lambda: smaller_batches(trainer)), determinism_errors(), compilation_errors():
            fit(trainer, folder, observer, stop)
            figures = _judged(trainer, folder, observer, stop, keeper) if trainer.progress.finished is not None else None
        keeper.write()
        if figures is None:
            log.notice(f"interrupted, and saved up to step {trainer.progress.step}")
            loggers.ended("interrupted", trainer.progress.step, {})
            return Run(folder.path, record.close(folder, "interrupted", exit_code=stop.exit_code))
        loggers.ended("completed", trainer.progress.step, figures.get("test", {}))
        return Run(folder.path, record.close(folder, "completed", exit_code=EXIT_OK, **figures))
    except BaseException as error:
        try:
            log.notice("left at once" if isinstance(error, KeyboardInterrupt) else f"error: {told(error)}")
            if not isinstance(error, KeyboardInterrupt):
                keeper.write()
            observer.notice(what_is_saved(folder))
            loggers.ended(status_after(error), trainer.progress.step, {})
        finally:
            record.fail(folder, error)
        raise


def _judged(trainer: Trainer, folder: RunFolder, observer: Observer, stop: StopRequest, keeper: Keeper) -> dict[str, Any] | None:
    """What the best epoch's network makes of the test split; None where somebody asked to stop meanwhile.

    Without a test split the report shows what it makes of the validation split.
    """
    path = best_saved(folder.checkpoints, trainer.progress.best, observer.notice)
    if path is not None:
        trainer.load_judged(load_checkpoint(path))
    figures: dict[str, Any] = {}
    try:
        if trainer.dataset.test is not None:
            figures = {
                "test": keeper.judged("test", stop),
                "baseline": repeat_last(trainer.dataset, "test", trainer.objective),
            }
        elif trainer.dataset.valid is not None:
            keeper.judged("valid", stop)
        stop.check()
    except StoppedError:
        return None
    return figures


def build_trainer(experiment: Experiment, dataset: Dataset, device: torch.device) -> Trainer:
    """The network of an experiment and all that trains it, on the device."""
    spec = experiment.train
    network = build_network(experiment.graph, experiment.model.init).to(device)
    preprocessing = Preprocessing(dataset.spec, dataset.facts, seed=spec.seed).to(device)
    return Trainer(network, dataset.to(device), preprocessing, spec, device, outputs=experiment.graph.outputs)


@contextmanager
def _new_folder(
    request: TrainRequest, config: Config, experiment: Experiment, record: RunRecord, on_notice: Callable[[str], None]
) -> Iterator[RunFolder]:
    """Makes the folder of a run that begins, and keeps other trainings out of it until the end of the block.

    Raises:
        UsageError: see `create_run_folder`.
        ResourceError: the disk does not take it; nothing is left of it.
    """
    stem = "run" if isinstance(config, dict) or str(config) == STDIN else Path(config).stem
    given = as_yaml(config) if isinstance(config, dict) else experiment.text

    def fill(folder: RunFolder) -> None:
        folder.write_configs(given, as_yaml(experiment.resolved()))
        folder.write_record(record.as_json("running"))

    folder = create_run_folder(request.runs, stem, request.name, fill)
    with ExitStack() as stack:
        try:
            stack.enter_context(only_trainer_of(folder, on_notice))
        except ResourceError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        yield folder
