"""How the C library keeps freed memory, how much was used, and what happens when there is none left."""

from __future__ import annotations

import ctypes
import gc
import re
import resource
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Final

import torch

from dlcli.errors import ResourceError

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGEST: Final = 2**31 - 1
_OUT_OF_MEMORY: Final = re.compile(
    r"can't allocate memory|out of memory|not enough memory|(?:CUBLAS|CUDNN)_STATUS_ALLOC_FAILED"
    r"|std::bad_alloc|could not create a (?:primitive|memory object)"
)
"""What torch, C++, oneDNN, CUDA, MPS and CUDA's libraries say, where torch has no class of its own for it."""
_GROUP_FILES: Final = {
    "": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "memory": ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Of Linux's control groups, version 2 and 1: the folder, what holds the limit and the use, and the caches in the latter."""


def keep_freed_memory() -> bool:
    """Tells glibc to keep what is freed instead of returning it to the system at once.

    Activations are freed and allocated anew at every step. Returned to the system, each comes back as fresh pages that
    the kernel has to clear, which can take longer than the computation. See mallopt(3).

    Returns:
        Whether the C library took it; other than glibc none does.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_M_TRIM_THRESHOLD, _LARGEST))


@contextmanager
def memory_errors(mend: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Turns a lack of memory, on the CPU or a GPU, into an error that says what to do.

    Args:
        mend: finds out what would fit, once what the block held is let go; None where it does not know.

    Raises:
        ResourceError: instead of MemoryError and of torch's errors.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200]
        message = f"there is not enough memory: {reason}" if reason else "there is not enough memory"
        let_go(error)
        help = mend() or "use smaller layers, smaller batches (train.batch_size) or less data (data.limit)"
        raise ResourceError(message, help=help) from error


def is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether an error says that there is no memory left."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or _OUT_OF_MEMORY.search(str(error)) is not None


def let_go(error: BaseException) -> None:
    """Lets go of what the functions held in which an error was raised, and those before it."""
    raised: BaseException | None = error
    while raised is not None:
        traceback.clear_frames(raised.__traceback__)
        raised = raised.__context__


def return_freed_memory(device: torch.device) -> None:
    """Returns what is free to the system, on the CPU against `keep_freed_memory`: in one piece it serves other sizes."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
        if trim is not None:
            trim(0)


def peak_memory(device: torch.device) -> int:
    """The most bytes in use at once so far: of the process on the CPU, of tensors on a CUDA device."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def available_memory(device: torch.device, root: Path = Path("/")) -> int | None:
    """Bytes that are free on a device, on the CPU those that the kernel grants before it ends the process; None if unknown.

    Args:
        device: the CPU or a GPU.
        root: of Linux's file system.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    left = list(_left_in_groups(root))
    with suppress(OSError):
        found = re.search(r"^MemAvailable: +(\d+) kB", (root / "proc/meminfo").read_text(), re.MULTILINE)
        left += [int(found[1]) * 1024] if found else []
    return min(left, default=None)


def _left_in_groups(root: Path) -> Iterator[int]:
    """What the process's control group, and each around it, may still take; caches of files make room by themselves."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            kind = "memory" if "memory" in controllers.split(",") else controllers
            if kind not in _GROUP_FILES:
                continue
            base, limit, used, caches = _GROUP_FILES[kind]
            inside = PurePosixPath(path.lstrip("/"))
            for folder in (root / base / part for part in (inside, *inside.parents)):
                with suppress(OSError, ValueError):  # a group that a container does not see, or one without a limit: `max`
                    cached = re.search(rf"^{caches} (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
                    free = int((folder / limit).read_text()) - int((folder / used).read_text())
                    yield free + (int(cached[1]) if cached else 0)
