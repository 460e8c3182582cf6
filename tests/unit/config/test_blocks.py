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
    assert shared.input_shapes == (Image(4, 14, 14),)
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


DIGITS = "data: digits\nmodel:\n"


@pytest.mark.parametrize(
    ("model", "place", "message", "help"),
    [
        (
            "  blocks: [relu]\n  layers: [flatten, linear: 10]\n",
            (3, 11, "type"),
            "`blocks` takes a mapping of names and blocks, not a list",
            "write `NAME: {params: {...}, layers: [...]}`",
        ),
        (
            "  blocks: {my-block: [relu]}\n  layers: [my-block, flatten, linear: 10]\n",
            (3, 12, "name"),
            "no block can be called `my-block`",
            "use a letter, then letters, digits and `_`",
        ),
        (
            "  blocks: {relu: [tanh]}\n  layers: [flatten, linear: 10]\n",
            (3, 12, "name"),
            "`relu` is a layer, and no block can be called so",
            "choose another name",
        ),
        (
            "  blocks: {unit: 3}\n  layers: [unit, flatten, linear: 10]\n",
            (3, 18, "type"),
            "a block is a mapping, not the number 3",
            "write `layers:` with a list, and `params:` where it has any",
        ),
        (
            "  blocks: {unit: {layer: [relu]}}\n  layers: [unit, flatten, linear: 10]\n",
            (3, 19, "unknown-key"),
            "the block `unit` has no key `layer`",
            "did you mean `layers`?",
        ),
        (
            "  blocks: {unit: {params: {size: 1}}}\n  layers: [unit, flatten, linear: 10]\n",
            (3, 12, "missing-key"),
            "the block `unit` has no `layers`",
            None,
        ),
        (
            "  blocks: {unit: {params: [size], layers: [relu]}}\n  layers: [unit, flatten, linear: 10]\n",
            (3, 27, "type"),
            "`params` takes a mapping of names and defaults, not a list",
            "write `{channels: , stride: 1}`: without a value a use must give one",
        ),
        (
            "  blocks: {unit: {params: {repeat: 1}, layers: [relu]}}\n  layers: [unit, flatten, linear: 10]\n",
            (3, 28, "name"),
            "no parameter can be called `repeat`",
            "choose another name",
        ),
        (
            "  blocks: {unit: {params: {a.b: 1}, layers: [relu]}}\n  layers: [unit, flatten, linear: 10]\n",
            (3, 28, "name"),
            "no parameter can be called `a.b`",
            "choose another name",
        ),
        (
            "  blocks: {unit: {params: {size: {a: 1}}, layers: [relu]}}\n  layers: [unit, flatten, linear: 10]\n",
            (3, 34, "type"),
            "a default is a number, a text or a list, not a mapping",
            None,
        ),
        (
            "  blocks: {unit: {layers: [relu]}}\n  layers: [unit: 3, flatten, linear: 10]\n",
            (4, 18, "type"),
            "`unit` takes a mapping of its parameters, not the number 3",
            "its parameters: none",
        ),
    ],
)
def test_a_block_that_is_none_is_one_mistake(model: str, place: tuple[int, int, str], message: str, help: str | None) -> None:
    """Told once, at its place and with what to write; its uses are not blamed for it."""
    (found,) = mistakes(DIGITS + model)
    assert places([found]) == [place]
    assert (found.message, found.help) == (message, help)


SIZED = (
    DIGITS
    + "  blocks: {unit: {params: {size: , bias: true}, layers: [flatten, {linear: {out_features: '${size}', bias: '${bias}'}}]}}\n"
)


@pytest.mark.parametrize(
    ("use", "place", "message", "help"),
    [
        ("unit: {size: {a: 1}}", (4, 25, "type"), "`size` is a number, a text or a list, not a mapping", None),
        ("unit: ", (4, 18, "missing-key"), "`unit` needs `size`", None),
        ("unit: {bias: false}", (4, 18, "missing-key"), "`unit` needs `size`", None),
        ("unit: {siez: 4}", (4, 19, "unknown-key"), "the block `unit` has no parameter `siez`", "did you mean `size`?"),
        (
            "unit: {size: 4, x: 1}",
            (4, 28, "unknown-key"),
            "the block `unit` has no parameter `x`",
            "known: `bias`, `from`, `name`, `repeat`, `size`",
        ),
    ],
)
def test_a_wrong_use_of_a_block_is_shown_at_the_use(
    use: str, place: tuple[int, int, str], message: str, help: str | None
) -> None:
    """What is wrong with the parameters, and where the block is."""
    (found,) = mistakes(SIZED + f"  layers: [{use}, linear: 10]\n")
    assert places([found]) == [place]
    assert (found.message, found.help) == (message, help)
    if place[2] != "type":
        assert [(words, where.line, where.column) for words, where in found.related] == [("the block is here", 3, 12)]


def test_a_use_may_be_one_value_and_get_fields_from_set() -> None:
    """`unit: 4` gives the first parameter, and keeps it where `--set` adds a name."""
    graph = load(SIZED + "  layers: [unit: 4, linear: 10]\n", ["model.layers.0.name=body"]).graph
    assert graph.node("body").output_shape == Vector(4)
    assert graph.node("body").block == "unit"


def test_a_value_for_a_block_without_parameters_is_refused_with_a_name_beside_it() -> None:
    """`--set` adds a name to a use that gives a value there is no parameter for."""
    text = DIGITS + "  blocks: {unit: {layers: [relu]}}\n  layers: [unit: 3, flatten, linear: 10]\n"
    (found,) = mistakes(text, ["model.layers.0.name=body"])
    assert found.message == "`unit` takes a mapping of its parameters, not a mapping"


def test_blocks_may_be_nothing() -> None:
    """`blocks:` and `params:` without a value are as good as not written."""
    found = load(DIGITS + "  blocks:\n  layers: [flatten, linear: 10]\n").graph
    assert _names(found.nodes) == ["flatten_1", "linear_1"]
    found = load(DIGITS + "  blocks: {unit: {params: , layers: [relu]}}\n  layers: [unit, flatten, linear: 10]\n").graph
    assert found.nodes[0].block == "unit"


def test_an_input_has_no_weights_to_share() -> None:
    """`share` means a layer."""
    (found,) = mistakes(DIGITS + "  layers: [share: input, flatten, linear: 10]\n")
    assert places([found]) == [(3, 19, "value")]
    assert found.message == "`input` is an input, and has no weights to share"


def test_a_share_of_a_share_has_the_weights_of_the_first() -> None:
    """Both read their own input, and the layer they share is the one that has weights."""
    graph = load(
        DIGITS + "  layers: [flatten, linear: {out_features: 64, name: a}, share: a, share: share_1, linear: 10]\n"
    ).graph
    assert [(node.name, node.inputs, node.shares) for node in graph.nodes[2:4]] == [
        ("share_1", ("a",), "a"),
        ("share_2", ("share_1",), "a"),
    ]
    assert graph.parameter_count() == (64 + 1) * 64 + (64 + 1) * 10


def test_a_share_of_a_layer_with_a_mistake_is_not_blamed() -> None:
    """One message, for the layer itself."""
    found = mistakes(DIGITS + "  layers: [flatten, linear: {out_features: 0, name: a}, share: a, linear: 10]\n")
    assert places(found) == [(3, 44, "range")]
    found = mistakes(
        DIGITS + "  layers: [conv2d: {out_channels: 1, kernel_size: 9, name: a}, share: {layer: a, from: input}, linear: 10]\n"
    )
    assert places(found) == [(3, 12, "shape")]


def test_a_share_whose_input_is_too_small_is_told_as_a_layer_is() -> None:
    """The same weights fit, but the window does not."""
    (found,) = mistakes(
        DIGITS + "  layers: [conv2d: {out_channels: 1, kernel_size: 5, name: a}, max_pool2d: 2, share: a, flatten, linear: 10]\n"
    )
    assert places([found]) == [(3, 79, "shape")]
    assert [(words, where.column) for words, where in found.related] == [("its input comes from `max_pool2d`", 64)]


def test_a_share_of_a_nesting_needs_the_same_shape() -> None:
    """What is inside of it is not inferred again: another shape is refused, with both."""
    inner = "sequential: {layers: [conv2d: {out_channels: 1, kernel_size: 3, padding: 1}], name: a}"
    fits = load(DIGITS + f"  layers: [{inner}, share: a, flatten, linear: 10]\n").graph
    assert fits.node("share_1").output_shape == Image(1, 8, 8)
    (found,) = mistakes(DIGITS + f"  layers: [{inner}, max_pool2d: 2, share: a, flatten, linear: 10]\n")
    assert found.message == (
        "the weights of `a` are for an image (C=1, H=8, W=8), and its input here is an image (C=1, H=4, W=4)"
    )
    assert [words for words, _ in found.related] == ["`a` is here"]


def test_a_repeated_layer_reads_from_once() -> None:
    """The first repetition reads what `from` names, each other the one before it; with a name, that means the last."""
    graph = load(
        DIGITS
        + "  layers: [flatten: {name: a}, tanh, linear: {out_features: 64, from: a, repeat: 2, name: deep},"
        + " relu: {name: once, repeat: 1}, linear: {out_features: 10, from: deep}]\n"
    ).graph
    assert [(node.name, node.inputs) for node in graph.nodes] == [
        ("a", ("input",)),
        ("tanh_1", ("a",)),
        ("deep_1", ("a",)),
        ("deep_2", ("deep_1",)),
        ("once", ("deep_2",)),
        ("linear_3", ("deep_2",)),
    ]


def test_a_layer_that_is_numbered_takes_no_name_that_is_given() -> None:
    """Neither one above nor one below."""
    graph = load(DIGITS + "  layers: [tanh: {name: relu_1}, relu, relu, sigmoid: {name: relu_3}, flatten, linear: 10]\n").graph
    assert _names(graph.nodes) == ["relu_1", "relu_2", "relu_4", "relu_3", "flatten_1", "linear_1"]


def test_five_thousand_layers_are_the_most() -> None:
    """Repetitions count each time."""
    text = DIGITS + "  layers: [relu: {repeat: 4998}, flatten, linear: 10]\n"
    assert len(load(text).graph.nodes) == 5000
    (found,) = mistakes(text.replace("4998", "4999"))
    assert places([found]) == [(3, 43, "limit")]
    assert (found.message, found.help) == ("blocks and repetitions make more than 5,000 layers", "use fewer of them")


@pytest.mark.parametrize(
    ("layer", "help"),
    [
        ("{BatchNormalization: {from: c}}", "did you mean `batch_norm2d`?"),
        ("BatchNormalization", "did you mean `batch_norm1d`?"),
        ("{BatchNormalization: {from: gone}}", "did you mean `batch_norm2d`, `batch_norm1d` or `batch_norm3d`?"),
    ],
)
def test_a_layer_of_another_library_is_meant_for_what_it_would_read(layer: str, help: str) -> None:
    """The shape of its `from`, else of the layer above; all that it may be where neither is known."""
    text = DIGITS + f"  layers: [conv2d: {{out_channels: 2, kernel_size: 3, name: c}}, flatten, {layer}, linear: 10]\n"
    (found,) = mistakes(text)
    assert found.help == help
