"""What the fields of a spec are: required or not, choices, parts with fields of their own."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from dlcli.config.spec import Choice, RawNode, ReadBy, Spec, dump, key_of, keys_of


def required_keys(spec_class: type[Spec]) -> list[str]:
    """The keys that a spec can't do without."""
    return [key_of(name, info) for name, info in spec_class.model_fields.items() if info.is_required()]


def choice_of(info: FieldInfo) -> Choice | None:
    """The choice that a field is."""
    return next((marker for marker in info.metadata if isinstance(marker, Choice)), None)


def raw_of(info: FieldInfo) -> RawNode | ReadBy | None:
    """How a field is read that is left unread, or read by functions of its own."""
    return next((marker for marker in info.metadata if isinstance(marker, RawNode | ReadBy)), None)


def is_raw(info: FieldInfo) -> bool:
    """Whether a field is left unread, or read by functions of its own."""
    return raw_of(info) is not None


def is_layers(info: FieldInfo) -> bool:
    """Whether a field is a list of layers."""
    raw = raw_of(info)
    return isinstance(raw, RawNode) and raw.holds == "layers"


def holds_layers(spec_class: type[Spec]) -> bool:
    """Whether one of the fields is a list of layers."""
    return any(is_layers(info) for info in spec_class.model_fields.values())


def keys_beside(by: ReadBy) -> dict[str, str]:
    """Key -> field of what may stand beside each of several choices."""
    if by.beside is None:
        return {}
    fields = by.beside.model_fields
    return {key: name for key, name in keys_of(by.beside).items() if choice_of(fields[name]) != by.choice}


def _members(info: FieldInfo) -> tuple[Any, ...]:
    return (info.annotation, *get_args(info.annotation))


def is_optional(info: FieldInfo) -> bool:
    """Whether a field may be nothing."""
    return type(None) in get_args(info.annotation)


def is_list(info: FieldInfo) -> bool:
    """Whether a field is a list of choices."""
    return any(get_origin(member) is tuple for member in _members(info))


def spec_of(info: FieldInfo) -> type[Spec] | None:
    """The spec that a field holds."""
    specs = (member for member in _members(info) if isinstance(member, type) and issubclass(member, Spec))
    return next(specs, None)


def plain_default(info: FieldInfo) -> Any:
    """A field's default as a person would write it: a name alone, one number for equal sizes."""
    value = info.default
    if isinstance(value, Spec):
        if value.model_fields_set:
            return dump(value, with_name=bool(value.kind))
        return value.kind or {}
    if not isinstance(value, tuple):
        return value
    is_size = choice_of(info) is None and Ellipsis not in get_args(info.annotation)
    return value[0] if is_size and len(set(value)) == 1 else list(value)
