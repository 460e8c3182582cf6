"""Networks too large to be meant are refused before anything is built."""

from __future__ import annotations

import pytest

from dlcli.config.facts import DataFacts
from dlcli.config.limits import training_memory
from dlcli.config.shapes import Image, Sequence, Time, Vector
from tests.unit.config.configs import load, mistakes, places

BIG = "data: mnist\nmodel:\n  layers:\n    - flatten\n    - linear: 100000\n    - linear: 100000\n    - linear: 10\n"


def test_too_many_parameters_are_refused_at_the_layer_with_most() -> None:
    """784 to 100,000 is 79 million; 100,000 to 100,000 is ten billion."""
    found = mistakes(BIG)
    assert places(found) == [(6, 7, "limit")]
    assert found[0].message == "the network would have 10,079,600,010 parameters, and `limits` allows 1,000,000,000"


def test_the_limit_can_be_raised_as_the_message_says() -> None:
    """What stands in the help is accepted."""
    help = mistakes(BIG)[0].help or ""
    override = help.partition("--set ")[2]
    found = mistakes(BIG, [override])
    assert [mistake.message[:16] for mistake in found] == ["a step would nee"]
    memory = (found[0].help or "").partition("--set ")[2].strip("'")
    assert load(BIG, [override, memory]).graph.parameter_count() == 10_079_600_010


def test_memory_that_a_step_would_need_is_refused_at_the_layer_with_the_largest_output() -> None:
    """Without a parameter: a clip of images scaled up by repetition."""
    text = "data: mnist\nmodel:\n  layers:\n    - conv_transpose2d: {out_channels: 1, kernel_size: 1, stride: 4000}\n    - flatten\n    - global_max_pool\n"
    found = mistakes(text.replace("    - flatten\n", ""))
    assert (4, 7, "limit") in places(found)


def test_the_estimate_counts_parameters_four_times_and_outputs_once_a_sample() -> None:
    """By hand: 4 bytes x (4 x 7,850 + 64 x (784 + 10))."""
    experiment = load("data: mnist\nmodel: {layers: [flatten, linear: 10]}\n")
    assert training_memory(experiment.graph, experiment.train) == 4 * (4 * 7850 + 64 * (784 + 10))


def test_where_the_number_of_steps_differs_one_step_is_counted() -> None:
    """Nothing more is known before the data is read."""
    facts = DataFacts.of(Sequence(Time(), Vector(3)), num_classes=10)
    experiment = load("data: mnist\nmodel: {layers: [gru: {hidden_size: 10, return: last}]}\n", facts=facts)
    assert training_memory(experiment.graph, experiment.train) == 4 * (4 * (3 * 10 * (3 + 10 + 2)) + 64 * 10)


@pytest.mark.parametrize(("memory", "ok"), [("1 MB", False), ("100 MB", True), (10**9, True), ("lots", False), (0, False)])
def test_the_memory_limit_is_a_number_of_bytes_or_with_a_unit(memory: object, ok: bool) -> None:
    """1 MB is 2^20 bytes."""
    text = f"data: mnist\nmodel: {{layers: [conv2d: {{out_channels: 32, kernel_size: 3}}, flatten, linear: 10], limits: {{memory: {memory}}}}}\n"
    facts = DataFacts.of(Image(1, 28, 28), num_classes=10)
    if ok:
        load(text, facts=facts)
    else:
        assert {mistake.code for mistake in mistakes(text, facts=facts)} <= {"limit", "value", "range"}


def test_layers_inside_time_distributed_are_counted_for_each_step() -> None:
    """5 steps of 3 and of 4 values, then 10 scores; by hand with the parameters of three linear layers."""
    facts = DataFacts.of(Sequence(5, Vector(2)), num_classes=10)
    text = "data: mnist\nmodel: {layers: [time_distributed: [linear: 3, linear: 4], global_avg_pool, linear: 10]}\n"
    experiment = load(text, facts=facts)
    parameters = 3 * (2 + 1) + 4 * (3 + 1) + 10 * (4 + 1)
    assert training_memory(experiment.graph, experiment.train) == 4 * (4 * parameters + 64 * (5 * 3 + 5 * 4 + 4 + 10))
