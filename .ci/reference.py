"""The reference in `docs/reference`, written from the specs of the language and from the commands themselves.

    python .ci/reference.py FOLDER

Nothing of it depends on the terminal, the machine or what else is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from reference_commands import commands_page
from reference_examples import Example, data_config, layer_config, picture_config, train_config
from reference_tables import table

from dlcli.config.augmentation import AUGMENTATIONS
from dlcli.config.data import SOURCES, ImageDataSpec, MadeUp, TextDataSpec
from dlcli.config.data.base import DataSpec, SplitSpec
from dlcli.config.field_docs import class_doc
from dlcli.config.field_examples import example_yaml, field_value, fields_example
from dlcli.config.field_pages import FieldPage, field_page
from dlcli.config.initialisation import INITS
from dlcli.config.json_schema import ConfigSpec
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.loggers import LOGGERS
from dlcli.config.losses import LOSSES
from dlcli.config.metrics import METRICS
from dlcli.config.model import LimitsSpec, ModelSpec
from dlcli.config.normalisation import NORMALIZATIONS
from dlcli.config.objectives import Objective
from dlcli.config.optimizers import OPTIMIZERS
from dlcli.config.schedules import SCHEDULES
from dlcli.config.shapes import Shape
from dlcli.config.spec import Spec, keys_of
from dlcli.config.spec_fields import plain_default
from dlcli.config.training import ClipSpec, EarlyStoppingSpec, EmaSpec, TrainSpec
from dlcli.config.yaml_output import inline_yaml

_LINKS: Final[Mapping[str, str]] = {
    "augment": "[names](training.md#augmentations)",
    "clip_gradients": "[fields](training.md#clip_gradients)",
    "data": "[names](data.md#sources)",
    "early_stopping": "[fields](training.md#early_stopping)",
    "ema": "[fields](training.md#ema)",
    "fallback": "[names](data.md#sources)",
    "init": "[names](layers.md#init)",
    "limits": "[fields](layers.md#limits)",
    "loggers": "[names](training.md#loggers)",
    "loss": "[names](training.md#losses)",
    "metrics": "[names](training.md#metrics)",
    "model": "[fields](layers.md#model)",
    "normalize": "[names](data.md#normalize)",
    "normalize_targets": "[names](data.md#normalize)",
    "optimizer": "[names](training.md#optimisers)",
    "recurrent_init": "[names](layers.md#init)",
    "schedule": "[names](training.md#schedules)",
    "split": "[fields](data.md#split)",
    "train": "[fields](training.md#the-keys)",
}
"""Where the names and fields stand that a key takes."""

HEAD: Final = "<!-- Written by `make reference` from the code: what is changed here by hand is lost. -->"

_ABOUT_LAYERS: Final = """\
What may stand under `model`, and each layer with its fields. [The language](../language.md) says how they are put together;
`dlcli schema --field conv2d` shows the same in a terminal. Every example is a whole config without a mistake."""
_ABOUT_DATA: Final = """\
Every source that `data` may name. Where answers are classes, the network ends with `linear: ${data.num_classes}`, where they are
values, with `linear: ${data.num_targets}`. `dlcli data info CONFIG` describes what is there. Every example is a whole config
without a mistake, where its file is there."""
_ABOUT_TRAINING: Final = """\
The keys of `train`, and every name that may stand there: [optimisers](#optimisers), [schedules](#schedules), [losses](#losses),
[metrics](#metrics), [loggers](#loggers); and the [augmentations](#augmentations) of `data`. Every example is a whole config
without a mistake."""


def main(folder: Path) -> None:
    """Writes every page."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"layers": _layers_page, "data": _data_page, "training": _training_page, "commands": commands_page}
    for name, page in pages.items():
        text = "\n".join([HEAD, "", *page()]).rstrip() + "\n"
        (folder / f"{name}.md").write_text(re.sub(r"\n{3,}", "\n\n", text), encoding="utf-8")


def _layers_page() -> Iterator[str]:
    yield from ["# Layers", "", _ABOUT_LAYERS, ""]
    families = [(name, list(kinds)) for name, kinds in groupby(LAYERS.values(), lambda spec: spec.__module__.rpartition(".")[2])]
    for name, kinds in families:
        links = " ".join(f"[`{spec.kind}`](#{spec.kind})" for spec in kinds)
        yield f"- [{name.capitalize()}](#{name}-layers): {links}"
    yield from ["", "## The keys of a config", "", *_fields(ConfigSpec, "")]
    yield from ["", "### `model`", "", *_fields(ModelSpec, "model")]
    yield from ["", "### `limits`", "", class_doc(LimitsSpec), "", *_fields(LimitsSpec, "model.limits")]
    yield from ["", "## What every layer takes", "", *_fields(LayerSpec, "model.layers.relu")]
    yield from ["", "### `init`", "", "Layers with weights take it too.", "", *_kinds(INITS, "model.init")]
    for name, kinds in families:
        module = sys.modules[kinds[0].__module__].__doc__ or ""
        yield from ["", f"## {name.capitalize()} layers", "", module.partition("\n")[0]]
        for spec in kinds:
            yield from ["", *_layer(spec)]


def _layer(spec: type[LayerSpec]) -> Iterator[str]:
    yield from [f"### `{spec.kind}`", "", class_doc(spec), "", _written(field_page(spec.kind).type), ""]
    own = _own(spec, LayerSpec) | ({"from"} if spec.joins else set())
    if own:
        yield from [*_fields(spec, f"model.layers.{spec.kind}", own), ""]
    example = layer_config(spec)
    yield from _yaml(example)
    yield _through(example, spec.kind)


def _through(example: Example, kind: str) -> str:
    """What the example's layer makes of its input."""
    node = example.layer(kind)
    inputs = " and ".join(_shape(shape) for shape in node.input_shapes)
    count = node.parameter_count()
    weights = f"{count:,} parameters" if count else "no parameters of its own" if node.shares else "no parameters"
    return f"Here from {inputs} to {_shape(node.output_shape)}, with {weights}."


def _shape(shape: Shape) -> str:
    return str(shape)


def _data_page() -> Iterator[str]:
    yield from ["# Data", "", _ABOUT_DATA, ""]
    yield " ".join(f"[`{kind}`](#{kind})" for kind in SOURCES)
    yield from ["", "## Fields of all sources", "", *_fields(DataSpec, "data.digits")]
    yield from ["", "### `split`", "", class_doc(SplitSpec), "", *_fields(SplitSpec, "data.digits.split")]
    yield from ["", "### `normalize`", "", "And `normalize_targets`.", "", *_kinds(NORMALIZATIONS, "data.digits.normalize")]
    yield from ["", "## Fields of pictures", "", *_fields(ImageDataSpec, "data.digits", _own(ImageDataSpec, DataSpec))]
    yield from ["", "What `augment` may list is [here](training.md#augmentations)."]
    yield from ["", "## Fields of texts", "", *_fields(TextDataSpec, "data.text", _own(TextDataSpec, DataSpec))]
    yield from ["", "## Fields of what is made up", "", *_fields(MadeUp, "data.sine", _own(MadeUp, DataSpec))]
    yield from ["", "## Sources"]
    for kind, spec in SOURCES.items():
        yield from ["", f"### `{kind}`", "", class_doc(spec), ""]
        family = next(base for base in (ImageDataSpec, TextDataSpec, MadeUp, DataSpec) if issubclass(spec, base))
        shared = {ImageDataSpec: "pictures", TextDataSpec: "texts", MadeUp: "what-is-made-up"}.get(family)
        own = _own(spec, family)
        if own:
            yield from [*_fields(spec, f"data.{kind}", own), ""]
        of_family = f" and [those of {shared.replace('-', ' ')}](#fields-of-{shared})" if shared else ""
        yield from [f"{'Beside them' if own else 'It takes'} [the fields of all sources](#fields-of-all-sources){of_family}.", ""]
        yield from _yaml(data_config(kind, fields_example(spec)))


_TABLES: Final[tuple[tuple[str, str, Mapping[str, type[Spec]]], ...]] = (
    ("Optimisers", "optimizer", OPTIMIZERS),
    ("Schedules", "schedule", SCHEDULES),
    ("Losses", "loss", LOSSES),
    ("Metrics", "metrics", METRICS),
    ("Loggers", "loggers", LOGGERS),
)


def _training_page() -> Iterator[str]:
    yield from ["# Training", "", _ABOUT_TRAINING]
    yield from ["", "## The keys", "", *_fields(TrainSpec, "train"), ""]
    parts = (("clip_gradients", ClipSpec), ("ema", EmaSpec), ("early_stopping", EarlyStoppingSpec))
    for key, part in parts:
        yield from [f"### `{key}`", "", class_doc(part), "", *_fields(part, f"train.{key}"), ""]
        yield from [*_yaml(train_config({key: field_value(TrainSpec, key)})), ""]
    for title, key, kinds in _TABLES:
        yield from [f"## {title}", ""]
        for spec in kinds.values():
            yield from _kind(spec, f"train.{key}")
            entry = _entry(spec)
            yield from [*_yaml(train_config({key: [entry] if key in ("metrics", "loggers") else entry})), ""]
        if key == "loss":
            yield from ["### Several outputs", "", f"{class_doc(Objective)} Beside the loss of an output may stand:", ""]
            yield from [*_fields(Objective, "train.loss", {"weight", "metrics"}), ""]
    yield from ["## Augmentations", "", "Random changes of training pictures, a list under `data.augment`.", ""]
    for spec in AUGMENTATIONS.values():
        yield from [*_kind(spec, "data.digits.augment"), *_yaml(picture_config({"augment": [_entry(spec)]})), ""]


def _kind(spec: type[Spec], path: str) -> Iterator[str]:
    """What one of several choices is, and its fields."""
    yield from [f"### `{spec.kind}`", "", class_doc(spec), ""]
    if keys_of(spec):
        yield from [*_fields(spec, f"{path}.{spec.kind}"), ""]


def _entry(spec: type[Spec]) -> Any:
    """A choice with what it requires, or else with its first field as it is without being named."""
    fields = fields_example(spec)
    if not fields and keys_of(spec):
        key, name = next(iter(keys_of(spec).items()))
        default = plain_default(spec.model_fields[name])
        fields = {key: default} if default is not None else {}
    return {"name": spec.kind, **fields} if fields else spec.kind


def _own(spec: type[Spec], above: type[Spec]) -> set[str]:
    """The keys that a spec has and the one above it has not."""
    return {*keys_of(spec)} - {*keys_of(above)}


def _kinds(specs: Mapping[str, type[Spec]], path: str) -> list[str]:
    """A table of choices, and the fields of each."""
    rows = [["name", "what it is", "fields"]]
    for kind, spec in specs.items():
        fields = [_brief(key, field_page(f"{path}.{kind}.{key}")) for key in keys_of(spec)]
        rows.append([f"`{kind}`", class_doc(spec), "; ".join(fields)])
    return table(rows)


def _brief(key: str, page: FieldPage) -> str:
    state = "required" if page.required else f"`{inline_yaml(page.default)}` without it"
    return f"`{key}`: {page.type}, {state}"


def _fields(spec: type[Spec], path: str, keys: Iterable[str] | None = None) -> list[str]:
    """A table of fields: what each takes, what holds without it, what it means."""
    chosen = [key for key in keys_of(spec) if keys is None or key in set(keys)]
    pages = {key: field_page(f"{path}.{key}" if path else key) for key in chosen}
    return table([["key", "takes", "without it", "meaning"], *(_field_row(key, page) for key, page in pages.items())])


def _field_row(key: str, page: FieldPage) -> list[str]:
    default = "" if page.default in (None, {}, []) else f"`{inline_yaml(page.default)}`"
    words = re.sub(r"(names|fields) below", lambda _: _LINKS[key], page.type)
    return [f"`{key}`", words, "required" if page.required else default, page.meaning]


def _written(words: str) -> str:
    """`a layer: its name alone, or ...` as a sentence."""
    return f"Written as {words.removeprefix('a layer: ')}."


def _yaml(example: Example) -> list[str]:
    return ["```yaml", example_yaml(example.config), "```", ""]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
