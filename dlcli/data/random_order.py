"""Orders that are functions of a seed, without torch: what only looks at data, as `validate` does, waits for no import.

The hash is that of `counter_random`: the finaliser of SplitMix64 over counters.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

GOLDEN: Final = 0x9E3779B97F4A7C15
FIRST: Final = 0xBF58476D1CE4E5B9
SECOND: Final = 0x94D049BB133111EB
_ALL: Final = 2**64 - 1


def mixed(*numbers: int) -> int:
    """A 64-bit hash of whole numbers modulo 2**64; another order gives another hash."""
    state: int = 0
    for number in numbers:
        state = _finalised((state + number + GOLDEN) & _ALL)
    return state


def random_order(key: int, count: int) -> NDArray[np.int64]:
    """The numbers below `count` in a random order: (count,), the same with every version of numpy and torch.

    Args:
        key: 64 bits from `mixed`.
        count: how many numbers.
    """
    places = np.arange(1, count + 1, dtype=np.uint64)
    bits: NDArray[np.uint64] = _finalised(_finalised(places * np.uint64(GOLDEN) + np.uint64(key)) + np.uint64(GOLDEN))
    return np.argsort(bits.view(np.int64), kind="stable")


def _finalised(bits: Any) -> Any:
    """Of a whole number below 2**64, or of each of an array of uint64, which wraps by itself."""
    bits = ((bits ^ (bits >> 30)) * FIRST) & _ALL
    bits = ((bits ^ (bits >> 27)) * SECOND) & _ALL
    return bits ^ (bits >> 31)
