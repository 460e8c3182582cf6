"""From a tree to specs: frozen records with every field checked, every mistake reported at its place."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from dlcli.config import slips, tree
from dlcli.config.diagnostics import Place, Report, did_you_mean, nearest, one_of, same_meaning
from dlcli.config.field_docs import field_docs
from dlcli.config.tree import Entry, Node, Scalar, describe, describe_value


class Spec(BaseModel):
    """A part of a config. Frozen, exact about types, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True, arbitrary_types_allowed=True)

    kind: ClassVar[str] = ""
    """What the part is called in YAML, where there are several to choose from."""
    main: ClassVar[str | None] = None
    """The field that a scalar or a list stands for: `linear: 64` is `linear: {out_features: 64}`."""


AnySpec = TypeVar("AnySpec", bound=Spec)


@dataclass(frozen=True)
class Choice:
    """Marks a field whose spec is chosen by `name:`.

    The table is a function, so that a family may refer to itself.
    """

    what: str
    table: Callable[[], Mapping[str, type[Spec]]]


@dataclass(frozen=True)
class RawNode:
    """Marks a field that takes its part of the tree unread.

    Attributes:
        holds: what stands there.
        words: how it is written, for a person.
    """

    holds: Literal["variables", "layers", "blocks"]
    words: str


@dataclass(frozen=True)
class ReadBy:
    """Marks a choice that is made once for all, or for each of several by name: read and written by functions of its own.

    Attributes:
        read: from a part of the tree; None where there was a mistake, which it has reported.
        dump: to plain values that read back as the same.
        choice: what is chosen.
        each: what several are named after: `outputs`.
        beside: a spec whose fields, but the choice itself, may stand beside each of several.
    """

    read: Callable[[Node, Report], Any]
    dump: Callable[[Any], Any]
    choice: Choice
    each: str
    beside: type[Spec] | None = None


def table(*specs: type[AnySpec]) -> dict[str, type[AnySpec]]:
    """The specs of a family by the name they have in YAML."""
    return {spec.kind: spec for spec in specs}


def key_of(name: str, info: FieldInfo) -> str:
    """A field's key in YAML: `return` for `return_`."""
    return info.alias or name


@cache
def keys_of(spec_class: type[Spec]) -> Mapping[str, str]:
    """YAML key -> field name."""
    return {key_of(name, info): name for name, info in spec_class.model_fields.items()}


Hint = Callable[[str, Node], str | None]
"""What to do with a key that a spec has not, from the key and what stands there, where more is known than the spec says."""


def _no_hint(_: str, __: Node) -> str | None:
    return None


def read(node: Node, spec_class: type[AnySpec], title: str, report: Report, hint: Hint = _no_hint) -> AnySpec | None:
    """Reads a part of a tree as a spec.

    Args:
        node: a mapping of the spec's fields, or what its main field takes.
        spec_class: which spec.
        title: what the part is called in messages, for example `conv2d`.
        report: where mistakes are recorded.
        hint: what to do with unknown keys.

    Returns:
        The spec, or None where there was a mistake.
    """
    mapping = _as_mapping(node, spec_class, title, report)
    if mapping is None:
        return None
    known = keys_of(spec_class)
    values: dict[str, Any] = {}
    failed: set[str] = set()
    for key, entry in mapping.entries.items():
        if key not in known:
            help = _help_for_key(key, entry.node, spec_class, hint)
            report.error("unknown-key", f"`{title}` has no key `{key}`", entry.key_place, help=help)
            failed.add(key)
            continue
        value, ok = _read_field(entry.node, spec_class.model_fields[known[key]], key, report)
        values[key] = value
        if not ok:
            failed.add(key)
    try:
        spec = spec_class.model_validate({key: value for key, value in values.items() if key not in failed})
    except ValidationError as error:
        _report_invalid(error, mapping, spec_class, title=title, failed=failed, report=report)
        return None
    return None if failed else spec


def read_choice(
    node: Node, choice: Choice, report: Report, default: type[Spec] | None = None, hint: Hint = _no_hint
) -> Spec | None:
    """Reads `name` or `{name: ..., ...}` as the spec of that name.

    Args:
        node: the part of the tree.
        choice: what there is to choose from.
        report: where mistakes are recorded.
        default: what fields without a name belong to.
        hint: what to do with unknown keys.
    """
    specs = choice.table()
    name_node: Node | None = node
    fields = tree.Mapping({}, node.place)
    if isinstance(node, tree.Mapping):
        name_node, fields = node.get("name") or node.short, replace(node.without("name"), short=None)
    if name_node is None and default is not None and keys_of(default).keys() & fields.entries.keys():
        return read(fields, default, default.kind, report, hint)
    if name_node is None:
        report.error("missing-key", f"the {choice.what} has no `name`", node.place, help=_name_help(fields, specs))
        return None
    if not isinstance(name_node, Scalar) or not isinstance(name_node.value, str):
        message = f"the {choice.what} is a name, or `name:` with fields, not {describe(name_node)}"
        report.error("type", message, name_node.place, help=one_of(specs))
        return None
    spec_class = specs.get(name_node.value)
    if spec_class is None:
        if _is_uninterpolated(name_node.value):
            return None
        help = did_you_mean(name_node.value, specs)
        report.error("unknown-name", f"there is no {choice.what} `{name_node.value}`", name_node.place, help=help)
        return None
    return read(fields, spec_class, name_node.value, report, hint)


def _name_help(fields: tree.Mapping, specs: Mapping[str, type[Spec]]) -> str:
    """How to write a choice whose name was written as a layer's is, or which names there are."""
    named = [key for key in fields.entries if key in specs]
    if not named:
        return one_of(specs)
    main = specs[named[0]].main
    return f"write `{{name: {named[0]}{f', {main}: ...' if main else ''}}}`"


def _as_mapping(node: Node, spec_class: type[Spec], title: str, report: Report) -> tree.Mapping | None:
    if isinstance(node, tree.Mapping) and node.short is not None:
        mapping = _as_mapping(node.short, spec_class, title, report)
        return replace(mapping, entries=mapping.entries | node.entries) if mapping else None
    if isinstance(node, tree.Mapping):
        return node
    if isinstance(node, Scalar) and node.value is None:
        return tree.Mapping({}, node.place)
    if spec_class.main is not None:
        return tree.Mapping({spec_class.main: Entry(node.place, node)}, node.place)
    help = _help_for_no_mapping(node, spec_class)
    report.error("type", f"`{title}` takes a mapping of its fields, not {describe(node)}", node.place, help=help)
    return None


def _help_for_no_mapping(node: Node, spec_class: type[Spec]) -> str:
    """The field that a list stands for, the key that a text holds, or all fields."""
    if isinstance(node, tree.Sequence):
        for name, info in spec_class.model_fields.items():
            if any(isinstance(marker, RawNode) and marker.holds == "layers" for marker in info.metadata):
                return f"write `{key_of(name, info)}:` above the list"
    slip = slips.help_for_key(node.value) if isinstance(node, Scalar) and isinstance(node.value, str) else None
    return slip or f"its fields: {', '.join(f'`{key}`' for key in keys_of(spec_class)) or 'none'}"


def _read_field(node: Node, info: FieldInfo, key: str, report: Report) -> tuple[Any, bool]:
    """The value of a field, and whether it could be read. What is no part of its own is left to pydantic."""
    for marker in info.metadata:
        if isinstance(marker, Choice):
            return _read_choices(node, info, marker, report)
        if isinstance(marker, ReadBy):
            value = marker.read(node, report)
            return value, value is not None
        if isinstance(marker, RawNode):
            return node, True
    inner = _spec_class(info.annotation)
    if inner is None or (isinstance(node, Scalar) and node.value is None and _is_optional(info.annotation)):
        return tree.plain(node), True
    spec = read(node, inner, key, report)
    return spec, spec is not None


def _read_choices(node: Node, info: FieldInfo, choice: Choice, report: Report) -> tuple[Any, bool]:
    if isinstance(node, Scalar) and node.value is None and _is_optional(info.annotation):
        return None, True
    if not any(typing.get_origin(member) is tuple for member in _members(info.annotation)):
        default = type(info.default) if isinstance(info.default, Spec) else None
        spec = read_choice(node, choice, report, default)
        return spec, spec is not None
    items = node.items if isinstance(node, tree.Sequence) else (node,)
    specs = tuple(read_choice(item, choice, report) for item in items)
    return specs, None not in specs


def _members(annotation: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


def _is_optional(annotation: Any) -> bool:
    return type(None) in _members(annotation)


def _spec_class(annotation: Any) -> type[Spec] | None:
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, Spec):
            return member
    return None


def _help_for_key(key: str, node: Node, spec_class: type[Spec], hint: Hint) -> str:
    known = keys_of(spec_class)
    if not same_meaning(key, known):
        inside = path_inside(key, spec_class)
        if inside is not None:
            return f"write `{inside[1]}` inside of `{inside[0]}`"
        special = slips.help_for_key(key) or hint(key, node)
        if special is not None:
            return special
    return did_you_mean(key, known) or "remove it: it has no fields"


def path_inside(key: str, spec_class: type[Spec]) -> tuple[str, str] | None:
    """Where a key belongs that stands one level too high: `lr` to `optimizer`."""
    for name, info in spec_class.model_fields.items():
        choices = [marker.table().values() for marker in info.metadata if isinstance(marker, Choice)]
        own = _spec_class(info.annotation)
        parts = [*([own] if own else []), *(choices[0] if choices else ())]
        if any(issubclass(spec_class, part) for part in parts):
            continue
        inner = same_meaning(key, {inner for part in parts for inner in keys_of(part)})
        if inner is not None:
            return key_of(name, info), inner
    return None


def _report_invalid(
    error: ValidationError, mapping: tree.Mapping, spec_class: type[Spec], *, title: str, failed: set[str], report: Report
) -> None:
    """One message a field: a misspelt key must not also be reported as a missing one."""
    seen: set[str] = set()
    for details in error.errors(include_url=False):
        key = str(details["loc"][0]) if details["loc"] else ""
        if key in failed or key in seen or _is_uninterpolated(details["input"]):
            continue
        seen.add(key)
        if details["type"] == "missing":
            if not any(near_enough(wrong, key) for wrong in failed):
                report.error("missing-key", f"`{title}` needs `{key}`", mapping.place, help=_field_help(spec_class, key))
            continue
        place = _place(mapping, details) if key else _named_place(mapping, details)
        subject = f"`{key}`" if key else f"`{title}`"
        code, message = _worded(details, subject)
        help = _word_meant(details) or slips.help_for_value(details["input"], place) or _field_help(spec_class, key)
        report.error(code, message, place, help=help)


def _word_meant(details: ErrorDetails) -> str | None:
    """Which of the words that may stand there was misspelt."""
    if details["type"] != "literal_error" or not isinstance(details["input"], str):
        return None
    near = nearest(details["input"], re.findall(r"'(\w+)'", details["ctx"]["expected"]))
    return f"did you mean `{near}`?" if near else None


def _is_uninterpolated(value: object) -> bool:
    """Whether a mistake inside `${...}` was reported already."""
    return isinstance(value, str) and "${" in value


def near_enough(word: str, known: str) -> bool:
    """Whether `word` is probably `known` misspelt."""
    return nearest(word, [known]) is not None


def _named_place(mapping: tree.Mapping, details: ErrorDetails) -> Place:
    """The value of the first key that a message about several fields names."""
    for word in re.findall(r"`(\w+)`", details["msg"]):
        if word in mapping.entries:
            return mapping.entries[word].node.place
    return mapping.place


def _place(mapping: tree.Mapping, details: ErrorDetails) -> Place:
    path = [step for step in details["loc"] if isinstance(step, int | str)]
    return tree.place_of(mapping, path)


def _field_help(spec_class: type[Spec], key: str) -> str | None:
    return field_docs(spec_class).get(keys_of(spec_class).get(key, ""))


_EXPECTED: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
}

_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _worded(details: ErrorDetails, subject: str) -> tuple[str, str]:
    """The code and the message of one of pydantic's errors, in dlcli's words."""
    kind, found, context = details["type"], describe_value(details["input"]), details.get("ctx", {})
    if kind in _EXPECTED:
        return "type", f"{subject} must be {_EXPECTED[kind]}, not {found}"
    if kind == "finite_number":
        return "range", f"{subject} must be a finite number, not {found}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return "range", f"{subject} must be {words} {context[bound]:g}, not {details['input']}"
    if kind in ("too_short", "too_long"):
        words, bound = ("at least", context["min_length"]) if kind == "too_short" else ("at most", context["max_length"])
        entries = "entry" if bound == 1 else "entries"
        return "range", f"{subject} must have {words} {bound} {entries}, not {context['actual_length']}"
    if kind == "string_pattern_mismatch":
        return "value", f"{subject} can't be {found}"
    if kind == "literal_error":
        return "unknown-name", f"{subject} must be {context['expected']}, not {found}"
    if kind == "value_error":
        return "value", f"{subject}: {context['error']}" if details["loc"] else str(context["error"])
    return "type", f"{subject}: {details['msg']}"


def dump(spec: Spec, *, with_name: bool = False) -> dict[str, Any]:
    """The spec as plain values that read back as the same spec: every field written out.

    Args:
        spec: what to write.
        with_name: whether `name: KIND` stands first, as it does for a choice.
    """
    plain: dict[str, Any] = {"name": spec.kind} if with_name else {}
    for name, info in type(spec).model_fields.items():
        dumps = [marker.dump for marker in info.metadata if isinstance(marker, ReadBy)]
        is_choice = any(isinstance(marker, Choice) for marker in info.metadata)
        value = getattr(spec, name)
        plain[key_of(name, info)] = dumps[0](value) if dumps else _dumped(value, is_choice)
    return plain


def _dumped(value: Any, is_choice: bool) -> Any:
    if isinstance(value, Spec):
        return dump(value, with_name=is_choice)
    if isinstance(value, tuple | list):
        return [_dumped(item, is_choice) for item in value]
    return value
