"""One tree out of a file, the files it extends and the `--set` overrides."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dlcli.config import yaml_source
from dlcli.config.diagnostics import Place, Report, Source, did_you_mean
from dlcli.config.tree import Entry, Mapping, Node, Scalar, Sequence, describe
from dlcli.errors import UsageError

MAX_EXTENDS: Final = 16


def load(config: str | Path | dict[str, Any], overrides: Iterable[str] = ()) -> Mapping:
    """Reads a config with all that it extends, and applies overrides of the form `a.b.c=value`.

    Args:
        config: a path, or a dict of plain values.
        overrides: later ones win; a value is read as YAML.

    Raises:
        UsageError: the file can't be read, or an override is not of that form.
        ConfigError: the text has mistakes.
    """
    report = Report()
    tree = _from_dict(config, report) if isinstance(config, dict) else _read_file(Path(config), report, ())
    report.raise_if_any()
    assert tree is not None
    for override in overrides:
        tree = _apply(tree, override, report)
    report.raise_if_any()
    return tree


def _from_dict(config: dict[str, Any], report: Report) -> Mapping | None:
    try:
        text = json.dumps(config, indent=2, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the config holds something that YAML can't: {error}", help="use plain values") from error
    return _mapping(yaml_source.parse(Source("<dict>", text), report), report)


def _read_file(path: Path, report: Report, chain: tuple[Path, ...]) -> Mapping | None:
    tree = _mapping(yaml_source.parse(Source(str(path), _read_text(path)), report), report)
    extended = tree.get("extends") if tree else None
    if tree is None or extended is None:
        return tree
    tree = tree.without("extends")
    for node in reversed(extended.items if isinstance(extended, Sequence) else (extended,)):
        base = _read_base(node, path, report, (*chain, path.resolve()))
        if base is not None:
            tree = merge(base, tree)
    return tree


def _read_base(node: Node, path: Path, report: Report, chain: tuple[Path, ...]) -> Mapping | None:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        report.error("type", f"`extends` takes the path of a config, not {describe(node)}", node.place)
        return None
    base = path.parent / node.value
    if base.resolve() in chain or len(chain) > MAX_EXTENDS:
        report.error("extends", f"{base} extends itself", node.place, help="remove one of the `extends`")
        return None
    if not base.is_file():
        help = f"the path counts from the folder of {path.name}"
        report.error("extends", f"there is no file {base}", node.place, help=help)
        return None
    return _read_file(base, report, chain)


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        nearby = sorted(file.name for file in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        help = did_you_mean(path.name, nearby) if nearby else "give the path of a YAML file"
        raise UsageError(f"there is no file {path}", help=help) from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder, and a config is a file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text file", help="a config is YAML, in UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error


def _mapping(tree: Node | None, report: Report) -> Mapping | None:
    if tree is None or isinstance(tree, Mapping):
        return tree
    help = "a config has the keys `data`, `model` and `train`"
    report.error("type", f"a config is a mapping, and this file holds {describe(tree)}", tree.place, help=help)
    return None


def merge(base: Mapping, over: Mapping) -> Mapping:
    """`over` on top of `base`: mappings merge, everything else replaces.

    A choice (`name:` and its fields) of another name replaces as a whole: the fields of one optimiser are not those
    of another.
    """
    if _choice_name(over) is not None and _choice_name(over) != _choice_name(base):
        return over
    merged = base
    for key, entry in over.entries.items():
        old = base.get(key)
        node = entry.node
        if isinstance(old, Mapping) and isinstance(node, Mapping):
            node = merge(old, node)
        merged = merged.with_entry(key, replace(entry, node=node))
    return replace(merged, place=over.place)


def _choice_name(node: Mapping) -> object:
    name = node.get("name")
    return name.value if isinstance(name, Scalar) else None


def _apply(tree: Mapping, override: str, report: Report) -> Mapping:
    path, equals, text = override.partition("=")
    steps = path.strip().split(".")
    if not equals or not all(steps):
        raise UsageError(f"`--set {override}` is not of the form a.b.c=value", help="for example --set train.epochs=5")
    source = Source(f"--set {path.strip()}", override)
    offset = len(path) + 1
    value = (
        yaml_source.parse(Source(source.name, " " * offset + text), report)
        if text.strip()
        else Scalar(None, Place(source, 1, offset + 1))
    )
    if value is None:
        return tree
    changed = _set(tree, steps, Entry(Place(source, 1, 1, len(path)), _relocated(value, source)), report)
    assert isinstance(changed, Mapping)
    return changed


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
        if isinstance(node.value, str):  # the short form of a choice: `adam` is `{name: adam}`
            node = Mapping({"name": Entry(node.place, node)}, node.place)
        else:
            node = Mapping({}, new.key_place)
    old = node.get(step)
    inner = old if old is not None else Mapping({}, new.key_place)
    key_place = node.entries[step].key_place if old is not None else new.key_place
    return node.with_entry(step, Entry(key_place, _set(inner, rest, new, report)))


def _set_item(node: Sequence, step: str, rest: list[str], new: Entry, report: Report) -> Node:
    names = {name: index for index, item in enumerate(node.items) for name in _names_of(item)}
    index = int(step) if step.isdecimal() else names.get(step, -1)
    if not 0 <= index < len(node.items):
        help = f"the list has the entries 0 to {len(node.items) - 1}" if step.isdecimal() else did_you_mean(step, names)
        report.error("unknown-name", f"there is no entry `{step}` in the list", new.key_place, help=help)
        return node
    item = node.items[index]
    if rest and isinstance(item, Scalar) and item.value == rest[0]:  # the short form of a layer: `relu` is `{relu: {}}`
        item = Mapping({rest[0]: Entry(item.place, Mapping({}, item.place))}, item.place)
    if (
        rest
        and isinstance(item, Mapping)
        and len(item.entries) == 1
        and rest[0] not in item.entries
        and "name" not in item.entries
    ):
        rest = [next(iter(item.entries)), *rest]  # the layer's type may be left out
    changed = _set(item, rest, new, report)
    return replace(node, items=(*node.items[:index], changed, *node.items[index + 1 :]))


def _names_of(item: Node) -> list[str]:
    """The names by which an entry of a list can be reached: its `name:`, for a choice also its short form."""
    if isinstance(item, Scalar):
        return [item.value] if isinstance(item.value, str) else []
    if not isinstance(item, Mapping):
        return []
    named = [item, *(entry.node for entry in item.entries.values() if isinstance(entry.node, Mapping))]
    return [str(name) for mapping in named if (name := _choice_name(mapping)) is not None]
