"""How CUDA GPUs multiply float32 numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Sets it until the end of the block; on other devices nothing changes.

    By torch's older switches, which keep the newer ones in step: the other way round, what reads the older ones raises, torch's
    own `torch.backends.cudnn.flags` for one.

    Args:
        precision: `tf32` rounds what is multiplied to ten binary digits behind the point, as NVIDIA's tensor cores take it;
            with any other, products are those of IEEE's float32, which for convolutions and recurrent layers is not torch's
            own default.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    is_rounded = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = is_rounded, is_rounded
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
