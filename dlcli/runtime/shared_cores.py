"""What other programs leave of the processor's cores, and how torch's threads wait for each other beside them.

Threads that share out a calculation wait for the last of them at its end, some fifty times in a step of a small network. The
OpenMP library that torch brings lets them spin for milliseconds, which is right where each has a core to itself. Where another
program wants a core too, the one that is waited for may not be running, and those that spin keep it from that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from dlcli.runtime.cores import available_cores

_SETTING: Final = "GOMP_SPINCOUNT"
_SHORT: Final = "1000"
"""Turns of a waiting thread before it lets others run: some twenty microseconds."""
_SAID: Final = (_SETTING, "OMP_WAIT_POLICY")
"""With one of these somebody has decided on it."""
_LITTLE: Final = 0.6
"""Of a core: what a machine does besides, and what the clock of 10 ms cannot tell from it in the tenth of a second looked at."""
_IDLE: Final = (3, 4)
"""Columns of /proc/stat in which a core had nothing to do, or nothing but to wait for a disk; see proc_stat(5)."""


class CoreTimes(NamedTuple):
    """Seconds at one moment.

    Attributes:
        clock: since any fixed moment.
        busy: of all cores that the process may run on, in all programs.
        own: of the process alone.
        cores: how many those are.
    """

    clock: float
    busy: float
    own: float
    cores: int


def core_times(root: Path = Path("/")) -> CoreTimes | None:
    """How long the cores have worked up to now; None where the system does not say.

    Args:
        root: of Linux's file system.
    """
    with suppress(OSError, ValueError, AttributeError):
        names = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        lines = [line.split() for line in (root / "proc/stat").read_text().splitlines()]
        ticks = [[int(part) for part in parts[:8]] for name, *parts in filter(None, lines) if name in names]
        busy = sum(value for of_core in ticks for column, value in enumerate(of_core) if column not in _IDLE)
        return CoreTimes(time.monotonic(), busy / os.sysconf("SC_CLK_TCK"), time.process_time(), len(ticks))
    return None


def waiting_threads_sleep(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether that was decided when the process began."""
    return environ.get(_SETTING) == _SHORT


def let_waiting_threads_sleep(before: CoreTimes, after: CoreTimes, environ: MutableMapping[str, str] = os.environ) -> None:
    """Where other programs leave fewer cores than torch has threads, has those that wait soon sleep.

    Torch's library reads that when it is imported, so that it is too late afterwards. Results are the same.

    Args:
        before: a moment.
        after: a later one; what other programs did between the two is taken for what they will do.
        environ: is given the setting, unless it has one.
    """
    granted, passed = available_cores(), after.clock - before.clock
    if passed <= 0 or any(name in environ for name in _SAID):
        return
    others = (after.busy - before.busy - (after.own - before.own)) / passed
    asked = environ.get("OMP_NUM_THREADS", "")
    threads = int(asked) if asked.isdecimal() else granted
    if others > _LITTLE and threads > 1 and min(granted, after.cores - others) < threads - _LITTLE:
        environ[_SETTING] = _SHORT
