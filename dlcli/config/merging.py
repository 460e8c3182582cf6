"""One tree on top of another."""

from __future__ import annotations

from dataclasses import replace

from dlcli.config.tree import Mapping, Node, Scalar


def merge(base: Mapping, over: Mapping) -> Mapping:
    """`over` on top of `base`, two configs: mappings merge, everything else replaces.

    A choice (`name:` and its fields) of another name replaces as a whole: the fields of one optimiser are not those
    of another.
    """
    merged = base
    for key, entry in over.entries.items():
        old, node = base.get(key), entry.node
        if isinstance(old, Mapping) and isinstance(node, Mapping) and key == "vars":
            node = replace(old, entries={**old.entries, **node.entries}, place=node.place)
        elif old is not None:
            node = _merged(old, node)
        merged = merged.with_entry(key, replace(entry, node=node))
    return replace(merged, place=over.place)


def _merged(base: Node, over: Node) -> Node:
    if not isinstance(over, Mapping) or not isinstance(base, Mapping | Scalar):
        return over
    if isinstance(base, Scalar):
        base = Mapping({}, base.place, short=base if base.value is not None else None)
    names = (choice_name(base), choice_name(over))
    if None not in names and names[0] != names[1]:
        return over
    merged = base
    for key, entry in over.entries.items():
        old = base.get(key)
        node = _merged(old, entry.node) if old is not None else entry.node
        merged = merged.with_entry(key, replace(entry, node=node))
    return replace(merged, place=over.place)


def choice_name(node: Mapping) -> object:
    """The `name` of a choice, or its short form; None where there is none."""
    name = node.get("name") or node.short
    return name.value if isinstance(name, Scalar) and isinstance(name.value, str) else None
