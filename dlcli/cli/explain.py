"""`dlcli explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlcli.cli.console import print_json, print_notice, print_result
from dlcli.cli.options import DataDir, Device, Json, Plugins, RunArgument, RunsDir


def explain_command(
    run: RunArgument = None,
    index: Annotated[int | None, typer.Option("--index", metavar="N", help="This sample of the split, counted from 0.")] = None,
    worst: Annotated[bool, typer.Option("--worst", help="The samples with the greatest loss.")] = False,
    input: Annotated[
        str | None, typer.Option("--input", metavar="FILE", help="New samples, in a file as `dlcli predict` reads it.")
    ] = None,
    invert: Annotated[
        bool, typer.Option("--invert", help="With --input: swap bright and dark in pictures, as `dlcli predict` does.")
    ] = False,
    split: Annotated[str, typer.Option("--split", help="train, valid or test.")] = "test",
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="best, last or the number of a step.")] = "best",
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="The page, .html; else explain.html in the run's folder."),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    device: Device = "auto",
    data_dir: DataDir = None,
    plugin: Plugins = None,
    json: Json = False,
) -> None:
    """Write a page on why a run's network answers as it does: filters, feature maps, gates, attributions.

    Without a choice: a sample of each class that it gets right, and its worst mistakes.

    Example: dlcli explain latest --index 17
    """
    from dlcli.app.explain.explaining import explain_run
    from dlcli.app.explain.samples import Choice
    from dlcli.app.pages.page import check_output
    from dlcli.plugins import load_plugins

    choice = Choice(index, worst, input, split, invert)
    if output is not None:
        check_output(output)
    load_plugins(plugin or ())
    found = explain_run(
        run, choice, checkpoint=checkpoint, device=device, runs=runs_dir, data_dir=data_dir, on_notice=print_notice
    )
    written = found.write(output)
    if json:
        print_json(found.as_json(written))
    else:
        print_result(f"{found.head}\n{written}")
