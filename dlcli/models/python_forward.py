"""The calls of a graph as lines of Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlcli.config.graph import Graph, LayerNode
from dlcli.config.shapes import Shape
from dlcli.models.python_lengths import LENGTHS, steps_text, takes_lengths, time_of
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


def forward_of(graph: Graph, sources: Mapping[str, LayerSource], *, is_whole: bool) -> Forward:
    """Writes out the calls that lead to the outputs, in order.

    Args:
        graph: the layers.
        sources: each of them as text, by its name.
        is_whole: whether it is the network, and not a nesting: it puts 0 behind the end of each sequence, first and last.
    """
    steps = graph.running()
    names = _variables(graph, steps)
    several = len(graph.outputs) > 1
    lines = _clearing(graph, names) if is_whole else []
    for node in steps:
        is_returned = not several and node is steps[-1]
        lines += _statements(node, sources[node.name], names, is_returned=is_returned, is_whole=is_whole)
    if several:
        shapes = graph.output_shapes
        given = (f'"{name}": {_cleared(names[name], shapes[name], is_whole)}' for name in graph.outputs)
        lines.append(Line("return {" + ", ".join(given) + "}"))
    parameters = [f"{names[name]}: Tensor" for name in graph.inputs]
    if takes_lengths(graph):
        parameters.append(f"{LENGTHS}: Tensor | None = None" if is_whole else f"{LENGTHS}: Tensor")
    signature = f"{', '.join(parameters)}) -> {'dict[str, Tensor]' if several else 'Tensor'}"
    return Forward(signature, tuple(lines), graph.inputs, graph.output_shapes)


def _clearing(graph: Graph, names: Mapping[str, str]) -> list[Line]:
    """What comes first where sequences differ in length: how long each is, and 0 behind its end."""
    read = {name: time for name, shape in graph.inputs.items() if (time := time_of(shape)) is not None}
    lines = [Line(f"{LENGTHS} = lengths_of({names[name]}, {LENGTHS})") for name in list(read)[:1]]
    cleared = ((name, f"masked({names[name]}, {steps_text(time)})") for name, time in read.items())
    return lines + [Line(f"{names[name]} = {value}", graph.inputs[name]) for name, value in cleared]


def _cleared(value: str, shape: Shape, is_whole: bool) -> str:
    """What is given, with 0 behind the end of each sequence."""
    time = time_of(shape) if is_whole else None
    return value if time is None else f"masked({value}, {steps_text(time)})"


def _statements(
    node: LayerNode, source: LayerSource, names: Mapping[str, str], *, is_returned: bool, is_whole: bool
) -> list[Line]:
    read, shape = [names[name] for name in node.inputs], node.output_shape
    known = {"layer": member(node.shares or node.name)}
    for key, of in (("lengths", node.input_shapes[0]), ("after", shape)):
        time = time_of(of)
        known[key] = "" if time is None else steps_text(time)
    lines = [Line(source.before.format(*read, **known))] if source.before else []
    value = source.value.format(*read, **known)
    target = source.target.format(target=names[node.name])
    given = _cleared(names[node.name], shape, is_whole)
    if is_returned and target == given:
        return [*lines, Line(f"return {value}", shape)]
    return [*lines, Line(f"{target} = {value}", shape), *([Line(f"return {given}")] if is_returned else [])]


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
