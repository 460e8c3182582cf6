"""How many processor cores there are for this process."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath


def available_cores(root: Path = Path("/")) -> int:
    """Cores that the process may run on and that its control group grants; a part of one counts as one.

    Args:
        root: of Linux's file system.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """What the process's control group, and each around it, grants of the processors: version 2, and version 1."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            base = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
            inside = PurePosixPath(path.lstrip("/"))
            for folder in (base / part for part in (inside, *inside.parents)):
                with suppress(OSError, ValueError):  # a group that a container does not see, or one without a limit: `max`
                    yield _quota(folder, is_second_version=not controllers)


def _quota(folder: Path, *, is_second_version: bool) -> float:
    """Cores that a group grants; infinitely many where the first version says -1.

    Raises:
        OSError, ValueError: it has no limit.
    """
    if is_second_version:
        quota, period = (int(number) for number in (folder / "cpu.max").read_text().split())
        return quota / period
    quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    if quota <= 0:
        raise ValueError("no limit")
    return quota / period
