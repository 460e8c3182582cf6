"""A network with several inputs and outputs through every use of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import dlcli
from tests.integration.conftest import Cli

CONFIG = """\
data: {name: arrays, path: a.npz, inputs: [image, meta], targets: [digit, parity, size]}
model:
  layers:
    - flatten: {from: image, name: pixels}
    - concat: [pixels, meta]
    - linear: 16
    - relu: {name: trunk}
    - linear: {out_features: "${data.digit.num_classes}", name: digit}
    - linear: {from: trunk, out_features: 1, name: parity}
    - linear: {from: trunk, out_features: "${data.size.num_targets}", name: size}
  outputs: [digit, parity, size]
train:
  epochs: 2
  batch_size: 16
  metrics: [accuracy]
  monitor: parity/accuracy
  loss:
    digit: cross_entropy
    parity: {name: binary_cross_entropy, weight: 0.5, metrics: [accuracy, f1]}
    size: {name: mse, weight: 0.1, metrics: [mae]}
"""


@pytest.fixture
def arrays(tmp_path: Path) -> dict[str, np.ndarray]:
    """What is in `a.npz`; the last 20 samples are for the test."""
    generator = np.random.default_rng(0)
    image, meta = generator.integers(0, 256, (80, 4, 4), dtype=np.uint8), generator.normal(size=(80, 3)).astype(np.float32)
    digit = generator.integers(0, 3, 80)
    arrays = {"image": image, "meta": meta, "digit": digit, "parity": digit % 2, "size": image.mean(axis=(1, 2)) / 255}
    splits = {"train": slice(None, 60), "test": slice(60, None)}
    np.savez(tmp_path / "a.npz", **{f"{n}_{split}": array[rows] for n, array in arrays.items() for split, rows in splits.items()})
    (tmp_path / "several.yaml").write_text(CONFIG)
    return {name: array[60:] for name, array in arrays.items()}


def test_trained_resumed_judged_and_asked(arrays: dict[str, np.ndarray], cli: Cli) -> None:
    """Each use knows every output; what predict says of the test samples is right as often as eval says."""
    assert cli("train", "several.yaml", "--name", "r", "--device", "cpu").code == 0
    assert cli("train", "--resume", "r", "--set", "train.epochs=3", "--device", "cpu").code == 0
    judged = cli("eval", "r", "--device", "cpu", "--json").json["metrics"]
    found = dlcli.predict("r", {"image": arrays["image"], "meta": arrays["meta"]}, device="cpu")
    assert isinstance(found, dict)
    assert list(found) == ["digit", "parity", "size"]
    torch.testing.assert_close(found["digit"].sum(dim=1), torch.ones(20))
    assert float((found["digit"].argmax(dim=1).numpy() == arrays["digit"]).mean()) == pytest.approx(judged["digit/accuracy"])
    assert float(((found["parity"][:, 0].numpy() > 0.5) == arrays["parity"]).mean()) == pytest.approx(judged["parity/accuracy"])
    assert float(np.abs(found["size"][:, 0].numpy() - arrays["size"]).mean()) == pytest.approx(judged["size/mae"], rel=1e-5)


def test_the_outcome_has_a_line_for_each_output(arrays: dict[str, np.ndarray], cli: Cli) -> None:
    """Its metrics, then its loss; the loss of all comes last."""
    outcome = cli("train", "several.yaml", "--name", "r", "--device", "cpu")
    lines = outcome.out.splitlines()
    [first] = [index for index, line in enumerate(lines) if line.startswith("test")]
    words = ["digit: accuracy", "parity: accuracy", "size: mae", "loss"]
    assert [line[10:].startswith(start) for line, start in zip(lines[first : first + 4], words, strict=True)] == [True] * 4
    assert "f1" in lines[first + 1]
    assert lines[first + 4].startswith("run")


def test_views_of_one_picture_are_inputs_of_one_network(cli: Cli, tmp_path: Path) -> None:
    """A convolution over the picture beside a recurrent layer over its rows; predict takes the picture."""
    layers = [
        {"conv2d": {"from": "image", "out_channels": 2, "kernel_size": 3}},
        {"flatten": {"name": "seen"}},
        {"gru": {"from": "rows", "hidden_size": 4, "return": "last", "name": "read"}},
        {"concat": ["seen", "read"]},
        {"linear": "${data.num_classes}"},
    ]
    data = {"name": "digits", "limit": 100, "view": ["image", "rows"], "augment": ["shift"]}
    run = dlcli.train({"data": data, "model": {"layers": layers}, "train": {"epochs": 1}}, runs=tmp_path, device="cpu")
    assert dlcli.evaluate(run, device="cpu").metrics == run.record["test"]
    found = dlcli.predict(run, np.zeros((3, 8, 8), np.uint8), device="cpu")
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(3))


def test_answers_for_each_step_are_probabilities_of_each_step(cli: Cli, tmp_path: Path) -> None:
    """Over made-up tokens."""
    data = {"name": "random", "sizes": [6], "layout": "tokens", "vocabulary_size": 9, "num_classes": 4, "per_step": True}
    layers = [{"embedding": 3}, {"gru": 4}, {"linear": "${data.num_classes}"}]
    train = {"epochs": 1, "metrics": ["accuracy"]}
    run = dlcli.train({"data": data, "model": {"layers": layers}, "train": train}, runs=tmp_path, device="cpu")
    assert dlcli.evaluate(run, device="cpu").metrics == run.record["test"]
    found = dlcli.predict(run, np.zeros((3, 6), int), device="cpu")
    assert isinstance(found, torch.Tensor)
    torch.testing.assert_close(found.sum(dim=2), torch.ones(3, 6))
