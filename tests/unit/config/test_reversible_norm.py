"""`reversible_norm` in a config: what it reads, what its layers must give, and what they can't be called."""

from __future__ import annotations

import pytest

from dlcli.config.diagnostics import ConfigError
from dlcli.config.shapes import Image, Sequence, Shape, Time, Token, Vector
from tests.unit.models.graphs import read_layers

SERIES = Sequence(Time(), Vector(7))


@pytest.mark.parametrize(
    ("layers", "shape", "message", "help"),
    [
        (
            "- reversible_norm: [gru: {hidden_size: 4, return: last}, linear: 10]",
            SERIES,
            "`reversible_norm` undoes its work on the 7 features of each step, and its layers give a vector (features=10)",
            "end its layers with a multiple of 7: for a forecast `- linear: ${data.num_targets}`, where all columns are forecast",
        ),
        (
            "- reversible_norm: [linear: 8]",
            SERIES,
            "`reversible_norm` undoes its work on the 7 features of each step, and its layers give a sequence (T=T, features=8)",
            "end its layers with a multiple of 7: for a forecast `- linear: ${data.num_targets}`, where all columns are forecast",
        ),
        (
            "- reversible_norm: [reshape: [7, 2, 2]]",
            Sequence(4, Vector(7)),
            "`reversible_norm` undoes its work on a vector or a series, and its layers give an image (C=7, H=2, W=2)",
            None,
        ),
        (
            "- reversible_norm: [flatten, linear: 7]",
            Image(1, 8, 8),
            "`reversible_norm` reads a sequence of vectors, and its input is an image (C=1, H=8, W=8)",
            "read each picture as a sequence of its rows: `data: {name: NAME, view: rows}`",
        ),
        (
            "- reversible_norm: [embedding: 7]",
            Sequence(4, Token(3)),
            "`reversible_norm` reads a sequence of vectors, and its input is a sequence of tokens (T=4, each one of 3)",
            "put `- embedding: 64` before it",
        ),
        (
            "- reversible_norm: [linear: {out_features: 7, name: bias}]",
            SERIES,
            "a layer inside of `reversible_norm` can't be called `bias`: it has a weight of that name",
            "choose another, for example `bias_layer`",
        ),
    ],
)
def test_a_mistake_has_one_message_that_says_what_mends_it(layers: str, shape: Shape, message: str, help: str | None) -> None:
    """What it can't undo its work on, what it can't read, and names that would hide its weights."""
    with pytest.raises(ConfigError) as caught:
        read_layers(layers, shape)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.message, diagnostic.help) == (message, help)


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ("[{gru: {hidden_size: 4, return: last}}, {linear: 14}]", Vector(14)),
        ("[{conv1d: {out_channels: 7, kernel_size: 3}}]", Sequence(Time().through(1, -2, 1), Vector(7))),
    ],
)
def test_it_gives_what_its_layers_give(layers: str, shape: Shape) -> None:
    """A vector of some steps, or a series, of any number of steps too."""
    graph = read_layers(f"- reversible_norm: {layers}", SERIES)
    assert graph.output_shape == shape
