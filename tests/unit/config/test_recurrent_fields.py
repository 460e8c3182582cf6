"""Fields of recurrent layers that have to go together."""

from __future__ import annotations

import pytest

from dlcli.config import yaml_source
from dlcli.config.diagnostics import Report, Source
from dlcli.config.facts import INPUT
from dlcli.config.graph_reader import Vocabulary, read_graph
from dlcli.config.shapes import Sequence, Time, Vector
from tests.unit.models.graphs import read_layers


@pytest.mark.parametrize(
    ("layer", "column", "message"),
    [
        ("lstm: {hidden_size: 4, proj_size: 4}", 37, "the `proj_size` of `lstm` must be below its `hidden_size`, 4, not 4"),
        ("lstm: {hidden_size: 4, chrono: 9, bias: false}", 34, "the `chrono` of `lstm` starts biases, and `bias` is false"),
        ("gru: {hidden_size: 4, chrono: 9, bias: false}", 33, "the `chrono` of `gru` starts biases, and `bias` is false"),
        (
            "lstm: {hidden_size: 4, chrono: 9, forget_bias: 1.0}",
            50,
            "`lstm` has a `forget_bias` and `chrono`, which both start the forget gate's bias: keep one",
        ),
        ("gru: {hidden_size: 4, chrono: 1}", 33, "`chrono` must be at least 2, not 1"),
        ("rnn: {hidden_size: 4, recurrent_dropout: 1.0}", 44, "`recurrent_dropout` must be less than 1, not 1.0"),
        ("gru: {hidden_size: 4, recurrent_init: othogonal}", 41, "there is no initialisation `othogonal`"),
        ("rnn: {hidden_size: 4, chrono: 9}", 25, "`rnn` has no key `chrono`"),
        ("gru: {hidden_size: 4, proj_size: 2}", 25, "`gru` has no key `proj_size`"),
    ],
)
def test_what_does_not_go_together_is_told_at_its_place(layer: str, column: int, message: str) -> None:
    """One message, at the value or key that is wrong."""
    report = Report()
    node = yaml_source.parse(Source("layers.yaml", f"- {layer}"), report)
    assert node is not None
    read_graph(node, {INPUT: Sequence(4, Vector(3))}, Vocabulary(report))
    (found,) = report.diagnostics
    assert found.message.endswith(message)
    assert (found.place.line, found.place.column) == (1, column)


def test_a_projection_is_what_comes_out() -> None:
    """Of each direction, at every step or the last; the next layer reads so much."""
    graph = read_layers(
        "[lstm: {hidden_size: 8, proj_size: 3, bidirectional: true, num_layers: 2}, lstm: {hidden_size: 5, proj_size: 2, return: last}]",
        Sequence(Time(), Vector(4)),
    )
    assert graph.nodes[0].output_shape == Sequence(Time(), Vector(6))
    assert graph.output_shape == Vector(2)
