"""Shapes, parameters and operations as they are inferred without torch, against networks that torch runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dlcli.config.graph import Graph, LayerNode
from dlcli.config.layers import LAYERS
from dlcli.config.shapes import Sequence, Shape, Time, at_steps, fixed_sizes, holds_tokens
from dlcli.models.network import build_network
from tests.unit.models.generated_graphs import STEPS, Generated, generate

BATCH = 2

Trace = list[tuple[str, tuple[int, ...]]]
"""The layers in the order in which they finish, and the sizes of one sample of what they give."""


def test_two_hundred_generated_networks_are_what_was_inferred(capsys: pytest.CaptureFixture[str]) -> None:
    """Every layer's output shape, the parameters and the floating-point operations."""
    _check(range(200), capsys)


@pytest.mark.slow
def test_five_thousand_generated_networks_are_what_was_inferred(capsys: pytest.CaptureFixture[str]) -> None:
    """The same for many more; every layer of the vocabulary is among them, and every way to put layers together."""
    used = _check(range(5000), capsys)
    assert {kind: used[kind] for kind in LAYERS if used[kind] < 5} == {}


def _check(seeds: range, capsys: pytest.CaptureFixture[str]) -> Counter[str]:
    used: Counter[str] = Counter()
    for seed in seeds:
        made = generate(seed)
        try:
            _compare(made.graph)
        except Exception as error:
            raise AssertionError(f"network {seed}: {made.layers}, blocks {made.blocks}, input {made.graph.inputs}") from error
        used.update(_properties(made))
    every = {*LAYERS, *_WAYS}
    assert {name for name in every if not used[name]} == set()
    layers = sum(used[kind] for kind in LAYERS)
    with capsys.disabled():
        print(f"\n{len(seeds):,} networks, {layers:,} layers; {', '.join(f'{used[way]:,} with {way}' for way in _WAYS)}")
    return used


def _compare(graph: Graph) -> None:
    with torch.device("meta"):
        network = build_network(graph, None)
        trace = _traced(network)
        (shape,) = graph.inputs.values()
        with FlopCounterMode(display=False) as counter:
            output = network(_batch(at_steps(shape, STEPS)))
    expected = [(path, fixed_sizes(at_steps(shape, STEPS))) for path, shape in _finished(graph, "")]
    assert trace == expected
    assert tuple(output.shape) == (BATCH, *fixed_sizes(at_steps(graph.output_shape, STEPS)))
    assert sum(parameter.numel() for parameter in network.parameters()) == graph.parameter_count()
    flops = graph.flops()
    if flops is None:
        assert _has_any_number_of_steps(graph)
        assert counter.get_total_flops() > 0
    else:
        assert counter.get_total_flops() == BATCH * flops


def _batch(shape: Shape) -> Tensor:
    return torch.zeros(BATCH, *fixed_sizes(shape), dtype=torch.long if holds_tokens(shape) else torch.float32)


def _traced(network: nn.Module) -> Trace:
    """What the layers give, as they give it."""
    trace: Trace = []

    def note(path: str) -> None:
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            trace.append((path, tuple(output.shape[1:])))

        network.get_submodule(path).register_forward_hook(hook)

    for path in _layer_paths(network):
        note(path)
    return trace


def _layer_paths(network: nn.Module, prefix: str = "") -> Iterator[str]:
    for node in network.graph.nodes:
        if node.shares is None:
            yield prefix + node.name
            if node.body is not None:
                yield from _layer_paths(network.get_submodule(node.name), f"{prefix}{node.name}.")


def _finished(graph: Graph, prefix: str) -> Iterator[tuple[str, Shape]]:
    """The layers in the order in which they should finish: the module that runs, and its output's shape."""
    for node in graph.nodes:
        if node.name not in _needed(graph):
            continue
        path = prefix + (node.shares or node.name)
        if node.body is not None:
            yield from _finished(node.body, f"{path}.")
        yield path, node.output_shape


def _needed(graph: Graph) -> set[str]:
    """The layers that the outputs depend on."""
    reads = {node.name: node.inputs for node in graph.nodes}
    needed: set[str] = set()
    waiting = list(graph.outputs)
    while waiting:
        name = waiting.pop()
        if name in reads and name not in needed:
            needed.add(name)
            waiting += reads[name]
    return needed


def _has_any_number_of_steps(graph: Graph) -> bool:
    return any(isinstance(shape, Sequence) and isinstance(shape.time, Time) for shape in graph.inputs.values())


_WAYS = ("a block", "a repetition", "a branch", "layers inside of layers", "any number of steps", "a layer that nothing reads")


def _properties(made: Generated) -> Iterator[str]:
    """The layers of a network, and the ways in which they are put together."""
    nodes = list(_all_nodes(made.graph))
    yield from ("share" if node.shares is not None else node.spec.kind for node in nodes)
    ways = {
        "a block": any(node.block for node in nodes),
        "a repetition": any("repeat" in fields for entry in made.layers for fields in entry.values()),
        "a branch": any(node.spec.joins for node in nodes),
        "layers inside of layers": any(node.body for node in nodes),
        "any number of steps": _has_any_number_of_steps(made.graph),
        "a layer that nothing reads": len(_needed(made.graph)) < len(made.graph.nodes),
    }
    yield from (way for way in _WAYS if ways[way])


def _all_nodes(graph: Graph) -> Iterator[LayerNode]:
    for node in graph.nodes:
        yield node
        if node.body is not None and node.shares is None:
            yield from _all_nodes(node.body)
