"""Loggers: what looks at a training and writes its course elsewhere. Each is imported only where a config names it."""

from dlcli.training.loggers.chosen import Loggers, check_installed
from dlcli.training.loggers.run_logger import LoggedRun, RunLogger

__all__ = ["LoggedRun", "Loggers", "RunLogger", "check_installed"]
