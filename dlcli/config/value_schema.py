"""What may be written for a value, as JSON Schema (draft-07) and in words, from a field's annotation."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dlcli.config.values import LARGEST_FLOAT, LARGEST_SIZE

Schema = dict[str, Any]

EXPRESSION: Final = r"\$\{"
"""A text with `${...}`: it may stand for every number, text and list."""

_TYPES: Final[Mapping[Any, str]] = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}

_BOUNDS: Final = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}

_ENORMOUS: Final = min(LARGEST_FLOAT, 2.0**62)
"""A bound from here on is the machine's, and nothing to tell a person."""


def value_schema(annotation: Any, markers: Iterable[Any] = ()) -> Schema:
    """The schema of what may be written for a field of this type.

    Args:
        annotation: the type; a `BeforeValidator` in it says by `json_schema_input_type` what it reads.
        markers: what `Annotated` or pydantic's `FieldInfo.metadata` adds to it.
    """
    markers = tuple(markers)
    if get_origin(annotation) is Annotated:
        inner, *own = get_args(annotation)
        return value_schema(inner, (*_flat(own), *markers))
    for marker in markers:
        if isinstance(marker, BeforeValidator) and marker.json_schema_input_type is not PydanticUndefined:
            annotation = marker.json_schema_input_type
            break
    return _bounded(_unbounded(annotation), markers)


def _flat(markers: Iterable[Any]) -> list[Any]:
    return [inner for marker in markers for inner in (marker.metadata if isinstance(marker, FieldInfo) else [marker])]


def _unbounded(annotation: Any) -> Schema:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return value_schema(annotation)
    if origin in (Union, types.UnionType):
        return either(*(value_schema(member) for member in arguments))
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (tuple, list):
        schema = {"type": "array", "items": with_expression(value_schema(arguments[0]))}
        is_fixed = origin is tuple and arguments[-1] is not Ellipsis
        return schema | ({"minItems": len(arguments), "maxItems": len(arguments)} if is_fixed else {})
    return {"type": _TYPES[annotation]} if annotation in _TYPES else {}


def _bounded(schema: Schema, markers: Iterable[Any]) -> Schema:
    kinds = types_of(schema)
    for marker in markers:
        for attribute, keyword in _BOUNDS.items():
            bound = getattr(marker, attribute, None)
            if bound is not None and abs(bound) < _ENORMOUS and {"integer", "number"} & set(kinds):
                schema = {**schema, keyword: bound}
        for attribute, end in (("min_length", "min"), ("max_length", "max")):
            length = getattr(marker, attribute, None)
            if length is not None and kinds:
                schema = {**schema, f"{end}{'Items' if 'array' in kinds else 'Length'}": length}
        pattern = getattr(marker, "pattern", None)
        if pattern is not None:
            schema = {**schema, "pattern": pattern}
    if "array" in kinds and schema.get("minItems", 0) > 1 and "string" in kinds:  # one name is no list of two
        schema = {**schema, "type": _one_or_many([kind for kind in kinds if kind != "string"])}
    return schema


def types_of(schema: Schema) -> list[str]:
    """The JSON types that a schema without alternatives takes."""
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def either(*schemas: Schema) -> Schema:
    """What any of these takes.

    Where their types differ it is one flat schema, since keywords like `minimum` concern only their own type: editors then
    name the one thing that is wrong, and not one for each alternative.
    """
    alternatives = [part for schema in schemas for part in (schema["anyOf"] if set(schema) == {"anyOf"} else [schema])]
    if all(set(schema) == {"enum"} or schema == {"type": "null"} for schema in alternatives):
        return {"enum": [value for schema in alternatives for value in schema.get("enum", [None])]}
    typed = [schema for schema in alternatives if "type" in schema]
    kinds = [kind for schema in typed for kind in types_of(schema)]
    if len(set(kinds)) < len(kinds):
        return {"anyOf": alternatives}
    merged: Schema = {}
    for schema in typed:
        merged |= schema
    merged = merged | {"type": _one_or_many(kinds)} if typed else {}
    others = [schema for schema in alternatives if "type" not in schema]
    return {"anyOf": [*others, *([merged] if typed else [])]} if others else merged


def _one_or_many(kinds: list[str]) -> str | list[str]:
    return kinds[0] if len(kinds) == 1 else kinds


def with_expression(schema: Schema) -> Schema:
    """The same, or a text with `${...}`."""
    expression = {"type": "string", "pattern": EXPRESSION}
    if "enum" in schema:
        return {"anyOf": [schema, expression]}
    if "anyOf" in schema:
        takes_text = any("string" in types_of(alternative) for alternative in schema["anyOf"])
        return schema if takes_text else {**schema, "anyOf": [*schema["anyOf"], expression]}
    kinds = types_of(schema)
    if kinds and "string" not in kinds:
        return {**schema, "type": [*kinds, "string"], "pattern": EXPRESSION}
    if "pattern" in schema:
        return {**schema, "pattern": f"{schema['pattern']}|{EXPRESSION}"}
    return schema


_WORDS: Final = {"boolean": "true or false", "null": "nothing", "object": "a mapping"}


def in_words(schema: Schema) -> str:
    """What a schema takes, for a person: `a whole number, at least 1, or a list of 2 of them`."""
    if "anyOf" in schema:
        is_value = [alternative for alternative in schema["anyOf"] if alternative.get("pattern") != EXPRESSION]
        return ", or ".join(in_words(alternative) for alternative in is_value)
    if "enum" in schema:
        return "one of " + ", ".join("nothing" if value is None else f"`{value}`" for value in schema["enum"])
    is_expression = schema.get("pattern") == EXPRESSION
    kinds = [kind for kind in types_of(schema) if not (kind == "string" and is_expression)]
    return ", or ".join(_kind_in_words(kind, schema) for kind in kinds) or "anything"


def _kind_in_words(kind: str, schema: Schema) -> str:
    if kind in ("integer", "number"):
        return f"a {'whole ' if kind == 'integer' else ''}number{_range_in_words(schema)}"
    if kind == "array":
        return _list_in_words(schema)
    return _WORDS.get(kind, "a text")


def _range_in_words(schema: Schema) -> str:
    if schema.get("maximum", 0) >= LARGEST_SIZE:
        schema = {keyword: bound for keyword, bound in schema.items() if keyword != "maximum"}
    if "minimum" in schema and "maximum" in schema:
        return f" from {schema['minimum']:,} to {schema['maximum']:,}"
    bounds = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "less than"}
    given = [f"{words} {schema[keyword]:,}" for keyword, words in bounds.items() if keyword in schema]
    return f" ({' and '.join(given)})" if given else ""


def _list_in_words(schema: Schema) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    count = f" of {most}" if least == most else f" of at least {least}" if least > 1 else ""
    items = in_words(schema.get("items", {}))
    same = {"a whole number" + _range_in_words(schema), "a number" + _range_in_words(schema), "a text"}
    is_repeated = len(types_of(schema)) > 1 and items in same
    return f"a list{count}" if is_repeated or items == "anything" else f"a list{count}, each {items}"
