"""`dlcli data`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dlcli.cli.completion import complete_data, complete_public_data
from dlcli.cli.console import is_interactive, losable, output_width, print_json, print_notice, print_progress, print_result
from dlcli.cli.options import DataDir, Json, Plugins, Set
from dlcli.errors import EXIT_OK, DataError

if TYPE_CHECKING:
    from dlcli.app.finding import Finding
    from dlcli.data.dataset import Dataset

data_app: Final = typer.Typer(help="List, describe, download and check data.")

_Target = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG|NAME",
        help="A YAML file, whose data section is meant, or a name of the list.",
        autocompletion=complete_data,
    ),
]


@data_app.command("list")
def list_command(data_dir: DataDir = None, plugin: Plugins = None, json: Json = False) -> None:
    """List every data source, and where it is on this machine.

    Example: dlcli data list
    """
    from dlcli.app.datasets.sources import list_sources  # numpy: only once there is work to do
    from dlcli.cli.data_pages import source_lines
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    sources = list_sources(data_dir)
    if json:
        print_json({"sources": [source.as_json() for source in sources]})
    else:
        print_result("\n".join(source_lines(sources, output_width())))


@data_app.command("info")
def info_command(target: _Target, set_: Set = None, data_dir: DataDir = None, plugin: Plugins = None, json: Json = False) -> None:
    """Describe data: samples, shapes, ranges, classes, lengths. Nothing is downloaded.

    Example: dlcli data info digits
    """
    from dlcli.app.datasets.description import describe  # torch: only once there is work to do
    from dlcli.app.datasets.target import open_target
    from dlcli.cli.data_pages import description_lines
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    found = describe(open_target(target, set_ or (), data_dir, print_notice))
    if json:
        print_json(found.as_json())
    else:
        print_result("\n".join(description_lines(found, output_width())))


@data_app.command("fetch")
def fetch_command(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Public data sets.", autocompletion=complete_public_data)],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Download data sets that are not on this machine, and check them.

    Example: dlcli data fetch mnist
    """
    from dlcli.app.datasets.sources import check_fetchable, fetch  # numpy: only once there is work to do

    check_fetchable(names)
    fetched = []
    for name in names:
        with _download_display(name) as show:
            found = fetch(name, data_dir, show)
        fetched.append(found)
        if not json:
            how = "was here already" if found.was_there else "downloaded"
            print_result(f"{found.name}: {how}, {found.samples:,} samples checked, in {found.place}")
    if json:
        print_json({"fetched": [found.as_json() for found in fetched]})


@data_app.command("check")
def check_command(target: _Target, set_: Set = None, data_dir: DataDir = None, plugin: Plugins = None, json: Json = False) -> int:
    """Look for faults in data. Exit code 3 where there is one.

    Example: dlcli data check configs/cnn.yaml
    """
    from dlcli.app.datasets.checks import check  # torch: only once there is work to do
    from dlcli.app.datasets.target import open_target
    from dlcli.app.finding import count
    from dlcli.cli.findings import finding_lines
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    dataset = open_target(target, set_ or (), data_dir, print_notice)
    found = check(dataset)
    faults, warnings = count(found, "fault"), count(found, "warning")
    if json:
        listed = [finding.as_json() for finding in found]
        told = {"data": dataset.used, "origin": dataset.origin, "samples": dataset.counts()}
        print_json({**told, "ok": not faults, "faults": faults, "warnings": warnings, "checks": listed})
    else:
        lines = [*finding_lines(found, output_width()), "", _checked(dataset, found)]
        print_result("\n".join(lines))
    return DataError.exit_code if faults else EXIT_OK


def _checked(dataset: Dataset, found: Sequence[Finding]) -> str:
    """How many faults and warnings there are; of a fallback, in what."""
    from dlcli.cli.data_pages import stand_in
    from dlcli.cli.findings import summary_line

    if dataset.notice is None:
        return summary_line(found, "nothing found")
    result = summary_line(found[1:], "nothing found")  # the first says that it is a fallback
    return f"{result} in {stand_in(dataset.used, dataset.asked)}; your data was not checked"


@contextmanager
def _download_display(name: str) -> Iterator[Callable[[int, int], None]]:
    """What shows how far a download has come: a bar on a terminal, elsewhere a line when it begins."""
    if not is_interactive(sys.stderr):
        from dlcli.runtime.durable_files import size_text

        begun: list[str] = []

        def tell(_: int, total: int) -> None:
            if not begun:
                print_progress(f"downloading {name}, {size_text(total)}")
                begun.append(name)

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(name), BarColumn(bar_width=None), DownloadColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=Console(file=losable(sys.stderr)), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda received, total: bar.update(task, completed=received, total=total)
