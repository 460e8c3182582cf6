"""Slips that have one right form: a space too few, another language's brackets, a fact without its `${...}`."""

from __future__ import annotations

import re
from typing import Any, Final

from dlcli.config.diagnostics import Place
from dlcli.config.facts import FACT_NAMES

_ENTRY: Final = re.compile(r"([A-Za-z_]\w*)(?:\s*[:=]\s*(\S.*)|\s+(\d.*))", re.DOTALL)
_TUPLE: Final = re.compile(r"\(([^()]*)\)")
_REFERENCE: Final = re.compile(r"\$?\{?\s*((?:data|vars)(?:\.[A-Za-z_]\w*)+)\s*\}?")


def as_entry(text: str) -> tuple[str, str] | None:
    """The key and the value of `epochs = 3`, `epochs:3` and `epochs 3`."""
    match = _ENTRY.fullmatch(text.strip())
    if match is None:
        return None
    value = match[2] or match[3]
    return match[1], "{...}" if value.startswith("{") else value


def help_for_key(key: str) -> str | None:
    """What to write in place of a key that holds more than a key."""
    entry = as_entry(key)
    if entry is not None:
        return f"write `{entry[0]}: {entry[1]}`, with a space after the colon"
    if key.endswith(")") and "(" not in key:
        return "a list stands in brackets: `[3, 3]`"
    return _as_reference(key)


def help_for_value(value: Any, place: Place) -> str | None:
    """What to write in place of a value of the wrong type."""
    if isinstance(value, float) and "${" in place.text and "/" in place.text.replace("//", ""):
        return "`//` divides and rounds down"
    if isinstance(value, dict) and list(value.values()) == [None]:  # `{data.num_classes}` in YAML
        value = next(iter(value))
    if not isinstance(value, str):
        return None
    listed = _TUPLE.fullmatch(value.strip())
    if listed is not None:
        return f"write `[{listed[1].strip(' ,')}]`"
    return "a list stands in brackets: `[3, 3]`" if value.startswith("(") else _as_reference(value)


def _as_reference(text: str) -> str | None:
    """The `${...}` of something that stands in `data` or `vars`."""
    match = _REFERENCE.fullmatch(text.strip())
    if match is not None:
        return f"write `${{{match[1]}}}`"
    return f"write `${{data.{text}}}`" if text in FACT_NAMES else None
