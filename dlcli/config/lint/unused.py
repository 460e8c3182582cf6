"""Rules for what a config gives a name and never uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dlcli.config import tree
from dlcli.config.interpolation import referenced_names
from dlcli.config.lint.rule import Finding, Rule, Subject
from dlcli.config.tree import Entry, Mapping, Node, Scalar, Sequence


def _defined(subject: Subject, *path: str) -> Iterator[tuple[str, Entry]]:
    """The entries of a mapping that stand in the config's own file: one that it extends may hold more than is used."""
    node = tree.node_at(subject.composed, path)
    if node is not tree.node_at(subject.composed, path[:-1]) and isinstance(node, Mapping):
        for name, entry in node.entries.items():
            if entry.key_place.source == subject.composed.place.source:
                yield name, entry


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _scalars(item)
    else:
        if node.short is not None:
            yield node.short
        for entry in node.entries.values():
            yield from _scalars(entry.node)


def _names_of_entries(node: Node) -> Iterator[str]:
    """What the entries of every list in a part of a config are called: in a list of layers, the layers and the blocks."""
    if isinstance(node, Mapping):
        for entry in node.entries.values():
            yield from _names_of_entries(entry.node)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _names_of_entries(item)
            if isinstance(item, Mapping):
                yield from item.entries
            short = item.short if isinstance(item, Mapping) else item
            if isinstance(short, Scalar) and isinstance(short.value, str):
                yield short.value


def _unused_block(subject: Subject) -> Iterator[Finding]:
    used = set(_names_of_entries(tree.node_at(subject.composed, ["model"])))
    for name, entry in _defined(subject, "model", "blocks"):
        if name not in used:
            yield Finding(f"the block `{name}` is never used", entry.key_place, f"use it in `layers` as `- {name}`, or remove it")


UNUSED_BLOCK: Final = Rule(
    "unused-block",
    meaning="A block of `model.blocks` is used by no list of layers.",
    reason="Most often another block was meant in its place, or the layers that used it are gone. Blocks of a config that is "
    "extended may be left unused.",
    mend="Use it, or remove it.",
    example="""\
data: digits
model:
  blocks:
    hidden: [linear: 64, relu]
    wide: [linear: 256, relu]
  layers:
    - flatten
    - hidden
    - linear: ${data.num_classes}
""",
    mended="""\
data: digits
model:
  blocks:
    hidden: [linear: 64, relu]
    wide: [linear: 256, relu]
  layers:
    - flatten
    - wide
    - hidden
    - linear: ${data.num_classes}
""",
    check=_unused_block,
)


def _unused_variable(subject: Subject) -> Iterator[Finding]:
    texts = (scalar.value for scalar in _scalars(subject.composed))
    used = {name for text in texts if isinstance(text, str) for name in referenced_names(text)}
    for name, entry in _defined(subject, "vars"):
        if f"vars.{name}" not in used:
            help = f"write `${{vars.{name}}}` where it belongs, or remove it"
            yield Finding(f"the variable `{name}` is never used", entry.key_place, help)


UNUSED_VARIABLE: Final = Rule(
    "unused-variable",
    meaning="A variable of `vars` is named by no `${...}`.",
    reason="Changing it changes nothing. Most often the number was written a second time where the variable was meant. "
    "Variables of a config that is extended may be left unused.",
    mend="Write `${vars.NAME}` where it belongs, or remove it.",
    example="""\
vars: {width: 64}
data: digits
model:
  layers:
    - flatten
    - linear: 64
    - relu
    - linear: ${data.num_classes}
""",
    mended="""\
vars: {width: 64}
data: digits
model:
  layers:
    - flatten
    - linear: ${vars.width}
    - relu
    - linear: ${data.num_classes}
""",
    check=_unused_variable,
)
