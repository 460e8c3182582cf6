"""`dlcli export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dlcli.cli.completion import complete_run_or_config
from dlcli.cli.console import print_json, print_progress, print_result
from dlcli.cli.options import DataDir, Json, Plugins, RunsDir, Set
from dlcli.errors import UsageError

_STDOUT = Path("-")
_TARGETS = (
    "python: one file of plain PyTorch. safetensors: the weights, with config and facts beside them. "
    "pt2: a program of torch.export. onnx: a file for onnxruntime and others."
)


def export_command(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|CONFIG]",
            help="A run, by its folder or name, a YAML file, or - for standard input; else the newest run.",
            autocompletion=complete_run_or_config,
        ),
    ] = None,
    to: Annotated[Literal["python", "safetensors", "pt2", "onnx"], typer.Option("--to", help=_TARGETS)] = "python",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Else RUN/exports/model.py and so on, or CONFIG.py in this folder; - for code on stdout.",
        ),
    ] = None,
    set_: Set = None,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    plugin: Plugins = None,
    json: Json = False,
) -> None:
    """Write a network as a file that needs no dlcli, checked to give the same outputs.

    Example: dlcli export latest --to onnx
    """
    _check_stdout(output, to, json)
    from dlcli.app.export import export, write  # torch: only once there is work to do
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    overrides = tuple(set_ or ())
    made = export(what, to, overrides, runs=runs_dir, data_dir=data_dir, output=output, on_progress=print_progress)
    if output == _STDOUT:
        print_result(made.text.rstrip("\n"))
        return
    write(made)
    if json:
        print_json(made.as_json())
        return
    lines = [f"{to:<11} {made.file}", f"verified    {made.verified}"]
    kind, name = made.origin
    if to == "python" and kind == "run":
        lines.append(f"weights     beside it by: dlcli export {name} --to safetensors")
    print_result("\n".join(lines))


def _check_stdout(output: Path | None, to: str, json: bool) -> None:
    """Whether stdout is asked for what it can take.

    Raises:
        UsageError: it is not.
    """
    if output != _STDOUT:
        return
    if json:
        raise UsageError("both the code and --json want stdout", help="give a file: dlcli export --output model.py --json")
    if to != "python":
        raise UsageError(f"--output - prints code, and {to} is none", help=f"give a file: dlcli export --to {to} --output FILE")
