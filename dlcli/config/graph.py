"""A network as a graph: named layers, what each reads, and the shape of everything between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dlcli.config.diagnostics import Place
from dlcli.config.layers.base import LayerSpec
from dlcli.config.layers.nesting import Share, TimeDistributed
from dlcli.config.shapes import Shape, ShapeError, Size, at_steps, fixed_sizes
from dlcli.config.spec import dump


@dataclass(frozen=True)
class LayerNode:
    """One layer of a graph.

    Attributes:
        name: its own in this graph.
        spec: its fields; of a layer that shares its weights those of the other.
        inputs: the names of what it reads.
        input_shapes: their shapes.
        output_shape: what it gives.
        place: where it stands.
        body: the layers inside, for a nesting.
        block: the block that it is a use of.
        shares: the layer whose weights it uses.
    """

    name: str
    spec: LayerSpec
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    place: Place
    body: Graph | None = None
    block: str | None = None
    shares: str | None = None

    def parameter_count(self) -> int:
        """The number of trainable values that are this layer's own."""
        if self.shares is not None:
            return 0
        if self.body is not None:
            return self.body.parameter_count() + self.spec.parameter_count(*self.input_shapes)
        return self.spec.parameter_count(*self.input_shapes)

    def flops(self) -> int | None:
        """Floating-point operations for one sample; None where they depend on its number of steps."""
        if self.body is None:
            try:
                return self.spec.flops(*self.input_shapes)
            except ShapeError:
                return None
        steps = self.input_shapes[0].sizes[0] if isinstance(self.spec, TimeDistributed) else 1
        return times(self.body.flops(), steps)


@dataclass(frozen=True)
class Graph:
    """Layers in the order in which they run; each reads only what stands above it.

    Attributes:
        inputs: the shape of each input by its name.
        nodes: the layers.
        outputs: the names of the layers whose outputs are the network's.
    """

    inputs: Mapping[str, Shape]
    nodes: tuple[LayerNode, ...]
    outputs: tuple[str, ...]

    @cached_property
    def output_shapes(self) -> Mapping[str, Shape]:
        """What each output gives."""
        return {name: self.node(name).output_shape for name in self.outputs}

    @property
    def output_shape(self) -> Shape:
        """What the output gives, where there is one."""
        (shape,) = self.output_shapes.values()
        return shape

    def node(self, name: str) -> LayerNode:
        """The layer of that name."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, LayerNode]:
        return {node.name: node for node in self.nodes}

    def parameter_count(self) -> int:
        """The number of trainable values."""
        return sum(node.parameter_count() for node in self.nodes)

    def running(self) -> tuple[LayerNode, ...]:
        """The layers that a path leads from to an output; no other is run."""
        needed, running = set(self.outputs), []
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
                running.append(node)
        return tuple(reversed(running))

    def flops(self) -> int | None:
        """Floating-point operations of a forward pass of one sample; None where they depend on its number of steps."""
        counts = [node.flops() for node in self.running()]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def as_entries(self) -> list[dict[str, Any]]:
        """The list that reads back as this graph, every field written out."""
        return [_as_entry(node) for node in self.nodes]


def times(count: int | None, steps: Size) -> int | None:
    """A count for each step, for all steps; None where that depends on the sample."""
    if count == 0:
        return 0
    return count * steps if count is not None and isinstance(steps, int) else None


def _as_entry(node: LayerNode) -> dict[str, Any]:
    if node.shares is not None:
        return {Share.kind: {"layer": node.shares, "name": node.name, "from": list(node.inputs)}}
    fields = dump(node.spec) | {"name": node.name}
    del fields["repeat"]
    if node.spec.from_ is None:
        del fields["from"]
    else:
        fields["from"] = list(node.inputs)
    if node.body is not None:
        fields["layers"] = node.body.as_entries()
    return {node.spec.kind: fields}


def all_nodes(graph: Graph, *, unknown: int, times: int = 1) -> Iterator[tuple[LayerNode, int]]:
    """Every layer, those inside of nestings included, and how often it runs for one sample.

    Args:
        graph: the network.
        unknown: what a number of steps counts that differs from sample to sample.
        times: how often the graph itself runs.
    """
    for node in graph.nodes:
        yield node, times
        if node.body is not None:
            is_over_steps = isinstance(node.spec, TimeDistributed)
            steps = fixed_sizes(at_steps(node.input_shapes[0], unknown))[0] if is_over_steps else 1
            yield from all_nodes(node.body, unknown=unknown, times=times * steps)
