"""`dlcli verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlcli.cli.console import print_error, print_json, print_notice, print_result
from dlcli.cli.options import DataDir, Json, Plugins, RunArgument, RunsDir
from dlcli.config.words import duration
from dlcli.errors import EXIT_OK, CheckpointError

if TYPE_CHECKING:
    from dlcli.app.verify import Verification


def verify_command(
    run: RunArgument = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Also train again, kill that on its way, let it go on and compare the weights.")
    ] = False,
    runs_dir: RunsDir = Path("runs"),
    data_dir: DataDir = None,
    plugin: Plugins = None,
    json: Json = False,
) -> int:
    """Check that every file of a run is as its training wrote it. Nothing is changed.

    Example: dlcli verify runs/NAME --replay
    """
    from dlcli.app.replay import replay as train_again  # torch: only once there is work to do
    from dlcli.app.verify import verify
    from dlcli.plugins import load_plugins
    from dlcli.training.checkpoint_folder import RESTORE
    from dlcli.training.run_folder import RunFolder

    load_plugins(plugin or ())
    found = verify(run, runs_dir)
    if replay and not found.problems:
        found.replay = train_again(RunFolder(found.run), data_dir, print_notice)
    if json:
        print_json(found.as_json())
    else:
        print_result("\n".join(_lines(found)))
    if found.verified:
        return EXIT_OK
    if not json:
        print_error(_failure(found), found.help or RESTORE)
    return CheckpointError.exit_code


def _lines(found: Verification) -> list[str]:
    lines = [f"{found.run} ({found.status}): {found.files} files compared with what was written"]
    lines += [f"  {problem}" for problem in found.problems]
    lines += [f"  note: {note}" for note in found.notes]
    if found.replay is not None:
        again = found.replay
        how = f"killed after step {again.killed_after} of {again.steps}, gone on after step {again.went_on_after}"
        lines.append(f"trained again in {duration(again.seconds)}, {how}")
        lines += [f"  differs: {name}" for name in again.differing]
    if found.verified and not found.files:
        lines.append("nothing was saved yet that could be compared")
    elif found.verified:
        lines.append("all is as it was written" + (", and training again gives the same, bit for bit" if found.replay else ""))
    return lines


def _failure(found: Verification) -> str:
    count = len(found.problems)
    if count:
        things, were = ("things", "are not as they were") if count > 1 else ("thing", "is not as it was")
        return f"{count} {things} in {found.run} {were} written"
    return f"training again does not give what {found.run} holds"
