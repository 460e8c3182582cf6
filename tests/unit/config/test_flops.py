"""Floating-point operations, by hand; `test_generated_graphs` compares them with torch's own counter."""

from __future__ import annotations

import pytest

from dlcli.config.shapes import Image, Sequence, Shape, Time, Token, Vector, Volume
from tests.unit.models.graphs import read_layers

IMAGE = Image(3, 8, 6)


@pytest.mark.parametrize(
    ("layer", "shape", "flops"),
    [
        ("conv2d: {out_channels: 5, kernel_size: 3}", IMAGE, 2 * (6 * 4) * 5 * (3 * 3 * 3)),
        ("conv2d: {out_channels: 5, kernel_size: 3, bias: false}", IMAGE, 2 * (6 * 4) * 5 * (3 * 3 * 3)),
        ("conv2d: {out_channels: 6, kernel_size: 3, groups: 3, padding: 1, stride: 2}", IMAGE, 2 * (4 * 3) * 6 * (1 * 3 * 3)),
        ("conv1d: {out_channels: 5, kernel_size: 4}", Sequence(7, Vector(2)), 2 * 4 * 5 * (2 * 4)),
        ("conv3d: {out_channels: 2, kernel_size: [1, 2, 3]}", Volume(4, 3, 3, 3), 2 * (3 * 2 * 1) * 2 * (4 * 6)),
        ("conv_transpose2d: {out_channels: 5, kernel_size: 4, stride: 2}", IMAGE, 2 * (8 * 6) * 3 * (5 * 16)),
        ("linear: 5", Vector(7), 2 * 7 * 5),
        ("linear: 5", Sequence(4, Vector(7)), 4 * 2 * 7 * 5),
        ("rnn: 5", Sequence(4, Vector(7)), 4 * 2 * (7 + 5) * 5),
        ("gru: {hidden_size: 5, return: last}", Sequence(4, Vector(7)), 4 * 2 * (7 + 5) * 5 * 3),
        ("lstm: {hidden_size: 5, num_layers: 2, bidirectional: true}", Sequence(4, Vector(7)), 4 * 2 * 2 * 20 * (12 + 15)),
        ("lstm: {hidden_size: 5, proj_size: 3}", Sequence(4, Vector(7)), 4 * 2 * (20 * (7 + 3) + 3 * 5)),
        ("embedding: 5", Sequence(4, Token(9)), 0),
        ("max_pool2d: 2", IMAGE, 0),
        ("batch_norm2d", IMAGE, 0),
    ],
)
def test_operations_of_a_layer(layer: str, shape: Shape, flops: int) -> None:
    """Two for each multiply-add of a convolution or a matrix product, whatever the bias; none for all else."""
    assert read_layers(f"- {layer}", shape).flops() == flops


def test_a_shared_layer_counts_each_time_it_runs() -> None:
    """Its parameters count once."""
    graph = read_layers(
        "[{linear: {out_features: 4, name: first}}, {share: {layer: first, from: input}}, {add: [first, share_1]}]", Vector(3)
    )
    assert graph.flops() == 2 * (2 * 3 * 4)
    assert graph.parameter_count() == 3 * 4 + 4


def test_layers_of_each_step_count_once_a_step() -> None:
    """Steps of steps multiply."""
    graph = read_layers(
        "- time_distributed: [{time_distributed: [{sequential: [{linear: 4}]}]}]", Sequence(5, Sequence(7, Vector(3)))
    )
    assert graph.flops() == 5 * 7 * (2 * 3 * 4)


def test_a_layer_that_leads_to_no_output_does_not_count() -> None:
    """It is not run."""
    graph = read_layers("[{linear: {out_features: 9, name: lost}}, {linear: {out_features: 4, from: input}}]", Vector(3))
    assert graph.flops() == 2 * 3 * 4


@pytest.mark.parametrize(
    "layer", ["conv1d: {out_channels: 2, kernel_size: 3}", "linear: 2", "gru: 2", "time_distributed: [{linear: 2}]"]
)
def test_what_depends_on_the_sample_is_not_known(layer: str) -> None:
    """With any number of steps there is no one count, unless it is 0."""
    series = Sequence(Time(), Vector(3))
    assert read_layers(f"- {layer}", series).flops() is None
    assert read_layers("- time_distributed: [relu]", series).flops() == 0
    assert read_layers("[global_avg_pool, {linear: 5}]", series).flops() == 2 * 3 * 5
