"""`dlcli eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlcli.cli.console import print_json, print_notice, print_result
from dlcli.cli.options import DataDir, Device, Json, Plugins, RunArgument, RunsDir


def eval_command(
    run: RunArgument = None,
    split: Annotated[str, typer.Option("--split", help="train, valid or test.")] = "test",
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="best, last or the number of a step.")] = "best",
    runs_dir: RunsDir = Path("runs"),
    device: Device = "auto",
    data_dir: DataDir = None,
    plugin: Plugins = None,
    json: Json = False,
) -> None:
    """Judge a run's network on a split of its data.

    Example: dlcli eval --split valid
    """
    from dlcli.app.use import evaluate  # torch: only once there is work to do
    from dlcli.plugins import load_plugins

    load_plugins(plugin or ())
    judgement = evaluate(run, split=split, checkpoint=checkpoint, device=device, runs=runs_dir, data_dir=data_dir)
    if judgement.notice is not None:
        print_notice(judgement.notice)
    if json:
        print_json(judgement.as_json())
        return
    head = f"{judgement.run} ({judgement.checkpoint}), {judgement.samples:,} samples of {judgement.split}"
    width = max(9, *map(len, judgement.metrics))
    beside = judgement.baseline or {}
    lines = [
        f"{name:<{width}} {value:.4f}" + (f"   (repeating the last value: {beside[name]:.4f})" if name in beside else "")
        for name, value in judgement.metrics.items()
    ]
    print_result("\n".join([head, *lines]))
