"""One tree out of a file, the files it extends and the `--set` overrides."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dlcli.config import yaml_source
from dlcli.config.diagnostics import Place, Report, Source, did_you_mean
from dlcli.config.tree import Entry, Mapping, Node, Scalar, Sequence, describe, shortened
from dlcli.errors import UsageError

SHIPPED_CONFIGS: Final = Path(__file__).parents[1] / "configs"
"""Where an installed package has the configs; in a checkout they stand beside it."""
MAX_EXTENDS: Final = 16
MAX_BYTES: Final = 4 * yaml_source.MAX_CHARACTERS
MAX_PATH: Final = 200
"""Characters of a path that a message shows."""


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
    tree = _read_dict(config, report) if isinstance(config, dict) else _read_file(Path(config), report, ())
    report.raise_if_any()
    assert tree is not None
    for override in overrides:
        tree = _apply(tree, override, report)
    report.raise_if_any()
    return tree


def _read_dict(config: dict[str, Any], report: Report) -> Mapping | None:
    try:
        text = json.dumps(config, indent=2, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the config holds something that YAML can't: {error}", help="use plain values") from error
    tree = _mapping(yaml_source.parse(Source("<dict>", text), report), report)
    return _extended(tree, Path(), report, ()) if tree else None


def _read_file(path: Path, report: Report, chain: tuple[Path, ...]) -> Mapping | None:
    tree = _mapping(yaml_source.parse(Source(str(path), _read_text(path)), report), report)
    return _extended(tree, path.parent, report, (*chain, path.resolve())) if tree else None


def _extended(tree: Mapping, folder: Path, report: Report, chain: tuple[Path, ...]) -> Mapping:
    """The tree on top of those that its `extends` names; `chain` are the files that led to it."""
    extended = tree.get("extends")
    if extended is None:
        return tree
    tree = tree.without("extends")
    for node in reversed(extended.items if isinstance(extended, Sequence) else (extended,)):
        base = _read_base(node, folder, report, chain)
        if base is not None:
            tree = merge(base, tree)
    return tree


def _read_base(node: Node, folder: Path, report: Report, chain: tuple[Path, ...]) -> Mapping | None:
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        report.error("type", f"`extends` takes the path of a config, not {describe(node)}", node.place)
        return None
    base = folder / node.value
    if not _is_file(base):
        message = f"there is no file {shortened(str(base), MAX_PATH)}"
        report.error("extends", message, node.place, help=f"the path counts from the folder {folder}")
        return None
    if base.resolve() in chain:
        report.error("extends", f"{base} extends itself", node.place, help="remove one of the `extends`")
        return None
    if len(chain) > MAX_EXTENDS:
        report.error("limit", f"more than {MAX_EXTENDS} files extend one another", node.place)
        return None
    return _read_file(base, report, chain)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        return False


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UsageError(f"{path} has more than {MAX_BYTES:,} bytes, and is no config")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", help=_nearest_config(path)) from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder, and a config is a file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text file", help="a config is YAML, in UTF-8") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} can't be read: {getattr(error, 'strerror', error)}") from error


def _nearest_config(path: Path) -> str | None:
    """Which config somebody may have meant: one that comes with dlcli, or one in the same folder."""
    shipped = SHIPPED_CONFIGS / path.name
    if shipped.is_file():
        return f"one of this name comes with dlcli: {shipped}"
    nearby = sorted(file.name for file in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
    return did_you_mean(path.name, nearby) if nearby else "give the path of a YAML file"


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
    names = (_choice_name(base), _choice_name(over))
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


def _choice_name(node: Mapping) -> object:
    name = node.get("name") or node.short
    return name.value if isinstance(name, Scalar) and isinstance(name.value, str) else None


def _apply(tree: Mapping, override: str, report: Report) -> Mapping:
    path, equals, _ = override.partition("=")
    steps = path.strip().split(".")
    if not equals or not all(steps):
        raise UsageError(f"`--set {override}` is not of the form a.b.c=value", help="for example --set train.epochs=5")
    if len(steps) > yaml_source.MAX_DEPTH:
        raise UsageError(f"`--set` goes {len(steps)} levels deep, and a config at most {yaml_source.MAX_DEPTH}")
    if steps[0] == "extends":
        raise UsageError("`--set` can't change `extends`", help="a config says itself what it extends")
    source = Source(f"--set {path.strip()}", override)
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


def _set_item(node: Sequence, step: str, rest: list[str], new: Entry, report: Report) -> Node:
    index = _index_of(step, node, new.key_place, report)
    if index is None:
        return node
    item = node.items[index]
    if rest and isinstance(item, Scalar) and item.value == rest[0]:  # the short form of a layer: `relu` is `{relu: {}}`
        item = Mapping({rest[0]: Entry(item.place, Mapping({}, item.place))}, item.place)
    if (
        rest
        and isinstance(item, Mapping)
        and item.short is None
        and len(item.entries) == 1
        and rest[0] not in item.entries
        and "name" not in item.entries
    ):
        rest = [next(iter(item.entries)), *rest]  # the layer's type may be left out
    changed = _set(item, rest, new, report)
    return replace(node, items=(*node.items[:index], changed, *node.items[index + 1 :]))


def _index_of(step: str, node: Sequence, place: Place, report: Report) -> int | None:
    """Which entry of a list `step` means: its index, or a name that only one entry has."""
    if step.isdecimal():
        if len(step) < 9 and int(step) < len(node.items):
            return int(step)
        last = f"the list has the entries 0 to {len(node.items) - 1}" if node.items else "the list is empty"
        report.error("unknown-name", f"there is no entry {step} in the list", place, help=last)
        return None
    named = [_names_of(item) for item in node.items]
    found = [index for index, names in enumerate(named) if step in names]
    if len(found) == 1:
        return found[0]
    if found:
        message = f"{len(found)} entries of the list are called `{step}`"
        help: str | None = "their indices: " + ", ".join(str(index) for index in found)
    else:
        message = f"there is no entry `{step}` in the list"
        help = did_you_mean(step, {name for names in named for name in names})
    report.error("unknown-name", message, place, help=help)
    return None


def _names_of(item: Node) -> list[str]:
    """The names by which an entry of a list can be reached: its `name:`, for a choice also its short form."""
    if isinstance(item, Scalar):
        return [item.value] if isinstance(item.value, str) else []
    if not isinstance(item, Mapping):
        return []
    named = [item, *(entry.node for entry in item.entries.values() if isinstance(entry.node, Mapping))]
    names: list[object] = [_choice_name(mapping) for mapping in named]
    if item.short is not None:
        names.append(item.short.value)
    return [str(name) for name in names if name is not None]
