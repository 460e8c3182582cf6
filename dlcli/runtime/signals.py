"""Ctrl-C, SIGTERM and SIGHUP: a flag that the loop reads, so that it can finish its step and save."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from dlcli.errors import EXIT_SIGNALLED

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Those that ask for the end."""


class StoppedError(Exception):
    """What was under way is not finished, because somebody asked to stop."""


class StopRequest:
    """Whether somebody asked for the end, and by which signal."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    @property
    def requested(self) -> bool:
        return self.signal is not None

    def check(self) -> None:
        """Raises StoppedError once somebody has asked for the end."""
        if self.requested:
            raise StoppedError

    @property
    def exit_code(self) -> int:
        """As a shell reports a process ended by the signal: 129, 130 or 143."""
        assert self.signal is not None
        return EXIT_SIGNALLED + self.signal


@contextmanager
def watching_signals() -> Iterator[StopRequest]:
    """Turns the first of the signals into a request; a SIGINT after it leaves at once.

    A signal that is ignored stays so, as `nohup` wants it. Outside the main thread, where Python allows no handlers, the
    request never comes.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(number: int, _: FrameType | None) -> None:
        if request.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.signal = request.signal or signal.Signals(number)

    before: dict[signal.Signals, Any] = {number: signal.signal(number, handle) for number in heeded()}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set by Python


def heeded() -> list[signal.Signals]:
    """Those of the signals that whoever started the process does not have it ignore."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
