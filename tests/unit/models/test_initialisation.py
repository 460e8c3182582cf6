"""Where weights start: the distributions by their closed forms, and torch's own start wherever nothing is said."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.initialisation import (
    InitSpec,
    KaimingNormal,
    KaimingUniform,
    Orthogonal,
    XavierNormal,
    XavierUniform,
)
from dlcli.config.shapes import Image, Sequence, Shape, Token, Vector
from dlcli.models.network import build_network
from tests.unit.models.graphs import read_layers


@dataclass(frozen=True)
class Weight:
    """A weight, its matrices (one under the other), and their fans: inputs that one output reads, outputs that read one input."""

    layer: str
    shape: Shape
    name: str
    fan_in: int
    fan_out: int
    matrices: int = 1


PAIRS = Sequence(2, Vector(100))
WEIGHTS = [
    Weight("linear: 300", Vector(200), "weight", 200, 300),
    Weight("linear: 300", Sequence(2, Vector(200)), "weight", 200, 300),
    Weight("conv1d: {out_channels: 90, kernel_size: 5}", Sequence(9, Vector(60)), "weight", 60 * 5, 90 * 5),
    Weight("conv2d: {out_channels: 60, kernel_size: 3}", Image(40, 5, 5), "weight", 40 * 9, 60 * 9),
    Weight("conv2d: {out_channels: 80, kernel_size: [5, 1], groups: 2}", Image(80, 5, 5), "weight", 40 * 5, 80 * 5),
    Weight("conv_transpose2d: {out_channels: 60, kernel_size: 3}", Image(40, 5, 5), "weight", 40 * 9, 60 * 9),
    Weight("conv_transpose1d: {out_channels: 80, kernel_size: 5, groups: 2}", Sequence(5, Vector(60)), "weight", 30 * 5, 40 * 5),
    Weight("rnn: 200", PAIRS, "weight_ih_l0", 100, 200),
    Weight("lstm: 150", PAIRS, "weight_ih_l0", 100, 150, matrices=4),
    Weight("lstm: {hidden_size: 100, num_layers: 2, bidirectional: true}", PAIRS, "weight_ih_l1_reverse", 200, 100, matrices=4),
    Weight("gru: 150", PAIRS, "weight_hh_l0", 150, 150, matrices=3),
]
"""Of grouped convolutions, torch.nn.init counts the outputs of all groups."""

SPREADS: list[tuple[InitSpec, str]] = [
    (XavierUniform(gain=1.5), "average"),
    (XavierNormal(gain=0.5), "average"),
    (KaimingUniform(), "fan_in"),
    (KaimingUniform(mode="fan_out", nonlinearity="tanh"), "fan_out"),
    (KaimingNormal(mode="fan_in", nonlinearity="linear"), "fan_in"),
    (KaimingNormal(mode="fan_out"), "fan_out"),
]
GAINS = {"relu": math.sqrt(2), "tanh": 5 / 3, "linear": 1.0}
"""Of Kaiming's activations, from the paper and torch's documentation."""


def _weight(layer: str, shape: Shape, init: InitSpec | None, name: str) -> Tensor:
    torch.manual_seed(0)
    network = build_network(read_layers(f"- {layer}", shape), init)
    return dict(next(network.children()).named_parameters())[name].detach()


@pytest.mark.parametrize(("init", "fan"), SPREADS, ids=lambda value: value.kind if isinstance(value, InitSpec) else value)
@pytest.mark.parametrize("drawn", WEIGHTS, ids=lambda drawn: drawn.layer)
def test_weights_spread_as_the_papers_say(drawn: Weight, init: InitSpec, fan: str) -> None:
    """Mean 0 and variance gain^2 / fan (Xavier: the mean of both fans); uniform within sqrt(3) deviations, normal beyond."""
    weight = _weight(drawn.layer, drawn.shape, init, drawn.name)
    assert weight.numel() > 10_000, "too few values to measure a variance"
    number = (drawn.fan_in + drawn.fan_out) / 2 if fan == "average" else getattr(drawn, fan)
    gain = GAINS[init.nonlinearity] if isinstance(init, KaimingNormal | KaimingUniform) else init.gain
    deviation = gain / math.sqrt(number)
    largest = weight.abs().max().item()
    for matrix in weight.chunk(drawn.matrices):
        assert matrix.std().item() == pytest.approx(deviation, rel=0.05)
        assert abs(matrix.mean().item()) < 5 * deviation / math.sqrt(matrix.numel())
    if "uniform" in init.kind:
        assert 0.99 * math.sqrt(3) * deviation < largest <= math.sqrt(3) * deviation * (1 + 1e-6)
    else:
        assert largest > 3 * deviation


@pytest.mark.parametrize(
    ("layer", "shape", "names", "gates"),
    [
        ("linear: 8", Vector(12), ["weight"], 1),
        ("conv2d: {out_channels: 8, kernel_size: 3}", Image(2, 4, 4), ["weight"], 1),
        ("rnn: 8", Sequence(2, Vector(9)), ["weight_ih_l0", "weight_hh_l0"], 1),
        ("gru: {hidden_size: 8, num_layers: 2}", Sequence(2, Vector(9)), ["weight_ih_l0", "weight_hh_l1"], 3),
        ("lstm: {hidden_size: 8, bidirectional: true}", Sequence(2, Vector(9)), ["weight_ih_l0", "weight_hh_l0_reverse"], 4),
    ],
)
def test_orthogonal_rows_of_each_gate(layer: str, shape: Shape, names: list[str], gates: int) -> None:
    """The rows of a matrix are orthogonal and as long as the gain; of gated layers, those of each gate by itself."""
    for name in names:
        weight = _weight(layer, shape, Orthogonal(gain=2.0), name)
        for gate in weight.chunk(gates):
            rows = gate.flatten(1)
            torch.testing.assert_close(rows @ rows.T, 4 * torch.eye(len(rows)), atol=1e-5, rtol=0)


LAYERS_OF_ALL_KINDS = """
    - conv2d: {out_channels: 4, kernel_size: 3, name: first}
    - batch_norm2d
    - relu
    - conv_transpose2d: {out_channels: 2, kernel_size: 2, init: {name: orthogonal, gain: 3.0}}
    - reshape: [8, 6]
    - lstm: 5
    - linear: 6
"""


def test_without_init_weights_are_those_of_plain_torch() -> None:
    """The same seed gives the same weights as torch's modules made one after the other."""
    torch.manual_seed(3)
    network = build_network(read_layers(LAYERS_OF_ALL_KINDS.replace(", init: {name: orthogonal, gain: 3.0}", ""), IMAGE), None)
    torch.manual_seed(3)
    plain = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 2, 2), nn.LSTM(6, 5), nn.Linear(5, 6)]
    expected = [parameter for module in plain for parameter in module.parameters()]
    for ours, theirs in zip(network.parameters(), expected, strict=True):
        assert torch.equal(ours, theirs)


IMAGE = Image(1, 7, 5)


def test_own_init_goes_before_that_of_the_model_and_biases_stay() -> None:
    """A layer's `init` wins over `model.init`; neither touches biases, normalisations or embeddings."""
    torch.manual_seed(3)
    default = build_network(read_layers(LAYERS_OF_ALL_KINDS, IMAGE), None).state_dict()
    torch.manual_seed(3)
    drawn = build_network(read_layers(LAYERS_OF_ALL_KINDS, IMAGE), XavierUniform(gain=0.01)).state_dict()
    for name, value in drawn.items():
        is_weight = "weight" in name and not name.startswith("batch_norm2d")
        assert torch.equal(value, default[name]) != is_weight, name
        if is_weight and not name.startswith("conv_transpose2d"):
            assert value.abs().max() < 0.01
    rows = drawn["conv_transpose2d_1.weight"].transpose(0, 1).flatten(1)
    torch.testing.assert_close(rows @ rows.T, 9 * torch.eye(2), atol=1e-5, rtol=0)


def test_embeddings_keep_the_start_of_torch() -> None:
    """`model.init` is about layers that multiply, not about tables of vectors."""
    text = "[embedding: 4, linear: 2]"
    tokens = Sequence(3, Token(7))
    torch.manual_seed(0)
    drawn = build_network(read_layers(text, tokens), Orthogonal()).state_dict()
    torch.manual_seed(0)
    assert torch.equal(drawn["embedding_1.weight"], nn.Embedding(7, 4).weight)


def test_layers_inside_time_distributed_are_reached() -> None:
    """`model.init` also starts the weights of layers that run on each step."""
    network = build_network(read_layers("- time_distributed: [linear: 3]", Sequence(2, Vector(5))), Orthogonal(gain=1.0))
    weight = network.state_dict()["time_distributed_1.linear_1.weight"]
    torch.testing.assert_close(weight @ weight.T, torch.eye(3), atol=1e-5, rtol=0)
