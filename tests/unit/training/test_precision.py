"""A training in bfloat16: torch's autocast around the network, and nothing else."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from dlcli.app.experiments import open_experiment
from dlcli.app.train import build_trainer
from dlcli.config.optimizers import Sgd
from tests.integration.small_trainings import KINDS, write_config
from tests.unit.training.trainings import CPU, make_trainer, train_spec


def test_a_step_is_one_of_plain_torch_under_autocast() -> None:
    """The same losses and weights, to the last bit; both in float32, and other ones than float32 gives."""
    trainer = make_trainer(train_spec(optimizer=Sgd(lr=0.25), precision="bfloat16"))
    network, exact = copy.deepcopy(trainer.network), copy.deepcopy(trainer.network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.25)
    [batch] = next(trainer.groups())
    assert not torch.equal(trainer.outputs_for(batch), exact(batch.inputs))
    for group in trainer.groups():
        [batch] = group
        with torch.autocast("cpu", torch.bfloat16):
            outputs = network(batch.inputs)
        assert outputs.dtype == torch.bfloat16
        expected = functional.cross_entropy(outputs.float(), batch.targets)
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        loss = trainer.step(group)
        assert loss.dtype == torch.float32
        assert torch.equal(loss, expected.detach())
    for found, right in zip(trainer.network.parameters(), network.parameters(), strict=True):
        assert found.dtype == torch.float32
        assert torch.equal(found, right)


@pytest.mark.parametrize("kind", [*KINDS, "lengths", "frames"])
def test_every_kind_of_network_comes_near_float32(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions, normalisations, recurrent layers, embeddings, padded sequences and nested networks: losses within 1 %."""
    monkeypatch.chdir(tmp_path)
    layers = {
        "lengths": "[embedding: 8, lstm: {hidden_size: 8, bidirectional: true, return: last}, linear: '${data.num_classes}']",
        "frames": "[time_distributed: [linear: 8, relu], gru: {hidden_size: 8, return: last}, linear: '${data.num_classes}']",
    }
    if kind in layers:
        config = tmp_path / "own.yaml"
        words = "\n".join(f"{'ab' * (1 + n % 7)}\t{'xy'[n % 2]}" for n in range(60))
        (tmp_path / "words.txt").write_text(words)
        data = {"lengths": "{name: text_lines, path: words.txt}", "frames": "{name: digits, view: rows, limit: 64}"}
        config.write_text(f"data: {data[kind]}\nmodel: {{layers: {layers[kind]}}}\ntrain: {{batch_size: 16}}\n")
    else:
        config = write_config(kind, tmp_path)
    losses = {}
    for precision in ("float32", "bfloat16"):
        settings = (f"train.precision={precision}", "train.accumulate=1", "train.schedule=constant")
        torch.manual_seed(0)
        trainer = build_trainer(*open_experiment(config, settings, None, lambda _: None, downloads=False), CPU)
        trainer.network.train()
        torch.manual_seed(0)
        losses[precision] = torch.stack([trainer.step(group) for group, _ in zip(trainer.groups(), range(3), strict=False)])
    assert losses["bfloat16"].isfinite().all()
    torch.testing.assert_close(losses["bfloat16"], losses["float32"], rtol=0.01, atol=0)


def test_what_is_judged_is_judged_in_float32() -> None:
    """The figures of a network are those that it has in another's hands."""
    trainers = [make_trainer(train_spec(precision=precision)) for precision in ("float32", "bfloat16")]
    assert trainers[0].evaluate("valid") == trainers[1].evaluate("valid")
