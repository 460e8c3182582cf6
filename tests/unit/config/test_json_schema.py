"""The JSON Schema of configs and the pages of fields, judged by an independent validator and by dlcli's own reading."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import BeforeValidator
from pydantic_core import PydanticUndefined

from dlcli.config import compose, experiment, tree, yaml_source
from dlcli.config.data import SOURCES
from dlcli.config.diagnostics import Report, Source
from dlcli.config.experiment import SECTIONS
from dlcli.config.field_pages import field_page
from dlcli.config.json_schema import ConfigSpec, config_schema, schema_path
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.losses import LOSSES
from dlcli.config.model import ModelSpec
from dlcli.config.objectives import read_loss
from dlcli.config.optimizers import OPTIMIZERS
from dlcli.config.spec import Choice, Spec, key_of, keys_of, read, read_choice
from dlcli.config.spec_fields import choice_of, holds_layers, is_raw, spec_of
from dlcli.config.value_schema import in_words, value_schema
from dlcli.config.values import PositiveInt
from dlcli.errors import UsageError
from tests.unit.config.configs import PROFILE, facts_of, parse

CONFIGS = Path(__file__).parents[3] / "configs"
SCHEMA = config_schema()
VALIDATOR = Draft7Validator(SCHEMA)


def _mistakes(text: str) -> list[str]:
    """What an independent validator finds wrong with a config."""
    return [error.message for error in VALIDATOR.iter_errors(tree.plain(parse(text)))]


def _config(layers: str = "[flatten, linear: 10]", data: str = "digits", train: str = "{}", more: str = "") -> str:
    return f"data: {data}\nmodel:\n  layers: {layers}\ntrain: {train}\n{more}"


def test_the_schema_is_one() -> None:
    """It follows draft-07 itself, and every reference leads somewhere."""
    Draft7Validator.check_schema(SCHEMA)
    references = {part.split('"')[0] for part in json.dumps(SCHEMA).split('"#/definitions/')[1:]}
    assert references == set(SCHEMA["definitions"])


def test_the_shipped_file_is_the_schema() -> None:
    """`configs/schema.json` is what `dlcli schema` prints; after a change of the language: `dlcli schema > configs/schema.json`."""
    assert schema_path() == CONFIGS / "schema.json"
    assert schema_path().read_text(encoding="utf-8") == json.dumps(SCHEMA, indent=2) + "\n"


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_configs_fit_and_name_the_schema(path: Path) -> None:
    """Each opens with the line by which editors find the schema file, and has no mistake in it."""
    text = path.read_text(encoding="utf-8")
    first, name = text.splitlines()[0], "../" * (len(path.relative_to(CONFIGS).parts) - 1) + "schema.json"
    assert first == f"# yaml-language-server: $schema={name}"
    assert _mistakes(text) == []


GOOD = {
    "names alone": _config("[relu, flatten, linear: 10]"),
    "a main value": _config("[conv2d: {out_channels: 4, kernel_size: 3}, max_pool2d: 2, flatten, dropout: 0.5, linear: 10]"),
    "fields": _config("[conv2d: {out_channels: 4, kernel_size: [3, 1], padding: same, bias: false}, flatten, linear: 10]"),
    "a layer whose fields are left empty": "data: digits\nmodel:\n  layers:\n    - relu:\n    - flatten: {}\n    - linear: 10\n",
    "name, from and repeat": _config(
        "[flatten, linear: {out_features: 8, repeat: 2, name: a}, relu: {from: flatten_1, name: b}, linear: 10]"
    ),
    "joins": _config(
        "[flatten, relu: {name: a}, tanh: {name: b, from: a}, add: [a, b], concat: {from: [a, b], dim: 1}, linear: 10]"
    ),
    "nested layers": _config(
        "[time_distributed: [linear: 4, relu], sequential: {layers: [relu, sequential: [tanh]]}, flatten, linear: 10]",
        data="{name: mnist, view: rows}",
    ),
    "expressions": _config(
        "[flatten, linear: '${vars.width * 2}', dropout: {p: '${vars.p}'}, linear: {out_features: '${data.num_classes}', bias: '${vars.on}'}]",
        train="{epochs: '${vars.width}', optimizer: {name: '${vars.how}', lr: '${vars.p}'}, schedule: '${vars.schedule}', max_time: '${vars.width}'}",
        more="vars: {width: 4, p: 0.1, on: true, how: adam, schedule: cosine}\n",
    ),
    "an init by name": _config("[flatten, linear: {out_features: 10, init: orthogonal}]"),
    "an init with fields": _config("[flatten, linear: {out_features: 10, init: {name: xavier_uniform, gain: 2}}]"),
    "choices by name": _config(train="{optimizer: sgd, schedule: one_cycle, loss: cross_entropy, metrics: accuracy}"),
    "choices with fields": _config(
        train="{optimizer: {name: adam, lr: 1e-3, betas: [0.9, 0.99]}, schedule: {name: multistep, milestones: [2, 4]},"
        " loss: {name: cross_entropy, class_weights: [1, 2, 1, 1, 1, 1, 1, 1, 1, 1]}, metrics: [accuracy, {name: top_k, k: 3}]}"
    ),
    "main values of parts": _config(train="{clip_gradients: 1, ema: 0.99, early_stopping: 3, max_time: 20m}"),
    "parts with fields": _config(train="{clip_gradients: {max_value: 0.5}, ema: {decay: 0.99}, early_stopping: {patience: 3}}"),
    "nothing where nothing is meant": _config(train="{clip_gradients: null, max_steps: null, monitor: null}"),
    "a source with all": _config(
        data="{name: mnist, view: rows, limit: 100, fallback: {name: digits, repeat: 2}, split: {valid: 0.2}, normalize: none}"
    ),
    "augmentations": _config(data="{name: digits, augment: [shift, {name: rotate, degrees: 5}], resize: [16, 16]}"),
    "a given normalisation": _config(data="{name: digits, normalize: {name: fixed, mean: [0.5], std: [0.2]}}"),
    "limits": _config(more="").replace("  layers", "  limits: {parameters: 1000000, memory: 2 GB}\n  layers"),
    "a block": """
        data: digits
        model:
          blocks:
            wide:
              params: {features: , rate: 0.1}
              layers: [linear: '${features}', relu, dropout: '${rate}']
            plain: [relu]
          layers:
            - flatten
            - wide: {features: 32, repeat: 2}
            - wide: 16
            - plain
            - sequential: [wide: {features: 8}]
            - linear: 10
    """,
    "a list as a parameter": """
        data: digits
        model:
          blocks: {down: {params: {size: [2, 2]}, layers: [max_pool2d: '${size}', avg_pool2d: {kernel_size: 2, stride: '${size}'}]}}
          layers: [down, flatten, linear: 10]
    """,
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_every_form_that_is_read_fits(text: str) -> None:
    """dlcli reads the config, and the schema has nothing against it."""
    experiment.resolve(compose.load(tree.plain(parse(text))), facts_of)
    assert _mistakes(text) == []


def test_several_outputs_with_a_loss_each_fit() -> None:
    """`loss` by output, each a name, or a name with fields, weight and metrics; outputs one or more names."""
    loss = "{digit: cross_entropy, parity: {name: huber, delta: 2, weight: 0.3, metrics: [mae]}}"
    text = _config("[flatten, linear: {out_features: 10, name: digit}, linear: {out_features: 1, name: parity, from: flatten_1}]")
    for outputs in ("digit", "[digit, parity]"):
        assert (
            _mistakes(
                text.replace("train: {}", f"train: {{loss: {loss}}}").replace("  layers", f"  outputs: {outputs}\n  layers")
            )
            == []
        )


@pytest.mark.parametrize(
    "text",
    [
        "extends: cnn.yaml\n",
        "extends: [cnn.yaml, other.yaml]\ntrain: {epochs: 5}\n",
        "extends: cnn.yaml\ntrain: {optimizer: {lr: 0.1}, schedule: {warmup: 5}}\ndata: {limit: 100}\n",
        "extends: cnn.yaml\nmodel: {init: orthogonal}\n",
        "extends: cnn.yaml\nmodel: {layers: [a_block_of_the_base, linear: 10]}\n",
    ],
)
def test_what_extends_may_leave_out_what_its_base_says(text: str) -> None:
    """Neither sections nor names of choices are required there, and the base may have blocks."""
    assert _mistakes(text) == []


BAD = {
    "a misspelt section": _config(more="trian: {epochs: 3}\n"),
    "no data": "model: {layers: [relu]}\n",
    "no layers": "data: digits\nmodel: {init: orthogonal}\n",
    "a misspelt layer": _config("[flaten, linear: 10]"),
    "a misspelt layer with fields": _config("[conv2: {out_channels: 4, kernel_size: 3}, flatten, linear: 10]"),
    "a misspelt layer inside": _config("[time_distributed: [flaten], linear: 10]"),
    "a misspelt field": _config("[conv2d: {out_chanels: 4, out_channels: 4, kernel_size: 3}]"),
    "a missing field": _config("[conv2d: {out_channels: 4}]"),
    "a layer without its fields": _config("[conv2d]"),
    "a text for a number": _config("[flatten, linear: many]"),
    "a number below its range": _config("[flatten, linear: 0]"),
    "a number above its range": _config("[dropout: 1.5]"),
    "a fraction for a whole number": _config(train="{epochs: 2.5}"),
    "three sizes for two axes": _config("[max_pool2d: [2, 2, 2]]"),
    "a name that is no name": _config("[relu: {name: 2nd}]"),
    "a word that is not one of them": _config("[gelu: quick]"),
    "two layers in one entry": _config("[{relu: {}, tanh: {}}]"),
    "one input to a join": _config("[add: [a]]"),
    "layers that are no list": _config("{relu: {}}"),
    "an unknown optimiser": _config(train="{optimizer: adamm}"),
    "an unknown optimiser with fields": _config(train="{optimizer: {name: adamm, lr: 0.1}}"),
    "a field of another optimiser": _config(train="{optimizer: {name: sgd, betas: [0.9, 0.99]}}"),
    "an optimiser without a name": _config(train="{optimizer: {lr: 0.1}}"),
    "an optimiser as a layer is written": _config(train="{optimizer: {adam: {lr: 0.1}}}"),
    "a schedule without its step": _config(train="{schedule: step}"),
    "a schedule that lacks a field": _config(train="{schedule: {name: step}}"),
    "an unknown metric": _config(train="{metrics: [acuracy]}"),
    "a metric without a name": _config(train="{metrics: [{k: 3}]}"),
    "an unknown loss of an output": _config(train="{loss: {digit: cross_entropi}}"),
    "an unknown field of a loss": _config(train="{loss: {name: huber, delt: 2}}"),
    "an unknown source": _config(data="mnits"),
    "a source without its path": _config(data="image_folder"),
    "a source that lacks its path": _config(data="{name: image_folder}"),
    "a field that a source has not": _config(data="{name: csv, path: a.csv, view: rows}"),
    "an unknown view": _config(data="{name: mnist, view: columns}"),
    "a wrong fallback": _config(data="{name: mnist, fallback: digit}"),
    "a misspelt key of a block": "data: digits\nmodel: {blocks: {a: {parms: {}, layers: [relu]}}, layers: [a]}\n",
    "a variable that is a mapping": _config(more="vars: {a: {b: 1}}\n"),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_wrong_is_flagged(text: str) -> None:
    """Misspelt, unknown, missing and ill-typed parts are mistakes for an editor as they are for dlcli."""
    assert _mistakes(text) != []


@pytest.mark.parametrize("kind", sorted(LAYERS.keys() - {"share"}))  # which has no fields of its own to draw
def test_what_the_layers_accept_the_schema_accepts(kind: str) -> None:
    """Random fields that dlcli reads fit; a field that no layer has never does."""
    from tests.unit.models.layer_cases import CASES  # torch: only here

    @PROFILE
    @given(CASES[kind].examples)
    def check(example: tuple[Any, dict[str, Any]]) -> None:
        fields = example[1]
        whole = {"data": "digits", "model": {"layers": [{kind: fields}]}}
        assert _reads(fields, kind) == VALIDATOR.is_valid(whole)
        assert not VALIDATOR.is_valid({"data": "digits", "model": {"layers": [{kind: {**fields, "no_such_field": 1}}]}})

    check()


def _reads(value: Any, kind: str) -> bool:
    report = Report()
    node = yaml_source.parse(Source("test", json.dumps(value)), report)
    assert node is not None
    return read(node, LAYERS[kind], kind, report) is not None


@PROFILE
@given(
    st.sampled_from(
        ["conv2d", "max_pool2d", "linear", "dropout", "gelu", "reshape", "add", "lstm", "group_norm", "softmax", "relu"]
    ),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 3),
        st.floats(-1, 2),
        st.sampled_from(["tanh", "same", "a"]),
        st.lists(st.integers(0, 3), max_size=3),
        st.just([]),
    ),
)
def test_what_a_layer_accepts_for_its_fields_the_schema_accepts(kind: str, value: Any) -> None:
    """Any value in place of the fields: what dlcli reads fits."""
    if _reads(value, kind):
        assert VALIDATOR.is_valid({"data": "digits", "model": {"layers": [{kind: value}]}})


def _specs() -> Iterable[type[Spec]]:
    """Every spec of the language."""
    found: dict[type[Spec], None] = {}
    waiting: list[type[Spec]] = [ConfigSpec, *LAYERS.values(), *LOSSES.values(), *SOURCES.values()]
    while waiting:
        spec = waiting.pop()
        if spec in found:
            continue
        found[spec] = None
        for info in spec.model_fields.values():
            choice, part = choice_of(info), spec_of(info)
            waiting += choice.table().values() if choice else [part] if part and not is_raw(info) else []
    return found


def test_every_field_says_what_may_be_written() -> None:
    """A validator that reads another form than its field's type declares it, or editors would flag that form."""
    for spec in _specs():
        for name, info in spec.model_fields.items():
            undeclared = [
                marker.func.__name__
                for marker in info.metadata
                if isinstance(marker, BeforeValidator) and marker.json_schema_input_type is PydanticUndefined
            ]
            assert set(undeclared) <= {"as_tuple"}, f"{spec.__name__}.{name}"


def test_sections_are_those_of_the_reader() -> None:
    """The schema's root has the sections that dlcli reads."""
    assert set(SCHEMA["properties"]) == set(SECTIONS)


def test_hover_shows_prose_and_default() -> None:
    """A field has its prose, its default and its range; a layer its docstring and an example."""
    train = SCHEMA["definitions"]["train"]["properties"]
    assert train["epochs"]["description"] == "Passes over the training samples."
    assert (train["epochs"]["default"], train["epochs"]["minimum"]) == (10, 1)
    assert train["optimizer"]["default"] == "adam"
    layer = SCHEMA["definitions"]["layer.linear"]
    assert layer["description"] == " ".join((LAYERS["linear"].__doc__ or "").split())
    assert layer["markdownDescription"].endswith("```yaml\n- linear: 64\n```")


def test_an_editor_offers_every_name() -> None:
    """A layer or a choice is offered alone, or, where it requires fields, with valid ones."""
    for name, table in (("layer", LAYERS), ("optimizer", OPTIMIZERS), ("data_source", SOURCES)):
        found = {value for schema in _parts(SCHEMA["definitions"][name]["anyOf"]) for value in schema.get("enum", [])}
        snippets = [snippet for schema in _parts(SCHEMA["definitions"][name]) for snippet in schema.get("defaultSnippets", [])]
        assert found | {snippet["label"] for snippet in snippets} == set(table)
        for snippet in snippets:
            config = {"data": "digits", "model": {"layers": ["relu"]}}
            config |= {"data": snippet["body"]} if name == "data_source" else {"model": {"layers": [snippet["body"]]}}
            assert VALIDATOR.is_valid(config), snippet


def _parts(schema: Any) -> list[dict[str, Any]]:
    """A schema, or several, with the alternatives directly inside."""
    schemas = schema if isinstance(schema, list) else [schema]
    return [part for one in schemas for part in (one, *one.get("anyOf", []))]


# Pages of fields.


def _paths() -> list[str]:
    """The path of every field of every part; `fallback` is the same choice in each source, and is followed in the first."""
    paths = [f"model.layers.{kind}" for kind in LAYERS]
    paths += [f"model.layers.{kind}.{key}" for kind, spec in LAYERS.items() for key in keys_of(spec)]
    waiting: list[tuple[str, type[Spec]]] = [("", ConfigSpec)]
    while waiting:
        prefix, spec = waiting.pop()
        for name, info in spec.model_fields.items():
            path = f"{prefix}{key_of(name, info)}"
            paths.append(path)
            choice, part = choice_of(info), spec_of(info)
            if choice is not None and (key_of(name, info) != "fallback" or path == f"data.{next(iter(SOURCES))}.fallback"):
                paths += [f"{path}.{kind}" for kind in choice.table()]
                waiting += [(f"{path}.{kind}.", kind_spec) for kind, kind_spec in choice.table().items()]
            elif choice is None and part is not None and not is_raw(info):
                waiting.append((f"{path}.", part))
    paths += [f"train.loss.{kind}" for kind in LOSSES] + [
        f"train.loss.{kind}.{key}" for kind in LOSSES for key in keys_of(LOSSES[kind])
    ]
    return paths


@pytest.mark.parametrize("section", [*SECTIONS])
def test_every_field_has_a_page_whose_example_is_valid(section: str) -> None:
    """The page says what the key takes; its example fits the schema and reads without mistakes."""
    for path in _paths():
        if path.partition(".")[0] != section:
            continue
        page = field_page(path)
        assert page.field == path
        assert page.type
        assert page.type != "anything"
        example = tree.plain(parse(page.example))
        assert list(example) == [section], path
        complete = {"data": "digits", "model": {"layers": ["relu"]}} | example
        assert [error.message for error in VALIDATOR.iter_errors(complete)] == [], f"{path}\n{page.example}"
        _assert_reads(complete, path)


def _assert_reads(config: dict[str, Any], path: str) -> None:
    """Reading finds no mistake but those that depend on the data, on shapes or on other files."""
    config.pop("extends", None)
    report = Report()
    node = parse(json.dumps(config).replace("${data.num_classes}", "10"))
    assert isinstance(node, tree.Mapping)
    data, train = node.get("data"), node.get("train")
    assert data is not None
    read_choice(data, Choice("data source", lambda: SOURCES), report)
    if train is not None:
        read(train, ConfigSpec.model_fields["train"].annotation or Spec, "train", report)
    for entry in _layer_entries(config["model"]["layers"]):
        kind, fields = next(iter(entry.items()))
        fields_node = parse(json.dumps({"x": fields}))
        assert isinstance(fields_node, tree.Mapping)
        read(fields_node.entries["x"].node, LAYERS[kind], kind, report)
    assert [diagnostic.message for diagnostic in report.diagnostics] == [], path


def _layer_entries(layers: list[Any]) -> list[dict[str, Any]]:
    return [{entry: {}} if isinstance(entry, str) else entry for entry in layers]


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("conv2d", "model.layers.conv2d"),
        ("conv2d.padding", "model.layers.conv2d.padding"),
        ("train.optimizer.lr", "train.optimizer.adam.lr"),
        ("data.view", "data.mnist.view"),
        ("data.normalize.mean", "data.mnist.normalize.fixed.mean"),
        ("data.mnist.augment.shift.pixels", "data.mnist.augment.shift.pixels"),
        ("train.loss.weight", "train.loss.weight"),
        ("lstm.return", "model.layers.lstm.return"),
        ("time_distributed.layers.relu", "model.layers.time_distributed.layers.relu"),
    ],
)
def test_paths_may_be_short(path: str, whole: str) -> None:
    """A layer by its name alone; a choice's field without the choice, as `--set` reaches it."""
    assert field_page(path).field == whole


def test_a_page_has_all_there_is_to_say() -> None:
    """Type in words, default, choices with a line each, prose and an example."""
    page = field_page("train.optimizer")
    assert (page.default, page.required) == ("adam", False)
    assert page.choices == {name: " ".join((spec.__doc__ or "").split()) for name, spec in OPTIMIZERS.items()}
    assert field_page("train.optimizer.adam.lr").type == "a number (above 0)"
    assert field_page("conv2d.padding").type == "one of `same`, `valid`, or a whole number (at least 0), or a list of 2"
    assert field_page("conv2d.out_channels").required
    assert field_page("conv2d").example == "model:\n  layers:\n    - conv2d: {out_channels: 32, kernel_size: 3}"


@pytest.mark.parametrize(
    ("path", "help"),
    [
        ("trian", "did you mean `train`?"),
        ("conv2", "did you mean `conv2d`?"),
        ("train.optimzer", "did you mean `optimizer`?"),
        ("train.optimizer.adma", "did you mean `adam`?"),
        ("conv2d.pading", "did you mean `padding`?"),
        ("train.epochs.three", "nothing stands inside of it"),
        ("train..epochs", None),
        ("", None),
    ],
)
def test_a_misspelt_path_names_the_nearest(path: str, help: str | None) -> None:
    """A usage error that says what was probably meant."""
    with pytest.raises(UsageError) as caught:
        field_page(path)
    assert help is None or caught.value.help == help


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (float | None, "a number, or nothing"),
        (bool, "true or false"),
        (str | tuple[str, ...], "a text, or a list"),
        (tuple[int, int], "a list of 2, each a whole number"),
    ],
)
def test_types_in_words(annotation: Any, words: str) -> None:
    """What a type takes, as a person says it."""
    assert in_words(value_schema(annotation)) == words


class Scaled(LayerSpec):
    """A layer whose fields are called as others are that hold more."""

    kind: ClassVar[str] = "scaled"

    normalize: bool = False
    """Whether to."""
    loss: PositiveInt = 1
    layers: PositiveInt = 2
    vars: bool = True


def test_a_fields_name_alone_does_not_say_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in's layer may call its fields as it likes."""
    monkeypatch.setitem(cast("dict[str, type[LayerSpec]]", LAYERS), "scaled", Scaled)
    for key, words in (("normalize", "true or false"), ("loss", "a whole number (at least 1)"), ("vars", "true or false")):
        page = field_page(f"scaled.{key}")
        assert (page.type, page.choices) == (words, {})
    assert field_page("scaled.layers").choices == {}
    assert field_page("scaled.layers").type == "a whole number (at least 1)"
    fields = config_schema()["definitions"]["layer.scaled"]["properties"]
    assert (fields["normalize"]["type"], fields["layers"]["minimum"]) == (["boolean", "string"], 1)


def test_layers_stand_where_their_marker_is() -> None:
    """Not where any part of the tree is left unread."""
    assert {spec.kind for spec in LAYERS.values() if holds_layers(spec)} == {"sequential", "time_distributed", "reversible_norm"}
    assert holds_layers(ModelSpec)
    assert not holds_layers(ConfigSpec)


@pytest.mark.parametrize(
    ("loss", "fits"),
    [
        ({"mse": "l1", "other": "mse"}, True),
        ({"weight": "l1"}, True),
        ({"mse": {}}, False),
        ({"label_smoothing": 0.1}, True),
        ({"digit": {"name": "mse", "weight": -1}}, False),
    ],
)
def test_one_loss_or_one_for_each_output(loss: dict[str, Any], fits: bool) -> None:
    """By the same rule as the reader: each key of several has a name or a mapping."""
    assert VALIDATOR.is_valid({"data": "digits", "model": {"layers": ["relu"]}, "train": {"loss": loss}}) is fits
    report = Report()
    read_loss(parse(json.dumps(loss)), report)
    assert (not report.diagnostics) is fits
