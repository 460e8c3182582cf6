"""How much larger than its file something may become in memory."""

from __future__ import annotations

from typing import Final

from dlcli.errors import DataError

ALWAYS: Final = 2**30
"""Bytes that anything may take."""
TIMES: Final = 20
"""So many times its size in the file a thing may take beyond that."""


def check_growth(place: str, grown: int, size: int, help: str, times: int = TIMES) -> None:
    """Refuses what was made to fill the memory: little in a file that becomes very much.

    Called before anything is allocated. The limits are fixed numbers and not the memory of the machine, so that a file that
    can be read can be read everywhere.

    Args:
        place: what would grow, and where it is.
        grown: bytes it would take.
        size: bytes it takes in the file.
        help: what makes it smaller.
        times: how often larger it may become.

    Raises:
        DataError: it would take more than `ALWAYS` and more than so many times its size.
    """
    if grown > max(ALWAYS, times * size):
        limits = f"more than 1 GiB, and more than {times} times what it takes in the file"
        raise DataError(f"{place} would take {grown / 2**30:,.1f} GiB of memory: {limits}", help=help)
