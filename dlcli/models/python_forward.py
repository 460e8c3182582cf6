"""The calls of a graph as lines of Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlcli.config.graph import Graph, LayerNode
from dlcli.config.shapes import Shape
from dlcli.models.python_names import RUNNING, member, variables
from dlcli.models.python_source import LayerSource


@dataclass(frozen=True)
class Line:
    """A statement, and the shape of what it makes; None where it makes no value of a layer."""

    code: str
    shape: Shape | None = None


@dataclass(frozen=True)
class Forward:
    """The method that runs a graph.

    Attributes:
        signature: what stands behind `self, ` up to the colon.
        lines: the statements.
        inputs: the shape of each.
        outputs: the shape of each.
    """

    signature: str
    lines: tuple[Line, ...]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]


def forward_of(graph: Graph, sources: Mapping[str, LayerSource]) -> Forward:
    """Writes out the calls that lead to the outputs, in order.

    Args:
        graph: the layers.
        sources: each of them as text, by its name.
    """
    steps = graph.running()
    names = _variables(graph, steps)
    several = len(graph.outputs) > 1
    lines: list[Line] = []
    for node in steps:
        is_returned = not several and node is steps[-1]
        lines += _statements(node, sources[node.name], names, is_returned=is_returned)
    if several:
        lines.append(Line("return {" + ", ".join(f'"{name}": {names[name]}' for name in graph.outputs) + "}"))
    parameters = ", ".join(f"{names[name]}: Tensor" for name in graph.inputs)
    signature = f"{parameters}) -> {'dict[str, Tensor]' if several else 'Tensor'}"
    return Forward(signature, tuple(lines), graph.inputs, graph.output_shapes)


def _statements(node: LayerNode, source: LayerSource, names: Mapping[str, str], *, is_returned: bool) -> list[Line]:
    read = [names[name] for name in node.inputs]
    layer = member(node.shares or node.name)
    lines = [Line(source.before.format(*read, layer=layer))] if source.before else []
    value = source.value.format(*read, layer=layer)
    target = source.target.format(target=names[node.name])
    if not is_returned:
        return [*lines, Line(f"{target} = {value}", node.output_shape)]
    if target == names[node.name]:
        return [*lines, Line(f"return {value}", node.output_shape)]
    return [*lines, Line(f"{target} = {value}", node.output_shape), Line(f"return {names[node.name]}")]


def _variables(graph: Graph, steps: Sequence[LayerNode]) -> dict[str, str]:
    """The variable of each value: what only the next line reads has no name of its own, but for what is joined."""
    names = variables([*graph.inputs, *(node.name for node in steps)])
    readers: dict[str, list[LayerNode]] = {name: [] for name in names}
    for node in steps:
        for source in node.inputs:
            readers[source].append(node)
    above = [*([*graph.inputs] if len(graph.inputs) == 1 else [""]), *(node.name for node in steps)]
    for name, reader in zip(above, steps, strict=False):
        if name and readers[name] == [reader] and not reader.spec.joins and not _is_one_of_several(name, graph):
            names[name] = RUNNING
    if len(graph.outputs) == 1:
        names[graph.outputs[0]] = RUNNING
    return names


def _is_one_of_several(name: str, graph: Graph) -> bool:
    return len(graph.outputs) > 1 and name in graph.outputs
