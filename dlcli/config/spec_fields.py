"""What the fields of a spec are: required or not, choices, parts with fields of their own."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from dlcli.config.spec import Choice, RawNode, ReadBy, Spec, dump, key_of


def required_keys(spec_class: type[Spec]) -> list[str]:
    """The keys that a spec can't do without."""
    return [key_of(name, info) for name, info in spec_class.model_fields.items() if info.is_required()]


def choice_of(info: FieldInfo) -> Choice | None:
    """The choice that a field is."""
    return next((marker for marker in info.metadata if isinstance(marker, Choice)), None)


def is_raw(info: FieldInfo) -> bool:
    """Whether a field is read by functions of its own."""
    return any(marker is RawNode or isinstance(marker, ReadBy) for marker in info.metadata)


def holds_layers(spec_class: type[Spec]) -> bool:
    """Whether layers stand inside."""
    return any(marker is RawNode for info in spec_class.model_fields.values() for marker in info.metadata)


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
