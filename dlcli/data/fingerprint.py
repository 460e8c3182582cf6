"""A checksum of samples, by which changed data is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from torch import Tensor


def fingerprint(named: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over tensors on the CPU: their names, types, sizes and values, in the order in which they come."""
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        rows = _rows(tensor)
        if rows is not tensor:
            digest.update(f"windows {tensor.stride()}\n".encode())
        digest.update(rows.contiguous().reshape(-1).numpy().data)
    return digest.hexdigest()


def _rows(tensor: Tensor) -> Tensor:
    """Of windows that overlap the rows that they are cut from, each once; any other tensor itself."""
    span = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.as_strided((span,), (1,)) if 0 < span < tensor.numel() else tensor
