"""`dlcli smoke`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlcli.cli.completion import complete_config
from dlcli.cli.console import data_used, print_json, print_progress, print_result, table
from dlcli.cli.options import DataDir, Device, Json, Plugins
from dlcli.errors import EXIT_SIGNALLED

if TYPE_CHECKING:
    from dlcli.app.smoke import SmokeResult


def smoke_command(
    configs: Annotated[list[Path], typer.Argument(metavar="CONFIG...", help="YAML files.", autocompletion=complete_config)],
    device: Device = "auto",
    data_dir: DataDir = None,
    plugin: Plugins = None,
    json: Json = False,
) -> int:
    """Try each CONFIG in seconds: a few steps, a checkpoint, reading it back, judging it. Nothing is downloaded or kept.

    Example: dlcli smoke configs/*.yaml
    """
    from dlcli.app.smoke import smoke  # torch: only once there is work to do
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    results = []
    for config in configs:
        result = smoke(config, device=device, data_dir=data_dir)
        results.append(result)
        print_progress(f"{'ok' if result.ok else 'FAILED':<7} {result.seconds:5.1f} s  {config}")
        if result.exit_code > EXIT_SIGNALLED:
            break
    failed = [result for result in results if not result.ok]
    if json:
        print_json({"ok": not failed, "configs": [result.as_json() for result in results]})
    else:
        rows = [["config", "data", "parameters", "steps", "seconds", "result"], *map(_row, results)]
        print_result("\n".join([table(rows), *(f"\n{result.config}: {result.error}" for result in failed)]))
    return max((result.exit_code for result in results), default=0)


def _row(result: SmokeResult) -> list[str]:
    parameters = f"{result.parameters:,}" if result.parameters is not None else "-"
    steps = str(result.steps) if result.steps is not None else "-"
    data = data_used(result.data, result.asked) if result.data and result.asked else "-"
    return [str(result.config), data, parameters, steps, f"{result.seconds:.1f}", "ok" if result.ok else "FAILED"]
