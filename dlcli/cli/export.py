"""`dlcli export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dlcli.cli.console import print_json, print_result
from dlcli.cli.options import DataDir, Json, Plugins, RunsDir, Set
from dlcli.errors import UsageError

_STDOUT = Path("-")


def export_command(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|CONFIG]",
            help="A run, by its folder or name, a YAML file, or - for standard input; else the newest run.",
        ),
    ] = None,
    to: Annotated[Literal["python"], typer.Option("--to", help="python: one file of plain PyTorch.")] = "python",
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Else RUN/exports/model.py or CONFIG.py in this folder; - for stdout."),
    ] = None,
    set_: Set = None,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    plugin: Plugins = None,
    json: Json = False,
) -> None:
    """Write a network as code that needs no dlcli, checked to give the same outputs.

    Example: dlcli export --output model.py
    """
    from dlcli.app.export import check_free, export, write  # torch: only once there is work to do
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    if output == _STDOUT and json:
        raise UsageError("both the code and --json want stdout", help="give a file: dlcli export --output model.py --json")
    if output is not None and output != _STDOUT:
        check_free(output)
    made = export(what, tuple(set_ or ()), runs=runs_dir, data_dir=data_dir)
    if output == _STDOUT:
        print_result(made.text.rstrip("\n"))
        return
    file = write(made, output)
    if json:
        print_json({**made.as_json(), "file": str(file)})
    else:
        print_result(f"{to:<9} {file}\nverified  the outputs of two random batches differ by at most {made.largest_difference:g}")
