"""From the list under `layers` to a graph: names, edges, blocks and repetitions resolved, and every shape inferred."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Final

from dlcli.config import tree
from dlcli.config.blocks import ENTRY_KEYS, Block, parameters
from dlcli.config.diagnostics import Place, Related, Report, did_you_mean
from dlcli.config.facts import INPUT
from dlcli.config.graph import Graph, LayerNode
from dlcli.config.interpolation import Names, interpolate
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.layers.fitting import check_accepts, check_size
from dlcli.config.layers.hints import help_for_field, help_for_layer
from dlcli.config.layers.nesting import Nesting, Sequential, Share
from dlcli.config.reserved_names import RESERVED_NAMES
from dlcli.config.shapes import Shape, ShapeError
from dlcli.config.spec import read
from dlcli.config.tree import Node, Scalar, describe

MAX_LAYERS: Final = 5_000
"""Of a network, the layers inside of blocks and repetitions counted each time."""


@dataclass
class Vocabulary:
    """What entries can refer to, wherever they stand.

    Attributes:
        blocks: those of `model.blocks`.
        names: what `${...}` can refer to.
        report: where mistakes are recorded.
        open_blocks: the uses that an entry stands inside, from the outermost.
        layers_left: how many more layers a network may have.
    """

    report: Report
    blocks: Mapping[str, Block] = field(default_factory=dict)
    names: Names = field(default_factory=dict)
    open_blocks: tuple[str, ...] = ()
    layers_left: list[int] = field(default_factory=lambda: [MAX_LAYERS])


def read_graph(node: Node, inputs: Mapping[str, Shape | None], vocabulary: Vocabulary) -> Graph | None:
    """Reads a list of layers.

    Args:
        node: the list, its `${...}` replaced.
        inputs: what the layers can read from outside; a shape is None where it is not known, and then nothing is inferred
            from it.
        vocabulary: what the entries can refer to, and where mistakes are recorded.

    Returns:
        The graph, whose output is the last layer, or None where there was a mistake or a shape is not known.
    """
    report = vocabulary.report
    if not isinstance(node, tree.Sequence):
        help = "write one entry a line: `- relu`, `- linear: 64`"
        report.error("type", f"`layers` takes a list, not {describe(node)}", node.place, help=help)
        return None
    if not 1 <= len(node.items) <= MAX_LAYERS:
        report.error("range", f"`layers` holds {len(node.items):,} entries, and takes 1 to {MAX_LAYERS:,}", node.place)
        return None
    reader = _GraphReader(inputs, vocabulary, _names_given(node))
    for item in node.items:
        reader.take(item)
    known = {name: shape for name, shape in inputs.items() if shape is not None}
    if not reader.complete or len(known) < len(inputs):
        return None
    return Graph(known, tuple(reader.nodes), (reader.nodes[-1].name,))


@dataclass(frozen=True)
class _Defined:
    """What is known of a name: the layer's own, its shape, if it could be inferred, its place, and what messages call it."""

    name: str
    shape: Shape | None
    place: Place | None
    label: str


@dataclass(frozen=True)
class _EntryOfList:
    """One entry, taken apart."""

    kind: str
    fields: Node
    place: Place

    def field(self, key: str) -> Node | None:
        return self.fields.get(key) if isinstance(self.fields, tree.Mapping) else None

    @property
    def given_name(self) -> str | None:
        """What stands under `name`, if it is a text."""
        node = self.field("name")
        return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else None


@dataclass(frozen=True)
class _Layer:
    """An entry that has been read, but for what it is connected to.

    Attributes:
        entry: where it stands.
        spec: its fields.
        layers: the list inside, its `${...}` replaced, for a nesting.
        vocabulary: of that list.
    """

    entry: _EntryOfList
    spec: LayerSpec
    layers: Node | None
    vocabulary: Vocabulary
    block: str | None = None


class _GraphReader:
    """Takes the entries in order, keeping what each name stands for."""

    def __init__(self, inputs: Mapping[str, Shape | None], vocabulary: Vocabulary, below: dict[str, Place]) -> None:
        self.nodes: list[LayerNode] = []
        self.complete = True
        self._vocabulary = vocabulary
        self._report = vocabulary.report
        self._inputs_of_graph = tuple(inputs)
        self._defined = {name: _Defined(name, shape, None, name) for name, shape in inputs.items()}
        self._previous: str | None = self._inputs_of_graph[0] if len(inputs) == 1 else None
        self._counts: dict[str, int] = {}
        self._below = below

    def take(self, item: Node) -> None:
        """Reads one entry and infers its shape; reports what is wrong with it."""
        entry = _split(item, self._report)
        if entry is None:
            self._unknown("", item.place, "")
            return
        if not self._within_limit(entry):
            return
        layer = self._read(entry)
        given = self._checked_name(entry)
        repeat = layer.spec.repeat if layer else 1
        if layer is None:
            numbered = self._numbered(entry.kind)
            self._unknown(given or numbered, entry.place, given or entry.kind)
            return
        for number in range(1, repeat + 1):
            if number > 1 and not self._within_limit(entry):
                return
            numbered = self._numbered(entry.kind)
            name = numbered if given is None else self._numbered(given) if repeat > 1 else given
            self._connect(layer, name, given or entry.kind, is_first=number == 1)
        if given and repeat > 1 and self._previous is not None:
            self._defined[given] = self._defined[self._previous]

    def _within_limit(self, entry: _EntryOfList) -> bool:
        left = self._vocabulary.layers_left
        left[0] -= 1
        if left[0] < 0:
            if left[0] == -1:
                message = f"blocks and repetitions make more than {MAX_LAYERS:,} layers"
                self._report.error("limit", message, entry.place, help="use fewer of them")
            self._unknown("", entry.place, "")
        return left[0] >= 0

    def _unknown(self, name: str, place: Place, label: str) -> None:
        """Notes an entry of which nothing is known, so that what reads it is not blamed."""
        self.complete = False
        self._define(name, None, place, label)

    def _define(self, name: str, shape: Shape | None, place: Place, label: str) -> None:
        self._defined[name] = _Defined(name, shape, place, label)
        self._previous = name

    def _read(self, entry: _EntryOfList) -> _Layer | None:
        """The entry's spec, and for a nesting the list inside."""
        block = self._vocabulary.blocks.get(entry.kind)
        if block is not None:
            return self._read_block(entry, block)
        spec_class = LAYERS.get(entry.kind)
        if spec_class is None:
            known = [*LAYERS, *self._vocabulary.blocks]
            help = help_for_layer(entry.kind, entry.fields, known, self._shape_read_by(entry))
            self._report.error("unknown-layer", f"there is no layer `{entry.kind}`", entry.place, help=help)
            return None
        spec = read(entry.fields, spec_class, entry.kind, self._report, lambda key, node: help_for_field(key, node, spec_class))
        if spec is None:
            return None
        if spec.joins and spec.repeat > 1:
            place = tree.place_of(entry.fields, ["repeat"])
            self._report.error("value", f"`{entry.kind}` reads several layers, and can't follow itself", place)
            return None
        return _Layer(entry, spec, spec.layers if isinstance(spec, Nesting) else None, self._vocabulary)

    def _shape_read_by(self, entry: _EntryOfList) -> Shape | None:
        """What an entry that can't be read would read."""
        source = entry.field("from")
        name = source.value if isinstance(source, Scalar) else self._previous
        return self._defined[name].shape if isinstance(name, str) and name in self._defined else None

    def _read_block(self, entry: _EntryOfList, block: Block) -> _Layer | None:
        if block.layers is None:
            return None
        opened = self._vocabulary.open_blocks
        if block.name in opened:
            chain = " -> ".join(f"`{name}`" for name in (*opened[opened.index(block.name) :], block.name))
            message = f"the block `{block.name}` uses itself: {chain}"
            self._report.error("cycle", message, entry.place, help="a block is made of layers and of other blocks")
            return None
        names = parameters(block, entry.fields, self._vocabulary.names, self._report)
        own = {} if not isinstance(entry.fields, tree.Mapping) else entry.fields.entries
        common = tree.Mapping({key: own[key] for key in ENTRY_KEYS if key in own}, entry.fields.place)
        layers = tree.Entry(block.place, block.layers)
        spec = read(common.with_entry("layers", layers), Sequential, block.name, self._report)
        if spec is None or names is None:
            return None
        vocabulary = replace(self._vocabulary, names=names, open_blocks=(*opened, block.name))
        with self._inside(block.name, entry):
            return _Layer(entry, spec, interpolate(block.layers, names, self._report), vocabulary, block.name)

    def _inside(self, block: str, entry: _EntryOfList) -> AbstractContextManager[None]:
        return self._report.inside(f"in this use of the block `{block}`", entry.place)

    def _numbered(self, stem: str) -> str:
        """A name from a stem and a number among those of its stem; one that no name given above has taken."""
        number = self._counts.get(stem, 0) + 1
        while f"{stem}_{number}" in self._defined or f"{stem}_{number}" in self._below:
            number += 1
        self._counts[stem] = number
        return f"{stem}_{number}"

    def _checked_name(self, entry: _EntryOfList) -> str | None:
        """What stands under `name`, if it can be one."""
        name, node = entry.given_name, entry.field("name")
        if name is None or node is None:
            return None
        if name in RESERVED_NAMES or name in self._inputs_of_graph:
            help = f"choose another, for example `{name}_layer`"
            self._report.error("name", f"a layer can't be called `{name}`", node.place, help=help)
        elif name in self._defined:
            first = self._defined[name].place
            related = (("the first one is here", first),) if first else ()
            self._report.error("name", f"two layers are called `{name}`", node.place, related=related)
        return name

    def _connect(self, layer: _Layer, name: str, label: str, *, is_first: bool) -> None:
        """Infers the shape of a layer, and makes it known under its name."""
        entry, spec = layer.entry, layer.spec
        inputs = self._inputs(spec, entry) if is_first or self._previous is None else (self._previous,)
        spec = spec if is_first else spec.model_copy(update={"from_": None})
        shapes = [self._defined[source].shape for source in inputs]
        known = tuple(shape for shape in shapes if shape is not None)
        are_known = bool(inputs) and len(known) == len(shapes)
        origins = self._origins(inputs)
        node: LayerNode | None = None
        if isinstance(spec, Share):
            node = self._shared(spec, entry, name, inputs, known) if are_known else None
        else:
            body = self._body(layer, shapes[0] if shapes else None)
            shape = None
            if are_known and (body is not None or not isinstance(spec, Nesting) or spec.inside(known[0]) is None):
                shape = self._shape(spec, known, entry.place, body, origins)
            if shape is not None:
                node = LayerNode(name, spec, inputs, known, shape, entry.place, body, layer.block)
        if node is None:
            self._unknown(name, entry.place, label)
            return
        self.nodes.append(node)
        self._define(name, node.output_shape, entry.place, label)

    def _inputs(self, spec: LayerSpec, entry: _EntryOfList) -> tuple[str, ...]:
        """The names that the layer reads; empty where one of them is not there."""
        if spec.from_ is None:
            if self._previous is None:
                known = ", ".join(f"`{name}`" for name in self._inputs_of_graph)
                message = f"the data has several inputs, and `{entry.kind}` does not say which it reads"
                self._report.error("missing-key", message, entry.place, help=f"write `from:` and one of {known}")
            return (self._previous,) if self._previous is not None else ()
        path = ["from"] if isinstance(entry.fields, tree.Mapping) else []
        unknown = [(index, name) for index, name in enumerate(spec.from_) if name not in self._defined]
        for index, name in unknown:
            place = tree.place_of(entry.fields, [*path, index])
            if name == entry.given_name:
                self._report.error("cycle", f"`{name}` reads itself", place, help="name a layer above it")
            else:
                self._report_unknown(name, place)
        if not spec.joins and len(spec.from_) > 1:
            help = "join them first, with `add`, `multiply` or `concat`"
            place = tree.place_of(entry.fields, path)
            self._report.error("type", f"`{entry.kind}` reads one input, and `from` names {len(spec.from_)}", place, help=help)
            return ()
        return () if unknown else tuple(self._defined[name].name for name in spec.from_)

    def _report_unknown(self, name: str, place: Place) -> None:
        """An edge that leads to nothing, or to a layer below."""
        if name in self._below:
            related = (("it stands here", self._below[name]),)
            message = f"`{name}` stands below, and a layer reads only what stands above it"
            self._report.error("cycle", message, place, help="move it above this layer", related=related)
            return
        help = did_you_mean(name, [known for known in self._defined if known])
        if self._vocabulary.open_blocks:
            help = f"{help}; a block sees its own layers and `{INPUT}`"
        self._report.error("unknown-name", f"no layer above is called `{name}`", place, help=help)

    def _shared(
        self, spec: Share, entry: _EntryOfList, name: str, inputs: tuple[str, ...], shapes: tuple[Shape, ...]
    ) -> LayerNode | None:
        """A layer above on another input."""
        named = self._defined[spec.layer].name if spec.layer in self._defined else spec.layer
        original = next((node for node in self.nodes if node.name == named), None)
        place = tree.place_of(entry.fields, ["layer"])
        if original is None:
            if spec.layer not in self._defined:
                self._report_unknown(spec.layer, place)
            elif spec.layer in self._inputs_of_graph:
                self._report.error("value", f"`{spec.layer}` is an input, and has no weights to share", place)
            return None
        if original.shares is not None:
            original = self._node(original.shares)
        if original.spec.joins:
            self._report.error("value", f"`{original.spec.kind}` has no weights to share", place)
            return None
        there, here = original.input_shapes[0], shapes[0]
        fits = there == here if original.body is not None else original.spec.same_weights(there, here)
        if not fits:
            related = ((f"`{original.name}` is here", original.place),)
            message = f"the weights of `{original.name}` are for {there}, and its input here is {here}"
            self._report.error("shape", message, entry.place, related=related)
            return None
        shape = original.output_shape
        if original.body is None:
            inferred = self._shape(original.spec, shapes, entry.place, None, self._origins(inputs))
            if inferred is None:
                return None
            shape = inferred
        return replace(
            original, name=name, inputs=inputs, input_shapes=shapes, output_shape=shape, place=entry.place, shares=original.name
        )

    def _node(self, name: str) -> LayerNode:
        return next(node for node in self.nodes if node.name == name)

    def _body(self, layer: _Layer, shape: Shape | None) -> Graph | None:
        """The layers inside a nesting."""
        if layer.layers is None:
            return None
        assert isinstance(layer.spec, Nesting)
        shape = layer.spec.inside(shape) if shape is not None else None
        if layer.block is None:
            body = read_graph(layer.layers, {INPUT: shape}, layer.vocabulary)
            return self._without_own_weights(layer.spec, body)
        with self._inside(layer.block, layer.entry):
            return read_graph(layer.layers, {INPUT: shape}, layer.vocabulary)

    def _without_own_weights(self, spec: Nesting, body: Graph | None) -> Graph | None:
        """The layers inside; None where one has the name of a weight of the nesting."""
        taken = [node for node in body.nodes if node.name in spec.own_weights] if body is not None else []
        for node in taken:
            message = f"a layer inside of `{spec.kind}` can't be called `{node.name}`: it has a weight of that name"
            self._report.error("name", message, node.place, help=f"choose another, for example `{node.name}_layer`")
        return None if taken else body

    def _shape(
        self, spec: LayerSpec, shapes: tuple[Shape, ...], place: Place, body: Graph | None, origins: Related
    ) -> Shape | None:
        try:
            for shape in shapes:
                check_accepts(spec, shape)
            if isinstance(spec, Nesting):
                return spec.around(shapes[0], body.output_shape) if body else None
            output = spec.output_shape(*shapes)
            check_size(spec, output)
            return output
        except ShapeError as error:
            self._report.error("shape", str(error), place, help=error.help, related=origins)
            return None

    def _origins(self, inputs: tuple[str, ...]) -> Related:
        """Where the layers stand that a layer reads."""
        read = [self._defined[name] for name in inputs]
        return tuple((f"its input comes from `{source.label}`", source.place) for source in read if source.place)


def _split(item: Node, report: Report) -> _EntryOfList | None:
    """An entry's layer, its fields and the place of its name."""
    if isinstance(item, Scalar) and isinstance(item.value, str):
        return _EntryOfList(item.value, tree.Mapping({}, item.place), item.place)
    if isinstance(item, tree.Mapping) and item.short is not None and isinstance(item.short.value, str):
        return _EntryOfList(item.short.value, replace(item, short=None), item.short.place)
    if isinstance(item, tree.Mapping) and len(item.entries) == 1:
        kind, entry = next(iter(item.entries.items()))
        return _EntryOfList(kind, entry.node, entry.key_place)
    if isinstance(item, tree.Mapping) and item.entries:
        first = next(iter(item.entries))
        help = f"indent the fields below `{first}:`, or write `- {first}: {{...}}` on one line"
        report.error("type", "a layer has one key, its name, with the fields inside it", item.place, help=help)
    else:
        help = "write `- relu` or `- conv2d: {out_channels: 32, kernel_size: 3}`"
        report.error("type", f"a layer is a name, or a name with its fields, not {describe(item)}", item.place, help=help)
    return None


def _names_given(node: tree.Sequence) -> dict[str, Place]:
    """The names that a list's entries give themselves, and where."""
    entries = (entry for entry in (_split(item, Report()) for item in node.items) if entry is not None)
    return {entry.given_name: entry.place for entry in entries if entry.given_name is not None}
