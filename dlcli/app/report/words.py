"""Numbers and names as a report writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dlcli.app.pages.figures import label
from dlcli.app.pages.page import number


def times(count: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def percent(share: float) -> str:
    """`98.8 %`, and of what is close to all or nothing as many digits as tell it from that."""
    if not math.isfinite(share):
        return number(share)
    digits = 1 if 0.01 <= share <= 0.99 or share in (0, 1) else 2
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def listed(names: Sequence[str], most: int = 6) -> str:
    """`a, b and c`; of more than so many the first, and how many there are."""
    shown = [label(name, 40) for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))) if shown else ""


def slug(text: str) -> str:
    """A name for files: small letters, digits and dashes."""
    kept = "".join(char if char.isascii() and char.isalnum() else "-" for char in text[:40].lower())
    return "-".join(filter(None, kept.split("-")))
