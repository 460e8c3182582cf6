"""From a list of layers to a graph: names, edges, shapes, and mistakes in them."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest

from dlcli.config.diagnostics import Diagnostic, Report
from dlcli.config.facts import INPUT
from dlcli.config.graph import Graph
from dlcli.config.graph_reader import Vocabulary, read_graph
from dlcli.config.layers import LAYERS
from dlcli.config.shapes import Image, Sequence, Shape, Token, Vector, Volume
from tests.unit.config.configs import parse, places

DIGIT = Image(1, 8, 8)
ROWS = Sequence(8, Vector(8))
CLIP = Sequence(5, Image(3, 8, 7))


def _read(text: str, shape: Shape | None = DIGIT) -> tuple[Graph | None, list[Diagnostic]]:
    report = Report()
    return read_graph(parse(dedent(text)), {INPUT: shape}, Vocabulary(report)), report.diagnostics


def _graph(text: str, shape: Shape = DIGIT) -> Graph:
    graph, diagnostics = _read(text, shape)
    assert diagnostics == []
    assert graph is not None
    return graph


def test_layers_are_called_by_kind_and_number_or_as_written() -> None:
    """The number counts layers of one kind, those with a name of their own too, and never takes a name that is given above."""
    graph = _graph("""
        - flatten
        - linear: 4
        - linear: {out_features: 4, name: head}
        - linear: 4
        - relu: {name: relu_2}
        - relu
        - relu
    """)
    assert [node.name for node in graph.nodes] == ["flatten_1", "linear_1", "head", "linear_3", "relu_2", "relu_3", "relu_4"]


def test_a_layer_reads_the_one_above_it_or_what_it_names() -> None:
    """`from` names any layer above, or the input; without it the entry above is read."""
    graph = _graph("""
        - conv2d: {out_channels: 2, kernel_size: 3, padding: 1, name: a}
        - relu
        - conv2d: {out_channels: 2, kernel_size: 3, padding: 1, from: input, name: b}
        - add: [a, b]
        - multiply: {from: [add_1, relu_1, b]}
        - concat: {from: [multiply_1, input]}
        - tanh: {from: [a]}
    """)
    assert [node.inputs for node in graph.nodes] == [
        (INPUT,),
        ("a",),
        (INPUT,),
        ("a", "b"),
        ("add_1", "relu_1", "b"),
        ("multiply_1", INPUT),
        ("a",),
    ]
    assert graph.nodes[5].output_shape == Image(3, 8, 8)
    assert graph.output_shape == Image(2, 8, 8)


def test_shapes_and_parameters_go_through_the_graph() -> None:
    """By hand: 1x8x8 -> 4x6x6 -> 4x3x3 -> 36 -> 10, and 40 + 370 values to learn."""
    graph = _graph("[conv2d: {out_channels: 4, kernel_size: 3}, relu, max_pool2d: 2, flatten, linear: 10]")
    shapes = [node.output_shape for node in graph.nodes]
    assert shapes == [Image(4, 6, 6), Image(4, 6, 6), Image(4, 3, 3), Vector(36), Vector(10)]
    assert graph.parameter_count() == 4 * 9 + 4 + 36 * 10 + 10


def test_time_distributed_has_a_graph_of_its_own() -> None:
    """Names start anew inside, `input` is one step, and what comes out is a sequence of what the steps become."""
    graph = _graph(
        """
        - time_distributed:
            - time_distributed:
                - conv2d: {out_channels: 4, kernel_size: 3}
                - tanh: {from: input}
                - global_avg_pool: {from: conv2d_1}
            - gru: {hidden_size: 5, return: last}
        - linear: 3
        """,
        Sequence(2, Sequence(3, Image(1, 8, 8))),
    )
    outer = graph.nodes[0]
    assert outer.body is not None
    inner = outer.body.nodes[0]
    assert inner.body is not None
    assert [node.name for node in inner.body.nodes] == ["conv2d_1", "tanh_1", "global_avg_pool_1"]
    assert inner.body.nodes[1].input_shapes == (Image(1, 8, 8),)
    assert inner.output_shape == Sequence(3, Vector(4))
    assert outer.output_shape == Sequence(2, Vector(5))
    assert graph.output_shape == Sequence(2, Vector(3))
    assert graph.parameter_count() == (4 * 9 + 4) + 3 * (4 + 5 + 2) * 5 + (5 * 3 + 3)


ONE_MISTAKE = [
    (
        "- con2d: {out_channels: 2, kernel_size: 3}",
        (1, 3, "unknown-layer"),
        "there is no layer `con2d`",
        "did you mean `conv2d`?",
    ),
    (
        "- Conv2D: {out_channels: 2, kernel_size: 3}",
        (1, 3, "unknown-layer"),
        "there is no layer `Conv2D`",
        "did you mean `conv2d`?",
    ),
    ("- maxpool2d: 2", (1, 3, "unknown-layer"), "there is no layer `maxpool2d`", "did you mean `max_pool2d`?"),
    ("- LeakyReLU", (1, 3, "unknown-layer"), "there is no layer `LeakyReLU`", "did you mean `leaky_relu`?"),
    (
        "- conv2d: {out_chanels: 2, kernel_size: 3}",
        (1, 12, "unknown-key"),
        "`conv2d` has no key `out_chanels`",
        "did you mean `out_channels`?",
    ),
    ("- conv2d: 3", (1, 11, "missing-key"), "`conv2d` needs `kernel_size`", None),
    ("- linear", (1, 3, "missing-key"), "`linear` needs `out_features`", "Size of the output's last axis."),
    ("- {relu: {}, tanh: {}}", (1, 3, "type"), "a layer has one key, its name, with the fields inside it", None),
    (
        "- conv2d:\n  out_channels: 2\n  kernel_size: 3",
        (1, 3, "type"),
        "a layer has one key, its name, with the fields inside it",
        None,
    ),
    ("- 3", (1, 3, "type"), "a layer is a name, or a name with its fields, not the number 3", None),
    ("- [relu]", (1, 3, "type"), "a layer is a name, or a name with its fields, not a list", None),
    ("- {}", (1, 3, "type"), "a layer is a name, or a name with its fields, not a mapping", None),
    ("-", (1, 2, "type"), "a layer is a name, or a name with its fields, not nothing", None),
    ("relu", (1, 1, "type"), "`layers` takes a list, not the text 'relu'", None),
    (
        "- time_distributed: [relu]",
        (1, 3, "shape"),
        "`time_distributed` reads a sequence, and its input is an image (C=1, H=8, W=8)",
        None,
    ),
    ("{relu: {}}", (1, 1, "type"), "`layers` takes a list, not a mapping", None),
    ("[]", (1, 1, "range"), "`layers` holds 0 entries, and takes 1 to 5,000", None),
    ("- relu: {from: strat}", (1, 16, "unknown-name"), "no layer above is called `strat`", "known: `input`"),
    ("- relu\n- tanh: {from: relu1}", (2, 16, "unknown-name"), "no layer above is called `relu1`", "did you mean `relu_1`?"),
    ("- relu: {from: tanh_1}\n- tanh", (1, 16, "unknown-name"), "no layer above is called `tanh_1`", "known: `input`"),
    ("- relu: {name: me, from: me}", (1, 26, "cycle"), "`me` reads itself", "name a layer above it"),
    ("- relu\n- add: [relu_1, sikp]", (2, 17, "unknown-name"), "no layer above is called `sikp`", None),
    (
        "- relu\n- tanh: {from: [relu_1, input]}",
        (2, 16, "type"),
        "`tanh` reads one input, and `from` names 2",
        "join them first, with `add`, `multiply` or `concat`",
    ),
    ("- relu: {from: []}", (1, 16, "range"), "`from` must have at least 1 entry, not 0", None),
    ("- relu\n- add: relu_1", (2, 8, "range"), "`from` must have at least 2 entries, not 1", "The names of at least two layers."),
    ("- add", (1, 3, "missing-key"), "`add` needs `from`", "The names of at least two layers."),
    ("- relu: {from: 3}", (1, 16, "value"), "`from`: expected the name of a layer, or a list of names, found the number 3", None),
    ("- relu: {from: [3]}", (1, 17, "type"), "`from` must be a text, not the number 3", None),
    ("- relu: {name: x}\n- tanh: {name: x}", (2, 16, "name"), "two layers are called `x`", None),
    ("- relu: {name: input}", (1, 16, "name"), "a layer can't be called `input`", "choose another, for example `input_layer`"),
    (
        "- relu: {name: forward}",
        (1, 16, "name"),
        "a layer can't be called `forward`",
        "choose another, for example `forward_layer`",
    ),
    ("- relu: {name: my-relu}", (1, 16, "value"), "`name` can't be the text 'my-relu'", None),
    ("- relu: {name: 1st}", (1, 16, "value"), "`name` can't be the text '1st'", None),
    ("- relu: {name: _modules}", (1, 16, "value"), "`name` can't be the text '_modules'", None),
    ("- relu: {name: a.b}", (1, 16, "value"), "`name` can't be the text 'a.b'", None),
    ("- relu: {name: ''}", (1, 16, "value"), "`name` can't be the text ''", None),
    ("- relu: {name: größe}", (1, 16, "value"), "`name` can't be the text 'größe'", None),
    ("- relu: {name: 5}", (1, 16, "type"), "`name` must be a text, not the number 5", None),
]


INSIDE_STEPS = [
    ("- time_distributed", (1, 3, "missing-key"), "`time_distributed` needs `layers`", "The layers, as under `model.layers`."),
    ("- time_distributed: relu", (1, 21, "type"), "`layers` takes a list, not the text 'relu'", None),
    ("- time_distributed: {layers: [relu], from: x}", (1, 44, "unknown-name"), "no layer above is called `x`", "known: `input`"),
    ("- time_distributed: [rleu]", (1, 22, "unknown-layer"), "there is no layer `rleu`", "did you mean `relu`?"),
    ("- time_distributed: [linear: 0]", (1, 30, "range"), "`out_features` must be at least 1, not 0", None),
    (
        "- time_distributed: [lstm: 2]",
        (1, 22, "shape"),
        "`lstm` reads a sequence of vectors, and its input is a vector (features=8)",
        None,
    ),
]


@pytest.mark.parametrize(("text", "place", "message", "help"), INSIDE_STEPS)
def test_a_mistake_inside_time_distributed_is_shown_there(
    text: str, place: tuple[int, int, str], message: str, help: str | None
) -> None:
    """Layers that run on each step are checked like all others, at their own place."""
    graph, diagnostics = _read(text, ROWS)
    assert graph is None
    assert places(diagnostics) == [place]
    assert diagnostics[0].message == message
    if help is not None:
        assert diagnostics[0].help == help


@pytest.mark.parametrize(("text", "place", "message", "help"), ONE_MISTAKE)
def test_a_mistake_gives_one_message_at_its_place(text: str, place: tuple[int, int, str], message: str, help: str | None) -> None:
    """What is wrong with a layer, its name or its input: one message, with the line and column of the word."""
    graph, diagnostics = _read(text)
    assert places(diagnostics) == [place]
    assert diagnostics[0].message == message
    if help is not None:
        assert diagnostics[0].help == help
    if graph is not None:
        assert place[2] == "name"


def test_all_mistakes_of_a_graph_are_found_at_once() -> None:
    """A layer that can't be read hides no other: shapes below it are unknown, and nothing is said of them."""
    _, diagnostics = _read("""\
        - conv2d: {out_channels: 0, kernel_size: 3}
        - linear: 5
        - rleu: {name: act}
        - tanh: {from: act}
        - tanh: {from: nowhere}
        - 3
        - dropout: {p: 1.5}
        - flatten: {from: input}
        - conv2d: {out_channels: 2, kernel_size: 3}
        - max_pool2d: {kernel_size: 9, from: input}
    """)
    assert places(diagnostics) == [
        (1, 26, "range"),
        (3, 3, "unknown-layer"),
        (5, 16, "unknown-name"),
        (6, 3, "type"),
        (7, 16, "range"),
        (9, 3, "shape"),
        (10, 3, "shape"),
    ]


def test_without_the_input_everything_but_shapes_is_checked() -> None:
    """While the data section has mistakes, those of the layers are still found."""
    graph, diagnostics = _read("- linear: 5\n- rleu\n- time_distributed: [linear: 0]\n- relu: {from: x}", shape=None)
    assert graph is None
    assert places(diagnostics) == [(2, 3, "unknown-layer"), (3, 30, "range"), (4, 16, "unknown-name")]


WRONG_INPUT = [
    (
        "- linear: 5",
        DIGIT,
        "`linear` reads the last axis, and its input is an image (C=1, H=8, W=8)",
        "put `- flatten` before it: it gives 64 features",
    ),
    (
        "- linear: 5",
        Volume(2, 3, 4, 5),
        "`linear` reads the last axis, and its input is a volume (C=2, D=3, H=4, W=5)",
        "put `- flatten` before it: it gives 120 features",
    ),
    (
        "- linear: 5",
        Sequence(4, Token(9)),
        "`linear` reads the last axis, and its input is a sequence of tokens (T=4, each one of 9)",
        "put `- embedding: 64` before it",
    ),
    ("- relu", Token(9), "`relu` reads numbers, and its input is a token (one of 9)", "put `- embedding: 64` before it"),
    (
        "- lstm: 5",
        DIGIT,
        "`lstm` reads a sequence of vectors, and its input is an image (C=1, H=8, W=8)",
        "read each picture as a sequence of its rows: `data: {name: NAME, view: rows}`",
    ),
    (
        "- gru: 5",
        Vector(3),
        "`gru` reads a sequence of vectors, and its input is a vector (features=3)",
        "does a recurrent layer above it need `return: sequence`?",
    ),
    (
        "- conv2d: {out_channels: 1, kernel_size: 1}",
        Vector(12),
        "`conv2d` reads an image, and its input is a vector (features=12)",
        "put `- reshape: [C, H, W]` before it, three sizes that multiply to 12",
    ),
    (
        "- conv2d: {out_channels: 1, kernel_size: 1}",
        Sequence(3, DIGIT),
        "`conv2d` reads an image, and its input is a sequence (T=3) of an image (C=1, H=8, W=8)",
        "put it, and what belongs to it, inside `- time_distributed: [...]`",
    ),
    (
        "- batch_norm1d",
        DIGIT,
        "`batch_norm1d` reads a vector or a sequence of vectors, and its input is an image (C=1, H=8, W=8)",
        "use `batch_norm2d`",
    ),
    (
        "- embedding: 4",
        DIGIT,
        "`embedding` reads a token or a sequence of tokens, and its input is an image (C=1, H=8, W=8)",
        None,
    ),
    (
        "- conv2d: {out_channels: 1, kernel_size: 9}",
        DIGIT,
        "the window of `conv2d` reaches over 9x9 values, and its input has 8x8: an image (C=1, H=8, W=8)",
        "use a smaller `kernel_size`, more `padding`, or fewer pools and strides before it",
    ),
    (
        "- conv2d: {out_channels: 3, kernel_size: 1, groups: 2}",
        Image(2, 8, 8),
        "`conv2d` splits 2 channels into 3 by 2 groups, which does not go even",
        "`groups` divides the channels of the input and `out_channels`",
    ),
    (
        "- max_pool2d: {kernel_size: 2, padding: 2}",
        DIGIT,
        "`padding` of `max_pool2d` is 2, more than half of its kernel of 2",
        None,
    ),
    (
        "- reshape: [3, 3]",
        DIGIT,
        "`reshape` makes 9 values, and its input has 64: an image (C=1, H=8, W=8)",
        "the sizes multiply to 64",
    ),
    (
        "- softmax: 0",
        Vector(3),
        "`softmax` goes along axis 0, and its input is a vector (features=3)",
        "the axes of a sample are 1 to 1",
    ),
    ("- group_norm: 3", Image(4, 2, 2), "`group_norm` makes 3 groups of 4 channels: an image (C=4, H=2, W=2)", None),
    (
        "- prelu: 3",
        Image(4, 2, 2),
        "`prelu` has 3 slopes, and its input is an image (C=4, H=2, W=2)",
        "write `num_parameters: 1` or `num_parameters: 4`",
    ),
    (
        "- relu\n- flatten\n- add: [relu_1, flatten_1]",
        DIGIT,
        "`add` needs equal shapes: `relu_1` is an image (C=1, H=8, W=8), `flatten_1` is a vector (features=64)",
        None,
    ),
]


@pytest.mark.parametrize(("text", "shape", "message", "help"), WRONG_INPUT)
def test_a_layer_that_can_not_read_its_input_says_what_would_mend_it(
    text: str, shape: Shape, message: str, help: str | None
) -> None:
    """The input as it is, what the layer reads, and the line to add or the number to change."""
    graph, diagnostics = _read(text, shape)
    assert graph is None
    (mistake,) = diagnostics
    assert (mistake.code, mistake.place.column) == ("shape", 3)
    assert (mistake.message, mistake.help) == (message, help)


def test_a_pool_window_that_meets_only_padding_is_refused() -> None:
    """Torch takes it, gives -inf, and writes its gradient outside the tensor; one step more and every window meets a value."""
    pool = "- max_pool1d: {kernel_size: 2, padding: 1, dilation: 2}"
    _, diagnostics = _read(pool, Sequence(1, Vector(3)))
    assert [mistake.message for mistake in diagnostics] == [
        "a window of `max_pool1d` meets nothing but padding: its dilation is 2, its input is a sequence (T=1, features=3)"
    ]
    assert _graph(pool, Sequence(2, Vector(3))).output_shape == Sequence(1, Vector(3))


def test_the_suggested_mends_do_mend() -> None:
    """What the help of a wrong shape says to write is then accepted."""
    _graph("- flatten\n- linear: 5")
    _graph("- embedding: 64\n- linear: 5", Sequence(4, Token(9)))
    _graph("- reshape: [3, 2, 2]\n- conv2d: {out_channels: 1, kernel_size: 1}", Vector(12))
    _graph("- time_distributed: [conv2d: {out_channels: 1, kernel_size: 1}]", Sequence(3, DIGIT))


def test_where_a_wrong_input_comes_from_is_told() -> None:
    """A layer is called by the name it has in the config, else by its kind, with its line; a join names all its inputs."""
    _, diagnostics = _read("""\
        - conv2d: {out_channels: 2, kernel_size: 3, name: conv2d_stem}
        - max_pool2d: 2
        - add: [conv2d_stem, max_pool2d_1]
    """)
    (mistake,) = diagnostics
    assert [(words, place.line) for words, place in mistake.related] == [
        ("its input comes from `conv2d_stem`", 1),
        ("its input comes from `max_pool2d`", 2),
    ]


@pytest.mark.parametrize(
    ("start", "flat"),
    [(1, Vector(5 * 3 * 8 * 7)), (2, Sequence(5, Vector(3 * 8 * 7))), (3, Sequence(5, Sequence(3, Vector(8 * 7)))), (4, CLIP)],
)
def test_flattening_inside_the_steps_leaves_a_sequence(start: int, flat: Shape) -> None:
    """As long as the time axis stays, what comes out is a sequence, and recurrent layers can read it."""
    assert _graph(f"- flatten: {start}", CLIP).output_shape == flat


def test_every_layer_may_have_a_name_and_an_input() -> None:
    """`name` and `from` are fields of the whole vocabulary."""
    for spec in LAYERS.values():
        assert {"name", "from_"} <= set(spec.model_fields)


def test_a_graph_written_out_reads_back_as_itself() -> None:
    """Every field, name and edge is in the list, and the list gives the same graph."""
    graph = _graph(
        """
        - time_distributed: {name: steps, layers: [linear: 4, tanh: {name: act}, add: [act, linear_1]]}
        - gru: {hidden_size: 3, bidirectional: true, init: orthogonal}
        - conv1d: {out_channels: 6, kernel_size: 3, padding: same, name: c}
        - concat: {from: [gru_1, c], dim: 2}
        - prelu: {num_parameters: 12, init: 0.1}
        """,
        ROWS,
    )
    again = _graph(json.dumps(graph.as_entries()), ROWS)
    assert again.as_entries() == graph.as_entries()
    assert [(node.name, node.inputs, node.output_shape) for node in again.nodes] == [
        (node.name, node.inputs, node.output_shape) for node in graph.nodes
    ]


def test_sizes_do_not_grow_without_end() -> None:
    """Refused at the layer where the output is too large to be meant, and not when the numbers no longer fit a message."""
    text = "- conv_transpose2d: {out_channels: 6, kernel_size: 65536, stride: 65536}\n" * 400
    report = Report()
    assert read_graph(parse(text), {INPUT: Image(1, 8, 8)}, Vocabulary(report)) is None
    assert [(*places([found])[0], found.message[:33]) for found in report.diagnostics] == [
        (2, 3, "shape", "`conv_transpose2d` gives more tha")
    ]
