"""A config as a tree of plain values in which each value and each key knows its place in the text."""

from __future__ import annotations

from collections.abc import Sequence as AbstractSequence
from dataclasses import dataclass, replace
from typing import Any, Final

from dlcli.config.diagnostics import Place

MAX_DEPTH: Final = 64
"""Levels of a config."""

Value = None | bool | int | float | str


@dataclass(frozen=True)
class Scalar:
    """A number, a text, true, false or null."""

    value: Value
    place: Place


@dataclass(frozen=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True)
class Entry:
    """One value of a mapping, with the place of its key."""

    key_place: Place
    node: Node


@dataclass(frozen=True)
class Mapping:
    """Keys and values, in the order of the text."""

    entries: dict[str, Entry]
    place: Place
    short: Scalar | None = None
    """The short form that stood here before `--set` added fields to it: `64` of `linear: 64`, `adam` of `optimizer: adam`."""

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry.node if entry else None

    def without(self, *keys: str) -> Mapping:
        return replace(self, entries={key: entry for key, entry in self.entries.items() if key not in keys})

    def with_entry(self, key: str, entry: Entry) -> Mapping:
        return replace(self, entries={**self.entries, key: entry})


Node = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """The node as ordinary dicts, lists and values."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(entry.node) for key, entry in node.entries.items()}


def place_of(node: Node, path: AbstractSequence[int | str]) -> Place:
    """The place of what `path` leads to: of the value, or of the innermost node that is there."""
    return node_at(node, path).place


def node_at(node: Node, path: AbstractSequence[int | str]) -> Node:
    """What `path` leads to, or the innermost node that is there."""
    for step in path:
        if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
            node = node.entries[step].node
        elif isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
        else:
            break
    return node


def describe(node: Node) -> str:
    """What a value is, for messages: `the text 'abc'`, `the number 3`, `a list`, `a mapping`."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    return describe_value(node.value)


def describe_value(value: object) -> str:
    """The same for a value without a place."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text '{shortened(value)}'"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a mapping" if isinstance(value, dict) else "a list"


def shortened(text: str, limit: int = 60) -> str:
    """One line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
