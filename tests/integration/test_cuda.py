"""Trainings on a CUDA GPU; without one all of this is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dlcli.app.experiments import open_experiment
from dlcli.app.train import build_trainer
from dlcli.runtime.products import products_in
from dlcli.training.trainer import Trainer
from tests.integration.conftest import CONFIGS, Cli

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

STEPS = 200
CURVE = 1e-4
"""Of a loss in float32, over the first steps."""
KINDS = ["cnn", "mnist_fast", "lenet", "lstm", "gru", "rnn", "cnn_lstm", "mlp"]


def _trainer(config: str, *settings: str) -> Trainer:
    made_up = ("data={name: digits, repeat: 10}" if config in ("cnn", "mlp") else "data={name: digits, resize: 28, repeat: 10}",)
    rows = ("data.view=rows",) if config in ("lstm", "gru", "rnn", "cnn_lstm") else ()
    found = open_experiment(CONFIGS / f"{config}.yaml", (*made_up, *rows, *settings), None, lambda _: None, downloads=False)
    torch.manual_seed(0)
    trainer = build_trainer(*found, torch.device("cuda", 0))
    trainer.network.train()
    torch.manual_seed(0)
    return trainer


def _losses(trainer: Trainer) -> torch.Tensor:
    losses = list[torch.Tensor]()
    with products_in(trainer.spec.precision):
        while len(losses) < STEPS:
            losses += [trainer.step(group) for group in trainer.groups()]
            trainer.progress.step_in_epoch = 0
            trainer.progress.epoch += 1
    return torch.stack(losses[:STEPS]).cpu()


@pytest.mark.parametrize("config", KINDS)
def test_recorded_steps_give_the_losses_of_steps_that_are_not(config: str) -> None:
    """Over two hundred steps; and they are recorded, without a word of why not."""
    plain, recorded = _trainer(config), _trainer(config, "train.cuda_graph=true")
    recorded.record_steps(pytest.fail)
    torch.testing.assert_close(_losses(recorded), _losses(plain), rtol=CURVE, atol=CURVE)
    assert recorded._recorded is not None
    assert recorded._recorded.is_replayed


def test_no_step_waits_for_the_gpu() -> None:
    """As torch itself sees it."""
    trainer = _trainer("mnist_fast")
    groups = trainer.groups()
    trainer.step(next(groups))
    group = next(groups)
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.step(group)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_recorded_training_is_a_run_like_any_other(cli: Cli, quick: Path) -> None:
    """Trained, taken up again and judged, with a last batch that is smaller than the others."""
    trained = cli("train", quick, "--set", "train.cuda_graph=true", "--json")
    assert trained.code == 0, trained.err
    longer = cli("train", "--resume", trained.json["run"], "--set", "train.epochs=4", "--json")
    assert longer.code == 0, longer.err
    assert longer.json["test"]["accuracy"] > 0.9
    judged = cli("eval", trained.json["run"], "--json")
    assert judged.code == 0, judged.err
    assert judged.json["metrics"]["accuracy"] == pytest.approx(longer.json["test"]["accuracy"])


def test_a_step_that_waits_for_the_gpu_is_not_recorded() -> None:
    """It is found out before, and dropout goes on drawing."""
    trainer, notices = _trainer("lenet", "train.cuda_graph=true"), list[str]()
    trainer.network.register_forward_hook(lambda _, __, output: float(output.sum()) and None)
    trainer.record_steps(notices.append)
    for group, _ in zip(trainer.groups(), range(8), strict=False):
        assert trainer.step(group).isfinite()
    assert len(notices) == 1
    assert "waits for the GPU" in notices[0]
