"""IDX files written by hand, as the format's description says: an independent side for the reader."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CODES = {"uint8": 0x08, "int32": 0x0C}


def write_idx(path: Path, values: NDArray[Any]) -> None:
    """Writes an array, compressed if the name says so."""
    header = struct.pack(">HBB", 0, CODES[values.dtype.name], values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    content = header + values.astype(values.dtype.newbyteorder(">")).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def pictures_and_labels(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Random pictures (N, 28, 28) and classes (N,), each of the ten there if `count` allows it."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, 28, 28), dtype=np.uint8), (np.arange(count) % 10).astype(np.uint8)


def write_family(folder: Path, *, seed: int = 0, train: int = 50, test: int = 20, suffix: str = ".gz") -> None:
    """The four files of a data set like MNIST."""
    for prefix, count, own_seed in (("train", train, seed), ("t10k", test, seed + 1)):
        images, labels = pictures_and_labels(count, own_seed)
        write_idx(folder / f"{prefix}-images-idx3-ubyte{suffix}", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte{suffix}", labels)
