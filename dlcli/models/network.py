"""Graphs as modules."""

from __future__ import annotations

from typing import NamedTuple, cast

from torch import Tensor, nn

from dlcli.config.graph import INPUT, Graph, LayerNode
from dlcli.config.initialisation import InitSpec, WithInit
from dlcli.models.builders import BUILDERS
from dlcli.models.initialisation import initialise


class Network(nn.Module):
    """The layers of a graph, each registered under its name.

    Reads (batch, *graph.input_shape.sizes) and gives (batch, *graph.output_shape.sizes).
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        for node in graph.nodes:
            self.add_module(node.name, _build(node))
        self._steps = None if _is_chain(graph) else _plan(graph)

    def forward(self, x: Tensor) -> Tensor:
        """Runs the layers in order; what no later layer reads is let go."""
        layers = cast("dict[str, nn.Module]", self._modules)
        if self._steps is None:
            for layer in layers.values():
                x = layer(x)
            return x
        values = {INPUT: x}
        for name, inputs, finished in self._steps:
            values[name] = layers[name](*map(values.__getitem__, inputs))
            for source in finished:
                del values[source]
        return values[self.graph.nodes[-1].name]


class TimeDistributed(Network):
    """The layers of a graph applied to each step: (batch, time, *input) -> (batch, time, *output)."""

    def forward(self, x: Tensor) -> Tensor:
        """Runs all steps of all samples as one batch."""
        output = super().forward(x.flatten(0, 1))
        return output.reshape(*x.shape[:2], *output.shape[1:])


class _Step(NamedTuple):
    """One call of a layer."""

    name: str
    inputs: tuple[str, ...]
    finished: tuple[str, ...]
    """Values that no later step reads."""


def build_network(graph: Graph, init: InitSpec | None) -> Network:
    """A network with its weights at their start.

    Args:
        graph: the layers and their shapes.
        init: for layers that don't name their own; None leaves them as torch starts them.
    """
    network = Network(graph)
    _initialise(network, init)
    return network


def _initialise(network: Network, init: InitSpec | None) -> None:
    for node in network.graph.nodes:
        layer = network.get_submodule(node.name)
        if isinstance(layer, Network):
            _initialise(layer, init)
        elif isinstance(node.spec, WithInit):
            chosen = node.spec.init or init
            if chosen is not None:
                initialise(layer, chosen)


def _build(node: LayerNode) -> nn.Module:
    if node.body is not None:
        return TimeDistributed(node.body)
    return BUILDERS[type(node.spec)](node.spec, node.input_shapes)


def _is_chain(graph: Graph) -> bool:
    """Whether each layer reads the one above it and nothing else."""
    above = [INPUT, *(node.name for node in graph.nodes)]
    return all(node.inputs == (source,) for node, source in zip(graph.nodes, above, strict=False))


def _plan(graph: Graph) -> tuple[_Step, ...]:
    """The calls that lead to the output, in order; a layer that no path leads from to the output is not called."""
    read_later = {graph.nodes[-1].name}
    steps = []
    for node in reversed(graph.nodes):
        if node.name not in read_later:
            continue
        finished = tuple(name for name in dict.fromkeys(node.inputs) if name not in read_later)
        steps.append(_Step(node.name, node.inputs, finished))
        read_later.update(node.inputs)
    return tuple(reversed(steps))
