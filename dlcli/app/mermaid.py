"""A network as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dlcli.app.summary import sizes_text, type_of
from dlcli.config.graph import Graph, LayerNode
from dlcli.config.layers.nesting import TimeDistributed
from dlcli.config.shapes import Sequence, Shape

_ESCAPES: Final = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "|": "#124;", "`": "#96;"})
_INDENT: Final = "    "


def mermaid(graph: Graph) -> str:
    """The flowchart: a box for each layer, a frame for each block and nesting, and the shape of a sample at each edge."""
    chart = _Chart()
    sources = {name: chart.box(f'(["{_escaped(name)}"])', 1) for name in graph.inputs}
    ends = chart.take(graph, sources, graph.inputs, 1)
    for name, shape in graph.output_shapes.items():
        chart.edge(ends[name], chart.box(f'(["output {_escaped(name)}"])', 1), shape)
    return "\n".join(["flowchart TD", *chart.boxes, *chart.edges])


class _Chart:
    """Collects boxes and edges; the names in it are numbers, since some words mean something to Mermaid."""

    def __init__(self) -> None:
        self.boxes: list[str] = []
        self.edges: list[str] = []
        self._count = 0

    def box(self, text: str, depth: int) -> str:
        name = self._name()
        self.boxes.append(f"{_INDENT * depth}{name}{text}")
        return name

    def edge(self, source: str, target: str, shape: Shape) -> None:
        self.edges.append(f'{_INDENT}{source} -->|"{_escaped(sizes_text(shape))}"| {target}')

    def take(self, graph: Graph, sources: Mapping[str, str], inputs: Mapping[str, Shape], depth: int) -> dict[str, str]:
        """Draws the layers of a graph, and gives the box that each one's output comes from."""
        ends = dict(sources)
        shapes = dict(inputs)
        for node in graph.nodes:
            if node.body is not None and node.shares is None:
                ends[node.name] = self._frame(node, node.body, ends[node.inputs[0]], depth)
            else:
                ends[node.name] = self.box(f'["{_label(node)}"]', depth)
                for source in node.inputs:
                    self.edge(ends[source], ends[node.name], shapes[source])
            shapes[node.name] = node.output_shape
        return ends

    def _frame(self, node: LayerNode, body: Graph, source: str, depth: int) -> str:
        title = _label(node)
        if isinstance(node.spec, TimeDistributed) and isinstance(node.input_shapes[0], Sequence):
            title += f", {_escaped(str(node.input_shapes[0].time))} steps"
        self.boxes.append(f'{_INDENT * depth}subgraph {self._name()} ["{title}"]')
        ends = self.take(body, dict.fromkeys(body.inputs, source), body.inputs, depth + 1)
        self.boxes.append(f"{_INDENT * depth}end")
        return ends[body.outputs[0]]

    def _name(self) -> str:
        self._count += 1
        return f"n{self._count}"


def _label(node: LayerNode) -> str:
    kind = type_of(node) if node.shares is None else f"share of {node.shares}"
    return _escaped(node.name) if node.name.startswith(f"{kind}_") else f"{_escaped(node.name)} ({_escaped(kind)})"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
