"""From the list under `layers` to a graph: named nodes, their inputs, and every shape inferred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dlcli.config import tree
from dlcli.config.diagnostics import Place, Report, did_you_mean
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.layers.time_distributed import TimeDistributed
from dlcli.config.shapes import Image, Sequence, Shape, ShapeError, Vector, Volume, holds_tokens, num_values
from dlcli.config.spec import dump, read
from dlcli.config.tree import Node, Scalar, describe

INPUT: Final = "input"
"""The name of what the graph reads."""

MAX_LAYERS: Final = 5_000


@dataclass(frozen=True)
class LayerNode:
    """One layer of a graph."""

    name: str
    spec: LayerSpec
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    place: Place
    body: Graph | None = None
    """The layers inside, for `time_distributed`."""

    def parameter_count(self) -> int:
        if self.body is not None:
            return self.body.parameter_count()
        return self.spec.parameter_count(*self.input_shapes)


@dataclass(frozen=True)
class Graph:
    """Layers in the order in which they run; each reads only what stands above it."""

    input_shape: Shape
    nodes: tuple[LayerNode, ...]

    @property
    def output_shape(self) -> Shape:
        return self.nodes[-1].output_shape

    def parameter_count(self) -> int:
        return sum(node.parameter_count() for node in self.nodes)

    def as_entries(self) -> list[dict[str, Any]]:
        """The list that reads back as this graph, every field written out."""
        entries = []
        for node in self.nodes:
            fields = dump(node.spec) | {"name": node.name}
            if node.spec.from_ is None:
                del fields["from"]
            if node.body is not None:
                fields["layers"] = node.body.as_entries()
            entries.append({node.spec.kind: fields})
        return entries


def read_graph(node: Node, input_shape: Shape | None, reserved: frozenset[str], report: Report) -> Graph | None:
    """Reads a list of layers.

    Args:
        node: the list.
        input_shape: what the first layer reads; None where it is not known, and then no shape is inferred.
        reserved: names that a layer can't have.
        report: where mistakes are recorded.

    Returns:
        The graph, or None where there was a mistake or the input's shape is not known.
    """
    if not isinstance(node, tree.Sequence):
        help = "write one entry a line: `- relu`, `- linear: 64`"
        report.error("type", f"`layers` takes a list, not {describe(node)}", node.place, help=help)
        return None
    if not 1 <= len(node.items) <= MAX_LAYERS:
        report.error("range", f"`layers` holds {len(node.items):,} entries, and takes 1 to {MAX_LAYERS:,}", node.place)
        return None
    reader = _GraphReader(input_shape, reserved, report)
    for item in node.items:
        reader.take(item)
    if len(reader.nodes) < len(node.items) or input_shape is None:
        return None
    return Graph(input_shape, tuple(reader.nodes))


@dataclass(frozen=True)
class _Defined:
    """What is known of a name: its shape, if it could be inferred, and where it stands."""

    shape: Shape | None
    place: Place | None
    label: str = INPUT
    """The name that the config gives, or else the layer's kind."""


class _GraphReader:
    """Takes the entries in order, keeping what each name stands for."""

    def __init__(self, input_shape: Shape | None, reserved: frozenset[str], report: Report) -> None:
        self.nodes: list[LayerNode] = []
        self._reserved = reserved
        self._report = report
        self._defined: dict[str, _Defined] = {INPUT: _Defined(input_shape, None)}
        self._previous = INPUT
        self._counts: dict[str, int] = {}

    def take(self, item: Node) -> None:
        """Reads one entry and infers its shape; reports what is wrong with it."""
        kind, fields, place = self._split(item)
        if kind is None:
            self._define("", None, place)
            return
        spec_class = LAYERS.get(kind)
        if spec_class is None:
            self._report.error("unknown-layer", f"there is no layer `{kind}`", place, help=did_you_mean(kind, LAYERS))
        spec = read(fields, spec_class, kind, self._report) if spec_class else None
        number = self._next_number(kind)
        given = self._given_name(fields)
        name, label = given or f"{kind}_{number}", given or kind
        if spec is None:
            self._define(name, None, place, label)
            return
        inputs = self._inputs(spec, fields)
        shapes = [self._defined[source].shape for source in inputs]
        known = tuple(shape for shape in shapes if shape is not None)
        shape: Shape | None = None
        body = self._body(spec, shapes[0] if shapes else None) if isinstance(spec, TimeDistributed) else None
        if inputs and len(known) == len(shapes):
            shape = self._shape(spec, inputs, known, place, body)
        if shape is not None:
            self.nodes.append(LayerNode(name, spec, inputs, known, shape, place, body))
        self._define(name, shape, place, label)

    def _define(self, name: str, shape: Shape | None, place: Place, label: str = "") -> None:
        self._defined[name] = _Defined(shape, place, label)
        self._previous = name

    def _split(self, item: Node) -> tuple[str | None, Node, Place]:
        """An entry's layer, its fields and the place of its name."""
        nothing = tree.Mapping({}, item.place)
        if isinstance(item, Scalar) and isinstance(item.value, str):
            return item.value, nothing, item.place
        if isinstance(item, tree.Mapping) and item.short is not None and isinstance(item.short.value, str):
            return item.short.value, replace(item, short=None), item.short.place
        if isinstance(item, tree.Mapping) and len(item.entries) == 1:
            kind, entry = next(iter(item.entries.items()))
            return kind, entry.node, entry.key_place
        if isinstance(item, tree.Mapping) and item.entries:
            first = next(iter(item.entries))
            help = f"indent the fields below `{first}:`, or write `- {first}: {{...}}` on one line"
            self._report.error("type", "a layer has one key, its name, with the fields inside it", item.place, help=help)
        else:
            help = "write `- relu` or `- conv2d: {out_channels: 32, kernel_size: 3}`"
            self._report.error(
                "type", f"a layer is a name, or a name with its fields, not {describe(item)}", item.place, help=help
            )
        return None, nothing, item.place

    def _next_number(self, kind: str) -> int:
        """A layer's number among those of its kind; one that no name given above has taken."""
        number = self._counts.get(kind, 0) + 1
        while f"{kind}_{number}" in self._defined:
            number += 1
        self._counts[kind] = number
        return number

    def _given_name(self, fields: Node) -> str | None:
        """What stands under `name`, if it can be one."""
        given = fields.get("name") if isinstance(fields, tree.Mapping) else None
        if not isinstance(given, Scalar) or not isinstance(given.value, str):
            return None
        if given.value in self._reserved or given.value == INPUT:
            help = f"choose another, for example `{given.value}_layer`"
            self._report.error("name", f"a layer can't be called `{given.value}`", given.place, help=help)
        elif given.value in self._defined:
            first = self._defined[given.value].place
            related = (("the first one is here", first),) if first else ()
            self._report.error("name", f"two layers are called `{given.value}`", given.place, related=related)
        return given.value

    def _inputs(self, spec: LayerSpec, fields: Node) -> tuple[str, ...]:
        """The names that the layer reads; empty where one of them is not there."""
        if spec.from_ is None:
            return (self._previous,)
        path = ["from"] if isinstance(fields, tree.Mapping) else []
        place = tree.place_of(fields, path)
        ok = True
        for index, name in enumerate(spec.from_):
            if name not in self._defined:
                here = tree.place_of(fields, [*path, index])
                help = did_you_mean(name, [known for known in self._defined if known])
                self._report.error("unknown-name", f"no layer above is called `{name}`", here, help=help)
                ok = False
        if not spec.joins and len(spec.from_) > 1:
            help = "join them first, with `add`, `multiply` or `concat`"
            self._report.error("type", f"`{spec.kind}` reads one input, and `from` names {len(spec.from_)}", place, help=help)
            ok = False
        return spec.from_ if ok else ()

    def _body(self, spec: TimeDistributed, shape: Shape | None) -> Graph | None:
        item = shape.item if isinstance(shape, Sequence) else None
        return read_graph(spec.layers, item, self._reserved, self._report)

    def _shape(
        self, spec: LayerSpec, inputs: tuple[str, ...], shapes: tuple[Shape, ...], place: Place, body: Graph | None
    ) -> Shape | None:
        try:
            for shape in shapes:
                _check_accepts(spec, shape)
            if isinstance(spec, TimeDistributed):
                assert isinstance(shapes[0], Sequence)
                return Sequence(shapes[0].time, body.output_shape) if body else None
            return spec.output_shape(*shapes)
        except ShapeError as error:
            related = tuple(self._origin(name) for name in inputs)
            self._report.error("shape", str(error), place, help=error.help, related=tuple(r for r in related if r is not None))
            return None

    def _origin(self, name: str) -> tuple[str, Place] | None:
        defined = self._defined[name]
        return (f"its input comes from `{defined.label}`", defined.place) if defined.place else None


_ARTICLES: Final[Mapping[str, str]] = {
    "vector": "a vector",
    "series": "a sequence of vectors",
    "tokens": "a sequence of tokens",
    "token": "a token",
    "image": "an image",
    "clip": "a sequence of images",
    "volume": "a volume",
}


def _check_accepts(spec: LayerSpec, shape: Shape) -> None:
    if isinstance(spec, TimeDistributed):
        if not isinstance(shape, Sequence):
            raise ShapeError(f"`{spec.kind}` reads a sequence, and its input is {shape}")
        return
    if not spec.accepts:
        if holds_tokens(shape):
            raise ShapeError(f"`{spec.kind}` reads numbers, and its input is {shape}", help="put `- embedding: 64` before it")
        return
    if shape.layout not in spec.accepts:
        raise ShapeError(f"{_reads(spec)}, and its input is {shape}", help=_mend(spec, shape))


def _reads(spec: LayerSpec) -> str:
    if spec.kind == "linear":
        return "`linear` reads the last axis"
    return f"`{spec.kind}` reads " + " or ".join(_ARTICLES[layout] for layout in spec.accepts)


def _mend(spec: LayerSpec, shape: Shape) -> str | None:
    """What to put before a layer that can't read its input."""
    if holds_tokens(shape):
        return "put `- embedding: 64` before it"
    if isinstance(shape, Sequence) and isinstance(shape.item, Image) and {"image", "vector"} & set(spec.accepts):
        return "put it, and what belongs to it, inside `- time_distributed: [...]`"
    if "vector" in spec.accepts:
        return f"put `- flatten` before it: it gives {num_values(shape)} features"
    if "series" in spec.accepts and isinstance(shape, Image):
        return "`data: {view: rows}` reads an image as a sequence of rows"
    if "series" in spec.accepts and isinstance(shape, Vector):
        return "does a recurrent layer above it need `return: sequence`?"
    if "image" in spec.accepts and isinstance(shape, Vector | Sequence | Volume):
        return f"put `- reshape: [C, H, W]` before it, three sizes that multiply to {num_values(shape)}"
    return None
