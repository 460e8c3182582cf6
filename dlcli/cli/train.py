"""`dlcli train`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlcli.cli.completion import complete_config, complete_run
from dlcli.cli.console import is_interactive, output_width, print_json, print_result
from dlcli.cli.options import DataDir, Device, Json, Plugins, RunsDir, Set
from dlcli.cli.training_outcome import outcome
from dlcli.errors import ResourceError
from dlcli.training.run_folder import LATEST

if TYPE_CHECKING:
    from dlcli.app.runs import Run


def resume_arguments(arguments: Sequence[str]) -> list[str]:
    """Gives a bare `--resume` its value: the option may stand without one, which typer does not know."""
    return [
        f"--resume={LATEST}" if argument == "--resume" and _is_no_run(following) else argument
        for argument, following in zip(arguments, [*arguments[1:], "--"], strict=False)
    ]


def _is_no_run(argument: str) -> bool:
    from dlcli.app.configs import is_config  # slow to import, and only this option needs it

    return argument.startswith("-") or is_config(argument)


def train_command(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", help="A YAML file, or - for standard input.", autocompletion=complete_config),
    ] = None,
    set_: Set = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call the run.")] = None,
    runs_dir: RunsDir = Path("runs"),
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="The same as --set train.seed=N.")] = None,
    data_dir: DataDir = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume", metavar="[RUN]", help="Go on with a run; without RUN, with the newest.", autocompletion=complete_run
        ),
    ] = None,
    plugin: Plugins = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show notices and errors alone; stdout has the run's folder.")] = False,
    json: Json = False,
) -> int:
    """Train the network of CONFIG, judge it on the test split and keep it in a folder under runs/.

    Example: dlcli train configs/cnn.yaml --set train.epochs=5
    """
    from dlcli.app.train import TrainRequest, train  # torch: only once there is work to do
    from dlcli.cli.progress_display import progress_display
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    seeding = [f"train.seed={seed}"] if seed is not None else []
    with progress_display(quiet=quiet) as display:
        run = train(
            TrainRequest(
                config,
                overrides=(*(set_ or ()), *seeding),
                name=name,
                runs=runs_dir,
                device=device,
                data_dir=data_dir,
                resume=resume,
                observers=(display,),
            )
        )
    with suppress(ResourceError):  # a full disk behind stdout changes nothing of the run, which is in its folder
        if json:
            print_json(run.summary())
        else:
            _show(run, quiet=quiet)
    return run.exit_code


def _show(run: Run, *, quiet: bool) -> None:
    """The outcome for a person; where all is to be quiet, only where it is."""
    if quiet:
        print_result(str(run.path))
        return
    has_colours = is_interactive(sys.stdout) and not os.environ.get("NO_COLOR")
    sentence, rest = outcome(run, output_width() if is_interactive(sys.stdout) else None)
    colour = "32" if run.record["status"] == "completed" else "33"
    print_result(f"\033[1;{colour}m{sentence}\033[0m" if has_colours else sentence)
    print_result(rest)
