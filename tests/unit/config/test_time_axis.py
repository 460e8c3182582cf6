"""Sequences whose number of steps differs from sample to sample: the symbolic T through every layer that keeps time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.config.facts import DataFacts
from dlcli.config.layers.windows import conv_size, same_size, transposed_size
from dlcli.config.shapes import Sequence, Shape, Time, Token, Vector, at_steps, shape_as_json, shape_from_json
from tests.unit.config.configs import PROFILE, load, mistakes, places

windows = st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(0, 3), st.integers(1, 3), st.booleans())


@PROFILE
@given(steps=st.integers(30, 500), drawn=st.lists(windows, max_size=4), scale=st.integers(1, 3))
def test_a_symbolic_size_is_the_number_that_counting_gives(
    steps: int, drawn: list[tuple[int, int, int, int, bool]], scale: int
) -> None:
    """At each window the starts are counted one by one, as the definition says."""
    symbolic: int | Time = Time()
    counted = steps
    for kernel, stride, drawn_padding, dilation, ceil in drawn:
        padding = min(drawn_padding, kernel // 2)
        span, last = dilation * (kernel - 1) + 1, counted + padding
        reach = last + stride - 1 if ceil else last  # one more window may reach over the end, but none may start there
        fitting = [start for start in range(-padding, counted if ceil else last, stride) if start + span <= reach]
        if not fitting:
            return
        symbolic = conv_size(symbolic, kernel, stride, padding, dilation, ceil=ceil)
        counted = len(fitting)
    symbolic = transposed_size(symbolic, scale, scale, 0, output_padding=0, dilation=1)
    assert isinstance(symbolic, Time)
    assert symbolic.at(steps) == counted * scale


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("steps", [1, 2, 7, 30])
def test_same_padding_leaves_one_value_for_each_stride_begun(steps: int, stride: int) -> None:
    """ceil(size / stride), symbolic or not."""
    assert same_size(steps, stride) == math.ceil(steps / stride)
    symbolic = same_size(Time(), stride)
    assert isinstance(symbolic, Time)
    assert symbolic.at(steps) == math.ceil(steps / stride)


def test_windows_that_change_nothing_keep_the_same_time() -> None:
    """So that a branch with 'same' padding can be added to one without a convolution."""
    assert conv_size(Time(), 3, 1, 1, 1) == Time()
    assert conv_size(conv_size(Time(), 3, 1, 0, 1), 3, 1, 2, 1) == Time()


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (Time(), "T"),
        (Time().through(1, -2, 1), "T-2"),
        (Time().through(1, 0, 2), "T//2"),
        (Time().through(1, 1, 2), "(T+1)//2"),
        (Time().through(1, 1, 2).through(2, 0, 1), "2((T+1)//2)"),
    ],
)
def test_a_symbolic_size_reads_as_a_formula(time: Time, text: str) -> None:
    """In messages and summaries."""
    assert str(time) == text


def _shape(layers: str, shape: Shape) -> Shape:
    facts = DataFacts.of(shape, num_classes=3)
    return (
        load(f"data: mnist\nmodel: {{layers: [{layers}, global_avg_pool, linear: 3]}}\n", facts=facts)
        .graph.nodes[-3]
        .output_shape
    )


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("lstm: 5", Sequence(Time(), Vector(5))),
        ("linear: 5", Sequence(Time(), Vector(5))),
        ("conv1d: {out_channels: 5, kernel_size: 3, stride: 2, padding: same}", Sequence(Time().through(1, 1, 2), Vector(5))),
        ("max_pool1d: 2", Sequence(Time().through(1, 0, 2), Vector(4))),
        ("conv_transpose1d: {out_channels: 5, kernel_size: 2, stride: 2}", Sequence(Time().through(2, 0, 1), Vector(5))),
        ("adaptive_avg_pool1d: 7", Sequence(7, Vector(4))),
        ("time_distributed: [linear: 9, relu]", Sequence(Time(), Vector(9))),
        ("relu: {name: a}, gru: {hidden_size: 4, name: b}, concat: [a, b]", Sequence(Time(), Vector(8))),
        ("layer_norm", Sequence(Time(), Vector(4))),
    ],
)
def test_layers_over_time_carry_the_symbolic_number_of_steps(layers: str, expected: Shape) -> None:
    """Each layer that reads sequences keeps or changes T as its formula says."""
    assert _shape(layers, Sequence(Time(), Vector(4))) == expected


@pytest.mark.parametrize("layer", ["flatten", "reshape: [4, -1]", "permute: [0, 2, 1]"])
def test_layers_that_need_a_fixed_number_of_steps_say_so(layer: str) -> None:
    """With the two ways out."""
    facts = DataFacts.of(Sequence(Time(), Vector(4)), num_classes=3)
    found = mistakes(f"data: mnist\nmodel: {{layers: [{layer}, linear: 3]}}\n", facts=facts)
    assert places(found) == [(2, 18, "shape")]
    assert found[0].help == "put `- global_avg_pool` or a recurrent layer with `return: last` before it"


def test_branches_of_unequal_symbolic_lengths_do_not_join() -> None:
    """T and T-2 are not equal."""
    facts = DataFacts.of(Sequence(Time(), Vector(4)), num_classes=3)
    text = "relu: {name: a}, conv1d: {out_channels: 4, kernel_size: 3, name: b}, add: [a, b]"
    found = mistakes(f"data: mnist\nmodel: {{layers: [{text}, global_avg_pool, linear: 3]}}\n", facts=facts)
    assert "T=T-2" in found[0].message


@pytest.mark.parametrize(
    "shape", [Sequence(Time(), Vector(4)), Sequence(Time().through(2, 1, 3), Token(9)), Sequence(5, Vector(2))]
)
def test_shapes_are_recorded_and_read_back(shape: Shape) -> None:
    """As run.json keeps them, symbolic steps too."""
    assert shape_from_json(shape_as_json(shape)) == shape


def test_a_shape_at_a_number_of_steps() -> None:
    """T-2 at 10 is 8."""
    assert at_steps(Sequence(Time().through(1, -2, 1), Vector(4)), 10) == Sequence(8, Vector(4))
