"""How many pictures are predicted, while a person waits for them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from dlcli.cli.console import is_interactive, losable

_PATIENCE: Final = 2.0
"""Seconds after which a person wants to know."""
_CLEARED: Final = "\r\033[K"


@contextmanager
def picture_counter() -> Iterator[Callable[[int, int], None]]:
    """Takes how many are done, and of how many: on a terminal a line on stderr once it takes long, which is gone at the end."""
    begin, is_shown = time.monotonic(), False

    def count(done: int, total: int) -> None:
        nonlocal is_shown
        if is_interactive(sys.stderr) and time.monotonic() - begin > _PATIENCE:
            is_shown = True
            _write(f"{_CLEARED}{done:,} of {total:,} pictures")

    try:
        yield count
    finally:
        if is_shown:
            _write(_CLEARED)


def _write(text: str) -> None:
    stream = losable(sys.stderr)
    stream.write(text)
    stream.flush()
