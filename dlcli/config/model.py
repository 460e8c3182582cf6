"""What `model:` may say: blocks, layers, outputs, how weights start, and how large a network may be."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from dlcli.config import tree
from dlcli.config.blocks import read_blocks
from dlcli.config.diagnostics import Report, did_you_mean
from dlcli.config.graph import Graph
from dlcli.config.graph_reader import Vocabulary, read_graph
from dlcli.config.initialisation import Init
from dlcli.config.interpolation import Names
from dlcli.config.layers.base import Names as LayerNames
from dlcli.config.layers.nesting import Layers
from dlcli.config.shapes import Shape
from dlcli.config.spec import RawNode, Spec
from dlcli.config.tree import Node
from dlcli.config.values import PositiveInt, as_bytes

GIB: Final = 2**30


class LimitsSpec(Spec):
    """How large a network may be before it is refused: a slip of the pen is found before memory is gone."""

    parameters: PositiveInt = 1_000_000_000
    """Trainable values."""
    memory: Annotated[int, BeforeValidator(as_bytes, json_schema_input_type=PositiveInt | str), Field(ge=1)] = 64 * GIB
    """What a training step is estimated to need, in bytes, or a number with MB or GB."""


class ModelSpec(Spec):
    """The network."""

    blocks: Annotated[Any, RawNode("blocks", "a mapping of names to blocks, each with `params` and `layers`")] = None
    """Lists of layers with a name and parameters: {NAME: {params: {channels: , stride: 1}, layers: [...]}}."""
    layers: Layers
    """The layers, from the input to the output."""
    outputs: LayerNames | None = None
    """The layers whose outputs are the network's, where that is not the last one alone."""
    init: Init = None
    """How weights start, for layers that don't say."""
    limits: LimitsSpec = LimitsSpec()
    """How large the network may be."""


def read_layers(
    section: tree.Mapping, inputs: Mapping[str, Shape | None], names: Names, spec: ModelSpec | None, report: Report
) -> Graph | None:
    """The graph of a model.

    Args:
        section: the config's `model`, the `${...}` outside of `blocks` replaced.
        inputs: the data's, by name; None where a shape is not known.
        names: what `${...}` inside of blocks can refer to.
        spec: the section's other fields, None where they have mistakes.
        report: where mistakes are recorded.

    Returns:
        The graph, or None where there was a mistake or a shape is not known.
    """
    layers = section.get("layers")
    if layers is None:
        return None
    blocks = read_blocks(section.get("blocks"), report)
    graph = read_graph(layers, inputs, Vocabulary(report, blocks, names))
    if graph is None or spec is None or spec.outputs is None:
        return graph
    return _with_outputs(graph, spec.outputs, section, report)


def _with_outputs(graph: Graph, outputs: tuple[str, ...], section: tree.Mapping, report: Report) -> Graph | None:
    known = [node.name for node in graph.nodes]
    before = len(report.diagnostics)
    for index, name in enumerate(outputs):
        place = tree.place_of(section, ["outputs", index])
        if name not in known:
            report.error("unknown-name", f"no layer is called `{name}`", place, help=did_you_mean(name, known))
        elif name in outputs[:index]:
            report.error("name", f"`outputs` names `{name}` twice", place)
    return Graph(graph.inputs, graph.nodes, outputs) if len(report.diagnostics) == before else None


def without_blocks(section: Node) -> tuple[Node, tree.Entry | None]:
    """The section less its blocks, whose `${...}` wait for the parameters of each use."""
    if not isinstance(section, tree.Mapping):
        return section, None
    return section.without("blocks"), section.entries.get("blocks")
