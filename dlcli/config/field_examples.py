"""Examples of parts of a config, generated: what is required with a sensible value, and what is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dlcli.config.layers.base import LayerSpec
from dlcli.config.spec import Spec, key_of, keys_of
from dlcli.config.spec_fields import choice_of, is_raw, plain_default, required_keys, spec_of
from dlcli.config.value_schema import Schema, types_of, value_schema
from dlcli.config.yaml_output import inline_yaml

_VALUES: Final[Mapping[str, Any]] = {
    "blocks": {
        "narrow": {"params": {"channels": None}, "layers": [{"conv2d": {"out_channels": "${channels}", "kernel_size": 1}}]}
    },
    "class_weights": [1, 2.5],
    "clip_gradients": 1,
    "data": "mnist",
    "delay": 50,
    "dims": [0, 2, 1],
    "early_stopping": 3,
    "ema": 0.999,
    "embedding_dim": 128,
    "extends": "base.yaml",
    "fallback": "digits",
    "features": ["temperature", "wind"],
    "from": "body",
    "hidden_size": 64,
    "init": "orthogonal",
    "inputs": ["picture", "facts"],
    "kernel_size": 3,
    "layer": "body",
    "layers": ["flatten", {"linear": "${data.num_classes}"}],
    "loggers": ["tensorboard"],
    "max_length": 200,
    "max_norm": 1,
    "max_time": "20m",
    "max_value": 0.5,
    "mean": [0.5],
    "metrics": ["accuracy"],
    "milestones": [10, 20],
    "min_steps": 10,
    "monitor": "accuracy",
    "name": "body",
    "num_groups": 8,
    "out_channels": 32,
    "out_features": 64,
    "output_size": 1,
    "outputs": ["digit", "parity"],
    "padding": 1,
    "padding_idx": 0,
    "parity.steps": 50,
    "path": "my_data",
    "pos_weight": [2.5],
    "prelu.init": 0.1,
    "random.layout": "image",
    "reversible_norm.layers": [{"gru": {"hidden_size": 64, "return": "last"}}, {"linear": "${data.num_targets}"}],
    "sizes": [16, 7, 7],
    "std": [0.25],
    "step_size": 10,
    "target": "price",
    "targets": ["digit", "parity"],
    "text_lines.label": "language",
    "text_lines.test": "test.csv",
    "text_lines.text": "sentence",
    "time": "date",
    "vars": {"width": 64},
    "vocabulary": ["e", "n", "t"],
    "window": 24,
}
"""By key, or by KIND.KEY where a kind needs another."""

_BESIDE: Final[Mapping[str, Mapping[str, Any]]] = {
    "dropout": {"num_layers": 2},
    "horizon": {"window": 24},
    "nesterov": {"momentum": 0.9},
    "outputs": {
        "layers": [
            "flatten",
            {"linear": {"out_features": 10, "name": "digit"}},
            {"linear": {"out_features": 1, "name": "parity", "from": "flatten_1"}},
        ]
    },
    "per_step": {"sizes": [24, 3]},
    "stride": {"window": 24},
    "vocabulary_size": {"sizes": [50], "layout": "tokens"},
}
"""What a field makes sense with, where a spec has that too."""


def field_value(spec_class: type[Spec], key: str) -> Any:
    """A value that a person might write for a field."""
    info = spec_class.model_fields[keys_of(spec_class)[key]]
    if key == "from" and issubclass(spec_class, LayerSpec) and spec_class.joins:
        return ["body", "skip"]
    for known in (f"{spec_class.kind}.{key}", key):
        if known in _VALUES:
            return _VALUES[known]
    part = spec_of(info) if choice_of(info) is None and not is_raw(info) else None
    if part is not None:
        return part_example(part)
    default = None if info.is_required() else plain_default(info)
    if default is not None and (choice_of(info) or is_raw(info) or not isinstance(default, bool | str)):
        return default
    return _sample(value_schema(info.annotation, info.metadata), default)


def _sample(schema: Schema, default: Any) -> Any:
    """Any value that a schema takes, another than the default where there are two."""
    if "anyOf" in schema:
        return _sample(next((form for form in schema["anyOf"] if "enum" in form), schema["anyOf"][0]), default)
    if "enum" in schema:
        return next(value for value in schema["enum"] if value not in (None, default))
    kind = next(iter(types_of(schema)), "null")
    if kind == "integer":
        return max(1, int(schema.get("minimum", 1)))
    if kind == "number":
        least = schema["minimum"] if "minimum" in schema else schema.get("exclusiveMinimum", 0)
        return min(least + 0.5, schema["maximum"]) if "maximum" in schema else least + 0.5
    if kind == "array":
        return [_sample(schema["items"], None)] * max(1, schema.get("minItems", 1))
    return {"boolean": not default, "string": "text", "null": None}[kind]


def fields_example(spec_class: type[Spec], key: str | None = None) -> dict[str, Any]:
    """The fields that a spec requires, those that `key` makes sense with, and `key`."""
    required = {name: field_value(spec_class, name) for name in required_keys(spec_class)}
    if key is None:
        return required
    beside = {name: value for name, value in _BESIDE.get(key, {}).items() if name in keys_of(spec_class)}
    return {**required, **beside, key: field_value(spec_class, key)}


def part_example(spec_class: type[Spec]) -> dict[str, Any]:
    """What a part requires, or else what holds without it."""
    infos = spec_class.model_fields
    defaults = {key_of(name, info): None if info.is_required() else plain_default(info) for name, info in infos.items()}
    return fields_example(spec_class) or {key: value for key, value in defaults.items() if value not in (None, [], {})}


def layer_example(spec_class: type[LayerSpec], fields: Mapping[str, Any] | None = None) -> list[Any]:
    """Entries of a list of layers: one of this kind, below those that it names.

    Args:
        spec_class: which layer.
        fields: what is written; what the layer requires without them.
    """
    fields = fields_example(spec_class) if fields is None else fields
    sources = fields.get("from", fields.get("layer", []))
    named = [sources] if isinstance(sources, str) else sources
    above: list[Any] = [{"relu": {"name": name} | ({"from": "input"} if position else {})} for position, name in enumerate(named)]
    if not fields:
        return [*above, spec_class.kind]
    main = spec_class.main
    return [*above, {spec_class.kind: fields[main] if main is not None and list(fields) == [main] else dict(fields)}]


def example_yaml(value: Mapping[str, Any], indent: str = "") -> str:
    """An example as people write it: sections and layers one below the other, all else on one line."""
    lines = []
    for key, inner in value.items():
        if key == "layers" and isinstance(inner, list):
            lines += [f"{indent}{key}:", *_entries(inner, indent + "  ")]
        elif isinstance(inner, dict) and (not indent or _holds_layers(inner)):
            lines += [f"{indent}{key}:", example_yaml(inner, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {_block_value(inner)}")
    return "\n".join(lines)


def _entries(layers: list[Any], indent: str) -> list[str]:
    lines = []
    for entry in layers:
        kind, fields = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
        if isinstance(fields, dict) and _holds_layers(fields):
            lines += [f"{indent}- {kind}:", example_yaml(fields, indent + "    ")]
        elif isinstance(fields, list) and any(isinstance(inner, dict) for inner in fields):
            lines += [f"{indent}- {kind}:", *_entries(fields, indent + "    ")]
        else:
            lines.append(f"{indent}- {kind}" + (f": {_block_value(fields)}" if fields != {} else ""))
    return lines


def _holds_layers(value: dict[str, Any]) -> bool:
    return "layers" in value or any(isinstance(inner, dict) and _holds_layers(inner) for inner in value.values())


def _block_value(value: Any) -> str:
    is_expression = isinstance(value, str) and value.startswith("${")
    return value if is_expression else inline_yaml(value)
