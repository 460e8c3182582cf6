"""What checks found, as lines of text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from dlcli.app.finding import Finding, count
from dlcli.config.hidden_characters import visible

_STATE: Final = len("warning")


def finding_lines(findings: Sequence[Finding], width: int) -> list[str]:
    """The state, the check and the message of each, and below them examples and the mend, in so many columns."""
    names = max(len(finding.check) for finding in findings)
    lines = []
    for finding in findings:
        head = f"{finding.state:<{_STATE}}  {finding.check:<{names}}  "
        below = " " * len(head)
        lines += _wrapped(finding.message, head, below, width)
        if finding.examples:
            lines += _wrapped(f"for example {', '.join(finding.examples)}", below, below, width)
        if finding.help is not None:
            lines += _wrapped(f"help: {finding.help}", below, below, width)
    return lines


def summary_line(findings: Sequence[Finding], all_well: str) -> str:
    """`2 faults, 1 warning`; where there is neither, a sentence."""
    counts = [(count(findings, "fault"), "fault"), (count(findings, "warning"), "warning")]
    return ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts if number) or all_well


def _wrapped(text: str, first: str, others: str, width: int) -> list[str]:
    room = max(width, len(first) + 30)
    return textwrap.wrap(
        visible(text), room, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )
