"""The page of the commands, from what `--help` is made of: no terminal is asked for its width or its colours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import typer
from reference_tables import table

from dlcli.cli.main import app

_EXAMPLE: Final = re.compile(r"^Example:\s*(.+)$", re.MULTILINE)
_COMPLETION: Final = ("install_completion", "show_completion")
"""Options whose help depends on what else is installed."""
_ABOUT: Final = """\
`dlcli COMMAND --help` says the same. `--json` prints exactly one object on stdout; everything but results goes to stderr. The
[exit codes](../../README.md#a-run) are the same for all of them. `dlcli --install-completion` has the shell complete commands,
options, configs and runs."""


def commands_page() -> Iterator[str]:
    """Every command with its arguments and options."""
    root = typer.main.get_command(app)
    context = typer.Context(root, info_name="dlcli", **root.context_settings)
    commands = dict(_commands(root, context))
    yield from ["# Commands", "", _ABOUT, ""]
    rows = [[f"[`{name}`](#{_anchor(name)})", _brief(command)] for name, command in commands.items()]
    yield from table([["command", "what it does"], *rows])
    yield from ["", "Before the command may stand:", "", *_options(root, context)]
    for name, command in commands.items():
        yield from ["", *_command(name, command, context)]


def _commands(group: Any, context: typer.Context, prefix: str = "dlcli ") -> Iterator[tuple[str, Any]]:
    """Each command by its whole name, those inside of groups too."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from _commands(command, typer.Context(command, info_name=name, parent=context), f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _command(name: str, command: Any, root: typer.Context) -> Iterator[str]:
    context = typer.Context(command, info_name=name, parent=root)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield from [f"## `{name}`", "", *_prose(command), "", "```console", f"$ {usage}", "```", ""]
    yield from _options(command, context)
    examples = _EXAMPLE.findall(f"{command.help or ''}\n{command.epilog or ''}")
    if examples:
        yield from ["", f"Example{'s' if len(examples) > 1 else ''}:", "", *(f"    {example}" for example in examples)]


def _prose(command: Any) -> list[str]:
    """The paragraphs of a help text less its examples, each on a line."""
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", _EXAMPLE.sub("", command.help or "")))
    return "\n\n".join(filter(None, paragraphs)).splitlines()


def _brief(command: Any) -> str:
    return re.split(r"(?<=\.)\s", _prose(command)[0])[0]


def _options(command: Any, context: typer.Context) -> list[str]:
    """A table of arguments and options."""
    params = [param for param in command.get_params(context) if param.name not in _COMPLETION]
    records = [param.get_help_record(context) for param in params]
    rows = [[f"`{names}`", " ".join(text.split())] for names, text in filter(None, records)]
    return table([["", "meaning"], *rows])


def _anchor(name: str) -> str:
    return name.replace(" ", "-")
