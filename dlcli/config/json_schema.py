"""The JSON Schema (draft-07) of configs, made from the specs: what editors complete, explain and check.

It takes every config that dlcli takes, and refuses what can be refused without knowing other files, the data or shapes. Where it
has to choose it takes:

- A file with `extends` may leave out what its base has to say, so nothing is required there.
- Names of layers are a closed list, so that a misspelt one is underlined. In a file with `model.blocks` or `extends` any other
  name may be the use of a block, and JSON Schema can't look up which blocks there are: only there every name is taken, and
  `dlcli validate` finds the misspelt ones.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any, Final

from pydantic.fields import FieldInfo

from dlcli.config.compose import SHIPPED_CONFIGS
from dlcli.config.data import SOURCES, DataSpec
from dlcli.config.field_docs import class_doc, field_docs
from dlcli.config.field_examples import example_yaml, fields_example, layer_example
from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.model import ModelSpec
from dlcli.config.spec import AnySpec, Choice, RawNode, ReadBy, Spec, key_of, keys_of
from dlcli.config.spec_fields import (
    choice_of,
    holds_layers,
    is_list,
    is_optional,
    is_raw,
    keys_beside,
    plain_default,
    raw_of,
    required_keys,
    spec_of,
)
from dlcli.config.training import TrainSpec
from dlcli.config.value_schema import EXPRESSION, Schema, either, in_words, value_schema, with_expression
from dlcli.config.yaml_output import inline_yaml

SCHEMA_FILE: Final = "schema.json"


class ConfigSpec(Spec):
    """A config of dlcli: data, a network and its training."""

    extends: str | tuple[str, ...] | None = None
    """Another config to build on, or a list of them: mappings merge, lists and values replace. Paths count from the folder of
    the file that says it."""
    vars: Annotated[Any, RawNode("variables", "a mapping of names to numbers and texts")] = None
    """Numbers and texts with a name, for `${vars.NAME}` anywhere below."""
    data: Annotated[DataSpec, Choice("data source", lambda: SOURCES)]
    """What is learnt from: a source by name, and how its samples become the network's input."""
    model: ModelSpec
    """The network."""
    train: TrainSpec = TrainSpec()
    """How the network is trained."""


def schema_path() -> Path:
    """The schema file that comes with dlcli: beside the configs, in an installed package as in a checkout."""
    installed = SHIPPED_CONFIGS / SCHEMA_FILE
    return installed if installed.is_file() else SHIPPED_CONFIGS.parents[1] / "configs" / SCHEMA_FILE


def config_schema() -> Schema:
    """The schema of a whole config."""
    closed = _Schemas()
    with_blocks = _Schemas(closed.definitions, takes_blocks=True)
    properties = {key: closed.field(ConfigSpec, name) for key, name in keys_of(ConfigSpec).items() if name != "model"}
    properties["model"] = _prose(ConfigSpec, "model")
    is_extending = {"required": ["extends"]}
    has_blocks = {"required": ["model"], "properties": {"model": {"required": ["blocks"]}}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "dlcli config",
        "description": class_doc(ConfigSpec),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "allOf": [
            {"if": is_extending, "else": closed.complete(ConfigSpec)},
            {
                "if": {"anyOf": [is_extending, has_blocks]},
                "then": {"properties": {"model": with_blocks.part(ModelSpec, "model")}},
                "else": {"properties": {"model": closed.part(ModelSpec, "model")}},
            },
        ],
        "definitions": dict(sorted(closed.definitions.items())),
    }


class _Schemas:
    """Makes the schema of each part once, as a definition that others refer to."""

    def __init__(self, definitions: dict[str, Schema] | None = None, *, takes_blocks: bool = False) -> None:
        self.definitions = definitions if definitions is not None else {}
        self._takes_blocks = takes_blocks

    def _defined(self, name: str, make: Callable[[], Schema]) -> Schema:
        name = name.replace(" ", "_")
        if name not in self.definitions:
            self.definitions[name] = {}  # a part may hold itself
            self.definitions[name] = make()
        return {"$ref": f"#/definitions/{name}"}

    def _defined_here(self, name: str, make: Callable[[], Schema]) -> Schema:
        """A definition that holds layers, which may be uses of blocks or not."""
        return self._defined(f"{name}.with_blocks" if self._takes_blocks else name, make)

    def part(self, spec_class: type[Spec], title: str) -> Schema:
        """A mapping of a spec's fields, or what its main field takes, or nothing where no field is required."""
        define = self._defined_here if holds_layers(spec_class) else self._defined
        return define(title, lambda: self._forms(spec_class, []))

    def _layer(self, spec_class: type[LayerSpec]) -> Schema:
        define = self._defined_here if holds_layers(spec_class) else self._defined
        entries = example_yaml({"layers": layer_example(spec_class)}).partition("\n")[2]
        return define(
            f"layer.{spec_class.kind}", lambda: self._forms(spec_class, required_keys(spec_class), example=dedent(entries))
        )

    def _forms(self, spec_class: type[Spec], required: list[str], example: str = "") -> Schema:
        """All forms of a spec's value.

        Args:
            spec_class: which spec.
            required: the keys that a mapping must have.
            example: shown below the prose.
        """
        forms = [self._mapping(spec_class, spec_class.model_fields) | ({"required": required} if required else {})]
        needed = required_keys(spec_class)
        if spec_class.main is not None and set(needed) <= {spec_class.main}:
            forms.append(self._type(spec_class.model_fields[keys_of(spec_class)[spec_class.main]]))
        if not needed:
            forms.append({"type": "null"})
        prose = class_doc(spec_class)
        markdown = {"markdownDescription": f"{prose}\n\n```yaml\n{example}\n```"} if example else {}
        return {"description": prose} | markdown | either(*forms)

    def _mapping(self, spec_class: type[Spec], names: Any) -> Schema:
        properties = {key_of(name, spec_class.model_fields[name]): self.field(spec_class, name) for name in names}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def field(self, spec_class: type[Spec], name: str) -> Schema:
        """A field with its prose and its default; one that a class inherits is defined once for all of its family."""
        owner = next(cls for cls in spec_class.__mro__ if name in inspect.get_annotations(cls))
        if owner is spec_class or is_raw(spec_class.model_fields[name]):
            return self._described(spec_class, name)
        module = owner.__module__.rpartition(".")[2]
        return self._defined(f"{module}.{owner.__name__.strip('_')}.{name.strip('_')}", lambda: self._described(spec_class, name))

    def _described(self, spec_class: type[Spec], name: str) -> Schema:
        info = spec_class.model_fields[name]
        taken = self._type(info)
        schema = _prose(spec_class, name) | ({"allOf": [taken]} if "$ref" in taken else taken)
        if not info.is_required():
            schema["default"] = plain_default(info)
        return schema

    def _type(self, info: FieldInfo) -> Schema:
        """What a field takes, without its prose."""
        nothing = [{"type": "null"}] if is_optional(info) else []
        choice = choice_of(info)
        if choice is not None:
            taken = self._several(choice) if is_list(info) else self._choice(choice)
            return either(taken, *nothing) if nothing else taken
        raw = raw_of(info)
        if raw is not None:
            return self._raw(raw)
        inner = spec_of(info)
        if inner is not None:
            taken = self.part(inner, inner.__name__.removesuffix("Spec").lower())
            return either(taken, *nothing) if nothing else taken
        return with_expression(value_schema(info.annotation, info.metadata))

    def _choice(self, choice: Choice, among: ReadBy | None = None) -> Schema:
        """A name, or `name:` with the fields of what it names.

        Args:
            choice: which one.
            among: given where it is one of several, beside which other fields may stand.
        """
        specs = choice.table()
        title = among.beside.__name__.lower() if among and among.beside else choice.what

        def make() -> Schema:
            kinds = [self._defined(f"{title}.{spec.kind}", partial(self._kind, spec, among)) for spec in specs.values()]
            expression = {"type": "string", "pattern": EXPRESSION}
            computed = {"type": "object", "properties": {"name": expression}, "required": ["name"]}
            snippets = _snippets(specs, lambda spec: {"name": spec.kind, **fields_example(spec)})
            return snippets | {"anyOf": [_names(specs), expression, *kinds, computed]}

        return self._defined(title, make)

    def _kind(self, spec_class: type[Spec], among: ReadBy | None) -> Schema:
        schema = self._mapping(spec_class, spec_class.model_fields)
        beside = self._mapping(among.beside, keys_beside(among).values())["properties"] if among and among.beside else {}
        properties = {"name": {"const": spec_class.kind}} | schema["properties"] | beside
        return {"description": class_doc(spec_class)} | schema | {"properties": properties}

    def _several(self, choice: Choice) -> Schema:
        """A list of choices, or one. Lists replace those of a base, so each entry is complete."""
        entry = {"allOf": [self._choice(choice), self._complete_choice(choice)]}
        return self._defined(f"list of {choice.what}", lambda: {"anyOf": [{"type": "array", "items": entry}, entry]})

    def complete(self, spec_class: type[Spec]) -> Schema:
        """What has to be there where no base says it."""
        inner: dict[str, Schema] = {}
        for name, info in spec_class.model_fields.items():
            choice, part = choice_of(info), spec_of(info)
            if is_raw(info):
                continue
            if choice is not None and not is_list(info):
                inner[key_of(name, info)] = self._complete_choice(choice)
            elif choice is None and part is not None and self.complete(part):
                inner[key_of(name, info)] = self.complete(part)
        required = {"required": required_keys(spec_class)} if required_keys(spec_class) else {}
        return required | ({"properties": inner} if inner else {})

    def _complete_choice(self, choice: Choice) -> Schema:
        def make() -> Schema:
            needs: list[tuple[Schema, list[str]]] = []
            for spec in choice.table().values():
                need = self.complete(spec)
                alike = next((kinds for other, kinds in needs if other == need), None)
                if alike is not None:
                    alike.append(spec.kind)
                elif need:
                    needs.append((need, [spec.kind]))
            named = [{"if": {"properties": {"name": {"enum": kinds}}}, "then": need} for need, kinds in needs]
            return {"if": {"type": "object"}, "then": {"required": ["name"]} | ({"allOf": named} if named else {})}

        return self._defined(f"complete {choice.what}", make)

    def _raw(self, marker: RawNode | ReadBy) -> Schema:
        """What is left unread, or read by functions of its own."""
        if isinstance(marker, ReadBy):
            return self._one_or_by_name(marker)
        if marker.holds == "layers":
            return self._layers()
        if marker.holds == "blocks":
            return {"type": ["object", "null"], "additionalProperties": self._defined_here("block", self._block)}
        values = {"type": ["number", "string", "boolean", "null"]}
        return {"type": ["object", "null"], "additionalProperties": values}

    def _one_or_by_name(self, marker: ReadBy) -> Schema:
        """One choice, or a mapping of names to one each."""
        one = self._choice(marker.choice)
        each = self._choice(marker.choice, marker) if marker.beside else one
        by_name = {
            "type": "object",
            "minProperties": 1,
            "properties": {"name": {"type": "object"}},
            "additionalProperties": {"type": ["object", "string"]},
            "not": {"maxProperties": 1, "propertyNames": {"enum": sorted(marker.choice.table())}},
        }
        return {"if": by_name, "then": {"additionalProperties": each}, "else": one}

    def _layers(self) -> Schema:
        entry = self._defined_here("layer", self._entry)
        return self._defined_here("layers", lambda: with_expression({"type": "array", "items": entry, "minItems": 1}))

    def _entry(self) -> Schema:
        """One entry of a list of layers."""
        text: Schema = {"type": "string"}
        if not self._takes_blocks:
            text["pattern"] = EXPRESSION
        block = {"description": "A block of `model.blocks`, with its parameters, `name`, `from` and `repeat`."}
        properties = {kind: self._layer(spec) for kind, spec in LAYERS.items()}
        mapping: Schema = {"type": "object", "properties": properties, "minProperties": 1, "maxProperties": 1}
        mapping["additionalProperties"] = block if self._takes_blocks else False
        fields = self._defined_here("layer with fields", lambda: mapping)
        # What editors offer for an empty entry; the last one takes everything, since `if` below is what checks.
        offered = [fields, _names(LAYERS), _snippets(LAYERS, lambda spec: layer_example(spec)[-1])]
        return {"anyOf": offered, "if": {"type": "string"}, "then": {"anyOf": [_names(LAYERS), text]}, "else": fields}

    def _block(self) -> Schema:
        params = {
            "type": ["object", "null"],
            "description": "Its parameters, each with its default; one without a value has to be given by every use.",
            "additionalProperties": {"type": ["number", "string", "boolean", "array", "null"]},
        }
        layers = {"description": "Its layers; `${NAME}` reads a parameter.", "allOf": [self._layers()]}
        mapping = {"type": "object", "properties": {"params": params, "layers": layers}, "required": ["layers"]}
        return {"anyOf": [mapping | {"additionalProperties": False}, self._layers()]}


def _names(specs: Mapping[str, type[Spec]]) -> Schema:
    """The names that can stand alone."""
    short = [spec for spec in specs.values() if not required_keys(spec)]
    return {"enum": [spec.kind for spec in short], "enumDescriptions": [class_doc(spec) for spec in short]}


def _snippets(specs: Mapping[str, type[AnySpec]], body: Callable[[type[AnySpec]], Any]) -> Schema:
    """What an editor puts in for a name that can't stand alone: the name with the fields that it requires."""
    long = [spec for spec in specs.values() if required_keys(spec)]
    snippets = [{"label": spec.kind, "description": class_doc(spec), "body": body(spec)} for spec in long]
    return {"defaultSnippets": snippets} if snippets else {}


def _prose(spec_class: type[Spec], name: str) -> Schema:
    """A field's prose, as editors show it."""
    info = spec_class.model_fields[name]
    prose = field_docs(spec_class).get(name)
    facts = []
    if choice_of(info) is None and spec_of(info) is None and not is_raw(info):
        facts.append(in_words(value_schema(info.annotation, info.metadata)))
    if not info.is_required() and info.default not in (None, {}):
        facts.append(f"default `{inline_yaml(plain_default(info))}`")
    markdown = "\n\n".join(text for text in (prose, "; ".join(facts)) if text)
    return {"description": prose} | {"markdownDescription": markdown} if prose else {"description": "; ".join(facts)}
