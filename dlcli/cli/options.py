"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlcli.cli.completion import complete_config, complete_run, complete_run_or_config

RunArgument = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A folder or a name under runs/; else the newest.", autocompletion=complete_run),
]
ConfigArgument = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="A YAML file, or - for standard input.", autocompletion=complete_config)
]
RunOrConfigArgument = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG|RUN",
        help="A YAML file, - for standard input, or a run's folder or name.",
        autocompletion=complete_run_or_config,
    ),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", metavar="DIR", help="The folder of all runs.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", metavar="DIR", help="Where data is looked for first, and downloaded to.")
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value, for example train.epochs=5; ~KEY takes it away."),
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", metavar="FILE", help="A Python file with layers, losses, metrics, loggers or data sources of your own."
    ),
]
