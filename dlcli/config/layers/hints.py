"""What to write in place of a layer or of a layer's field that is not there."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from dlcli.config import tree
from dlcli.config.diagnostics import did_you_mean, nearest, same_meaning, same_meanings
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.layers.recurrent import Recurrent
from dlcli.config.shapes import Shape
from dlcli.config.slips import as_entry
from dlcli.config.spec import key_of
from dlcli.config.synonyms import plain_word
from dlcli.config.tree import Node, Scalar

_CALL: Final = re.compile(r"([\w.]+)\((.*)\)", re.DOTALL)
_OF_INPUT: Final = ("inchannels", "infeatures", "inputsize", "inputshape", "inputdim", "numfeatures", "numembeddings")
"""What other libraries want to be told of a layer's input, and its shape says here."""


def help_for_layer(kind: str, fields: Node, known: Collection[str], shape: Shape | None) -> str | None:
    """What to write in place of an unknown layer.

    Args:
        kind: what was written.
        fields: what stands behind it.
        known: the layers and blocks there are.
        shape: of what the layer reads, where it is known.
    """
    meant = same_meanings(kind, known)
    called, entry = _CALL.fullmatch(kind.strip()), as_entry(kind)
    if meant and called is not None and called[2].strip():
        return f"did you mean `{meant[0]}`? write `- {meant[0]}: {_fields_of(meant[0], called[2].strip())}`"
    if meant:
        fitting = [name for name in meant if shape is not None and name in LAYERS and _reads(LAYERS[name], shape)]
        return f"did you mean {_either(fitting[:1] or meant)}?"
    name = nearest(entry[0], known) if entry is not None else None
    if entry is not None and name is not None:
        return f"write `- {name}: {entry[1]}`, with a space after the colon"
    see = "dlcli schema --field model.layers"
    return _bidirectional(kind, fields) or did_you_mean(kind, known, see)


def _reads(spec: type[LayerSpec], shape: Shape) -> bool:
    return not spec.accepts or shape.layout in spec.accepts


def _either(names: Collection[str]) -> str:
    *first, last = [f"`{name}`" for name in names]
    return f"{', '.join(first)} or {last}" if first else last


def _fields_of(name: str, arguments: str) -> str:
    """How the arguments of a call are written: as one value, or each with its name."""
    spec = LAYERS.get(name)
    if spec is None:
        return "{...}"
    if spec.main is not None and re.fullmatch(r"[\d.]+", arguments):
        return arguments
    needed = [key_of(field, info) for field, info in spec.model_fields.items() if info.is_required()]
    return "{" + ", ".join(f"{key}: ..." for key in needed or [spec.main or "name"]) + "}"


def _bidirectional(kind: str, fields: Node) -> str | None:
    """Keras's wrapper around a recurrent layer, and `bilstm`."""
    word = plain_word(kind)
    inside = word.removeprefix("bidirectional") if word.startswith("bidirectional") else word.removeprefix("bi")
    if inside == word:
        return None
    recurrent = [name for name, spec in LAYERS.items() if issubclass(spec, Recurrent)]
    if inside in ("", "layer"):
        words = plain_word(str(tree.plain(fields)))
        inside = next((name for name in recurrent if name in words), "lstm")
    if inside not in recurrent:
        return None
    size = fields.value if isinstance(fields, Scalar) and isinstance(fields.value, int) else "..."
    return f"write `{inside}: {{hidden_size: {size}, bidirectional: true}}`"


def help_for_field(key: str, node: Node, spec: type[LayerSpec]) -> str | None:
    """What to do with a field that a layer has in other libraries, and here is an entry of its own, a word or not needed."""
    word, value = plain_word(key), node.value if isinstance(node, Scalar) else None
    if word == "activation" and "nonlinearity" in spec.model_fields:
        return "did you mean `nonlinearity`?"
    if word == "activation" and issubclass(spec, Recurrent):
        return f"remove it: the activations of `{spec.kind}` are fixed"
    if word == "activation":
        return f"put `- {same_meaning(str(value), LAYERS) or 'relu'}` below this layer: an activation is an entry of its own"
    if word == "returnsequences" and issubclass(spec, Recurrent):
        return "write `return: last`" if value is False else "write `return: sequence`"
    if word in _OF_INPUT:
        return "remove it: the shape of the input is known"
    return None
