"""`dlcli runs`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from dlcli.cli.completion import complete_run
from dlcli.cli.console import is_interactive, output_width, print_json, print_notice, print_progress, print_result
from dlcli.cli.options import Json, RunArgument, RunsDir
from dlcli.config.words import counted
from dlcli.errors import UsageError

if TYPE_CHECKING:
    from dlcli.app.kept_runs.removal import Removal

runs_app: Final = typer.Typer(help="List, show, compare and remove what was trained.")

_Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders or names under runs/.", autocompletion=complete_run)]
_Status = Literal["running", "completed", "interrupted", "diverged", "failed", "killed", "unreadable"]
_Order = Literal["started", "test", "best", "time", "parameters", "name"]


@runs_app.command("list")
def list_command(
    sort: Annotated[
        _Order,
        typer.Option(
            "--sort",
            help="The newest, the best figure (an accuracy, a loss, ...), the longest, the largest first; or by name.",
        ),
    ] = "started",
    status: Annotated[_Status | None, typer.Option("--status", help="Only runs that stand so.")] = None,
    config: Annotated[
        str | None, typer.Option("--config", metavar="NAME", help="Only runs of this config: cnn, cnn.yaml or its path.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """List runs, the newest first. Only run.json of each is read.

    Example: dlcli runs list --sort test --status completed
    """
    from dlcli.app.kept_runs.listing import Selection, list_runs  # pydantic: only once there is work to do
    from dlcli.cli.run_pages import list_lines

    found = list_runs(runs_dir, Selection(status, config), sort)
    if json:
        print_json({"runs": [run.as_json() for run in found]})
        return
    if not found:
        print_notice(f"there are no such runs in {runs_dir}" if status or config else f"there are no runs in {runs_dir}")
        return
    print_result("\n".join(list_lines(found, output_width(), datetime.now().astimezone())))
    for run in found:
        if run.problem is not None:
            print_notice(run.problem)


@runs_app.command("show")
def show_command(run: RunArgument = None, runs_dir: RunsDir = Path("runs"), json: Json = False) -> None:
    """Show what happened in a run, and what there is of it.

    Example: dlcli runs show latest
    """
    from dlcli.app.kept_runs.story import tell
    from dlcli.cli.run_pages import story_lines

    story = tell(run, runs_dir)
    if json:
        print_json(story.as_json())
    else:
        print_result("\n".join(story_lines(story, output_width())))


@runs_app.command("compare")
def compare_command(runs: _Runs, runs_dir: RunsDir = Path("runs"), json: Json = False) -> None:
    """Lay runs side by side: configs, curves and results.

    Example: dlcli runs compare before latest
    """
    from dlcli.app.kept_runs.comparison import compare
    from dlcli.cli.run_pages import comparison_lines

    comparison = compare(runs, runs_dir)
    if json:
        print_json(comparison.as_json())
        return
    print_result("\n".join(comparison_lines(comparison, output_width())))
    for problem in comparison.problems:
        print_notice(problem)


@runs_app.command("remove")
def remove_command(
    runs: _Runs,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    runs_dir: RunsDir = Path("runs"),
    json: Json = False,
) -> None:
    """Remove runs with all that is in their folders.

    Example: dlcli runs remove NAME --yes
    """
    from dlcli.app.kept_runs.removal import plan_removal, remove

    planned = plan_removal(runs, runs_dir)
    if not json:
        print_progress("\n".join(_planned_lines(planned)))
    if not yes and not _is_wanted(len(planned), json=json):
        print_progress("nothing was removed")
        return
    for removal in planned:
        remove(removal)
    if json:
        print_json({"removed": [removal.as_json() for removal in planned]})
    else:
        print_result(f"removed {counted(len(planned), 'run')}")


def _planned_lines(planned: list[Removal]) -> list[str]:
    from dlcli.cli.console import table
    from dlcli.cli.foreign_text import one_line
    from dlcli.runtime.durable_files import size_text

    rows = [["run", "status", "files", "size"]]
    rows += [[one_line(each.run.path, 255), each.run.status, f"{each.files:,}", size_text(each.size)] for each in planned]
    return table(rows, right=(2, 3)).splitlines()


def _is_wanted(count: int, *, json: bool) -> bool:
    """Whether a person at the terminal says yes.

    Raises:
        UsageError: there is nobody to ask.
    """
    if json or not (is_interactive(sys.stdin) and is_interactive(sys.stderr)):
        raise UsageError("nothing was removed: there is no terminal to ask on", help="repeat the command with --yes")
    answer = typer.prompt(f"Remove {counted(count, 'run')}? [y/N]", default="n", show_default=False, prompt_suffix=" ", err=True)
    return str(answer).strip().lower() in ("y", "yes")
