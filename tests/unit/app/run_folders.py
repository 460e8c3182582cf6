"""Folders of runs, as far as their listing, comparing and removing look at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

RECORD: Final[dict[str, Any]] = {
    "started": "2026-11-27T11:26:06.406+00:00",
    "ended": "2026-11-27T11:26:08.882+00:00",
    "resumed": [],
    "config": "/home/me/cnn.yaml",
    "overrides": ["train.epochs=3"],
    "status": "completed",
    "device": "cpu",
    "device_title": "cpu (2 threads)",
    "seed": 0,
    "parameters": 810,
    "outputs": {"linear_1": "a vector (features=10)"},
    "data": {"asked": "mnist", "used": "digits", "origin": "inside the package", "samples": {"train": 3, "valid": 2, "test": 1}},
    "plugins": [],
    "finished": "epochs",
    "epochs": 3,
    "train_seconds": 2.5,
    "total_seconds": 3.0,
    "samples_per_second": 503.2,
    "best": {"metric": "valid/accuracy", "value": 0.9, "epoch": 2},
    "test": {"loss": 0.4, "accuracy": 0.8},
    "baseline": None,
    "error": None,
}
"""What a training writes into run.json, but for what nothing here reads."""

CONFIG: Final = """\
data: {name: digits, limit: null}
model:
  layers:
  - conv2d: {name: conv2d_1, out_channels: 8}
  - relu: {name: relu_1}
train:
  epochs: 3
  optimizer: {name: adam, lr: 0.01}
  metrics:
  - {name: accuracy}
"""


def make_run(runs: Path, name: str, *, resolved: str = CONFIG, epochs: int = 3, **changes: Any) -> Path:
    """A run whose record has these values in place of the usual ones; None takes a key away."""
    folder = runs / name
    checkpoint = folder / "checkpoints" / "step-00000030"
    checkpoint.mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(bytes(1000))
    for which in ("best", "last"):
        (folder / "checkpoints" / f"{which}.json").write_text(json.dumps({"checkpoint": checkpoint.name, "step": 30}))
    record = {key: value for key, value in (RECORD | changes).items() if value is not None}
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "config.resolved.yaml").write_text(resolved)
    lines = [
        {"event": "epoch", "epoch": epoch, "train/loss": 1 / epoch, "valid/loss": 2 / epoch, "valid/accuracy": epoch / 10}
        for epoch in range(1, epochs + 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
