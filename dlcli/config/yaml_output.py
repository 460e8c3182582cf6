"""Plain values as YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from dlcli.config.yaml_source import resolve as resolve_scalar

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+-]*")
"""Texts that need no quotes, unless they are a number or `true`."""
_LINE_ENDS: Final = re.compile("[\x85\u2028\u2029]")
"""Characters that end a line and would be read as a space where they are not escaped."""


def as_yaml(config: dict[str, Any]) -> str:
    """Plain values as YAML that reads back as the same values."""
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


def inline_yaml(value: object) -> str:
    """A plain value as YAML on one line that reads back as the same value."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {inline_yaml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline_yaml, value)) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and isinstance(resolve_scalar(value), str):
        return value
    return str(yaml.dump(value, default_style='"', width=float("inf"), allow_unicode=True)).rstrip("\n")


class _Dumper(yaml.SafeDumper):
    """Quotes what would otherwise read back as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(resolve_scalar(text), str) else "'"
    if _LINE_ENDS.search(text):
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
