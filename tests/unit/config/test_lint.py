"""What runs but is probably not meant: each rule finds its mistake at its place, and nothing where nothing is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from torch import nn

from dlcli.config import compose, experiment
from dlcli.config.data import Arrays, DataSpec
from dlcli.config.diagnostics import Diagnostic
from dlcli.config.facts import DataFacts, Target
from dlcli.config.lint import RULES
from dlcli.config.lint.wiring import ACTIVATIONS
from dlcli.config.optimizers import OPTIMIZERS
from dlcli.config.shapes import Image, Sequence, Vector
from dlcli.data.catalogue import SOURCES
from dlcli.data.directories import search_directories
from dlcli.data.raw import DataUnavailableError
from dlcli.models.network import build_network
from tests.unit.config.configs import Mistake, load, places, write
from tests.unit.config.lint_page import page

ROOT = Path(__file__).parents[3]
SHIPPED = sorted([*(ROOT / "configs").rglob("*.yaml"), *(ROOT / "dlcli" / "app" / "templates").glob("*.yaml")])

Lint = Callable[..., list[Mistake]]
"""Line, column and code of all that is said of a config."""

PLACES: dict[str, tuple[int, int]] = {
    "softmax-before-loss": (6, 7),
    "activation-before-loss": (6, 7),
    "missing-head": (6, 7),
    "dropout-at-end": (6, 7),
    "repeated-activation": (6, 7),
    "no-nonlinearity": (6, 7),
    "bias-before-norm": (4, 7),
    "dead-branch": (6, 7),
    "unused-block": (5, 5),
    "unused-variable": (1, 8),
    "monitor-without-valid": (7, 3),
    "large-learning-rate": (7, 31),
    "unknown-rule": (5, 35),
}
"""Line and column of the mistake in each rule's example."""


CONFIGS = Path(__file__).parents[3] / "configs"


def _facts_of(data: DataSpec) -> DataFacts:
    """Those of the source, or of its fallback where the files are not there."""
    if isinstance(data, Arrays):
        return DataFacts.of(Image(1, 8, 8), num_classes=10)
    try:
        return SOURCES[type(data)].facts(data, search_directories(None, CONFIGS))
    except DataUnavailableError:
        assert data.fallback is not None
        return _facts_of(data.fallback)


def _look(path: Path, overrides: Iterable[str] = (), facts: DataFacts | None = None) -> tuple[Diagnostic, ...]:
    return experiment.examine(compose.load(path, overrides), lambda data: facts or _facts_of(data)).diagnostics


@pytest.fixture
def lint(tmp_path: Path) -> Lint:
    """Line, column and code of all that is said of a config."""

    def found(text: str, overrides: Iterable[str] = (), facts: DataFacts | None = None) -> list[Mistake]:
        return places(_look(write(tmp_path / "config.yaml", text), overrides, facts))

    return found


@pytest.fixture
def lint_layers(lint: Lint) -> Lint:
    """The same for the layers of a classification of digits, which begin in line 4, column 7."""

    def found(layers: str, train: str = "{}", facts: DataFacts | None = None) -> list[Mistake]:
        entries = "".join(f"    {line}\n" for line in dedent(layers).strip("\n").splitlines())
        return lint(f"data: digits\nmodel:\n  layers:\n{entries}train: {train}\n", (), facts)

    return found


HEAD = "- linear: ${data.num_classes}\n"


def test_there_is_an_example_for_every_rule() -> None:
    """No rule is left untested."""
    assert set(PLACES) == set(RULES)


@pytest.mark.parametrize("code", RULES)
def test_an_example_has_its_mistake_at_its_place_and_no_other(lint: Lint, code: str) -> None:
    """The example in the documentation of a rule triggers this rule, once."""
    assert lint(RULES[code].example) == [(*PLACES[code], code)]


@pytest.mark.parametrize("code", RULES)
def test_a_mended_example_has_no_mistake(lint: Lint, code: str) -> None:
    """What a rule says to do is enough, and brings no other warning."""
    assert lint(RULES[code].mended) == []


@pytest.mark.parametrize("code", RULES)
def test_a_warning_says_what_to_do_and_stops_nothing(code: str) -> None:
    """It is of severity warning, has a help, and the experiment is there all the same with the warning in it."""
    (warning,) = load(RULES[code].example).warnings
    assert (warning.code, warning.severity) == (code, "warning")
    assert warning.help
    assert warning.render().startswith(f"warning[{code}]: ")


def test_of_very_many_warnings_the_rest_is_counted(tmp_path: Path) -> None:
    """A generated config fills no terminal: 100 warnings, and how many more there are."""
    variables = "".join(f"  v{number}: 1\n" for number in range(130))
    text = f"vars:\n{variables}data: digits\nmodel:\n  layers:\n    - flatten\n    {HEAD}"
    found = _look(write(tmp_path / "config.yaml", text))
    assert [warning.code for warning in found] == ["unused-variable"] * 100 + ["limit"]
    assert (found[-1].message, found[-1].place.line) == ("30 more warnings from here on", 102)
    assert {warning.severity for warning in found} == {"warning"}


@pytest.mark.parametrize("comment", ["# dlcli: ignore[{}]", "# known  #dlcli:ignore[dead-branch, {}]"])
@pytest.mark.parametrize("code", RULES)
def test_a_comment_in_its_line_leaves_a_warning_out(lint: Lint, code: str, comment: str) -> None:
    """By its code, alone or among others."""
    lines = RULES[code].example.splitlines()
    line = PLACES[code][0] - 1
    lines[line] += "  " + comment.format(code)
    assert lint("\n".join(lines) + "\n") == []


def test_a_comment_with_another_code_or_in_another_line_leaves_nothing_out(lint: Lint) -> None:
    """Only what is named, and only where it is."""
    text = RULES["softmax-before-loss"].example
    expected = [(6, 7, "softmax-before-loss")]
    assert lint(text.replace("- softmax", "- softmax  # dlcli: ignore[dead-branch]")) == expected
    assert lint(text.replace("- flatten", "- flatten  # dlcli: ignore[softmax-before-loss]")) == expected


def test_an_unknown_code_is_found_in_every_file_of_a_config(tmp_path: Path) -> None:
    """Also in one that is extended, each at its own place."""
    write(tmp_path / "base.yaml", "data: digits\n" + "# dlcli: ignore[softmax]\n")
    top = write(
        tmp_path / "top.yaml", "extends: base.yaml\nmodel: {layers: [flatten, linear: 10]}  # dlcli: ignore[a,dead-branch,b]\n"
    )
    found = [(Path(warning.place.source.name).name, *place) for warning in _look(top) for place in places([warning])]
    assert found == [
        ("base.yaml", 2, 17, "unknown-rule"),
        ("top.yaml", 2, 57, "unknown-rule"),
        ("top.yaml", 2, 71, "unknown-rule"),
    ]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_configs_that_come_with_dlcli_give_no_warning(path: Path) -> None:
    """Neither the measured ones, nor the known networks, nor the templates."""
    assert _look(path) == ()


def test_the_documentation_says_what_the_rules_say() -> None:
    """docs/lint.md is made from the table: `python -m tests.unit.config.lint_page > docs/lint.md`."""
    assert (ROOT / "docs" / "lint.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(
    ("end", "line"),
    [
        (HEAD + "- log_softmax", 6),
        (HEAD + "- softmax\n- flatten", 6),
        (HEAD + "- softmax\n- dropout: 0.1\n- reshape: [10]", 6),
        (HEAD + "- sequential: [softmax]", 6),
        (HEAD + "- sequential:\n    - sequential: [flatten]\n    - softmax", 8),
    ],
)
def test_softmax_before_its_loss_is_found_where_it_stands(lint_layers: Lint, end: str, line: int) -> None:
    """Behind it may be what leaves its values as they are, and it may stand inside of another layer."""
    (found,) = [found for found in lint_layers("- flatten\n" + end) if found[2] == "softmax-before-loss"]
    assert found[0] == line


def test_softmax_of_each_step_before_a_mean_over_time_is_found(lint_layers: Lint) -> None:
    """The loss reads a mean of probabilities as if it were scores."""
    layers = "- time_distributed:\n    - flatten\n    - linear: 10\n    - softmax\n- global_avg_pool"
    facts = DataFacts.of(Sequence(4, Image(1, 8, 8)), num_classes=10)
    assert lint_layers(layers, facts=facts) == [(7, 11, "softmax-before-loss")]


def test_what_an_output_may_go_through_depends_on_its_loss(lint_layers: Lint) -> None:
    """`sigmoid` belongs to yes-or-no labels; values may be limited on purpose."""
    facts = DataFacts.of(Image(1, 8, 8), num_targets=3)
    layers = "- flatten\n- linear: 3\n- {}"
    assert lint_layers(layers.format("sigmoid"), "{loss: binary_cross_entropy}", facts) == [(6, 7, "softmax-before-loss")]
    assert lint_layers(layers.format("softmax"), "{loss: binary_cross_entropy}", facts) == [(6, 7, "activation-before-loss")]
    for loss in ("mse", "l1", "huber"):
        for kind in ("sigmoid", "softmax", "relu", "tanh"):
            assert lint_layers(layers.format(kind), f"{{loss: {loss}}}", facts) == []


def test_each_output_is_held_against_its_own_loss(lint: Lint) -> None:
    """Of several outputs, each has the loss and the target of its name."""
    facts = DataFacts({"input": Vector(4)}, {"digit": Target(num_classes=3), "size": Target(num_targets=1)})
    text = """
        data: digits
        model:
          layers:
            - linear: 8
            - relu: {name: trunk}
            - linear: 4
            - softmax: {name: digit}
            - linear: {out_features: 1, from: trunk}
            - relu: {name: size}
          outputs: [digit, size]
        train:
          loss: {digit: cross_entropy, size: mse}
    """
    assert lint(text, (), facts) == [(8, 7, "softmax-before-loss"), (8, 7, "missing-head")]


def test_every_activation_but_those_that_keep_all_scores_is_found_before_the_loss(lint_layers: Lint) -> None:
    """Behind `leaky_relu` and `prelu` a score can still be anything; `softmax` has a rule of its own."""
    found = {kind: [code for _, _, code in lint_layers(f"- flatten\n{HEAD}- {kind}")] for kind in ACTIVATIONS}
    own = {"softmax": ["softmax-before-loss"], "log_softmax": ["softmax-before-loss"], "leaky_relu": [], "prelu": []}
    assert found == {kind: ["activation-before-loss"] for kind in ACTIVATIONS} | own
    assert len(found) >= 15


def test_an_activation_before_a_last_pooling_may_be_meant(lint_layers: Lint) -> None:
    """SqueezeNet and Network in Network end with a convolution, `relu` and a mean over the picture."""
    assert lint_layers("- conv2d: {out_channels: 10, kernel_size: 1}\n- relu\n- global_avg_pool\n- flatten") == []


@pytest.mark.parametrize(
    ("layers", "line", "help"),
    [
        ("- flatten\n- linear: 64", 5, "write `out_features: ${data.num_classes}` in the last `linear`"),
        ("- flatten\n- linear: 64\n- dropout: 0.1", 5, "write `out_features: ${data.num_classes}` in the last `linear`"),
        ("- conv2d: {out_channels: 11, kernel_size: 8}\n- flatten", 4, "write `out_channels: ${data.num_classes}` in the last"),
        ("- conv2d: {out_channels: 2, kernel_size: 3}\n- flatten", 5, "end with `- linear: ${data.num_classes}`"),
        ("- conv2d: {out_channels: 16, kernel_size: 3}\n- global_max_pool", 5, "end with `- linear: ${data.num_classes}`"),
        ("- flatten\n- linear: 64\n- batch_norm1d: {affine: false}", 6, "end with `- linear: ${data.num_classes}`"),
        ("- flatten\n- linear: 64\n- tanh\n- dropout: 0.1", 7, "end with `- linear: ${data.num_classes}`"),
    ],
)
def test_a_missing_head_is_named_once_with_what_is_missing(tmp_path: Path, layers: str, line: int, help: str) -> None:
    """A last layer of another size is told from no last layer; the activation or dropout before the head is right then."""
    entries = "".join(f"    {entry}\n" for entry in layers.splitlines())
    (warning,) = _look(write(tmp_path / "config.yaml", f"data: digits\nmodel:\n  layers:\n{entries}"))
    assert places([warning]) == [(line, 7, "missing-head")]
    assert help in (warning.help or "")


def test_scores_of_each_step_are_counted_by_the_step(lint_layers: Lint) -> None:
    """With an answer for each step, each step has its scores."""
    facts = DataFacts.of(Sequence(5, Vector(4)), num_classes=3, per_step=True)
    assert lint_layers("- gru: 8\n- linear: 3", facts=facts) == []
    assert lint_layers("- gru: 8\n- linear: 4", facts=facts) == [(5, 7, "missing-head")]


_TORCH = {
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "leaky_relu": nn.LeakyReLU(),
    "prelu": nn.PReLU(),
    "sigmoid": nn.Sigmoid(),
    "softplus": nn.Softplus(),
    "softmax": nn.Softmax(1),
    "tanh": nn.Tanh(),
    "gelu": nn.GELU(),
    "elu": nn.ELU(),
}


@pytest.mark.parametrize("first", _TORCH)
@pytest.mark.parametrize("second", ["relu", "leaky_relu", "prelu"])
def test_an_activation_does_nothing_where_torch_says_so(lint_layers: Lint, first: str, second: str) -> None:
    """`relu` and its kin behind another activation are found where the values stay the same, or where both are of one kind."""
    values = _TORCH[first](torch.linspace(-8, 8, 64).reshape(4, 16))
    is_idle = torch.equal(_TORCH[second](values), values) or first == second
    found = lint_layers(f"- flatten\n- {first}\n- {second}\n{HEAD}")
    assert found == ([(6, 7, "repeated-activation")] if is_idle else [])


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("- flatten\n- tanh\n- tanh", [(6, 7)]),
        ("- flatten\n- gelu: {repeat: 2}", [(5, 7)]),
        ("- flatten\n- softmax\n- softmax", [(6, 7)]),
        ("- softmax: 2\n- softmax: 3\n- flatten", []),
        ("- tanh\n- flatten\n- relu", []),
        ("- relu\n- max_pool2d: 2\n- flatten\n- dropout: 0.1\n- relu", [(8, 7)]),
        ("- sequential: [flatten, relu]\n- sequential: [relu]", [(5, 20)]),
        ("- time_distributed: [flatten, relu]\n- relu\n- flatten", [(5, 7)]),
        ("- relu: {name: a}\n- tanh\n- share: {layer: a, from: a}\n- flatten", [(6, 7)]),
    ],
)
def test_repeated_activations_are_found_at_the_second(lint_layers: Lint, layers: str, expected: list[tuple[int, int]]) -> None:
    """Across what moves values alone, and across the ends of nestings; along another axis `softmax` is another function."""
    facts = DataFacts.of(Sequence(3, Image(1, 8, 8)), num_classes=10) if "time_" in layers else None
    found = [found[:2] for found in lint_layers(f"{layers}\n{HEAD}", facts=facts) if found[2] == "repeated-activation"]
    assert found == expected


_BLOCK = """
    data: digits
    model:
      blocks:
        pre:
          - relu
          - conv2d: {{out_channels: 1, kernel_size: 3, padding: 1}}
      layers:
        {}
        - flatten
        - linear: 10
"""


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("- relu\n        - pre", [(6, 9, "repeated-activation")]),
        ("- relu\n        - pre: {repeat: 2}", []),
        ("- pre\n        - relu\n        - pre", []),
        ("- relu\n        - pre\n        - relu\n        - pre", [(6, 9, "repeated-activation")]),
    ],
)
def test_a_layer_of_a_block_is_wrong_where_every_use_makes_it_so(lint: Lint, layers: str, expected: list[Mistake]) -> None:
    """Named once then; a layer that one use needs can't be removed."""
    assert lint(_BLOCK.format(layers)) == expected


def test_an_output_inside_of_a_block_with_other_uses_is_found_at_the_last_use(lint: Lint) -> None:
    """The block is right in the middle of the network: the entry that ends it is what has to change."""
    text = """
        data: digits
        model:
          blocks:
            dense: {params: {size: }, layers: [linear: "${size}", relu]}
          layers:
            - flatten
            - dense: 32
            - dense: ${data.num_classes}
    """
    assert lint(text) == [(9, 7, "activation-before-loss")]


@pytest.mark.parametrize("norm", ["batch_norm2d", "instance_norm", "group_norm", "layer_norm"])
@pytest.mark.parametrize("layer", ["conv2d", "conv_transpose2d"])
def test_a_bias_is_idle_before_the_norms_that_torch_says(lint_layers: Lint, layer: str, norm: str) -> None:
    """Where another bias makes another output, nothing is said."""
    fields = "{num_groups: 2}" if norm == "group_norm" else "{affine: true}" if norm != "layer_norm" else "{}"
    layers = f"- {layer}: {{out_channels: 4, kernel_size: 3}}\n- {norm}: {fields}\n- flatten\n{HEAD}"
    entries = "".join(f"    {line}\n" for line in layers.splitlines())
    network = build_network(load(f"data: digits\nmodel:\n  layers:\n{entries}").graph, None)
    pictures = torch.randn(4, 1, 8, 8)
    before = network(pictures)
    network.get_submodule(f"{layer}_1").bias.data += torch.tensor([3.0, -1.0, 0.5, 2.0])
    is_idle = torch.allclose(network(pictures), before, atol=1e-4)
    assert lint_layers(layers) == ([(4, 7, "bias-before-norm")] if is_idle else [])


@pytest.mark.parametrize(
    "layers",
    [
        "- conv2d: {out_channels: 4, kernel_size: 3, bias: false}\n- batch_norm2d\n- flatten",
        "- conv2d: {out_channels: 4, kernel_size: 3}\n- batch_norm2d: {affine: false}\n- flatten",
        "- conv2d: {out_channels: 4, kernel_size: 3}\n- relu\n- batch_norm2d\n- flatten",
        "- conv2d: {out_channels: 4, kernel_size: 3, name: a}\n- batch_norm2d: {name: b}\n- add: [a, b]\n- flatten",
        "- conv2d: {out_channels: 1, kernel_size: 3, padding: 1, name: a}\n- batch_norm2d\n- share: a\n- flatten",
    ],
)
def test_a_bias_with_an_effect_is_left_alone(lint_layers: Lint, layers: str) -> None:
    """None there, no shift behind it, an activation between, a second reader, a second use of the weights."""
    assert lint_layers(f"{layers}\n{HEAD}") == []


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("- flatten\n- linear: 64\n- dropout: 0.5\n- linear: 10", [(7, 7)]),
        ("- flatten\n- linear: {out_features: 64, repeat: 3}\n- relu\n- linear: 10", [(5, 7)]),
        ("- flatten\n- sequential: [linear: 32]\n- linear: 10", [(6, 7)]),
        ("- conv2d: {out_channels: 4, kernel_size: 3, repeat: 2}\n- flatten\n- linear: 10", [(4, 7)]),
        ("- flatten\n- linear: 4\n- linear: 10", []),
        ("- flatten\n- linear: {out_features: 64, name: a}\n- share: {layer: a, from: a}\n- linear: 10", []),
        ("- flatten\n- linear: 64\n- batch_norm1d: {affine: false}\n- linear: 10", []),
        ("- flatten\n- linear: {out_features: 16, name: a}\n- linear: 16\n- add: [a, linear_2]\n- relu\n- linear: 10", []),
        ("- conv2d: {out_channels: 4, kernel_size: 3}\n- conv2d: {out_channels: 8, kernel_size: 1}\n- flatten\n- linear: 10", []),
        (
            "- conv2d: {out_channels: 4, kernel_size: 3}\n- conv2d: {out_channels: 4, kernel_size: 3, groups: 4}\n- flatten\n- linear: 10",
            [],
        ),
        (
            "- conv2d: {out_channels: 4, kernel_size: [1, 3]}\n- conv2d: {out_channels: 4, kernel_size: [3, 1]}\n- flatten\n- linear: 10",
            [],
        ),
        (
            "- conv_transpose2d: {out_channels: 4, kernel_size: 2}\n- conv2d: {out_channels: 4, kernel_size: 3}\n- flatten\n- linear: 10",
            [],
        ),
    ],
)
def test_linear_maps_in_a_row_are_found_where_one_would_do(
    lint_layers: Lint, layers: str, expected: list[tuple[int, int]]
) -> None:
    """Not where the two are a map of low rank, shared, read in between, or factors of a larger convolution."""
    assert lint_layers(layers) == [(*place, "no-nonlinearity") for place in expected]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("- flatten: {name: a}\n- linear: 4\n- relu\n- linear: {out_features: 10, from: a}", [(6, 7)]),
        ("- flatten: {name: a}\n- tanh\n- relu: {from: a}\n- linear: {out_features: 10, from: a}", [(5, 7), (6, 7)]),
        ("- sequential:\n    - flatten: {name: a}\n    - linear: 4\n    - linear: {out_features: 10, from: a}", [(6, 11)]),
    ],
)
def test_a_dead_branch_is_found_at_its_end(lint_layers: Lint, layers: str, expected: list[tuple[int, int]]) -> None:
    """One warning for each branch, inside of nestings too."""
    assert lint_layers(layers) == [(*place, "dead-branch") for place in expected]


def test_an_input_that_nobody_reads_is_found_where_the_data_names_it(lint: Lint) -> None:
    """Of several inputs; a layer that is an output is read."""
    text = """
        data:
          name: digits
          view: [image, rows]
        model:
          layers:
            - flatten: {from: image}
            - linear: ${data.num_classes}
    """
    assert lint(text) == [(4, 17, "dead-branch")]


def test_what_a_base_defines_may_be_left_unused(tmp_path: Path) -> None:
    """Only the config's own blocks and variables are its own to use."""
    base = "vars: {a: 1, b: 2}\nmodel: {blocks: {one: [relu], two: [relu]}}\n"
    write(tmp_path / "base.yaml", base)
    own = """
        extends: base.yaml
        vars: {c: 3}
        data: digits
        model:
          blocks: {three: [relu]}
          layers: [flatten, linear: 10]
    """
    found = places(_look(write(tmp_path / "top.yaml", own)))
    assert found == [(3, 8, "unused-variable"), (6, 12, "unused-block")]


def test_a_use_counts_wherever_it_stands(lint: Lint) -> None:
    """Variables in other variables, in blocks and in `train`; blocks in other blocks and inside of nestings."""
    text = """
        vars: {a: 8, b: "${vars.a + 1}", rate: 1e-3}
        data: digits
        model:
          blocks:
            inner: {params: {size: 4}, layers: [linear: "${size + vars.b}", relu]}
            outer: [inner: {size: 3}]
          layers:
            - sequential: [flatten, outer]
            - linear: 10
        train: {optimizer: {name: adam, lr: "${vars.rate}"}}
    """
    assert lint(text) == []


@pytest.mark.parametrize(
    ("data", "train", "expected"),
    [
        ("{name: digits, split: {valid: 0}}", "{early_stopping: 2, monitor: loss}", [(3, 9), (3, 28)]),
        ("{name: digits, split: {valid: 0.0}}", "{schedule: plateau}", [(3, 9)]),
        ("{name: digits, split: {valid: 0}}", "{schedule: cosine}", []),
        ("{name: digits, split: {valid: 0.1}}", "{early_stopping: 2}", []),
        ("{name: arrays, path: a.npz, split: {valid: 0}}", "{early_stopping: 2}", []),
    ],
)
def test_nothing_may_wait_for_validation_samples_that_there_are_not(
    lint: Lint, data: str, train: str, expected: list[tuple[int, int]]
) -> None:
    """Sources that can bring their own are left alone."""
    found = lint(f"data: {data}\nmodel: {{layers: [flatten, linear: 10]}}\ntrain: {train}\n")
    assert found == [(*place, "monitor-without-valid") for place in expected]


def test_validation_that_the_command_line_switches_off_is_seen(tmp_path: Path) -> None:
    """`--set` on the short form of a source."""
    config = write(tmp_path / "c.yaml", "data: digits\nmodel: {layers: [flatten, linear: 10]}\ntrain: {early_stopping: 2}\n")
    assert places(_look(config, ["data.split.valid=0"])) == [(3, 9, "monitor-without-valid")]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_rates_that_optimisers_begin_with_are_no_mistake(lint: Lint, name: str) -> None:
    """Neither the default nor ten times as much."""
    rate = 10 * OPTIMIZERS[name].model_fields["lr"].default
    text = f"data: digits\nmodel: {{layers: [flatten, linear: 10]}}\ntrain: {{optimizer: {{name: {name}, lr: {rate}}}}}\n"
    assert lint(text) == []


@pytest.mark.parametrize(
    ("name", "largest"), [("sgd", 10), ("adam", 0.1), ("adamw", 0.1), ("nadam", 0.1), ("radam", 0.1), ("muon", 0.1)]
)
def test_a_rate_above_the_limit_is_found_where_it_was_given(lint: Lint, name: str, largest: float) -> None:
    """At the limit nothing is said; the command line is a place too."""
    text = f"data: digits\nmodel: {{layers: [flatten, linear: 10]}}\ntrain: {{optimizer: {{name: {name}}}}}\n"
    assert lint(text, [f"train.optimizer.lr={largest}"]) == []
    assert lint(text, [f"train.optimizer.lr={1.01 * largest}"]) == [(1, 20, "large-learning-rate")]
