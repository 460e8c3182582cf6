"""Whether a network can be meant: its parameters and the memory of a training step, estimated before anything is built."""

from __future__ import annotations

from typing import Final

from dlcli.config.diagnostics import Report
from dlcli.config.graph import Graph, LayerNode, all_nodes
from dlcli.config.model import GIB, LimitsSpec
from dlcli.config.shapes import at_steps, num_values
from dlcli.config.training import TrainSpec

BYTES: Final = 4
"""Of a float32."""
COPIES: Final = 4
"""Of each parameter in a training: itself, its gradient and the two moments of Adam."""


def check_limits(graph: Graph, train: TrainSpec, limits: LimitsSpec, report: Report) -> None:
    """Reports a network that is larger than its config allows, at the layer that contributes most."""
    parameters = graph.parameter_count()
    if parameters > limits.parameters:
        single = (node for node, _ in all_nodes(graph, unknown=1) if node.body is None)
        largest = max(single, key=LayerNode.parameter_count)
        message = f"the network would have {parameters:,} parameters, and `limits` allows {limits.parameters:,}"
        help = f"if it is meant: --set model.limits.parameters={parameters}"
        report.error("limit", message, largest.place, help=help)
        return
    memory = training_memory(graph, train)
    if memory > limits.memory:
        largest, _ = max(all_nodes(graph, unknown=1), key=lambda found: activations(found[0]) * found[1])
        message = f"a step would need about {memory / GIB:,.1f} GB, and `limits` allows {limits.memory / GIB:,.1f} GB"
        help = f"use a smaller `train.batch_size`, or if it is meant: --set 'model.limits.memory={memory // GIB + 1} GB'"
        report.error("limit", message, largest.place, help=help)


def training_memory(graph: Graph, train: TrainSpec) -> int:
    """Bytes of a training step, estimated: the parameters with what the optimiser keeps, and every layer's output.

    Where the number of steps differs from sample to sample, one step is counted.
    """
    values = sum(activations(node) * steps for node, steps in all_nodes(graph, unknown=1)) * train.batch_size
    return BYTES * (COPIES * graph.parameter_count() + values)


def activations(node: LayerNode) -> int:
    """Values that a layer gives for one sample, or inside of `time_distributed` for one step."""
    return num_values(at_steps(node.output_shape, 1)) if node.body is None else 0
