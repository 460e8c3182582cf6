"""The loggers of a run: built from its config, and what is told where one of them fails."""

from __future__ import annotations

from collections.abc import Callable

from dlcli.app.record import told
from dlcli.config.experiment import Experiment
from dlcli.plugins import plugin_failure
from dlcli.training.loggers import LoggedRun, Loggers
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer


def new_loggers(trainer: Trainer, on_notice: Callable[[str], None]) -> Loggers:
    """None yet.

    Args:
        trainer: the run's.
        on_notice: told where one of them fails.
    """

    def tell(name: str, error: BaseException) -> None:
        reason = told(plugin_failure(error) or error)
        on_notice(f"the logger `{name}` is left out from here on, and the training goes on: {reason}")

    return Loggers(trainer.device, tell)


def attach_loggers(loggers: Loggers, trainer: Trainer, experiment: Experiment, folder: RunFolder) -> None:
    """Adds those that the config names."""
    run = LoggedRun(trainer, experiment.graph, experiment.resolved(), folder.path)
    for spec in trainer.spec.loggers:
        loggers.add(spec, run)
