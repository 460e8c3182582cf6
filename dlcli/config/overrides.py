"""`--set`: values changed, added or taken away by their path."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from dlcli.config import yaml_source
from dlcli.config.diagnostics import Place, Report, Source, did_you_mean
from dlcli.config.merging import choice_name
from dlcli.config.tree import MAX_DEPTH, Entry, Mapping, Node, Scalar, Sequence
from dlcli.errors import UsageError

REMOVE: Final = "~"
"""Before the path of an override: takes away what is there."""


def apply(tree: Mapping, override: str, report: Report) -> Mapping:
    """The tree with one override applied.

    Args:
        tree: a config.
        override: `a.b.c=value`, the value read as YAML, or `~a.b.c`.
        report: where mistakes are recorded.

    Raises:
        UsageError: the override is not of that form.
    """
    path, equals, _ = override.partition("=")
    removes = path.startswith(REMOVE)
    if removes and equals and path != REMOVE:
        help = f"write --set {path} to take it away, or --set {override.removeprefix(REMOVE)} to change it"
        raise UsageError(f"`--set {override}` takes a key away and gives it a value", help=help)
    steps = path.strip().removeprefix(REMOVE).split(".")
    if not (equals or removes) or not all(steps):
        help = "for example --set train.epochs=5, or --set ~train.schedule to take a key away"
        raise UsageError(f"`--set {override}` is not of the form a.b.c=value", help=help)
    if len(steps) > MAX_DEPTH:
        raise UsageError(f"`--set` goes {len(steps)} levels deep, and a config at most {MAX_DEPTH}")
    if steps[0] == "extends":
        raise UsageError("`--set` can't change `extends`", help="a config says itself what it extends")
    source = Source(f"--set {path.strip()}", override)
    if removes:
        changed = _removed(tree, steps, Place(source, 1, 1, len(path)), report)
        assert isinstance(changed, Mapping)
        return changed
    value = _override_value(source, len(path) + 1, report)
    if value is None:
        return tree
    changed = _set(tree, steps, Entry(Place(source, 1, 1, len(path)), value), report)
    assert isinstance(changed, Mapping)
    return changed


def _override_value(source: Source, start: int, report: Report) -> Node | None:
    """What stands from column `start` on, read as YAML with the places of the whole override."""
    if not source.text[start:].strip():
        return Scalar(None, Place(source, 1, start + 1))
    own = Report()
    value = yaml_source.parse(Source(source.name, " " * start + source.text[start:]), own)
    report.diagnostics += [replace(mistake, place=replace(mistake.place, source=source)) for mistake in own.diagnostics]
    return _relocated(value, source) if value is not None else None


def _relocated(node: Node, source: Source) -> Node:
    """The same values, shown in the text of the whole override."""
    place = replace(node.place, source=source)
    if isinstance(node, Scalar):
        return replace(node, place=place)
    if isinstance(node, Sequence):
        return Sequence(tuple(_relocated(item, source) for item in node.items), place)
    entries = {
        key: Entry(replace(entry.key_place, source=source), _relocated(entry.node, source)) for key, entry in node.entries.items()
    }
    return Mapping(entries, place)


def _set(node: Node, steps: list[str], new: Entry, report: Report) -> Node:
    """`node` with what `steps` lead to replaced by the new entry's node; missing mappings are made."""
    if not steps:
        return new.node
    step, rest = steps[0], steps[1:]
    if isinstance(node, Sequence):
        return _set_item(node, step, rest, new, report)
    if isinstance(node, Scalar):
        node = Mapping({}, node.place, short=node if node.value is not None else None)
    old = node.get(step)
    inner = old if old is not None else Mapping({}, new.key_place)
    key_place = node.entries[step].key_place if old is not None else new.key_place
    return node.with_entry(step, Entry(key_place, _set(inner, rest, new, report)))


def _removed(node: Node, steps: list[str], place: Place, report: Report) -> Node:
    """`node` without what `steps` lead to."""
    step, rest = steps[0], steps[1:]
    if isinstance(node, Sequence):
        index = _index_of(step, node, place, report)
        if index is None:
            return node
        item = node.items[index]
        kind = _kind_of(item)
        inner = [kind, *rest] if rest and kind is not None and kind != rest[0] else rest
        kept = (_removed(item, inner, place, report),) if rest else ()
        return replace(node, items=(*node.items[:index], *kept, *node.items[index + 1 :]))
    if not isinstance(node, Mapping) or step not in node.entries:
        known = list(node.entries) if isinstance(node, Mapping) else []
        report.error("unknown-name", f"there is no `{step}` to take away", place, help=did_you_mean(step, known))
        return node
    if not rest:
        return node.without(step)
    entry = node.entries[step]
    return node.with_entry(step, replace(entry, node=_removed(entry.node, rest, place, report)))


def _kind_of(item: Node) -> str | None:
    """The layer that an entry of a list is, where it is written with fields."""
    if isinstance(item, Mapping) and item.short is None and len(item.entries) == 1 and "name" not in item.entries:
        return next(iter(item.entries))
    return None


def _set_item(node: Sequence, step: str, rest: list[str], new: Entry, report: Report) -> Node:
    index = _index_of(step, node, new.key_place, report)
    if index is None:
        return node
    item = node.items[index]
    if rest and isinstance(item, Scalar) and item.value == rest[0]:  # the short form of a layer: `relu` is `{relu: {}}`
        item = Mapping({rest[0]: Entry(item.place, Mapping({}, item.place))}, item.place)
    kind = _kind_of(item)
    if rest and kind is not None and kind != rest[0]:
        rest = [kind, *rest]  # the layer's type may be left out
    if not rest and kind is not None and not _is_layer(new.node):
        rest = [kind]  # the layer's main field
    changed = _set(item, rest, new, report)
    return replace(node, items=(*node.items[:index], changed, *node.items[index + 1 :]))


def _is_layer(node: Node) -> bool:
    """Whether a value can stand for a whole entry of a list of layers."""
    return isinstance(node, Mapping) or (isinstance(node, Scalar) and isinstance(node.value, str))


def _index_of(step: str, node: Sequence, place: Place, report: Report) -> int | None:
    """Which entry of a list `step` means: its index, its name, or a layer's type, with a number where there are several."""
    if step.isdecimal():
        if len(step) < 9 and int(step) < len(node.items):
            return int(step)
        last = f"the list has the entries 0 to {len(node.items) - 1}" if node.items else "the list is empty"
        report.error("unknown-name", f"there is no entry {step} in the list", place, help=last)
        return None
    named = [_names_of(item) for item in node.items]
    kinds = [item.value if isinstance(item, Scalar) else _kind_of(item) for item in node.items]
    numbered = [f"{kind}_{kinds[: index + 1].count(kind)}" for index, kind in enumerate(kinds)]
    found = [index for index, names in enumerate(named) if step in names]
    found = found or [index for index, kind in enumerate(kinds) if kind == step]
    found = found or [index for index, name in enumerate(numbered) if name == step]
    if len(found) == 1:
        return found[0]
    if found:
        message = f"{len(found)} entries of the list are called `{step}`"
        help: str | None = "their indices: " + ", ".join(str(index) for index in found)
    else:
        message = f"there is no entry `{step}` in the list"
        help = did_you_mean(step, {name for names in named for name in names} | {str(kind) for kind in kinds if kind})
    report.error("unknown-name", message, place, help=help)
    return None


def _names_of(item: Node) -> list[str]:
    """The names by which an entry of a list can be reached: its `name:`, for a choice also its short form."""
    if isinstance(item, Scalar):
        return [item.value] if isinstance(item.value, str) else []
    if not isinstance(item, Mapping):
        return []
    named = [item, *(entry.node for entry in item.entries.values() if isinstance(entry.node, Mapping))]
    names: list[object] = [choice_name(mapping) for mapping in named]
    if item.short is not None:
        names.append(item.short.value)
    return [str(name) for name in names if name is not None]
