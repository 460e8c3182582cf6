"""YAML with comments."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dlcli.config.tree import shortened
from dlcli.config.yaml_output import inline_yaml

_COMMENT_COLUMN: Final = 44
_LONGEST_LINE: Final = 130


@dataclass(frozen=True)
class Line:
    """A line of YAML without its indentation, and what is said behind it."""

    text: str
    comment: str = ""

    def rendered(self, indent: int) -> str:
        """The line as it stands in a file."""
        text = " " * indent + self.text
        return f"{text:<{_COMMENT_COLUMN - 2}}  # {self.comment}" if self.comment else text


def field(key: str, value: object, comment: str = "") -> Line:
    """`key: value`."""
    return Line(f"{key}: {inline_yaml(value)}", comment)


def entry(name: str, main: object = None, *, comment: str = "", **fields: object) -> Line:
    """An entry of a list: `- name`, `- name: main` or `- name: {fields}`; a keyword may end in `_` to be none of Python's."""
    if fields:
        return Line(f"- {name}: {inline_yaml({key.rstrip('_'): value for key, value in fields.items()})}", comment)
    return Line(f"- {name}" if main is None else f"- {name}: {main if _is_reference(main) else inline_yaml(main)}", comment)


def rendered(lines: Iterable[Line], indent: int) -> list[str]:
    """Lines as they stand in a file."""
    return [line.rendered(indent) for line in lines]


def comment(text: str) -> str:
    """A comment on lines of its own, wrapped at words; nothing in `text` ends it early."""
    lines, words = [""], printable(text, limit=len(text)).split(" ")
    for word in words:
        if len(lines[-1]) + len(word) + 3 > _LONGEST_LINE and lines[-1]:
            lines.append("")
        lines[-1] += f" {word}"
    return "\n".join(f"#{line}" for line in lines)


def printable(text: str, limit: int = 30) -> str:
    """A name from outside as one short line that steers no terminal and fits into any YAML."""
    return shortened("".join(character if character.isprintable() else " " for character in text), limit)


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\$\{[\w.]+\}", value) is not None
