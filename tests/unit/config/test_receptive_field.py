"""Receptive fields, against what a change of the input or a gradient reaches in the real network."""

from __future__ import annotations

from random import Random
from typing import ClassVar, cast

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.diagnostics import ConfigError, Report
from dlcli.config.facts import INPUT
from dlcli.config.graph import Graph
from dlcli.config.graph_reader import Vocabulary, read_graph
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec, OwnLayer
from dlcli.config.receptive_field import receptive_fields
from dlcli.config.shapes import Image, Sequence, Shape, Vector, Volume
from dlcli.models.network import build_network
from tests.unit.config.configs import parse
from tests.unit.models.graphs import read_layers

SIZE = 72
"""Of an axis, so that the middle sees nothing of the border."""


def _fields(text: str, shape: Shape) -> dict[str, tuple[int | None, ...]]:
    """Of each layer of a network with one input."""
    return {path: field[INPUT] for path, field in receptive_fields(read_layers(text, shape)).items()}


def _last(text: str, shape: Shape) -> tuple[int | None, ...]:
    return list(_fields(text, shape).values())[-1]


# Against gradients.


def _chain(random: Random, axes: int, kinds: list[str]) -> tuple[str, tuple[int, ...]] | None:
    """A chain of windows without padding, and its field; None where the middle of the network would see its border."""
    entries = []
    for _ in range(random.randint(1, 5)):
        kind = random.choice(kinds)
        fields = {
            "kernel_size": [random.randint(1, 4) for _ in range(axes)],
            "stride": [random.randint(1, 2) for _ in range(axes)],
        }
        if kind != "avg_pool":
            fields["dilation"] = [random.randint(1, 3) for _ in range(axes)]
        if kind.startswith("conv"):
            fields["out_channels"] = 1
        entries.append(f"- {kind}{axes}d: {fields}")
    text = "\n".join(entries)
    try:
        field = _last(text, _input(axes))
    except ConfigError:
        return None
    known = tuple(extent for extent in field if extent is not None)
    return (text, known) if len(known) == axes and max(known) < SIZE // 2 else None


def _input(axes: int) -> Shape:
    return Sequence(SIZE, Vector(1)) if axes == 1 else Image(1, SIZE, SIZE)


def _network(text: str, shape: Shape) -> nn.Module:
    """The network with all weights the same, so that no contributions cancel, in 64 bits."""
    network = build_network(read_layers(text, shape), None).double()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.5)
    return network


def _stretch(reached: Tensor) -> tuple[int, ...]:
    """Along each axis, from the first to the last place that is not 0."""
    places = reached.nonzero()
    return tuple((places.max(0).values - places.min(0).values + 1).tolist())


@pytest.mark.parametrize("axes", [1, 2])
def test_the_gradient_of_a_value_in_the_middle_reaches_exactly_its_field(axes: int) -> None:
    """Of chains of convolutions and mean pools, with strides and dilations."""
    random, tested = Random(0), 0  # noqa: S311  # nothing secret
    while tested < 60:
        chain = _chain(random, axes, ["conv", "avg_pool"])
        if chain is None:
            continue
        text, field = chain
        network = _network(text, _input(axes))
        x = torch.ones(1, *_input(axes).sizes, dtype=torch.float64, requires_grad=True)
        output = network(x)
        planes = output[0, :, 0] if axes == 1 else output[0, 0]
        planes[tuple(size // 2 for size in planes.shape)].backward()
        assert x.grad is not None
        assert _stretch(x.grad[0, :, 0] if axes == 1 else x.grad[0, 0]) == field, text
        tested += 1


def _seen(text: str) -> Tensor:
    """Which steps each value of the output depends on, (time', time): what is NaN in the input is NaN wherever it goes."""
    batch = torch.ones(SIZE, SIZE, 1, dtype=torch.float64)
    batch[range(SIZE), range(SIZE)] = torch.nan
    return _network(text, _input(1)).eval()(batch).isnan().squeeze(-1).T


def test_what_a_maximum_sees() -> None:
    """Of chains with max pools and with `ceil_mode` off, whose gradients go to one place only."""
    random, tested = Random(1), 0  # noqa: S311  # nothing secret
    while tested < 60:
        chain = _chain(random, 1, ["conv", "avg_pool", "max_pool"])
        if chain is not None:
            seen = _seen(chain[0])
            assert _stretch(seen[len(seen) // 2]) == chain[1], chain[0]
            tested += 1


def _widest(text: str) -> int:
    """Of the values that see nothing of the border, the most that one sees."""
    return max(_stretch(row)[0] for row in _seen(text) if row.any() and not row[0] and not row[-1])


def test_no_value_behind_transposed_convolutions_sees_more_than_its_field() -> None:
    """Whatever comes before and behind them."""
    random, tested = Random(2), 0  # noqa: S311  # nothing secret
    while tested < 60:
        chain = _chain(random, 1, ["conv", "conv_transpose", "avg_pool"])
        if chain is not None and "conv_transpose" in chain[0]:
            assert _widest(chain[0]) <= chain[1][0], chain[0]
            tested += 1


def test_behind_transposed_convolutions_some_value_sees_just_its_field() -> None:
    """Where there is no other stride."""
    random = Random(3)  # noqa: S311  # nothing secret
    for _ in range(60):
        ups = [(random.randint(1, 4), random.randint(1, 3)) for _ in range(random.randint(1, 2))]
        text = "\n".join(
            f"- conv_transpose1d: {{out_channels: 1, kernel_size: {kernel}, stride: {stride}}}" for kernel, stride in ups
        )
        text += f"\n- conv1d: {{out_channels: 1, kernel_size: {random.randint(1, 6)}}}"
        assert (_widest(text),) == _last(text, _input(1)), text


# By hand.


def test_the_fields_of_a_known_network() -> None:
    """VGG-16's convolutional part: 212 values behind its last pool (Araujo et al., 2019, table 1)."""
    text = "".join(
        "- conv2d: {out_channels: 1, kernel_size: 3, padding: 1}\n" * count + "- max_pool2d: 2\n" for count in (2, 2, 3, 3, 3)
    )
    assert _last(text, Image(3, 224, 224)) == (212, 212)


def test_a_join_sees_what_the_widest_of_its_inputs_sees() -> None:
    """A sum and a concatenation."""
    branches = """
        - conv2d: {out_channels: 2, kernel_size: [3, 1], padding: [1, 0], from: input, name: tall}
        - conv2d: {out_channels: 2, kernel_size: [1, 5], padding: [0, 2], from: input, name: wide}
    """
    for join in ("add", "concat"):
        assert _last(f"{branches}    - {join}: [tall, wide]", Image(1, 9, 9)) == (3, 5)


@pytest.mark.parametrize(
    ("layers", "field"),
    [
        ("[global_avg_pool]", (None, None)),
        ("[{adaptive_avg_pool2d: 2}]", (None, None)),
        ("[{conv2d: {out_channels: 2, kernel_size: 3}}, flatten]", (3, 3)),
        ("[flatten, {linear: 2}]", (None, None)),
        ("[{layer_norm: {}}, {batch_norm2d: {}}, relu, {dropout: 0.5}, softmax]", (1, 1)),
        ("[{softmax: {dim: 3}}]", (1, None)),
        ("[{permute: [0, 1, 3, 2]}, {conv2d: {out_channels: 1, kernel_size: [3, 1]}}]", (1, 3)),
        ("[{reshape: [2, 9, 9]}, {conv2d: {out_channels: 1, kernel_size: 2}}]", (None, None)),
        ("[{flatten: {start_dim: 2}}, {linear: 3}]", (None, None)),
        ("[{flatten: {start_dim: 1, end_dim: 2}}, {linear: 3}]", (1, None)),
    ],
)
def test_what_layers_on_images_see(layers: str, field: tuple[int | None, ...]) -> None:
    """None is the whole axis; a normalisation's statistics are left out."""
    assert _last(layers, Image(2, 9, 9)) == field


def test_recurrent_layers_see_all_steps() -> None:
    """And what stands on them."""
    fields = _fields("[{conv1d: {out_channels: 2, kernel_size: 3}}, {gru: 4}, {linear: 2}]", Sequence(9, Vector(2)))
    assert list(fields.values()) == [(3,), (None,), (None,)]


def test_the_last_step_sees_what_any_step_sees() -> None:
    """It is one of them."""
    fields = _fields("[{conv1d: {out_channels: 2, kernel_size: 3}}, last_step, {linear: 2}]", Sequence(9, Vector(2)))
    assert list(fields.values()) == [(3,), (3,), (3,)]


def test_layers_of_each_step_see_a_part_of_the_step() -> None:
    """The whole of them: a step, and that part of it."""
    text = "[{time_distributed: [{conv2d: {out_channels: 2, kernel_size: 3}}, {sequential: {layers: [{max_pool2d: 2}], name: pool}}]}]"
    assert _fields(text, Sequence(4, Image(1, 9, 9))) == {
        "time_distributed_1": (1, 4, 4),
        "time_distributed_1.conv2d_1": (3, 3),
        "time_distributed_1.pool": (4, 4),
        "time_distributed_1.pool.max_pool2d_1": (4, 4),
    }


def test_of_several_inputs_a_field_names_those_that_it_depends_on() -> None:
    """Each with its own axes."""
    text = "[{conv2d: {out_channels: 2, kernel_size: 3, from: photo}}, {global_avg_pool: {name: one}}, {linear: {out_features: 2, from: facts, name: two}}, {add: [one, two]}]"
    vocabulary = Vocabulary(Report())
    graph = read_graph(parse(text), {"photo": Image(1, 9, 9), "facts": Vector(3)}, vocabulary)
    assert isinstance(graph, Graph)
    fields = receptive_fields(graph)
    assert fields["conv2d_1"] == {"photo": (3, 3)}
    assert fields["add_1"] == {"photo": (None, None), "facts": ()}


def test_volumes_have_three_axes() -> None:
    """Depth, height and width."""
    text = "[{conv3d: {out_channels: 1, kernel_size: [1, 2, 3]}}, {max_pool3d: {kernel_size: 2, stride: 1}}]"
    assert _last(text, Volume(1, 9, 9, 9)) == (2, 3, 4)


# Layers that are not built in.


class Painter(OwnLayer):
    """A vector as an image."""

    kind: ClassVar[str] = "painter"

    def output_shape(self, vector: Vector) -> Shape:
        return Image(vector.features, 9, 9)

    def build(self, *_: Shape) -> nn.Module:
        return nn.Identity()


class Tint(OwnLayer):
    """An image coloured by a vector."""

    kind: ClassVar[str] = "tint"
    joins: ClassVar[bool] = True

    def output_shape(self, image: Image, _: Vector) -> Shape:
        return image

    def build(self, *_: Shape) -> nn.Module:
        return nn.Identity()


@pytest.fixture
def own_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vocabulary with two more layers."""
    for spec in (Painter, Tint):
        monkeypatch.setitem(cast("dict[str, type[LayerSpec]]", LAYERS), spec.kind, spec)


@pytest.mark.usefixtures("own_layers")
def test_a_plugins_layer_may_see_all_that_its_input_sees() -> None:
    """Whatever it makes of the number of axes, and what stands on it."""
    text = "[{conv1d: {out_channels: 2, kernel_size: 3}}, {global_avg_pool: {}}, painter, {conv2d: {out_channels: 1, kernel_size: 3}}]"
    assert list(_fields(text, Sequence(9, Vector(2))).values()) == [(3,), (None,), (None,), (None,)]


@pytest.mark.usefixtures("own_layers")
def test_a_plugins_join_may_see_all_of_all_its_inputs() -> None:
    """Which may have different numbers of axes; of each step where it stands inside of `time_distributed`."""
    text = "[{conv2d: {out_channels: 1, kernel_size: 3, from: photo, name: edges}}, {tint: {from: [edges, facts]}}, {conv2d: {out_channels: 1, kernel_size: 3}}]"
    graph = read_graph(parse(text), {"photo": Image(1, 9, 9), "facts": Vector(3)}, Vocabulary(Report()))
    assert isinstance(graph, Graph)
    fields = receptive_fields(graph)
    assert fields["tint_1"] == list(fields.values())[-1] == {"photo": (None, None), "facts": ()}
    assert _fields("[{time_distributed: [painter]}]", Sequence(4, Vector(2)))["time_distributed_1"] == (1,)
