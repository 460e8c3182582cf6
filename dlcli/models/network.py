"""Graphs as modules."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from dlcli.config.facts import INPUT
from dlcli.config.graph import Graph, LayerNode
from dlcli.config.initialisation import InitSpec, WithInit
from dlcli.config.layers.base import OwnLayer
from dlcli.config.layers.nesting import ReversibleNorm as ReversibleNormSpec
from dlcli.config.layers.nesting import TimeDistributed as TimeDistributedSpec
from dlcli.config.shapes import Sequence, Shape, Time, channels_of
from dlcli.models.builders import BUILDERS
from dlcli.models.fusion import Run, fused
from dlcli.models.initialisation import initialise
from dlcli.models.valid_steps import fill_padding, moments, put_back, select_valid

Values = Tensor | Mapping[str, Tensor]
"""One tensor, or several by name."""


class Network(nn.Module):
    """The layers of a graph, each registered under its name.

    Reads (batch, *sizes of the input) and gives (batch, *sizes of the output); of several inputs or outputs, a mapping of
    such tensors by name. Sequences of different lengths stand padded in one batch, with the lengths beside them: what is given
    at valid steps is what each sequence gives alone, and what lies in the padding, NaN too, never matters.
    """

    reads_lengths = True

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        for node in graph.nodes:
            if node.shares is None:
                self.add_module(node.name, _build(node))
        self._input = next(iter(graph.inputs)) if len(graph.inputs) == 1 else None
        self._output = graph.outputs[0] if len(graph.outputs) == 1 else None
        self._runs = _runs(cast("dict[str, nn.Module]", self._modules)) if _is_chain(graph) else None
        self._steps = _plan(graph, cast("dict[str, nn.Module]", self._modules))

    def forward(self, inputs: Values, lengths: Tensor | None = None) -> Values:
        """Runs the layers in order; what no later layer reads is let go.

        Args:
            inputs: one tensor, or several by name.
            lengths: steps of each sample of the batch, int64 (batch,), in the inputs whose number of steps is not fixed.
        """
        layers = cast("dict[str, nn.Module]", self._modules)
        if lengths is None and self._runs is not None:
            output = cast("Tensor", inputs)
            for run, names in self._runs:
                output = run(output, *[layers[name] for name in names])
            return output
        values = {self._input: inputs} if self._input is not None else dict(cast("Mapping[str, Tensor]", inputs))
        if lengths is not None:
            self._clear_padding(cast("dict[str, Tensor]", values), lengths)
        for step in self._steps:
            read = map(values.__getitem__, step.inputs)
            if lengths is None or step.time is None:
                values[step.name] = layers[step.layer](*read)
            else:
                values[step.name] = layers[step.layer](*read, step.time.at(lengths))
            for source in step.finished:
                del values[source]
        if self._output is not None:
            return values[self._output]
        return {name: cast("Tensor", values[name]) for name in self.graph.outputs}

    def _clear_padding(self, values: dict[str, Tensor], lengths: Tensor) -> None:
        """Puts 0 behind the end of each input."""
        for name, shape in self.graph.inputs.items():
            time = _any_time(shape)
            if time is not None:
                values[name] = fill_padding(values[name], time.at(lengths), 0)


class TimeDistributed(Network):
    """The layers of a graph applied to each step: (batch, time, *input) -> (batch, time, *output)."""

    def forward(self, inputs: Values, lengths: Tensor | None = None) -> Tensor:
        """Runs all steps of all samples as one batch; of sequences of different lengths only the steps that are there.

        How many those are no export can tell beforehand: it runs the padding too, and puts 0 in its place.
        """
        sequence = cast("Tensor", inputs)
        if lengths is not None and not torch.compiler.is_exporting():
            steps = cast("Tensor", super().forward(select_valid(sequence, lengths)))
            return put_back(steps, lengths, sequence.shape[1])
        output = cast("Tensor", super().forward(sequence.flatten(0, 1)))
        output = output.reshape(*sequence.shape[:2], *output.shape[1:])
        return output if lengths is None else fill_padding(output, lengths, 0)


class ReversibleNorm(Network):
    """The layers of a graph on features that are brought to mean 0 and variance 1 over time, which is undone on their output.

    Reads (batch, time, features) and gives (batch, steps * features) or (batch, time', features). What is learnt for each
    feature is undone by division through `weight + eps**2`, as in the authors' code.
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, graph: Graph, spec: ReversibleNormSpec) -> None:
        super().__init__(graph)
        features = channels_of(graph.inputs[INPUT])
        self._eps = spec.eps
        self.register_parameter("weight", nn.Parameter(torch.ones(features)) if spec.affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(features)) if spec.affine else None)

    def forward(self, inputs: Values, lengths: Tensor | None = None) -> Tensor:
        """The mean and the variance are those of the valid steps."""
        sequence = cast("Tensor", inputs)
        time = _any_time(self.graph.inputs[INPUT])
        valid = time.at(lengths) if time is not None and lengths is not None else None
        if valid is not None:
            sequence = fill_padding(sequence, valid, 0)
        mean, variance = moments(sequence, valid)
        deviation = torch.sqrt(variance + self._eps)
        normalised = (sequence - mean) / deviation
        if self.weight is not None and self.bias is not None:
            normalised = normalised * self.weight + self.bias
        output = cast("Tensor", super().forward(normalised, lengths))
        steps = output.reshape(output.shape[0], -1, sequence.shape[2])
        if self.weight is not None and self.bias is not None:
            steps = (steps - self.bias) / (self.weight + self._eps**2)
        return (steps * deviation + mean).reshape(output.shape)


class _Step(NamedTuple):
    """One call of a layer."""

    name: str
    layer: str
    inputs: tuple[str, ...]
    finished: tuple[str, ...]
    """Values that no later step reads."""
    time: Time | None
    """What turns the lengths of the network's input into those that the layer is given; None where it is given none."""


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
        if node.shares is not None:
            continue
        layer = network.get_submodule(node.name)
        if isinstance(layer, Network):
            _initialise(layer, init)
        elif isinstance(node.spec, WithInit):
            chosen = node.spec.init or init
            if chosen is not None:
                initialise(layer, chosen)


def _build(node: LayerNode) -> nn.Module:
    if isinstance(node.spec, OwnLayer):
        module: nn.Module = node.spec.build(*node.input_shapes)
        return module
    if node.body is None:
        return BUILDERS[type(node.spec)](node.spec, node.input_shapes)
    if isinstance(node.spec, ReversibleNormSpec):
        return ReversibleNorm(node.body, node.spec)
    return TimeDistributed(node.body) if isinstance(node.spec, TimeDistributedSpec) else Network(node.body)


def _is_chain(graph: Graph) -> bool:
    """Whether each layer reads the one above it and nothing else, and the last is the only output."""
    above = [*graph.inputs, *(node.name for node in graph.nodes)]
    reads_above = all(node.inputs == (source,) for node, source in zip(graph.nodes, above, strict=False))
    is_plain = len(graph.inputs) == 1 and graph.outputs == (graph.nodes[-1].name,)
    return reads_above and is_plain and not any(node.shares for node in graph.nodes)


def _runs(layers: Mapping[str, nn.Module]) -> tuple[tuple[Run, tuple[str, ...]], ...]:
    """How a chain of layers is run, and which of them at a time."""
    names = iter(layers)
    return tuple((run, tuple(islice(names, count))) for run, count in fused(list(layers.values())))


def _plan(graph: Graph, layers: Mapping[str, nn.Module]) -> tuple[_Step, ...]:
    """The calls that lead to the outputs, in order."""
    read_later = set(graph.outputs)
    steps = []
    for node in reversed(graph.running()):
        finished = tuple(name for name in dict.fromkeys(node.inputs) if name not in read_later)
        layer = node.shares or node.name
        steps.append(_Step(node.name, layer, node.inputs, finished, _lengths_for(layers[layer], node.input_shapes[0])))
        read_later.update(node.inputs)
    return tuple(reversed(steps))


def _lengths_for(layer: nn.Module, shape: Shape) -> Time | None:
    """What makes the lengths that a layer reads from those of the network's input, for an input of this shape.

    A nested network counts from the same input as the network around it; every other layer is given the lengths that it sees.
    """
    time = _any_time(shape)
    if time is None or not getattr(layer, "reads_lengths", False):
        return None
    return Time() if isinstance(layer, Network) and not isinstance(layer, TimeDistributed) else time


def _any_time(shape: Shape) -> Time | None:
    """The steps of a sequence whose number differs from sample to sample."""
    return shape.time if isinstance(shape, Sequence) and isinstance(shape.time, Time) else None
