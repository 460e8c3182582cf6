"""`dlcli init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlcli.app.templates import TEMPLATES
from dlcli.cli.console import print_json, print_result
from dlcli.cli.options import Json
from dlcli.errors import UsageError

_NAMES = ", ".join(f"{name} ({word})" for name, word in TEMPLATES.items())
_STDOUT = Path("-")


def init_command(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The file to write; - for stdout.")] = Path("model.yaml"),
    template: Annotated[str | None, typer.Option("--template", metavar="NAME", help=f"{_NAMES}; else cnn.")] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="DATA", help="A folder of pictures, .npz, .ts or .csv: a config that fits it."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace CONFIG where it is there already.")] = False,
    json: Json = False,
) -> None:
    """Write a commented CONFIG that trains as it is: from a template, or to fit your data.

    Example: dlcli init flowers.yaml --from pictures/
    """
    from dlcli.app.starter_configs import check_free, starter_config, write  # numpy: only once there is work to do

    if config == _STDOUT:
        if json:
            raise UsageError("both the config and --json want stdout", help="give a file: dlcli init model.yaml --json")
        print_result(starter_config(None, template=template, data=from_).text.rstrip("\n"))
        return
    check_free(config, force=force)
    starter = starter_config(config, template=template, data=from_)
    write(starter, force=force)
    if json:
        print_json(starter.as_json())
    else:
        print_result(f"config    {starter.config}\nnext      {starter.next}")
