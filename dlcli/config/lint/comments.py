"""`# dlcli: ignore[CODE]`: a comment that says that a warning about its line is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from dlcli.config.diagnostics import Diagnostic, Place, Source, did_you_mean
from dlcli.config.lint.rule import Finding, Rule, Subject
from dlcli.config.tree import Mapping, Node, Sequence

_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#\s*dlcli:\s*ignore\[([^\]]*)\]")
_CODE: Final = re.compile(r"[^\s,]+")


def is_ignored(warning: Diagnostic) -> bool:
    """Whether a comment in the line of a warning names its code."""
    source, line = warning.place.source, warning.place.line
    return line <= len(source.lines) and any(code == warning.code for code, _ in _codes_in_line(source, line))


def _codes_in_line(source: Source, line: int) -> Iterator[tuple[str, Place]]:
    """What the comment in a line ignores, and where each code stands."""
    for found in _COMMENT.finditer(source.lines[line - 1]):
        for code in _CODE.finditer(found[1]):
            start = found.start(1) + code.start() + 1
            yield code[0], Place(source, line, start, len(code[0]))


def _sources(node: Node) -> Iterator[Source]:
    yield node.place.source
    if isinstance(node, Sequence):
        for item in node.items:
            yield from _sources(item)
    elif isinstance(node, Mapping):
        for entry in node.entries.values():
            yield from _sources(entry.node)


def _unknown_rule(subject: Subject) -> Iterator[Finding]:
    for source in dict.fromkeys(_sources(subject.composed)):
        for line in range(1, len(source.lines) + 1):
            for code, place in _codes_in_line(source, line):
                if code not in subject.known_rules:
                    help = did_you_mean(code, subject.known_rules) or "remove the comment"
                    yield Finding(f"there is no rule `{code}`", place, help)


UNKNOWN_RULE: Final = Rule(
    "unknown-rule",
    meaning="A comment `# dlcli: ignore[CODE]` names a rule that there is not.",
    reason="It leaves out no warning, now or later.",
    mend="Write the code that the warning shows in brackets, or remove the comment.",
    example="""\
data: digits
model:
  layers:
    - flatten
    - linear: 64  # dlcli: ignore[no-nonlinear]
    - relu
    - linear: ${data.num_classes}
""",
    mended="""\
data: digits
model:
  layers:
    - flatten
    - linear: 64
    - relu
    - linear: ${data.num_classes}
""",
    check=_unknown_rule,
)
