"""`dlcli schema`."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent, wrap
from typing import TYPE_CHECKING, Annotated

import typer

from dlcli.cli.console import print_json, print_result
from dlcli.cli.options import Json, Plugins

if TYPE_CHECKING:
    from dlcli.config.field_pages import FieldPage

_WIDTH = 100


def schema_command(
    field: Annotated[
        str | None, typer.Option("--field", metavar="KEY", help="Explain one key, for example train.optimizer or conv2d.padding.")
    ] = None,
    plugin: Plugins = None,
    json: Json = False,
) -> None:
    """Print the JSON Schema of configs, for editors; or what one key means.

    Example: dlcli schema --field train.optimizer
    """
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    if field is None:
        from dlcli.config.json_schema import config_schema  # all specs: not needed by other commands' help

        print_json(config_schema())
        return
    from dlcli.config.field_pages import field_page

    page = field_page(field)
    if json:
        print_json(page.as_json())
    else:
        print_result("\n".join(_lines(page)))


def _lines(page: FieldPage) -> list[str]:
    """The page as a person reads it."""
    from dlcli.config.yaml_output import inline_yaml

    state = "required" if page.required else f"default  {inline_yaml(page.default)}" if page.default not in (None, {}) else ""
    lines = [page.field, *wrap(page.meaning, _WIDTH, initial_indent="  ", subsequent_indent="  "), ""]
    lines += wrap(f"type     {page.type}", _WIDTH, initial_indent="  ", subsequent_indent=" " * 11)
    lines += [f"  {state}"] if state else []
    for title, entries in (("choices", page.choices), ("fields", page.fields)):
        lines += ["", f"  {title}", *_listed(entries)] if entries else []
    return [*lines, "", "  example", indent(page.example, "    ")]


def _listed(entries: Mapping[str, str]) -> list[str]:
    width = max(map(len, entries)) + 2
    return [
        line
        for name, text in entries.items()
        for line in wrap(f"{name:<{width}}{text}", _WIDTH, initial_indent="    ", subsequent_indent=" " * (4 + width)) or [name]
    ]
