"""Trainings of a second or two with all that resuming has to bring back, and what is compared of their ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

from dlcli.training.checkpoint import Checkpoint, load_checkpoint
from tests.unit.training.checkpoint_cases import assert_same_bits

_ALL_ON: Final[dict[str, Any]] = {
    "accumulate": 2,
    "ema": 0.8,
    "schedule": {"name": "plateau", "patience": 0, "factor": 0.5, "warmup": 3},
    "early_stopping": {"patience": 2, "min_delta": 1e-3},
    "save_every": 0.05,
}

_PICTURES: Final = {"name": "digits", "limit": 600, "augment": [{"name": "shift", "pixels": 1}, {"name": "erase", "p": 0.5}]}

KINDS: Final[dict[str, dict[str, Any]]] = {
    "cnn": {
        "data": _PICTURES,
        "model": {
            "layers": [
                {"conv2d": {"out_channels": 8, "kernel_size": 3, "bias": False}},
                "batch_norm2d",
                "relu",
                {"max_pool2d": 2},
                "flatten",
                {"dropout": 0.2},
                {"linear": "${data.num_classes}"},
            ]
        },
        "train": {**_ALL_ON, "epochs": 12, "batch_size": 16, "optimizer": {"name": "adam", "lr": 0.02}, "metrics": ["accuracy"]},
    },
    "lstm": {
        "data": {**_PICTURES, "view": "rows"},
        "model": {
            "layers": [
                {"lstm": {"hidden_size": 16, "num_layers": 2, "dropout": 0.2, "return": "last"}},
                {"linear": "${data.num_classes}"},
            ]
        },
        "train": {**_ALL_ON, "epochs": 8, "batch_size": 16, "optimizer": {"name": "nadam", "lr": 0.01}, "clip_gradients": 1},
    },
    "gru": {
        "data": {"name": "adding", "steps": 24, "num_samples": 1000},
        "model": {
            "layers": [
                {"gru": {"hidden_size": 12}},
                {"dropout": 0.1},
                {"gru": {"hidden_size": 8, "return": "last"}},
                {"linear": 1},
            ]
        },
        "train": {
            **_ALL_ON,
            "epochs": 8,
            "batch_size": 16,
            "loss": "mse",
            "metrics": ["mae"],
            "optimizer": {"name": "sgd", "lr": 0.03, "momentum": 0.9},
        },
    },
    "language model": {
        "data": {"name": "text", "path": "numbers.txt", "window": 16, "split": {"valid": 0.2, "test": 0.1}},
        "model": {
            "layers": [
                {"embedding": 12},
                {"lstm": {"hidden_size": 24}},
                {"dropout": 0.2},
                {"linear": "${data.vocabulary_size}"},
            ]
        },
        "train": {
            **_ALL_ON,
            "epochs": 8,
            "batch_size": 8,
            "stateful": True,
            "optimizer": {"name": "adamw", "lr": 0.02},
            "metrics": ["accuracy"],
            "monitor": "loss",
        },
    },
}
"""A convolutional network, two recurrent ones and a language model: augmentation, dropout, accumulation, a moving average, a
schedule that looks at results and early stopping."""


def write_config(kind: str, folder: Path) -> Path:
    """Writes the config of a kind, and the data that is not made up by dlcli itself."""
    folder.mkdir(exist_ok=True)
    (folder / "numbers.txt").write_text(" ".join(f"{n} and {n * n % 97};" for n in range(900)))
    path = folder / f"{kind.replace(' ', '_')}.yaml"
    path.write_text(yaml.safe_dump(KINDS[kind], sort_keys=False))
    return path


def committed(run: Path) -> list[Checkpoint]:
    """All checkpoints of a run, the oldest first: each has to verify.

    Raises:
        CheckpointError: one does not.
    """
    return [load_checkpoint(path) for path in sorted((run / "checkpoints").glob("step-*"))]


def log_without_times(run: Path) -> list[dict[str, Any]]:
    """metrics.jsonl, each line of which has to be JSON, but for what a clock says."""
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in event.items() if "second" not in key} for event in events]


def assert_same_end(run: Path, undisturbed: Path) -> None:
    """The last checkpoint to the last bit, which one is the best, the log of metrics, and the result of the test."""
    last, expected = committed(run)[-1], committed(undisturbed)[-1]
    assert_same_bits(last.tensors, expected.tensors)
    progress, expected_progress = (
        {key: value for key, value in checkpoint.state["progress"].items() if "second" not in key}
        for checkpoint in (last, expected)
    )
    assert progress == expected_progress
    assert log_without_times(run) == log_without_times(undisturbed)
    assert len((run / "metrics.csv").read_text().splitlines()) == 1 + len(log_without_times(run))
    records = [json.loads((folder / "run.json").read_text()) for folder in (run, undisturbed)]
    for key in ("status", "exit_code", "finished", "epochs", "step", "best", "test", "error"):
        assert records[0][key] == records[1][key], key
    best = [_weights_of_the_best(folder) for folder in (run, undisturbed)]
    assert_same_bits(*best)


def _weights_of_the_best(run: Path) -> dict[str, Any]:
    best = json.loads((run / "checkpoints" / "best.json").read_text())
    return dict(load_checkpoint(run / "checkpoints" / best["checkpoint"]).weights)
