"""Loggers: where else the course of a training is written, beside the files that every run has."""

from abc import abstractmethod
from typing import Any, ClassVar

from dlcli.config.spec import Spec, table


class LoggerSpec(Spec):
    """Where else the course of a training is written."""


class OwnLogger(LoggerSpec):
    """A logger that builds itself, as those of plug-ins do."""

    @abstractmethod
    def build(self, run: Any) -> Any:
        """What looks on, a `dlcli.training.loggers.RunLogger`; it is given a `dlcli.training.loggers.LoggedRun`."""


class TensorBoard(LoggerSpec):
    """Event files for TensorBoard, in the folder `tensorboard` of the run."""

    kind: ClassVar[str] = "tensorboard"


class Mlflow(LoggerSpec):
    """A file store of MLflow, in the folder `mlruns` of the run; no server is asked."""

    kind: ClassVar[str] = "mlflow"


LOGGERS = table(TensorBoard, Mlflow)
