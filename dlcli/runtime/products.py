"""How CUDA GPUs multiply float32 numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Sets it until the end of the block; on other devices nothing changes.

    Args:
        precision: `tf32` rounds what is multiplied to ten binary digits behind the point, as NVIDIA's tensor cores take it;
            with any other, products are those of IEEE's float32, which for convolutions and recurrent layers is not torch's
            own default.
    """
    cudnn: Any = torch.backends.cudnn
    settings = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
    before = [setting.fp32_precision for setting in settings]
    for setting in settings:
        setting.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value
