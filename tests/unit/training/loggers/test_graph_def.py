"""The graph that TensorBoard shows."""

from __future__ import annotations

import pytest

from dlcli.app.configs import read_experiment
from dlcli.config.graph import Graph, all_nodes
from dlcli.training.loggers.graph_def import graph_def

RESIDUAL = {
    "blocks": {
        "residual": {
            "params": {"channels": None},
            "layers": [
                {"conv2d": {"out_channels": "${channels}", "kernel_size": 3, "padding": 1, "name": "body"}},
                {"conv2d": {"out_channels": "${channels}", "kernel_size": 1, "from": "input", "name": "skip"}},
                {"add": ["body", "skip"]},
            ],
        }
    },
    "layers": [
        {"residual": {"channels": 4, "name": "first"}},
        {"sequential": {"layers": [{"residual": {"channels": 4, "name": "inner"}}, "relu"], "name": "second"}},
        "global_avg_pool",
        {"linear": 10},
    ],
}
TWINS = {
    "layers": [
        {"flatten": {"from": "image", "name": "pixels"}},
        {"linear": {"out_features": 8, "name": "encoder"}},
        {"flatten": {"from": "rows", "name": "lines"}},
        {"share": {"layer": "encoder", "from": "lines", "name": "twin"}},
        {"linear": {"out_features": 10, "from": "encoder", "name": "main"}},
        {"linear": {"out_features": 10, "from": "twin", "name": "auxiliary"}},
    ],
    "outputs": ["main", "auxiliary"],
}
RAGGED = {"layers": [{"embedding": 4}, {"gru": {"hidden_size": 3}}, {"linear": 2}]}


def graph_of(model: dict[str, object], data: object) -> Graph:
    return read_experiment({"data": data, "model": model}, (), None).graph


def test_layers_stand_in_the_groups_that_they_are_inside_of() -> None:
    """What a block reads is read by its layers, and what its last layer gives by those behind the block."""
    found = {node.name: (node.op, list(node.input)) for node in graph_def(graph_of(RESIDUAL, "digits")).node}
    assert found == {
        "input": ("input", []),
        "first/body": ("conv2d", ["input"]),
        "first/skip": ("conv2d", ["input"]),
        "first/add_1": ("add", ["first/body", "first/skip"]),
        "second/inner/body": ("conv2d", ["first/add_1"]),
        "second/inner/skip": ("conv2d", ["first/add_1"]),
        "second/inner/add_1": ("add", ["second/inner/body", "second/inner/skip"]),
        "second/relu_1": ("relu", ["second/inner/add_1"]),
        "global_avg_pool_1": ("global_avg_pool", ["second/relu_1"]),
        "linear_1": ("linear", ["global_avg_pool_1"]),
        "output/linear_1": ("output", ["linear_1"]),
    }


def test_several_inputs_and_outputs_and_shared_weights() -> None:
    """Each by its name; a layer that shares says with which, and counts no weights of its own."""
    nodes = {node.name: node for node in graph_def(graph_of(TWINS, {"name": "digits", "view": ["image", "rows"]})).node}
    assert {"image", "rows", "output/main", "output/auxiliary"} <= set(nodes)
    assert nodes["twin"].attr["shares"].s == b"encoder"
    assert "parameters" not in nodes["twin"].attr
    assert nodes["encoder"].attr["parameters"].s == b"520"


def test_fields_and_shapes_are_those_of_the_config() -> None:
    """Written as in YAML; the size of the batch is open."""
    nodes = {node.name: node for node in graph_def(graph_of(RESIDUAL, "digits")).node}
    body = nodes["first/body"]
    assert {key: body.attr[key].s.decode() for key in ("out_channels", "kernel_size", "padding", "bias")} == {
        "out_channels": "4",
        "kernel_size": "[3, 3]",
        "padding": "[1, 1]",
        "bias": "true",
    }
    assert [dim.size for dim in body.attr["_output_shapes"].list.shape[0].dim] == [-1, 4, 8, 8]


def test_a_number_of_steps_that_differs_is_open() -> None:
    """As the size of the batch is."""
    nodes = {node.name: node for node in graph_def(graph_of(RAGGED, {"name": "parity", "steps": 9, "min_steps": 3})).node}
    assert [dim.size for dim in nodes["embedding_1"].attr["_output_shapes"].list.shape[0].dim] == [-1, -1, 4]


@pytest.mark.parametrize("model", [RESIDUAL, TWINS])
def test_every_input_of_a_node_is_a_node_above_it(model: dict[str, object]) -> None:
    """And each layer that runs is there once."""
    data = {"name": "digits", "view": ["image", "rows"]} if model is TWINS else "digits"
    graph = graph_of(model, data)
    above: list[str] = []
    for node in graph_def(graph).node:
        assert set(node.input) <= set(above)
        above.append(node.name)
    assert len(set(above)) == len(above)
    layers = [node for node, _ in all_nodes(graph, unknown=1) if node.body is None]
    assert len(above) == len(layers) + len(graph.inputs) + len(graph.outputs)
