"""How the C library keeps freed memory, and what happens when there is none left."""

from __future__ import annotations

import ctypes
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import torch

from dlcli.errors import ResourceError

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_LARGEST: Final = 2**31 - 1
_OUT_OF_MEMORY: Final = re.compile(r"can't allocate memory|out of memory|not enough memory|(?:CUBLAS|CUDNN)_STATUS_ALLOC_FAILED")
"""What the allocators of torch, CUDA, MPS and of CUDA's libraries say, where torch has no class of its own for it."""


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
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:200]
        message = f"there is not enough memory: {reason}" if reason else "there is not enough memory"
        traceback.clear_frames(error.__traceback__)  # they hold what filled the memory
        help = mend() or "use smaller batches, --set train.batch_size=16, or smaller layers"
        raise ResourceError(message, help=help) from error


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or _OUT_OF_MEMORY.search(str(error)) is not None
