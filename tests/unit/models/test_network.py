"""A graph as a module: its names, its order, its joins, and what it holds in memory."""

from __future__ import annotations

import copy
import weakref
from textwrap import dedent

import pytest
import torch
from torch import Tensor, nn

from dlcli.config import yaml_source
from dlcli.config.diagnostics import Report, Source
from dlcli.config.graph import Graph
from dlcli.config.graph_reader import Vocabulary, read_graph
from dlcli.config.reserved_names import RESERVED_NAMES
from dlcli.config.shapes import Image, Sequence, Shape, Vector
from dlcli.models.network import Network, build_network
from tests.unit.models.graphs import read_layers

RESIDUAL = """
    - conv2d: {out_channels: 4, kernel_size: 3, padding: 1, name: stem}
    - relu: {name: start}
    - conv2d: {out_channels: 4, kernel_size: 3, padding: 1}
    - batch_norm2d: {name: body}
    - sigmoid: {from: start, name: gate}
    - multiply: {from: [body, gate], name: gated}
    - add: {from: [gated, start, start], name: sum}
    - concat: [sum, input]
    - global_avg_pool
    - linear: 3
"""


class Residual(nn.Module):
    """The graph above, by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.conv2d_2 = nn.Conv2d(4, 4, 3, padding=1)
        self.body = nn.BatchNorm2d(4)
        self.linear_1 = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        start = self.stem(x).relu()
        gated = self.body(self.conv2d_2(start)) * start.sigmoid()
        joined = torch.cat([gated + start + start, x], dim=1)
        return self.linear_1(joined.mean((2, 3)))


def test_graph_with_joins_equals_the_module_by_hand() -> None:
    """Values and all gradients of a network with branches are those of the same network written in Python."""
    network = build_network(read_layers(RESIDUAL, Image(2, 6, 5)), None)
    by_hand = Residual()
    by_hand.load_state_dict(network.state_dict())
    images = torch.randn(3, 2, 6, 5)
    ours, theirs = network(images), by_hand(images)
    torch.testing.assert_close(ours, theirs)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    expected = {name: parameter.grad for name, parameter in by_hand.named_parameters()}
    torch.testing.assert_close({name: parameter.grad for name, parameter in network.named_parameters()}, expected)


def test_weights_are_kept_under_the_names_of_the_layers() -> None:
    """A state_dict has the names that the config gives, or kind and number, and inside them those of torch."""
    text = """
        - time_distributed:
            - conv2d: {out_channels: 2, kernel_size: 3, bias: false}
            - batch_norm2d
            - flatten
        - lstm: {hidden_size: 3, name: memory, return: last}
        - linear: 2
    """
    network = build_network(read_layers(text, Sequence(4, Image(1, 5, 5))), None)
    assert list(network.state_dict()) == [
        "time_distributed_1.conv2d_1.weight",
        "time_distributed_1.batch_norm2d_1.weight",
        "time_distributed_1.batch_norm2d_1.bias",
        "time_distributed_1.batch_norm2d_1.running_mean",
        "time_distributed_1.batch_norm2d_1.running_var",
        "time_distributed_1.batch_norm2d_1.num_batches_tracked",
        "memory.weight_ih_l0",
        "memory.weight_hh_l0",
        "memory.bias_ih_l0",
        "memory.bias_hh_l0",
        "linear_1.weight",
        "linear_1.bias",
    ]


@pytest.mark.parametrize("batch", [1, 7])
def test_output_has_the_shape_that_the_graph_says(batch: int) -> None:
    """Any number of samples goes through at once."""
    graph = read_layers(RESIDUAL, Image(2, 6, 5))
    assert build_network(graph, None).eval()(torch.zeros(batch, 2, 6, 5)).shape == (batch, *graph.output_shape.sizes)


def test_intermediate_values_are_let_go_after_their_last_use() -> None:
    """While a layer runs, only what it or a later layer reads is still in memory."""
    network = build_network(read_layers(RESIDUAL, Image(2, 6, 5)), None)
    alive = _values_alive_at_each_layer(network, torch.zeros(1, 2, 6, 5))
    assert alive == {
        "stem": [],
        "start": ["stem"],
        "conv2d_2": ["start"],
        "body": ["start", "conv2d_2"],
        "gate": ["start", "body"],
        "gated": ["start", "body", "gate"],
        "sum": ["start", "gated"],
        "concat_1": ["sum"],
        "global_avg_pool_1": ["concat_1"],
        "linear_1": ["global_avg_pool_1"],
    }


def test_a_chain_holds_one_value_at_a_time() -> None:
    """Without branches, nothing but the output of the layer above is in memory."""
    network = build_network(read_layers("[linear: 4, relu, linear: 3, tanh]", Vector(5)), None)
    alive = _values_alive_at_each_layer(network, torch.zeros(2, 5))
    assert alive == {"linear_1": [], "relu_1": ["linear_1"], "linear_2": ["relu_1"], "tanh_1": ["linear_2"]}


def _values_alive_at_each_layer(network: Network, x: Tensor) -> dict[str, list[str]]:
    """For each layer as it starts, the layers whose outputs still exist."""
    outputs: dict[str, weakref.ref[Tensor]] = {}
    alive: dict[str, list[str]] = {}

    def before(name: str) -> None:
        alive[name] = [source for source, output in outputs.items() if output() is not None]

    def after(name: str, output: Tensor) -> None:
        outputs[name] = weakref.ref(output)

    for name, layer in network.named_children():
        layer.register_forward_pre_hook(lambda _layer, _inputs, name=name: before(name))
        layer.register_forward_hook(lambda _layer, _inputs, output, name=name: after(name, output))
    with torch.no_grad():
        network(x)
    return alive


def test_a_branch_that_leads_nowhere_is_not_run() -> None:
    """Its weights are there, under their names, but no time is spent on it."""
    text = "[linear: {out_features: 4, name: a}, linear: {out_features: 9, name: lost}, linear: {out_features: 2, from: a}]"
    network = build_network(read_layers(text, Vector(3)), None)
    called = []
    for name, layer in network.named_children():
        layer.register_forward_hook(lambda *_, name=name: called.append(name))
    network(torch.zeros(1, 3))
    assert called == ["a", "linear_3"]
    assert "lost.weight" in network.state_dict()


def test_time_distributed_runs_on_each_step_by_itself() -> None:
    """A step's output depends on that step alone, and equal steps give equal outputs."""
    network = build_network(read_layers("- time_distributed: [flatten, linear: 2]", Sequence(3, Image(1, 2, 2))), None)
    clips = torch.randn(2, 3, 1, 2, 2)
    clips[:, 2] = clips[:, 0]
    output = network(clips)
    layer = network.get_submodule("time_distributed_1.linear_1")
    torch.testing.assert_close(output, layer(clips.flatten(2)))
    torch.testing.assert_close(output[:, 2], output[:, 0])


def test_a_copy_shares_nothing() -> None:
    """A deep copy, as an average of weights needs it, runs with its own weights."""
    network = build_network(read_layers(RESIDUAL, Image(2, 6, 5)), None).eval()
    twin = copy.deepcopy(network)
    images = torch.randn(1, 2, 6, 5)
    before = network(images)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert torch.equal(twin(images), torch.zeros(1, 3))
    assert torch.equal(network(images), before)


def test_names_that_modules_use_themselves_are_reserved() -> None:
    """What a module of this torch, or dlcli's network, calls its own can't be a layer's name: the layer would hide it."""
    network = build_network(read_layers("- relu: {name: only}", Vector(3)), None)
    taken = {name for owner in (nn.Module(), network) for name in dir(owner) if not name.startswith("_")}
    assert taken - {"only"} <= RESERVED_NAMES


def _several(text: str, shapes: dict[str, Shape], outputs: tuple[str, ...]) -> Network:
    report = Report()
    node = yaml_source.parse(Source("layers.yaml", dedent(text)), report)
    assert node is not None
    graph = read_graph(node, shapes, Vocabulary(report))
    report.raise_if_any()
    assert graph is not None
    return build_network(Graph(graph.inputs, graph.nodes, outputs), None)


def test_several_inputs_and_outputs_go_by_name() -> None:
    """A mapping in, a mapping out in the order of the outputs; equal to the same products written out."""
    network = _several(
        """
        - linear: {out_features: 3, from: left, name: a}
        - linear: {out_features: 3, from: right, name: b}
        - add: {from: [a, b], name: both}
        - linear: {out_features: 2, name: head}
        """,
        {"left": Vector(4), "right": Vector(5)},
        ("head", "both"),
    )
    left, right = torch.randn(6, 4), torch.randn(6, 5)
    given = {"right": right, "left": left}
    found = network(given)
    both = network.a(left) + network.b(right)
    assert list(found) == ["head", "both"]
    torch.testing.assert_close(found, {"head": network.head(both), "both": both})
    assert list(given) == ["right", "left"]


def test_shared_weights_are_one_module_whose_gradients_add_up() -> None:
    """One entry in the state dict; the gradient is that of both uses."""
    network = build_network(read_layers("- linear: {out_features: 4, name: once}\n- tanh\n- share: once", Vector(4)), None)
    assert list(network.state_dict()) == ["once.weight", "once.bias"]
    weight = network.once.weight.detach().clone().requires_grad_()
    bias = network.once.bias.detach()
    x = torch.randn(3, 4)
    written_out = torch.tanh(x @ weight.T + bias) @ weight.T + bias
    torch.testing.assert_close(network(x), written_out)
    network(x).sum().backward()
    written_out.sum().backward()
    torch.testing.assert_close(network.once.weight.grad, weight.grad)


def test_layers_inside_a_nesting_are_saved_under_its_name() -> None:
    """As `nn.Sequential` does: `deep.linear_1.weight`."""
    network = build_network(read_layers("- sequential: {name: deep, layers: [linear: 2, relu, linear: 3]}", Vector(4)), None)
    assert list(network.state_dict()) == [f"deep.linear_{number}.{kind}" for number in (1, 2) for kind in ("weight", "bias")]
    x = torch.randn(5, 4)
    torch.testing.assert_close(network(x), network.deep.linear_2(torch.relu(network.deep.linear_1(x))))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_same_padding_with_a_stride_can_be_moved_to_a_graph_on_the_meta_device(stride: int, kernel: int) -> None:
    """What `same` does with a stride is the convolution's own, so that it works on every device."""
    text = f"- conv2d: {{out_channels: 2, kernel_size: {kernel}, stride: {stride}, padding: same}}"
    network = build_network(read_layers(text, Image(1, 7, 8)), None).to("meta")
    assert network(torch.empty(1, 1, 7, 8, device="meta")).shape == (1, 2, -(-7 // stride), -(-8 // stride))
