"""One tree on top of another."""

from __future__ import annotations

from dataclasses import replace

from dlcli.config.tree import Mapping, Scalar


def merge(base: Mapping, over: Mapping) -> Mapping:
    """`over` on top of `base`: mappings merge, everything else replaces.

    A choice (`name:` and its fields) of another name replaces as a whole: the fields of one optimiser are not those
    of another.
    """
    names = (choice_name(base), choice_name(over))
    if None not in names and names[0] != names[1]:
        return over
    merged = base
    for key, entry in over.entries.items():
        old = base.get(key)
        node = entry.node
        if isinstance(old, Scalar) and old.value is not None:
            old = Mapping({}, old.place, short=old)
        if isinstance(old, Mapping) and isinstance(node, Mapping):
            node = merge(old, node)
        merged = merged.with_entry(key, replace(entry, node=node))
    return replace(merged, place=over.place)


def choice_name(node: Mapping) -> object:
    """The `name` of a choice, or its short form; None where there is none."""
    name = node.get("name") or node.short
    return name.value if isinstance(name, Scalar) and isinstance(name.value, str) else None
