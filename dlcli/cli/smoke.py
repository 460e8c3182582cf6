"""`dlcli smoke`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlcli.cli.console import print_json, table
from dlcli.cli.options import DataDir, Device, Json

if TYPE_CHECKING:
    from dlcli.app.smoke import SmokeResult


def smoke_command(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="YAML files.")],
    device: Device = "auto",
    data_dir: DataDir = None,
    json: Json = False,
) -> int:
    """Try each CONFIG in seconds: a few steps, a checkpoint, reading it back, judging it. Nothing is downloaded or kept.

    Example: dlcli smoke configs/*.yaml
    """
    from dlcli.app.smoke import smoke  # torch: only once there is work to do

    results = []
    for config in configs:
        result = smoke(config, device=device, data_dir=data_dir)
        results.append(result)
        print(f"{'ok' if result.ok else 'FAILED':<7} {result.seconds:5.1f} s  {config}", file=sys.stderr)
    failed = [result for result in results if not result.ok]
    if json:
        print_json({"ok": not failed, "configs": [result.as_json() for result in results]})
    else:
        print(table([["config", "data", "parameters", "steps", "seconds", "result"], *map(_row, results)]))
        for result in failed:
            print(f"\n{result.config}: {result.error}")
    return max((result.exit_code for result in results), default=0)


def _row(result: SmokeResult) -> list[str]:
    parameters = f"{result.parameters:,}" if result.parameters is not None else "-"
    steps = str(result.steps) if result.steps is not None else "-"
    return [str(result.config), result.data or "-", parameters, steps, f"{result.seconds:.1f}", "ok" if result.ok else "FAILED"]
