"""Sequences of different lengths, values in units of the data and carried state, from a config to a run and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import dlcli
from tests.integration.conftest import Cli

GENERATOR = np.random.default_rng(0)
LENGTHS = GENERATOR.integers(2, 12, 90)
THERE = np.arange(12) < LENGTHS[:, None]


def _config(data: dict[str, Any], layers: list[Any], **train: Any) -> dict[str, Any]:
    return {"data": data, "model": {"layers": layers}, "train": {"epochs": 2, "batch_size": 8, **train}}


def _values(path: Path) -> np.ndarray:
    """Writes series of 2 to 11 steps with a value for each step around 20,000, and gives the values (N, T, 1)."""
    x = GENERATOR.normal(size=(90, 12, 2))
    y = 20_000 + 500 * x[:, :, :1].cumsum(1)
    x[~THERE] = np.nan
    np.savez(path / "a.npz", x=x, y=y, lengths=LENGTHS)
    return y


VALUES = (
    {"name": "arrays", "path": "a.npz", "layout": "series"},
    [{"gru": {"hidden_size": 8}}, {"linear": "${data.num_targets}"}],
)


def test_metrics_are_in_the_units_of_the_data(cli: Cli, tmp_path: Path) -> None:
    """Of values around 20,000 that spread over 1,000: the loss is near 1, the error is some hundreds, and eval agrees."""
    _values(tmp_path)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(_config(*VALUES, loss="mse", metrics=["mae", "rmse"], clip_gradients=1)))
    found = cli("train", "c.yaml", "--json")
    assert found.code == 0, found.err
    test = found.json["test"]
    run = Path(found.json["run"])
    resolved = yaml.safe_load((run / "config.resolved.yaml").read_text())
    scale = resolved["data"]["normalize_targets"]
    assert 18_000 < scale["mean"][0] < 22_000
    assert test["loss"] == pytest.approx((test["rmse"] / scale["std"][0]) ** 2, rel=1e-4)
    assert cli("eval", run, "--json").json["metrics"] == test
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(0 <= event["padding"] < 0.5 and event["train/gradient_norm"] > 0 for event in events)


def test_without_a_scale_the_loss_is_in_units_too(tmp_path: Path, cli: Cli) -> None:
    """`normalize_targets: none`: the loss is the square of the error."""
    _values(tmp_path)
    data, layers = VALUES
    run = dlcli.train(_config({**data, "normalize_targets": "none"}, layers, loss="mse", metrics=["rmse"]), runs=tmp_path)
    test = run.record["test"]
    assert test["loss"] == pytest.approx(test["rmse"] ** 2, rel=1e-5)
    assert dlcli.evaluate(run).metrics == test


def test_yes_or_no_labels_are_no_quantities(tmp_path: Path, cli: Cli) -> None:
    """Labels written as floats stay 0 and 1, and the run says so."""
    x = GENERATOR.normal(size=(60, 4))
    np.savez(tmp_path / "a.npz", x=x, y=(x[:, :2] > 0.5).astype(np.float32))
    config = _config({"name": "arrays", "path": "a.npz"}, [{"linear": 2}], loss="binary_cross_entropy", metrics=["accuracy"])
    run = dlcli.train(config, runs=tmp_path)
    assert yaml.safe_load((run.path / "config.resolved.yaml").read_text())["data"]["normalize_targets"] == {"name": "none"}
    assert dlcli.evaluate(run).metrics == run.record["test"]


def test_a_sequence_too_short_for_the_network_is_named(cli: Cli, tmp_path: Path) -> None:
    """Before anything is trained: the sample, its steps, the layer and what it needs; exit code 3, and no run."""
    windows = [
        {"conv1d": {"out_channels": 4, "kernel_size": 3}},
        {"max_pool1d": 2},
        {"gru": {"hidden_size": 4, "return": "last"}},
    ]
    np.savez(tmp_path / "a.npz", x=np.ones((90, 12, 2)), y=np.arange(90) % 2, lengths=LENGTHS)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(_config(VALUES[0], [*windows, {"linear": 2}])))
    found = cli("train", "c.yaml")
    assert found.code == 3
    assert "has 2 steps, and `max_pool1d` (line " in found.err or "has 2 steps, and `conv1d` (line " in found.err
    assert "needs at least" in found.err
    assert not (tmp_path / "runs").exists()


def test_a_split_of_one_length_can_be_too_short_too(cli: Cli, tmp_path: Path) -> None:
    """Lengths differ between the splits alone: those of the test all have three steps, and the network reaches over four."""
    np.savez(
        tmp_path / "a.npz",
        x_train=np.ones((20, 9, 2)), y_train=np.arange(20) % 2, lengths_train=np.full(20, 9),
        x_test=np.ones((8, 9, 2)), y_test=np.arange(8) % 2, lengths_test=np.full(8, 3),
    )  # fmt: skip
    layers = [{"conv1d": {"out_channels": 4, "kernel_size": 4}}, "global_avg_pool", {"linear": 2}]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(_config({"name": "arrays", "path": "a.npz", "layout": "series"}, layers)))
    found = cli("train", "c.yaml")
    assert found.code == 3
    assert "sample 0 of the test split" in found.err
    assert "has 3 steps, and `conv1d`" in found.err


TEXT = _config(
    {"name": "text", "path": "t.txt", "window": 8, "split": {"valid": 0.2}},
    [{"embedding": 4}, {"lstm": {"hidden_size": 6}}, {"linear": "${data.vocabulary_size}"}],
    stateful=True,
    metrics=["accuracy"],
)


def _text(path: Path) -> None:
    (path / "t.txt").write_text("".join("abcde"[int(number)] for number in GENERATOR.integers(0, 5, 2000)))


def test_a_stateful_run_is_judged_as_it_was_trained(cli: Cli, tmp_path: Path) -> None:
    """Eval carries the state as the training's own evaluations do: the same figures to the last digit."""
    _text(tmp_path)
    run = dlcli.train(TEXT, runs=tmp_path)
    assert dlcli.evaluate(run).metrics == run.record["test"]
    stateless = dlcli.train(TEXT, runs=tmp_path, **{"train.stateful": False})
    assert stateless.record["test"] != run.record["test"]


def test_a_run_without_a_test_ends_without_one(cli: Cli, tmp_path: Path) -> None:
    """`split: {test: 0}`: every sample is for training and validation."""
    _text(tmp_path)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(TEXT))
    found = cli("train", "c.yaml", "--set", "data.split.test=0", "--json")
    assert found.code == 0, found.err
    assert found.json["test"] is None
    assert cli("eval", found.json["run"], "--split", "valid").code == 0
    refused = cli("eval", found.json["run"])
    assert refused.code == 2
    assert "the data has no split `test`" in refused.err
