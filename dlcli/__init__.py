"""Train CNNs and RNNs from a short YAML file.

`train`, `evaluate`, `predict`, `load` and `build` do what the commands do. They are imported when they are first used:
`import dlcli` brings no torch.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlcli.app.runs import Run
    from dlcli.app.use import build, evaluate, load, predict

__all__ = ["__version__", "build", "evaluate", "load", "predict", "train"]
__version__ = "0.1.0"


def train(
    config: str | Path | dict[str, Any] | None,
    *,
    name: str | None = None,
    runs: str | Path = "runs",
    device: str = "auto",
    seed: int | None = None,
    data_dir: str | Path | None = None,
    resume: str | None = None,
    **overrides: Any,
) -> Run:
    """Trains, evaluates and keeps a network.

    Args:
        config: a path, or a dict of plain values; None together with `resume`.
        name: the run's, in place of one from the config's name and the time.
        runs: the folder of all runs.
        device: auto, cpu, cuda, cuda:1 or mps.
        seed: the same as `train.seed`.
        data_dir: where data is looked for first.
        resume: the run to go on with, or `latest`.
        overrides: as for `--set`, plain values and paths by dotted key: `**{"train.epochs": 5}`.

    Returns:
        The run; `run.record["test"]` holds loss and metrics.

    Raises:
        dlcli.errors.DlcliError: see its subclasses.
    """
    from dlcli.app.train import TrainRequest
    from dlcli.app.train import train as run_training

    if seed is not None:
        overrides["train.seed"] = seed
    settings = tuple(f"{key}={json.dumps(value, default=os.fspath)}" for key, value in overrides.items())
    folder = Path(data_dir) if data_dir is not None else None
    return run_training(TrainRequest(config, settings, name, Path(runs), device, folder, resume))


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name in __all__:
        from dlcli.app import use

        return getattr(use, name)
    raise AttributeError(f"module 'dlcli' has no attribute '{name}'")
