"""A network's graph as TensorBoard shows it: the layers by the names of the config, with fields and shapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

from dlcli.config.graph import Graph, LayerNode
from dlcli.config.shapes import Shape
from dlcli.config.spec import dump
from dlcli.config.yaml_output import inline_yaml

_NOT_FIELDS: Final = ("name", "from", "repeat", "layers")
_UNKNOWN: Final = -1
"""The size of the batch, and a number of steps that differs from sample to sample."""


def graph_def(graph: Graph) -> GraphDef:
    """The layers that run, those inside of a block or a nesting in a group of its name."""
    nodes = [_node(name, "input", (), shape, {}) for name, shape in graph.inputs.items()]
    ends = _add(graph, "", {name: name for name in graph.inputs}, nodes)
    for name in graph.outputs:
        nodes.append(_node(f"output/{name}", "output", [ends[name]], graph.node(name).output_shape, {}))
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def _add(graph: Graph, prefix: str, sources: Mapping[str, str], nodes: list[NodeDef]) -> Mapping[str, str]:
    """Adds the layers of a graph; gives the node that ends each of them.

    Args:
        graph: the network, or the inside of a nesting.
        prefix: of the names of its nodes.
        sources: the nodes that its inputs are.
        nodes: takes its own.
    """
    ends = dict(sources)
    for layer in graph.running():
        inputs, name = [ends[read] for read in layer.inputs], prefix + layer.name
        if layer.body is None:
            nodes.append(_node(name, layer.spec.kind, inputs, layer.output_shape, _fields(layer)))
            ends[layer.name] = name
        else:
            inner = _add(layer.body, f"{name}/", dict(zip(layer.body.inputs, inputs, strict=True)), nodes)
            [end] = layer.body.outputs
            ends[layer.name] = inner[end]
    return ends


def _fields(layer: LayerNode) -> dict[str, Any]:
    fields = {key: value for key, value in dump(layer.spec).items() if key not in _NOT_FIELDS and value is not None}
    weights = {"shares": layer.shares} if layer.shares is not None else {"parameters": layer.parameter_count()}
    return fields | weights


def _node(name: str, op: str, inputs: Iterable[str], shape: Shape, fields: Mapping[str, Any]) -> NodeDef:
    sizes = [_UNKNOWN, *(size if isinstance(size, int) else _UNKNOWN for size in shape.sizes)]
    dims = [TensorShapeProto.Dim(size=size) for size in sizes]
    attributes = {key: AttrValue(s=inline_yaml(value).encode()) for key, value in fields.items()}
    attributes["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=[TensorShapeProto(dim=dims)]))
    return NodeDef(name=name, op=op, input=inputs, attr=attributes)
