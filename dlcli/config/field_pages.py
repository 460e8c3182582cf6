"""What one key of a config means, for `dlcli schema --field`: its type in words, default, choices, prose and an example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic.fields import FieldInfo

from dlcli.config.diagnostics import did_you_mean, nearest, one_of
from dlcli.config.field_docs import class_doc, field_docs
from dlcli.config.field_examples import example_yaml, field_value, fields_example, layer_example
from dlcli.config.json_schema import ConfigSpec
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.misplaced import path_of
from dlcli.config.spec import ReadBy, Spec, keys_of
from dlcli.config.spec_fields import (
    choice_of,
    is_layers,
    is_list,
    is_optional,
    is_raw,
    keys_beside,
    plain_default,
    raw_of,
    required_keys,
    spec_of,
)
from dlcli.config.value_schema import in_words, value_schema
from dlcli.config.yaml_output import inline_yaml
from dlcli.errors import UsageError


@dataclass(frozen=True)
class FieldPage:
    """All that there is to say of one key.

    Attributes:
        field: its whole path.
        type: what it takes, in words.
        required: whether it has to be there.
        default: what holds without it, as plain values.
        meaning: its prose.
        choices: each name that may stand there, and what it stands for.
        fields: each key that may stand in it, and what it means.
        example: YAML that is valid inside of a config.
    """

    field: str
    type: str
    required: bool
    default: Any
    meaning: str
    choices: Mapping[str, str]
    fields: Mapping[str, str]
    example: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


Wrap = Callable[[Any], dict[str, Any]]
"""From a value at some place to a config that holds it there."""


@dataclass(frozen=True)
class _Topic:
    """Something that has a page.

    Attributes:
        path: the keys that lead to it.
        page: makes its page.
        inner: what stands inside of it, by key or name.
        through: where a name may be left out to get at the fields of one (`train.optimizer.lr`), the name that is tried first.
    """

    path: str
    page: Callable[[], FieldPage]
    inner: Callable[[], Mapping[str, _Topic]] = field(default=dict)
    through: object = None


def field_page(path: str) -> FieldPage:
    """The page of a key.

    Args:
        path: keys from the top of a config, with names of choices and layers between them: `train.optimizer.adam.lr`. A layer's
            own name may come first: `conv2d.padding`.

    Raises:
        UsageError: there is no such key.
    """
    steps = path.strip().split(".")
    topics = _fields_in(ConfigSpec, "", lambda fields: fields)
    layers = topics["model"].inner()["layers"].inner()
    topic = topics.get(steps[0]) or layers.get(steps[0])
    if topic is None:
        help = _help_for_first(steps, topics, layers)
        raise UsageError(f"a config has no key `{steps[0]}`, and there is no such layer", help=help)
    for step in steps[1:]:
        topic = _inside(topic, step)
    return topic.page()


def _help_for_first(steps: Sequence[str], topics: Iterable[str], layers: Iterable[str]) -> str:
    """Which key was probably meant: one inside of a section, whose name was left out, or one that was misspelt."""
    place = path_of(steps[0])
    near = ".".join([*place, *steps[1:]]) if place is not None else nearest(steps[0], [*topics, *layers])
    if near is not None:
        return f"did you mean `{near}`?"
    return f"{one_of(topics)}; `dlcli schema --field model.layers` lists the layers"


def _inside(topic: _Topic, step: str) -> _Topic:
    inner = dict(topic.inner())
    if step in inner:
        return inner[step]
    if topic.through is not None:
        for name in sorted(inner, key=lambda name: name != topic.through):
            for key, deeper in inner[name].inner().items():
                inner.setdefault(key, deeper)
    if step not in inner:
        help = did_you_mean(step, inner) if inner else "nothing stands inside of it"
        raise UsageError(f"`{topic.path}` has nothing called `{step}`", help=help)
    return inner[step]


def _fields_in(spec_class: type[Spec], path: str, wrap: Wrap) -> dict[str, _Topic]:
    """The topics of a spec's fields. `wrap` takes a mapping of fields."""
    return {key: _field_topic(spec_class, key, f"{path}.{key}" if path else key, wrap) for key in keys_of(spec_class)}


def _field_topic(spec_class: type[Spec], key: str, path: str, wrap: Wrap) -> _Topic:
    info = spec_class.model_fields[keys_of(spec_class)[key]]
    beside = fields_example(spec_class, key) if spec_class is not ConfigSpec else {}

    def here(value: Any) -> dict[str, Any]:
        return wrap({**beside, key: value})

    def inner() -> Mapping[str, _Topic]:
        choice, part, raw = choice_of(info), spec_of(info), raw_of(info)
        if choice is not None:
            put: Wrap = (lambda value: here([value])) if is_list(info) else here
            return _kinds_in(choice.table(), path, put)
        if is_layers(info):
            return _layers_in(path, here)
        if isinstance(raw, ReadBy):
            return _kinds_in(raw.choice.table(), path, here) | _topics_beside(raw, path, here)
        return _fields_in(part, path, here) if part is not None else {}

    def page() -> FieldPage:
        return _page_of_field(spec_class, key, path, inner(), here)

    is_named = choice_of(info) is not None or isinstance(raw_of(info), ReadBy)
    return _Topic(path, page, inner, through=plain_default(info) or "" if is_named else None)


def _topics_beside(by: ReadBy, path: str, wrap: Wrap) -> dict[str, _Topic]:
    """What may stand beside one of several choices."""
    spec_class = by.beside
    if spec_class is None:
        return {}
    name = next(iter(by.choice.table()))

    def here(fields: dict[str, Any]) -> dict[str, Any]:
        return wrap({"digit": {"name": name} | {key: fields[key] for key in keys_beside(by) if key in fields}})

    return {key: _field_topic(spec_class, key, f"{path}.{key}", here) for key in keys_beside(by)}


def _kinds_in(specs: Mapping[str, type[Spec]], path: str, wrap: Wrap) -> dict[str, _Topic]:
    return {name: _kind_topic(spec, f"{path}.{name}", wrap) for name, spec in specs.items()}


def _kind_topic(spec_class: type[Spec], path: str, wrap: Wrap) -> _Topic:
    def here(fields: dict[str, Any]) -> dict[str, Any]:
        return wrap({"name": spec_class.kind, **fields} if fields else spec_class.kind)

    def page() -> FieldPage:
        return _page_of_kind(spec_class, path, "a name, or `name:` with the fields below", here(fields_example(spec_class)))

    return _Topic(path, page, lambda: _fields_in(spec_class, path, here))


def _layers_in(path: str, wrap: Wrap) -> dict[str, _Topic]:
    return {name: _layer_topic(spec, f"{path}.{name}", wrap) for name, spec in LAYERS.items()}


def _layer_topic(spec_class: type[LayerSpec], path: str, wrap: Wrap) -> _Topic:
    def here(fields: dict[str, Any]) -> dict[str, Any]:
        return wrap(layer_example(spec_class, fields))

    def page() -> FieldPage:
        return _page_of_kind(spec_class, path, _layer_type(spec_class), here(fields_example(spec_class)))

    return _Topic(path, page, lambda: _fields_in(spec_class, path, here))


def _layer_type(spec_class: type[LayerSpec]) -> str:
    required, main = required_keys(spec_class), spec_class.main
    forms = ["a layer: its name alone" if not required else "a layer"]
    if main is not None and set(required) <= {main}:
        forms.append(f"its name with `{main}` alone")
    return ", or ".join([*forms, "its name with the fields below"]).replace("a layer, or ", "a layer: ")


def _page_of_field(spec_class: type[Spec], key: str, path: str, inner: Mapping[str, _Topic], wrap: Wrap) -> FieldPage:
    name = keys_of(spec_class)[key]
    info = spec_class.model_fields[name]
    part = spec_of(info) if choice_of(info) is None and not is_raw(info) else None
    is_named = not part and bool(inner)
    return FieldPage(
        field=path,
        type=_type_in_words(spec_class, key),
        required=info.is_required(),
        default=None if info.is_required() else plain_default(info),
        meaning=field_docs(spec_class).get(name) or (class_doc(part) if part else ""),
        choices=_choices(info) if is_named else {},
        fields=_lines(part) if part else {},
        example=example_yaml(wrap(field_value(spec_class, key))),
    )


def _page_of_kind(spec_class: type[Spec], path: str, words: str, example: dict[str, Any]) -> FieldPage:
    return FieldPage(
        field=path,
        type=words,
        required=False,
        default=None,
        meaning=class_doc(spec_class),
        choices={},
        fields=_lines(spec_class),
        example=example_yaml(example),
    )


def _choices(info: FieldInfo) -> dict[str, str]:
    raw = raw_of(info)
    choice = raw.choice if isinstance(raw, ReadBy) else choice_of(info)
    specs: Mapping[str, type[Spec]] = choice.table() if choice else LAYERS if is_layers(info) else {}
    return {name: class_doc(spec) for name, spec in specs.items()}


def _lines(spec_class: type[Spec]) -> dict[str, str]:
    """One line for each field."""
    lines = {}
    for key, name in keys_of(spec_class).items():
        info = spec_class.model_fields[name]
        default = None if info.is_required() else plain_default(info)
        state = "required" if info.is_required() else "" if default in (None, {}) else f"default {inline_yaml(default)}"
        prose = field_docs(spec_class).get(name) or f"{_type_in_words(spec_class, key)}."
        lines[key] = f"{prose} ({state})" if state else prose
    return lines


def _type_in_words(spec_class: type[Spec], key: str) -> str:
    info = spec_class.model_fields[keys_of(spec_class)[key]]
    choice, part = choice_of(info), spec_of(info)
    nothing = ", or nothing" if is_optional(info) else ""
    if choice is not None:
        what = "a list of the names below, each alone" if is_list(info) else "one of the names below, alone"
        return f"{what} or as `name:` with its fields{nothing}"
    raw = raw_of(info)
    if isinstance(raw, ReadBy):
        one = "one of the names below, alone or as `name:` with its fields"
        return f"{one}; of several {raw.each}, a mapping of {raw.each} to these"
    if raw is not None:
        return raw.words
    if part is None:
        return in_words(value_schema(info.annotation, info.metadata))
    alone = f", or its `{part.main}` alone" if part.main else ""
    return f"a mapping of the fields below{alone}{nothing}"
