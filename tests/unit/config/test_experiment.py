"""A whole config: its sections, its variables, whether its ends meet, and the resolved config that gives it again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcli.config import compose, experiment, tree
from dlcli.config.diagnostics import ConfigError
from dlcli.config.facts import DataFacts, Target
from dlcli.config.normalisation import FixedNormalize
from dlcli.config.shapes import Image, Sequence, Token, Vector
from dlcli.config.yaml_output import as_yaml
from dlcli.errors import DataError
from tests.unit.config.configs import PROFILE, facts_of, load, mistakes, parse, places, write

SMALL = "data: digits\nmodel: {layers: [flatten, linear: '${data.num_classes}']}\n"


def test_a_config_is_read_without_torch_and_numpy() -> None:
    """`validate`, `summary` and completion must answer in a blink: reading configs imports neither, nor what needs them."""
    code = "import sys, dlcli.config.experiment, dlcli.config.compose; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["torch", "torchvision", "numpy", "PIL", "matplotlib", "dlcli.data.dataset", "dlcli.models", "dlcli.training"]
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_everything_left_out_has_its_default() -> None:
    """Two lines are a config: what is not written is torch's default or the design's."""
    resolved = load(SMALL).resolved()
    assert resolved["model"]["layers"][1]["linear"] == {"name": "linear_1", "init": None, "out_features": 10, "bias": True}
    assert resolved["train"]["optimizer"]["name"] == "adam"
    assert resolved["train"]["loss"]["name"] == "cross_entropy"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", [(1, 1, "missing-key"), (1, 1, "missing-key")]),
        ("data: digits\n", [(1, 1, "missing-key")]),
        ("modle: {layers: [relu]}\ndata: digits\n", [(1, 1, "unknown-key")]),
        (SMALL + "optimizer: adam\n", [(3, 1, "unknown-key")]),
        ("data: digits\nmodel: null\n", [(2, 8, "missing-key")]),
        ("data: digits\nmodel: [relu]\n", [(2, 8, "type")]),
        ("data: digits\nmodel: {layer: [relu]}\n", [(2, 9, "unknown-key")]),
        ("data: digit\nmodel: {layers: [relu]}\n", [(1, 7, "unknown-name")]),
        ("data: null\nmodel: {layers: [relu]}\n", [(1, 7, "type")]),
        (SMALL + "vars: [1]\n", [(3, 7, "type")]),
        (SMALL + "vars: {my-w: 8}\n", [(3, 8, "name")]),
        (SMALL + "vars: {a: {b: 1}}\n", [(3, 11, "type")]),
        (SMALL + "vars: {a: '${vars.b}', b: 1}\n", [(3, 11, "unknown-name")]),
        (SMALL + "vars: {a: '${data.num_classes}'}\n", [(3, 11, "unknown-name")]),
    ],
)
def test_wrong_sections_are_found(text: str, expected: list[tuple[int, int, str]]) -> None:
    """Missing, misspelt and unknown sections, and sections of the wrong kind."""
    assert places(mistakes(text)) == expected


def test_variables_are_for_the_whole_config() -> None:
    """A variable may use those above it, and every section may use all of them."""
    found = load("""
        vars: {width: 4, double: "${vars.width * 2}", where: digits}
        data: {name: "${vars.where}", limit: "${vars.double}"}
        model: {layers: [flatten, linear: "${vars.double + data.num_classes}", linear: 10]}
        train: {epochs: "${vars.width // 2}"}
    """)
    assert found.data.limit == 8
    assert found.graph.nodes[1].output_shape == Vector(18)
    assert found.train.epochs == 2


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        (
            DataFacts.of(Image(3, 4, 5), num_classes=7),
            {"num_classes": 7, "channels": 3, "height": 4, "width": 5, "num_features": 3},
        ),
        (DataFacts.of(Sequence(9, Vector(4)), num_targets=2), {"num_targets": 2, "time_steps": 9, "num_features": 4}),
        (DataFacts.of(Sequence(9, Token(50)), num_classes=2), {"num_classes": 2, "time_steps": 9, "vocabulary_size": 50}),
        (DataFacts.of(Vector(6), num_classes=2), {"num_classes": 2, "num_features": 6}),
    ],
)
def test_facts_of_the_data_have_names(facts: DataFacts, names: dict[str, int]) -> None:
    """Each kind of data has the facts that make sense for it, and no others."""
    assert facts.names() == {f"data.{name}": value for name, value in names.items()}


MANY_MISTAKES = """\
dta: {name: mnist}
data: {name: digits, limit: none, veiw: rows, split: {valid: 1.5}}
vars: {a: 1}
model:
  init: {name: xavier, gain: 1}
  layers:
    - conv2d: {out_chanels: 4, kernel_size: 3}
    - rleu
    - dropout: 1.5
    - linear: ${data.num_clases}
    - relu: {from: nowhere}
    - {a: 1, b: 2}
train:
  epochs: 0
  optimizer: {name: adma}
  metrics: [accuracy, {name: top_k, k: many}]
  schedule: {name: cosine, finl: 0.1}
  seed: -1
"""


def test_all_mistakes_of_a_config_are_found_at_once() -> None:
    """Sixteen mistakes, in every section and at every depth: sixteen messages, each at its line and column."""
    assert places(mistakes(MANY_MISTAKES)) == [
        (1, 1, "unknown-key"),
        (2, 29, "type"),
        (2, 35, "unknown-key"),
        (2, 62, "range"),
        (5, 16, "unknown-name"),
        (7, 16, "unknown-key"),
        (8, 7, "unknown-layer"),
        (9, 16, "range"),
        (10, 15, "unknown-name"),
        (11, 20, "unknown-name"),
        (12, 7, "type"),
        (14, 11, "range"),
        (15, 21, "unknown-name"),
        (16, 40, "type"),
        (17, 28, "unknown-key"),
        (18, 9, "range"),
    ]


def test_mistakes_come_before_missing_data() -> None:
    """Where data can't be found, mistakes of the config are told first; without any, the missing data is."""

    def nowhere(_: object) -> DataFacts:
        raise DataError("there is no such folder")

    for text, error in ((SMALL + "train: {epochs: 0}\n", ConfigError), (SMALL, DataError)):
        with pytest.raises(error):
            experiment.resolve(_tree(text), nowhere)


def _tree(text: str) -> tree.Mapping:
    node = parse(text)
    assert isinstance(node, tree.Mapping)
    return node


def test_data_is_not_looked_for_while_its_section_has_mistakes() -> None:
    """A path with a reference that leads nowhere is not opened."""
    text = "data: {name: image_folder, path: 'pictures/${vars.oops}'}\nmodel: {layers: [relu]}\n"

    def looked(_: object) -> DataFacts:
        raise AssertionError("the data was looked for")

    with pytest.raises(ConfigError, match=r"nothing is named `vars\.oops`"):
        experiment.resolve(_tree(text), looked)


CLASSES = DataFacts.of(Vector(4), num_classes=3)
VALUES = DataFacts.of(Vector(4), num_targets=2)
TWO_CLASSES = DataFacts.of(Vector(4), num_classes=2)
STEPS = DataFacts.of(Sequence(5, Vector(4)), num_classes=3)
PICTURES = DataFacts.of(Image(1, 8, 8), num_classes=3)


def _head(layers: str, train: str) -> str:
    return f"data: digits\nmodel: {{layers: [{layers}]}}\ntrain: {train}\n"


@pytest.mark.parametrize(
    ("facts", "layers", "train"),
    [
        (CLASSES, "linear: 3", "{loss: cross_entropy, metrics: [accuracy, f1, {name: top_k, k: 3}]}"),
        (CLASSES, "linear: 9", "{loss: cross_entropy}"),
        (CLASSES, "linear: 3", "{loss: {name: cross_entropy, class_weights: [1, 2, 3]}}"),
        (VALUES, "linear: 2", "{loss: mse, metrics: [mae, r2]}"),
        (VALUES, "linear: 2", "{loss: binary_cross_entropy, metrics: [accuracy]}"),
        (TWO_CLASSES, "linear: 1", "{loss: binary_cross_entropy, metrics: [accuracy]}"),
        (STEPS, "lstm: {hidden_size: 3, return: last}", "{}"),
        (PICTURES, "flatten, linear: 3", "{}"),
    ],
)
def test_heads_that_fit_are_accepted(facts: DataFacts, layers: str, train: str) -> None:
    """Output, loss, metrics and data of a kind."""
    load(_head(layers, train), facts=facts)


@pytest.mark.parametrize(
    ("facts", "layers", "train", "place", "message", "help"),
    [
        (
            CLASSES,
            "linear: 2",
            "{}",
            (2, 18),
            "the data has 3 classes, and the network gives 2",
            "write `- linear: ${data.num_classes}`",
        ),
        (
            VALUES,
            "linear: 3",
            "{loss: mse}",
            (2, 18),
            "the data has 2 values to predict, and the network gives 3",
            "write `- linear: ${data.num_targets}`",
        ),
        (
            TWO_CLASSES,
            "linear: 2",
            "{loss: binary_cross_entropy}",
            (2, 18),
            "the data has 1 values to predict, and the network gives 2",
            "write `- linear: 1`",
        ),
        (
            STEPS,
            "lstm: 3",
            "{}",
            (2, 18),
            "the data has one answer for each sample, and the network gives a sequence (T=5, features=3)",
            "does the last recurrent layer need `return: last`?",
        ),
        (
            PICTURES,
            "relu",
            "{}",
            (2, 18),
            "the data has 3 classes, and the network gives an image (C=1, H=8, W=8)",
            "end with `- flatten` and `- linear: 3`",
        ),
        (
            VALUES,
            "linear: 2",
            "{}",
            (3, 8),
            "`cross_entropy` needs classes, and the data has values to predict",
            "use mse, l1, huber or binary_cross_entropy, or give the classes as whole numbers",
        ),
        (
            CLASSES,
            "linear: 3",
            "{loss: mse}",
            (3, 15),
            "`mse` needs values to predict, and the data has classes",
            "use cross_entropy, or give the targets as numbers with a fraction (float)",
        ),
        (
            CLASSES,
            "linear: 3",
            "{loss: binary_cross_entropy}",
            (3, 15),
            "`binary_cross_entropy` needs values to predict, and the data has classes",
            "use cross_entropy, or give the targets as numbers with a fraction (float)",
        ),
        (
            CLASSES,
            "linear: 3",
            "{metrics: [accuracy, mae]}",
            (3, 29),
            "`mae` judges values, and the loss classes",
            "known: `accuracy`, `top_k`, `precision`, `recall`, `f1`",
        ),
        (
            VALUES,
            "linear: 2",
            "{loss: mse, metrics: accuracy}",
            (3, 29),
            "`accuracy` judges classes, and the loss values",
            "known: `mae`, `rmse`, `r2`",
        ),
        (CLASSES, "linear: 3", "{metrics: [top_k]}", (3, 19), "`top_k` looks at 5 classes, and the data has 3", None),
        (
            CLASSES,
            "linear: 3",
            "{loss: {name: cross_entropy, class_weights: [1, 2]}}",
            (3, 52),
            "`class_weights` has 2 numbers, and the network gives 3 scores",
            None,
        ),
    ],
)
def test_heads_that_do_not_fit_are_told(
    facts: DataFacts, layers: str, train: str, place: tuple[int, int], message: str, help: str | None
) -> None:
    """What the data has, what the network, the loss or the metric gives or needs, and the line that would fit."""
    (mistake,) = mistakes(_head(layers, train), facts=facts)
    assert places([mistake]) == [(*place, "head")]
    assert (mistake.message, mistake.help) == (message, help)


EXPERIMENTS = [
    SMALL,
    """
    data: {name: mnist, fallback: digits, limit: 100, normalize: {name: fixed, mean: [0.5], std: [0.25]}, split: {valid: 0.2, seed: 3}}
    vars: {width: 6}
    model:
      init: {name: kaiming_normal, mode: fan_out}
      layers:
        - conv2d: {out_channels: "${vars.width}", kernel_size: 3, padding: same, name: stem}
        - batch_norm2d
        - relu
        - conv2d: {out_channels: 6, kernel_size: [3, 1], padding: [1, 0], init: orthogonal}
        - add: [stem, conv2d_2]
        - max_pool2d: {kernel_size: 3, stride: 2, padding: 1, ceil_mode: true}
        - global_avg_pool
        - dropout: 0.25
        - linear: ${data.num_classes}
    train:
      epochs: 7
      optimizer: {name: sgd, lr: 1e-1, momentum: 0.9, nesterov: true}
      schedule: {name: one_cycle, warmup: 3}
      loss: {name: cross_entropy, label_smoothing: 0.1}
      metrics: [accuracy, {name: top_k, k: 3}]
      clip_gradients: 1.0
      early_stopping: {patience: 2, min_delta: 1e-4}
      ema: 0.99
      max_time: 20m
    """,
    """
    data: {name: cifar10, view: rows, augment: [flip, {name: shift, pixels: 4}]}
    model:
      layers:
        - lstm: {hidden_size: 5, num_layers: 2, bidirectional: true, dropout: 0.1, forget_bias: 1}
        - conv1d: {out_channels: 4, kernel_size: 2}
        - gru: {hidden_size: 3, return: last}
        - prelu: 3
        - linear: 10
    """,
    """
    data: fashion_mnist
    model:
      layers:
        - reshape: {sizes: [4, 1, 14, 14], layout: clip}
        - time_distributed:
            - conv2d: {out_channels: 2, kernel_size: 3, name: eye}
            - tanh
            - concat: [eye, tanh_1]
            - flatten
        - rnn: {hidden_size: 4, nonlinearity: relu, return: last, name: memory}
        - linear: 10
    """,
]


@pytest.mark.parametrize("text", EXPERIMENTS)
def test_the_resolved_config_is_the_same_experiment(text: str, tmp_path: Path) -> None:
    """Written to a file and read again, it gives equal data, graph and training, and resolves to itself."""
    first = load(text)
    config = write(tmp_path / "config.resolved.yaml", as_yaml(first.resolved()))
    second = experiment.resolve(compose.load(config), facts_of)
    assert second.resolved() == first.resolved()
    assert (second.data, second.train, second.facts) == (first.data, first.train, first.facts)
    assert (second.model.init, second.model.limits) == (first.model.init, first.model.limits)
    edges = [[(node.name, node.inputs, node.output_shape) for node in found.graph.nodes] for found in (first, second)]
    assert edges[0] == edges[1]


@pytest.mark.parametrize("text", EXPERIMENTS)
def test_nothing_in_a_resolved_config_is_left_to_infer(text: str) -> None:
    """No references, no extension, every layer with its name: it does not change if a default does."""
    resolved = load(text).resolved()
    assert set(resolved) == {"data", "model", "train"}
    assert "${" not in json.dumps(resolved)
    assert all(fields["name"] for entry in resolved["model"]["layers"] for fields in entry.values())


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**17), 10**17),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=("Cs",)), max_size=40),
        st.sampled_from(
            ["no", "1e-3", "12:30", "0o17", "~", "<<", "=", "${x}", "- a", "a: b", "1_000", "2024-01-31", "", " ", "'"]
        ),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text("abcdefgh", min_size=1), inner, max_size=4)),
    max_leaves=12,
)


@PROFILE
@given(value=values)
def test_yaml_that_is_written_reads_back(value: object) -> None:
    """Any plain values, texts that look like numbers among them, survive writing and reading."""
    assert tree.plain(parse(as_yaml({"key": value}))) == {"key": value}


def test_given_means_are_one_for_each_channel() -> None:
    """Of a public data set that is known before it is read."""
    text = "data: {name: mnist, normalize: {name: fixed, mean: [0, 1], std: [1, 1]}}\nmodel: {layers: [flatten, linear: 10]}\n"
    (found,) = mistakes(text)
    assert places([found]) == [(1, 52, "range")]
    assert found.message == "`mean` and `std` have 2 numbers, and the channels of `mnist` are 1"


TWO_TARGETS = DataFacts({"input": Vector(6)}, {"digit": Target(num_classes=4), "size": Target(num_targets=1)})
TWO_HEADS = "model: {layers: [linear: {out_features: 4, name: digit}, linear: {out_features: 1, from: input, name: size}], outputs: [digit, size]}\n"
LOSSES = "train: {loss: {digit: cross_entropy, size: mse}}\n"


def test_targets_are_scaled_by_their_names() -> None:
    """A name that no target has is told at its key, with the nearest that there is; every other is kept."""
    data = "data: {{name: digits, normalize_targets: {{{}: {{name: fixed, mean: [2], std: [3]}}}}}}\n"
    found = load(data.format("size") + TWO_HEADS + LOSSES, facts=TWO_TARGETS)
    assert found.data.normalize_targets == {"size": FixedNormalize(mean=(2,), std=(3,))}
    (mistake,) = mistakes(data.format("sise") + TWO_HEADS + LOSSES, facts=TWO_TARGETS)
    assert places([mistake]) == [(1, 42, "unknown-name")]
    assert (mistake.message, mistake.help) == ("the data has no target `sise`", "did you mean `size`?")


@pytest.mark.parametrize(
    ("facts", "rest", "labels"),
    [
        (TWO_TARGETS, TWO_HEADS + LOSSES, set()),
        (TWO_TARGETS, TWO_HEADS + LOSSES.replace("mse", "binary_cross_entropy"), {"size"}),
        (
            DataFacts.of(Vector(4), num_targets=2),
            "model: {layers: [linear: 2]}\ntrain: {loss: binary_cross_entropy}\n",
            {"target"},
        ),
        (DataFacts.of(Vector(4), num_targets=2), "model: {layers: [linear: 2]}\ntrain: {loss: mse}\n", set()),
    ],
)
def test_targets_that_are_labels_are_known(facts: DataFacts, rest: str, labels: set[str]) -> None:
    """Those that a loss compares with yes or no: with one target that one, with several those of the outputs."""
    assert load("data: digits\n" + rest, facts=facts).label_targets() == labels


def test_a_normalisation_for_each_target_reads_back() -> None:
    """By name, each with its own; a wrong one is told at its place."""
    text = (
        "data: {name: digits, normalize_targets: {target: {name: fixed, mean: [2], std: [3]}}}\n"
        "model: {layers: [linear: 1]}\ntrain: {loss: mse}\n"
    )
    facts = DataFacts.of(Vector(4), num_targets=1)
    first = load(text, facts=facts)
    assert first.data.normalize_targets == {"target": FixedNormalize(mean=(2,), std=(3,))}
    written = first.resolved()["data"]["normalize_targets"]
    assert written == {"target": {"name": "fixed", "mean": [2.0], "std": [3.0]}}
    assert load(as_yaml(first.resolved()), facts=facts).data == first.data
    (mistake,) = mistakes(text.replace("{name: fixed, mean: [2], std: [3]}", "non"), facts=facts)
    assert places([mistake]) == [(1, 50, "unknown-name")]


def test_a_normalisation_may_be_written_as_a_layer_is() -> None:
    """`{fixed: ...}` is told how a choice is written, and is not taken for an input of that name."""
    (mistake,) = mistakes(
        "data: {name: mnist, normalize: {fixed: {mean: [0], std: [1]}}}\nmodel: {layers: [flatten, linear: 10]}\n"
    )
    assert places([mistake]) == [(1, 32, "missing-key")]
    assert mistake.message == "the normalisation has no `name`"
    assert mistake.help == "write `{name: fixed}`"


@pytest.mark.parametrize(
    ("text", "place", "help"),
    [
        (SMALL + "train: {limit: 3}\n", (3, 9), "it belongs to `data`: `data: {limit: 3}`"),
        (SMALL + "train: {init: orthogonal}\n", (3, 9), "it belongs to `model`: `model: {init: orthogonal}`"),
        (SMALL.replace("digits", "{name: digits, epochs: 3}"), (1, 22), "it belongs to `train`: `train: {epochs: 3}`"),
        (SMALL.replace("]}", "], limit: 4}"), (2, 59), "it belongs to `data`: `data: {limit: 4}`"),
        (SMALL + "init: orthogonal\n", (3, 1), "write `init` inside of `model`"),
        (SMALL + "epochs: 3\n", (3, 1), "write `epochs` inside of `train`"),
        (SMALL + "epoch=3: \n", (3, 1), "write `epoch: 3`, with a space after the colon"),
    ],
)
def test_a_key_of_another_section_is_told_where_it_belongs(text: str, place: tuple[int, int], help: str) -> None:
    """With the value that was written."""
    (mistake,) = mistakes(text)
    assert places([mistake]) == [(*place, "unknown-key")]
    assert mistake.help == help


def test_variables_may_be_nothing_and_have_names_like_layers() -> None:
    """`vars:` without a value is none; a name that can't be written in `${...}` is told how names are."""
    assert load(SMALL + "vars:\n").graph.nodes
    (mistake,) = mistakes(SMALL + "vars: {my-w: 8}\n")
    assert mistake.message == "no variable can be called `my-w`"
    assert mistake.help == "use a letter, then letters, digits and `_`"


def test_warnings_go_with_the_experiment() -> None:
    """What runs but is probably not meant is kept, and is in the examination with its mistakes."""
    text = SMALL.replace("]}", ", softmax]}")
    assert [warning.severity for warning in load(text).warnings] == ["warning"]
    found = experiment.examine(_tree(text), facts_of)
    assert found.experiment is not None
    assert found.diagnostics == found.experiment.warnings
    assert found.missing is None
    assert load(SMALL).warnings == ()


def test_with_a_mistake_there_is_no_experiment() -> None:
    """Wherever it is: in a section, between two, or because nothing is known of the data."""

    def nowhere(_: object) -> DataFacts:
        raise DataError("there is no such folder")

    for text in (
        SMALL + "train: {epochs: 0}\n",
        SMALL.replace("linear:", "linaer:"),
        SMALL + "train: {loss: mse}\n",
        "data: digits\n",
    ):
        found = experiment.examine(_tree(text), facts_of)
        assert found.diagnostics
        assert found.experiment is None
    found = experiment.examine(_tree(SMALL), nowhere)
    assert (found.diagnostics, found.experiment) == ((), None)
    assert str(found.missing) == "there is no such folder"
    assert (found.data_place.line, found.data_place.column) == (1, 7)
