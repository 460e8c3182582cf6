"""The Python functions do what the commands do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import dlcli
from dlcli.config.diagnostics import ConfigError
from tests.integration.conftest import QUICK


@pytest.fixture
def config() -> dict[str, object]:
    """The quick config as a dict."""
    value = yaml.safe_load(QUICK.replace("1e-2", "0.01"))
    assert isinstance(value, dict)
    return value


def test_train_load_evaluate_and_predict(config: dict[str, object], tmp_path: Path) -> None:
    """A dict in, a run out; its network is an ordinary module, and its numbers agree."""
    run = dlcli.train(config, runs=tmp_path, seed=3, **{"train.epochs": 1})
    assert (run.record["epochs"], run.record["seed"]) == (1, 3)
    assert dlcli.evaluate(run).metrics == run.record["test"]
    network = dlcli.load(run)
    assert isinstance(network, nn.Module)
    assert not network.training
    assert list(network.state_dict()) == ["conv2d_1.weight", "conv2d_1.bias", "linear_1.weight", "linear_1.bias"]
    probabilities = dlcli.predict(run, np.zeros((3, 8, 8), np.uint8))
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3))


@pytest.mark.parametrize(
    ("layout", "sizes"), [("clip", (3, 4, 8, 8)), ("volume", (3, 4, 8, 8)), ("image", (1, 8, 8)), ("vector", (7,))]
)
def test_predict_reads_samples_as_the_training_did(layout: str, sizes: tuple[int, ...], tmp_path: Path) -> None:
    """For every layout: the classes that predict gives to the test samples are right as often as eval says."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (60, *sizes)).astype(np.uint8)
    if layout == "vector":
        x = x.astype(np.float32)
    y = generator.integers(0, 2, 60)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    layers = ["flatten", {"linear": "${data.num_classes}"}]
    data = {"name": "arrays", "path": str(tmp_path / "a.npz"), "layout": layout}
    config = {"data": data, "model": {"layers": layers}, "train": {"epochs": 3, "metrics": ["accuracy"]}}
    run = dlcli.train(config, runs=tmp_path)
    kept = np.moveaxis(x[:20], -3, -1) if layout == "image" else x[:20]
    kept = np.moveaxis(kept, 2, -1) if layout == "clip" else np.moveaxis(kept, 1, -1) if layout == "volume" else kept
    found = dlcli.predict(run, kept).argmax(dim=1).numpy()
    assert float((found == y[:20]).mean()) == pytest.approx(run.record["test"]["accuracy"])


def test_build_gives_the_weights_that_a_training_starts_from(config: dict[str, object]) -> None:
    """As plain torch after the same seed."""
    network = dlcli.build(config)
    torch.manual_seed(0)
    conv = nn.Conv2d(1, 8, 3)
    linear = nn.Linear(72, 10)
    expected = [*conv.parameters(), *linear.parameters()]
    for ours, theirs in zip(network.parameters(), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_mistakes_in_a_dict_are_raised_as_one_error(config: dict[str, object]) -> None:
    """ConfigError carries the diagnostics."""
    with pytest.raises(ConfigError) as caught:
        dlcli.build({**config, "trian": {}})
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["unknown-key"]


def test_a_training_leaves_signals_and_global_settings_as_they_were(config: dict[str, object], tmp_path: Path) -> None:
    """Inside somebody else's program: handlers, determinism and grad mode are theirs."""
    import signal

    before = signal.getsignal(signal.SIGINT), torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()
    dlcli.train(config, runs=tmp_path, **{"train.epochs": 1, "train.deterministic": True})
    after = signal.getsignal(signal.SIGINT), torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled()
    assert after == before
