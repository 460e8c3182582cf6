"""`model.blocks`: lists of layers with a name and parameters, and what a use of one makes of its parameters."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from dlcli.config import tree
from dlcli.config.diagnostics import Place, Report, did_you_mean
from dlcli.config.interpolation import Names, Variable, interpolate
from dlcli.config.layers import LAYERS
from dlcli.config.spec import near_enough
from dlcli.config.tree import Node, Scalar, Sequence, describe
from dlcli.config.values import NAME, NAME_HELP

ENTRY_KEYS: Final = ("name", "from", "repeat")
"""What every entry of `layers` takes, and so what no parameter can be called."""


@dataclass(frozen=True)
class Block:
    """A list of layers that entries can use by its name.

    Attributes:
        name: what entries call it.
        params: each parameter with its default, None where a use must give it; None where they can't be read.
        layers: the list, its `${...}` still unread; None where the block has a mistake, so that its uses are not blamed.
        place: of the name.
    """

    name: str
    params: Mapping[str, Node | None] | None
    layers: Node | None
    place: Place


def read_blocks(node: Node | None, report: Report) -> dict[str, Block]:
    """Reads `model.blocks`; what is wrong with one is reported, and the others are read all the same."""
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return {}
    if not isinstance(node, tree.Mapping):
        help = "write `NAME: {params: {...}, layers: [...]}`"
        report.error("type", f"`blocks` takes a mapping of names and blocks, not {describe(node)}", node.place, help=help)
        return {}
    read = (_read_block(name, entry, report) for name, entry in node.entries.items())
    return {block.name: block for block in read if block is not None}


def _read_block(name: str, entry: tree.Entry, report: Report) -> Block | None:
    place, node = entry.key_place, entry.node
    if name in LAYERS:
        report.error("name", f"`{name}` is a layer, and no block can be called so", place, help="choose another name")
        return None
    if not re.fullmatch(NAME, name):
        report.error("name", f"no block can be called `{name}`", place, help=NAME_HELP)
        return Block(name, {}, None, place)
    if isinstance(node, Sequence):
        return Block(name, {}, node, place)
    if not isinstance(node, tree.Mapping):
        help = "write `layers:` with a list, and `params:` where it has any"
        report.error("type", f"a block is a mapping, not {describe(node)}", node.place, help=help)
        return Block(name, {}, None, place)
    for key, wrong in node.entries.items():
        if key not in ("params", "layers"):
            hint = did_you_mean(key, ("params", "layers"))
            report.error("unknown-key", f"the block `{name}` has no key `{key}`", wrong.key_place, help=hint)
    layers = node.get("layers")
    if layers is None and not any(near_enough(key, "layers") for key in node.entries if key != "params"):
        report.error("missing-key", f"the block `{name}` has no `layers`", place)
    return Block(name, _read_params(node.get("params"), report), layers, place)


def _read_params(node: Node | None, report: Report) -> dict[str, Node | None] | None:
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return {}
    if not isinstance(node, tree.Mapping):
        help = "write `{channels: , stride: 1}`: without a value a use must give one"
        report.error("type", f"`params` takes a mapping of names and defaults, not {describe(node)}", node.place, help=help)
        return None
    params: dict[str, Node | None] = {}
    for name, entry in node.entries.items():
        if name in ENTRY_KEYS or not re.fullmatch(NAME, name):
            report.error("name", f"no parameter can be called `{name}`", entry.key_place, help="choose another name")
        elif isinstance(entry.node, tree.Mapping):
            report.error("type", "a default is a number, a text or a list, not a mapping", entry.node.place)
        else:
            is_required = isinstance(entry.node, Scalar) and entry.node.value is None
            params[name] = None if is_required else entry.node
    return params


def parameters(block: Block, fields: Node, names: Names, report: Report) -> Names | None:
    """What names mean inside one use of a block.

    Args:
        block: which one.
        fields: what the use gives: a mapping, or a value for the first parameter.
        names: what can be referred to by the defaults.
        report: where mistakes are recorded.

    Returns:
        The names outside and the parameters, or None where one of these is missing.
    """
    if block.params is None:
        return None
    given = _given(block.params, fields)
    if given is None:
        help = f"its parameters: {', '.join(f'`{name}`' for name in block.params) or 'none'}"
        report.error("type", f"`{block.name}` takes a mapping of its parameters, not {describe(fields)}", fields.place, help=help)
        return None
    for key, entry in given.entries.items():
        if key not in block.params and key not in ENTRY_KEYS:
            hint = did_you_mean(key, [*block.params, *ENTRY_KEYS]) if block.params else f"add `params: {{{key}: }}` to the block"
            related = (("the block is here", block.place),)
            message = f"the block `{block.name}` has no parameter `{key}`"
            report.error("unknown-key", message, entry.key_place, help=hint, related=related)
    values: dict[str, object] = {}
    for name, default in block.params.items():
        node = given.get(name)
        if node is None and default is not None:
            node = interpolate(default, names, report)
        if node is None:
            if not any(near_enough(key, name) for key in given.entries if key not in block.params):
                related = (("the block is here", block.place),)
                report.error("missing-key", f"`{block.name}` needs `{name}`", fields.place, related=related)
        elif isinstance(node, tree.Mapping):
            report.error("type", f"`{name}` is a number, a text or a list, not a mapping", node.place)
        else:
            values[name] = Variable(node)
    return ChainMap(values, cast("dict[str, object]", names)) if len(values) == len(block.params) else None


def _given(params: Mapping[str, Node | None], fields: Node) -> tree.Mapping | None:
    """A use as a mapping."""
    if isinstance(fields, tree.Mapping):
        if fields.short is None:
            return fields
        inner = _given(params, fields.short)
        return inner and tree.Mapping(inner.entries | fields.entries, fields.place)
    if isinstance(fields, Scalar) and fields.value is None:
        return tree.Mapping({}, fields.place)
    first = next(iter(params), None)
    return tree.Mapping({first: tree.Entry(fields.place, fields)}, fields.place) if first else None
