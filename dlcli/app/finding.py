"""What a check finds, be it of the machine or of data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "warning", "fault"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        check: its name.
        state: a warning is worth a look, a fault keeps something from working.
        message: what there is.
        help: the mend.
        examples: where it shows.
    """

    check: str
    state: State
    message: str
    help: str | None = None
    examples: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "examples": list(self.examples)}


def count(findings: Iterable[Finding], state: State) -> int:
    """How many are of a state."""
    return sum(finding.state == state for finding in findings)
