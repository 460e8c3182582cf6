"""`dlcli report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlcli.cli.completion import complete_run
from dlcli.cli.console import print_json, print_notice, print_result
from dlcli.cli.options import Json, Plugins, RunsDir


def report_command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Folders or names under runs/; else the newest.", autocompletion=complete_run),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Where the page goes, an .html file.")] = None,
    runs_dir: RunsDir = Path("runs"),
    plugin: Plugins = None,
    json: Json = False,
) -> None:
    """Make the report of a run again, or a page that compares several. Neither data nor network is needed.

    Example: dlcli report before latest --output comparison.html
    """
    from dlcli.app.pages.page import check_output
    from dlcli.app.report.comparison import write_comparison  # numpy and pydantic: only once there is work to do
    from dlcli.app.report.page import write_report
    from dlcli.plugins import load_plugins
    from dlcli.training.run_folder import find_run

    if output is not None:
        check_output(output)
    load_plugins(plugin or ())
    if runs and len(runs) > 1:
        report = write_comparison(runs, runs_dir, output)
    else:
        report = write_report(find_run(runs[0] if runs else None, runs_dir), output)
    for problem in report.problems:
        print_notice(problem)
    if json:
        print_json(report.as_json())
    else:
        print_result(str(report.path))
