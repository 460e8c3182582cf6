"""The loggers that a config names: found before the training begins, and left out where they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

import torch
from torch import Tensor

from dlcli.config.loggers import LoggerSpec, Mlflow, OwnLogger, TensorBoard
from dlcli.errors import UsageError
from dlcli.runtime.seed import random_state, restore_random_state
from dlcli.training.loggers.run_logger import LoggedRun, RunLogger
from dlcli.training.progress import Progress

_MODULES: Final[Mapping[type[LoggerSpec], tuple[str, str]]] = {
    TensorBoard: ("dlcli.training.loggers.tensorboard", "pip install tensorboard"),
    Mlflow: ("dlcli.training.loggers.mlflow", "pip install mlflow-skinny"),
}
"""Where the function `build` of each is, and how to install what it needs."""


def check_installed(specs: Iterable[LoggerSpec]) -> None:
    """Raises UsageError where the package of a logger is not there."""
    for spec in specs:
        if type(spec) not in _MODULES:
            continue
        module, install = _MODULES[type(spec)]
        try:
            import_module(module)
        except ImportError as error:
            raise UsageError(
                f"the logger `{spec.kind}` can't be used here: {error}", help=f"{install}, or leave it out of train.loggers"
            ) from error


def build_logger(spec: LoggerSpec, run: LoggedRun) -> RunLogger:
    """What a config's entry means."""
    if not isinstance(spec, OwnLogger):
        logger: RunLogger = import_module(_MODULES[type(spec)][0]).build(run)
        return logger
    logger = spec.build(run)
    if not isinstance(logger, RunLogger):
        raise TypeError(f"`build` of {type(spec).__name__} gives {logger!r}, which is no RunLogger")
    return logger


class Loggers:
    """Passes on to each logger. The first failure of one is told, and it is left out from there on.

    Torch's random numbers are for the training what they would be without loggers, whatever these draw outside of steps.

    Args:
        device: the training's.
        on_failure: takes the name of a logger that fails, and its error.
    """

    def __init__(self, device: torch.device, on_failure: Callable[[str, BaseException], None]) -> None:
        self._loggers: dict[str, RunLogger] = {}
        self._device = device
        self._on_failure = on_failure

    def add(self, spec: LoggerSpec, run: LoggedRun) -> None:
        """Builds a logger, which from then on is passed on to."""
        with self._left_out_if_failing(spec.kind), self._same_draws():
            self._loggers[spec.kind] = build_logger(spec, run)

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:
        sizes = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "total_steps": total_steps}
        with self._same_draws():
            self._each(lambda logger: logger.started(progress, **sizes, monitored=monitored))

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        if self._loggers:
            self._each(lambda logger: logger.stepped(progress, loss))

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        with self._same_draws():
            self._each(lambda logger: logger.epoch_ended(dict(record), is_best=is_best))

    def notice(self, text: str) -> None:
        self._each(lambda logger: logger.notice(text))

    def ended(self, status: str, step: int, test: Mapping[str, float]) -> None:
        """See `RunLogger.ended`; from here on there are none."""
        self._each(lambda logger: logger.ended(status, step, test))
        self._loggers.clear()

    def _each(self, call: Callable[[RunLogger], None]) -> None:
        for name, logger in list(self._loggers.items()):
            with self._left_out_if_failing(name):
                call(logger)

    @contextmanager
    def _left_out_if_failing(self, name: str) -> Iterator[None]:
        try:
            yield
        except (Exception, SystemExit) as error:
            self._loggers.pop(name, None)
            self._on_failure(name, error)

    @contextmanager
    def _same_draws(self) -> Iterator[None]:
        state = random_state(self._device)
        try:
            yield
        finally:
            restore_random_state(state, self._device)
