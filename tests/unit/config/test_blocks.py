"""Blocks, repetitions, nested lists and shared weights: what they expand to, and mistakes inside and around them."""

from __future__ import annotations

import pytest

from dlcli.config.facts import DataFacts
from dlcli.config.graph import Graph, LayerNode, all_nodes
from dlcli.config.graph_reader import MAX_LAYERS
from dlcli.config.shapes import Image, Sequence, Vector
from tests.unit.config.configs import load, mistakes, places

RESIDUAL = """\
data: mnist
vars: {width: 8}
model:
  blocks:
    residual:
      params: {channels: , stride: 1}
      layers:
        - conv2d: {out_channels: "${channels}", kernel_size: 3, stride: "${stride}", padding: 1}
        - relu: {name: body}
        - conv2d: {out_channels: "${channels}", kernel_size: 1, stride: "${stride}", from: input, name: skip}
        - add: [body, skip]
  layers:
    - residual: {channels: "${vars.width}", repeat: 2}
    - residual: {channels: 16, stride: 2, name: trunk}
    - global_avg_pool
    - linear: ${data.num_classes}
"""


def _graph(text: str) -> Graph:
    return load(text).graph


def _names(nodes: tuple[LayerNode, ...]) -> list[str]:
    return [node.name for node in nodes]


def test_a_block_is_its_layers_with_the_values_of_each_use() -> None:
    """Parameters take what the use gives, else their default; each use is a layer with its layers inside."""
    graph = _graph(RESIDUAL)
    assert _names(graph.nodes) == ["residual_1", "residual_2", "trunk", "global_avg_pool_1", "linear_1"]
    assert [node.output_shape for node in graph.nodes[:3]] == [Image(8, 28, 28), Image(8, 28, 28), Image(16, 14, 14)]
    trunk = graph.node("trunk").body
    assert trunk is not None
    assert _names(trunk.nodes) == ["conv2d_1", "body", "skip", "add_1"]
    assert trunk.node("skip").inputs == ("input",)
    assert graph.node("trunk").block == "residual"


def test_parameters_of_blocks_are_counted() -> None:
    """By hand: 3x3 and 1x1 convolutions with a bias for each filter, three times, and ten scores of 16 values."""
    by_hand = (9 * 1 * 8 + 8) + (1 * 8 + 8) + (9 * 8 * 8 + 8) + (8 * 8 + 8) + (9 * 8 * 16 + 16) + (8 * 16 + 16) + (16 + 1) * 10
    assert _graph(RESIDUAL).parameter_count() == by_hand


def test_blocks_use_blocks_and_pass_their_parameters_on() -> None:
    """`${...}` inside a block reads its parameters, variables, facts of the data, and calculates."""
    graph = _graph("""\
        data: mnist
        vars: {half: 0.5}
        model:
          blocks:
            unit: {params: {size: , kernel: [3, 3]}, layers: [{conv2d: {out_channels: "${size}", kernel_size: "${kernel}"}}, relu]}
            two: {params: {size: }, layers: [{unit: {size: "${size * 2}"}}, {unit: {size: "${size // 2}", kernel: [1, 5]}}]}
          layers:
            - two: ${data.num_classes}
            - dropout: ${vars.half}
            - global_avg_pool
            - linear: 10
        """)
    assert graph.nodes[0].output_shape == Image(5, 26, 22)
    assert [node.spec.kind for node, _ in all_nodes(graph, unknown=1)].count("conv2d") == 2


def test_a_repetition_numbers_its_name_and_the_name_means_the_last() -> None:
    """`from: deep` reads the last of `deep_1`, `deep_2`, `deep_3`."""
    graph = _graph("""\
        data: mnist
        model:
          layers:
            - flatten
            - linear: {out_features: 8, name: deep, repeat: 3}
            - linear: 10
            - linear: {out_features: 10, from: deep}
        """)
    assert _names(graph.nodes) == ["flatten_1", "deep_1", "deep_2", "deep_3", "linear_4", "linear_5"]
    assert [node.inputs for node in graph.nodes[2:]] == [("deep_1",), ("deep_2",), ("deep_3",), ("deep_3",)]


def test_shared_weights_are_counted_once_and_read_another_input() -> None:
    """`share` is the same layer on another input, whose other sizes may differ where the weights don't depend on them."""
    graph = _graph("""\
        data: mnist
        model:
          layers:
            - conv2d: {out_channels: 4, kernel_size: 3, padding: 1, name: first}
            - conv2d: {out_channels: 4, kernel_size: 3, padding: 1, name: second}
            - max_pool2d: 2
            - share: second
            - global_avg_pool
            - linear: 10
        """)
    shared = graph.node("share_1")
    assert (shared.shares, shared.output_shape, shared.parameter_count()) == ("second", Image(4, 14, 14), 0)
    assert graph.parameter_count() == (9 * 4 + 4) + (9 * 4 * 4 + 4) + (4 + 1) * 10


HEAD = "data: mnist\nmodel:\n  layers:\n"
MISTAKES = [
    (
        "data: mnist\nmodel:\n  blocks: {b: {params: {size: }, layers: [flatten, {linear: '${size}'}]}}\n  layers:\n    - b\n",
        [(5, 7, "missing-key")],
        "`b` needs `size`",
    ),
    (
        "data: mnist\nmodel:\n  blocks: {b: {params: {size: 3}, layers: [flatten, {linear: '${siz}'}]}}\n  layers: [b, linear: 10]\n",
        [(3, 62, "unknown-name")],
        "nothing is named `siz`",
    ),
    (
        "data: mnist\nmodel:\n  blocks: {b: [c], c: [b]}\n  layers: [b, flatten, linear: 10]\n",
        [(3, 24, "cycle")],
        "the block `b` uses itself: `b` -> `c` -> `b`",
    ),
    (
        "data: mnist\nmodel:\n  blocks: {relu: [tanh]}\n  layers: [flatten, linear: 10]\n",
        [(3, 12, "name")],
        "`relu` is a layer, and no block can be called so",
    ),
    (
        "data: mnist\nmodel:\n  blocks: {b: {params: {a: 1}, layer: [tanh]}}\n  layers: [flatten, linear: 10]\n",
        [(3, 32, "unknown-key")],
        "the block `b` has no key `layer`",
    ),
    (
        "data: mnist\nmodel:\n  blocks: {b: {params: {name: 1}, layers: [tanh]}}\n  layers: [flatten, linear: 10]\n",
        [(3, 25, "name")],
        "no parameter can be called `name`",
    ),
    (
        "data: mnist\nmodel:\n  blocks: {b: [{tanh: {name: t}}]}\n  layers: [b, {relu: {from: t}}, flatten, linear: 10]\n",
        [(4, 29, "unknown-name")],
        "no layer above is called `t`",
    ),
    (
        HEAD + "    - relu: {name: a}\n    - sequential: [{relu: {from: a}}]\n    - flatten\n    - linear: 10\n",
        [(5, 34, "unknown-name")],
        "no layer above is called `a`",
    ),
    (
        HEAD + "    - flatten: {name: f}\n    - linear: 4\n    - share: linear_2\n    - linear: 10\n",
        [(6, 14, "unknown-name")],
        "no layer above is called `linear_2`",
    ),
    (
        HEAD + "    - flatten\n    - linear: {out_features: 4, name: a}\n    - share: a\n    - linear: 10\n",
        [(6, 7, "shape")],
        "the weights of `a` are for a vector (features=784), and its input here is a vector (features=4)",
    ),
    (
        HEAD + "    - relu: {from: later}\n    - flatten: {name: later}\n    - linear: 10\n",
        [(4, 20, "cycle")],
        "`later` stands below, and a layer reads only what stands above it",
    ),
    (
        HEAD + "    - flatten\n    - linear: {out_features: 10, repeat: 0}\n",
        [(5, 42, "range")],
        "`repeat` must be at least 1, not 0",
    ),
    (
        HEAD + "    - flatten: {name: a}\n    - relu: {name: b}\n    - add: {from: [a, b], repeat: 2}\n    - linear: 10\n",
        [(6, 35, "value")],
        "`add` reads several layers, and can't follow itself",
    ),
]


@pytest.mark.parametrize(("text", "expected", "message"), MISTAKES)
def test_a_mistake_in_or_around_a_block_is_shown_at_its_place(
    text: str, expected: list[tuple[int, int, str]], message: str
) -> None:
    """In the block's text where it stands there, at the use where the use is wrong."""
    found = mistakes(text)
    assert places(found) == expected
    assert message in [mistake.message for mistake in found]


def test_a_mistake_in_a_block_names_the_use_and_where_the_value_came_from() -> None:
    """The line inside the block, then the parameter's value, the variable's, and the use."""
    (first, *_) = mistakes(RESIDUAL.replace("width: 8", "width: 0"))
    assert places([first]) == [(8, 34, "range")]
    assert [(words, place.line) for words, place in first.related] == [
        ("`channels` is 0", 13),
        ("`vars.width` is 0", 2),
        ("in this use of the block `residual`", 13),
    ]


def test_one_mistake_in_a_block_that_is_used_often_is_told_once() -> None:
    """Three uses, one message."""
    found = mistakes(RESIDUAL.replace("- relu: {name: body}", "- rleu: {name: body}"))
    assert places(found) == [(9, 11, "unknown-layer")]


@pytest.mark.parametrize("depth", [5, 20])
def test_blocks_that_multiply_are_stopped(depth: int) -> None:
    """Ten uses of a block of ten uses ... end at the limit, at once."""
    blocks = [f"    b{level}: {{layers: [{{b{level + 1}: {{repeat: 10}}}}]}}" for level in range(depth)]
    text = "\n".join(["data: mnist", "model:", "  blocks:", *blocks, f"    b{depth}: [relu]", "  layers: [b0]\n"])
    found = mistakes(text)
    assert [mistake.code for mistake in found] == ["limit"]
    assert f"{MAX_LAYERS:,}" in found[0].message


def test_a_resolved_config_has_no_blocks_and_is_the_same_network() -> None:
    """Uses become `sequential`, repetitions single layers, `share` stays."""
    experiment = load(RESIDUAL.replace("- global_avg_pool", "- share: {layer: trunk, from: residual_2}\n    - global_avg_pool"))
    resolved = experiment.resolved()
    assert "blocks" not in resolved["model"]
    assert [next(iter(entry)) for entry in resolved["model"]["layers"]][:4] == ["sequential"] * 3 + ["share"]


SEVERAL = DataFacts({"left": Image(1, 8, 8), "right": Sequence(5, Vector(3))}, DataFacts.of(Vector(1), num_classes=10).targets)


def test_several_inputs_are_named_by_the_layers_that_read_them() -> None:
    """`from: left`, or among the inputs of a join."""
    graph = load(
        """\
        data: mnist
        model:
          layers:
            - flatten: {from: left, name: a}
            - gru: {hidden_size: 64, return: last, from: right, name: b}
            - add: [a, b]
            - linear: ${data.num_classes}
        """,
        facts=SEVERAL,
    ).graph
    assert dict(graph.inputs) == dict(SEVERAL.inputs)
    assert graph.node("add_1").inputs == ("a", "b")


def test_a_first_layer_that_does_not_say_which_input_it_reads_is_told_so() -> None:
    """With one input it needs no `from`, with several it does."""
    found = mistakes("data: mnist\nmodel: {layers: [flatten, linear: 10]}\n", facts=SEVERAL)
    assert places(found) == [(2, 18, "missing-key")]
    assert found[0].help == "write `from:` and one of `left`, `right`"


def test_a_parameter_of_a_block_without_any_is_told_where_to_add_it() -> None:
    """And a `params` that can't be read is one mistake, not one more at each use."""
    text = "data: mnist\nmodel:\n  blocks: {b: {layers: [tanh]}}\n  layers: [b: {ch: 8}, flatten, linear: 10]\n"
    (found,) = mistakes(text)
    assert (places([found]), found.help) == ([(4, 16, "unknown-key")], "add `params: {ch: }` to the block")
    wrong = text.replace("{layers: [tanh]}", "{params: [ch], layers: [tanh]}")
    assert places(mistakes(wrong)) == [(3, 24, "type")]


def test_a_join_of_unequal_channels_names_the_convolution_that_makes_them_equal() -> None:
    """Followed literally, it does."""
    text = (
        HEAD
        + "    - conv2d: {out_channels: 4, kernel_size: 1, name: a}\n    - conv2d: {out_channels: 8, kernel_size: 1, name: b}\n"
    )
    (found,) = mistakes(text + "    - add: [a, b]\n    - global_avg_pool\n    - linear: 10\n")
    assert found.help == "a `conv2d: {out_channels: 4, kernel_size: 1, from: b}` makes the channels equal"
    mended = "    - conv2d: {out_channels: 4, kernel_size: 1, from: b, name: c}\n    - add: [a, c]\n    - global_avg_pool\n    - linear: 10\n"
    assert _graph(text + mended).node("add_1").output_shape == Image(4, 28, 28)
