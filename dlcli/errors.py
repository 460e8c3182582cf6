"""The errors a person can meet, and the exit code of each.

Every error says what was found, what was expected and, in `help`, what to do. `dlcli.cli` turns one into two lines
on stderr and its exit code; a Python caller catches `DlcliError`.
"""

from __future__ import annotations

from typing import ClassVar, Final

EXIT_OK: Final = 0
EXIT_BUG: Final = 1
EXIT_SIGNALLED: Final = 128
"""A shell adds a signal's number to it."""
EXIT_SIGINT: Final = 130


class DlcliError(Exception):
    """Base of all errors that are not a bug in dlcli."""

    exit_code: ClassVar[int] = EXIT_BUG

    def __init__(self, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class Interrupted(BaseException):
    """A signal that came before there was anything to save."""

    def __init__(self, number: int) -> None:
        super().__init__("interrupted")
        self.exit_code = EXIT_SIGNALLED + number


class UsageError(DlcliError):
    """A command was called with something it can't take."""

    exit_code = 2


class DataError(DlcliError):
    """Data is missing, damaged or not what the config says."""

    exit_code = 3


class DivergedError(DlcliError):
    """Training produced NaN or infinity."""

    exit_code = 4


class CheckpointError(DlcliError):
    """A checkpoint does not verify, or does not fit the network."""

    exit_code = 5


class ResourceError(DlcliError):
    """Memory or disk ran out."""

    exit_code = 6
