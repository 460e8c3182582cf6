"""Makes digits.npz from scikit-learn's bundled copy: `python -m dlcli.data.sources.make_digits`, with scikit-learn installed."""

from __future__ import annotations

import hashlib

import numpy as np
from sklearn.datasets import load_digits  # type: ignore[import-untyped]

from dlcli.data.sources.digits import FILE


def main() -> None:
    """Writes the file and prints the hash that `digits.py` checks."""
    bunch = load_digits()
    images, labels = bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)
    np.savez_compressed(FILE, images=images, labels=labels)
    print(f"{FILE}: {len(labels)} digits, SHA-256 {hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()}")


if __name__ == "__main__":
    main()
