"""The main job: a YAML file becomes a trained, evaluated and kept network."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

import dlcli
from dlcli.app.experiments import open_experiment
from tests.integration.conftest import CONFIGS, Cli


def test_train_prints_one_json_object_with_all_that_was_promised(cli: Cli, quick: Path) -> None:
    """`train --json`: the keys of the contract, on stdout alone."""
    outcome = cli("train", quick, "--json", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    result = outcome.json
    assert set(result) == {
        "run", "status", "epochs", "step", "train_seconds", "samples_per_second", "device", "data", "best", "test", "parameters",
    }  # fmt: skip
    assert result["status"] == "completed"
    assert result["data"] == {"name": "digits", "fallback": False}
    assert result["device"] == "cpu"
    assert set(result["best"]) == {"metric", "value", "epoch"}
    assert set(result["test"]) == {"loss", "accuracy"}
    assert result["parameters"] == (9 + 1) * 8 + (72 + 1) * 10


def test_a_run_folder_holds_what_the_design_says(cli: Cli, quick: Path) -> None:
    """Config as given and resolved, record, metrics in two forms, log, checkpoints, and `latest`."""
    run = Path(cli("train", quick, "--json").json["run"])
    assert (run / "config.yaml").read_text() == quick.read_text()
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["exit_code"], record["data"]["asked"]) == ("completed", 0, "digits")
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    keys = {"event", "epoch", "step", "train/loss", "valid/loss", "valid/accuracy", "train_seconds", "samples_per_second", "lr"}
    assert [set(event) for event in events] == [keys, keys]
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert [float(row["valid/loss"]) for row in rows] == [event["valid/loss"] for event in events]
    assert "epoch 2" in (run / "train.log").read_text()
    checkpoint = run / "checkpoints" / json.loads((run / "checkpoints" / "last.json").read_text())["checkpoint"]
    names = {"model.safetensors", "optimizer.safetensors", "random.safetensors", "state.json", "MANIFEST.json"}
    assert {path.name for path in checkpoint.iterdir()} == names
    assert (run.parent / "latest").resolve() == run.resolve()


def test_eval_gives_what_the_training_recorded_to_the_last_digit(cli: Cli, quick: Path) -> None:
    """The best checkpoint, read back in a new network, on the same test samples."""
    recorded = cli("train", quick, "--json").json["test"]
    judged = cli("eval", "--json").json
    assert judged["metrics"] == recorded
    assert set(judged) == {"run", "checkpoint", "split", "metrics", "samples"}
    assert judged["samples"] == 300


def test_eval_agrees_with_plain_torch(cli: Cli, quick: Path) -> None:
    """A network of plain torch with the saved weights, on pictures normalised by hand, is right equally often."""
    run = Path(cli("train", quick, "--json").json["run"])
    judged = cli("eval", "--json").json
    resolved = run / "config.resolved.yaml"
    numbers = yaml.safe_load(resolved.read_text())["data"]["normalize"]
    _, dataset = open_experiment(resolved, (), None, print)
    pictures = dataset.test.inputs.double().permute(0, 3, 1, 2) / 255
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10)).double()
    weights = load_file(run / "checkpoints" / judged["checkpoint"] / "model.safetensors")
    names = {"0": "conv2d_1", "4": "linear_1"}
    network.load_state_dict({f"{n}.{p}": weights[f"{name}.{p}"] for n, name in names.items() for p in ("weight", "bias")})
    with torch.no_grad():
        outputs = network((pictures - numbers["mean"][0]) / numbers["std"][0])
    right = (outputs.argmax(dim=1) == dataset.test.targets).double().mean()
    assert judged["metrics"]["accuracy"] == pytest.approx(float(right))
    assert judged["metrics"]["loss"] == pytest.approx(float(nn.functional.cross_entropy(outputs, dataset.test.targets)), rel=1e-5)


def test_the_resolved_config_trains_to_the_same_weights(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """config.resolved.yaml is re-runnable as it is and leaves nothing to chance."""
    first = Path(cli("train", quick, "--json", "--name", "first").json["run"])
    outcome = cli("train", first / "config.resolved.yaml", "--json", "--name", "second")
    assert outcome.code == 0, outcome.err
    second = Path(outcome.json["run"])
    assert (second / "config.resolved.yaml").read_text() == (first / "config.resolved.yaml").read_text()
    _assert_equal_weights(first, second)


def test_another_seed_gives_another_network_on_the_same_test_samples(cli: Cli, quick: Path) -> None:
    """--seed reaches weights and order, and leaves the split alone."""
    runs = [Path(cli("train", quick, "--json", "--seed", seed, "--name", f"s{seed}").json["run"]) for seed in (0, 1)]
    with pytest.raises(AssertionError):
        _assert_equal_weights(*runs)
    records = [json.loads((run / "run.json").read_text()) for run in runs]
    assert [record["seed"] for record in records] == [0, 1]
    datasets = [open_experiment(run / "config.resolved.yaml", (), None, print)[1] for run in runs]
    assert torch.equal(datasets[0].test.inputs, datasets[1].test.inputs)
    assert datasets[0].valid is not None
    assert datasets[1].valid is not None
    assert torch.equal(datasets[0].valid.inputs, datasets[1].valid.inputs)


def test_a_missing_source_falls_back_only_where_the_config_says_so(
    cli: Cli, quick: Path, tmp_path: Path, no_download: None
) -> None:
    """`fallback: digits` steps in with a notice and is recorded; without it the run ends with exit code 3."""
    text = quick.read_text().replace("name: digits", "name: mnist, fallback: digits")
    quick.write_text(text)
    outcome = cli("train", quick, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["data"] == {"name": "digits", "fallback": True}
    shown = cli("train", "--resume")
    assert "data      digits in place of mnist: 300 train" in shown.out
    assert "mnist can't be had" in outcome.err
    record = json.loads((Path(outcome.json["run"]) / "run.json").read_text())
    assert (record["data"]["asked"], record["data"]["used"]) == ("mnist", "digits")
    quick.write_text(text.replace(", fallback: digits", ""))
    assert cli("train", quick).code == 3


def test_best_is_judged_and_last_can_be(cli: Cli, quick: Path) -> None:
    """A run whose last epoch is spoilt: the better first one is judged; `last` and a step's number reach both."""
    spoilt = ["--set", "train.schedule={name: multistep, milestones: [1], gamma: 1000}"]
    run = cli("train", quick, "--json", *spoilt).json
    assert (run["best"]["epoch"], run["epochs"]) == (1, 2)
    found = {which: cli("eval", "--json", "--checkpoint", which).json for which in ("best", "last", "10", "20")}
    steps = {which: judged["checkpoint"] for which, judged in found.items()}
    assert steps == {"best": "step-00000010", "10": "step-00000010", "last": "step-00000020", "20": "step-00000020"}
    assert cli("eval", "--json").json["metrics"] == found["10"]["metrics"] == run["test"]
    assert found["last"]["metrics"]["accuracy"] < run["test"]["accuracy"]
    outcome = cli("eval", "--checkpoint", "7")
    assert outcome.code == 2
    assert "best, last, or one of these steps: 10, 20" in outcome.err


def test_a_resumed_run_ends_like_one_that_never_stopped(cli: Cli, quick: Path) -> None:
    """--resume --set train.epochs=... goes on from the last epoch; the rest equals a longer training."""
    whole = Path(cli("train", quick, "--json", "--name", "whole", "--set", "train.epochs=3").json["run"])
    part = Path(cli("train", quick, "--json", "--name", "part", "--set", "train.epochs=2").json["run"])
    outcome = cli("train", "--resume", part, "--set", "train.epochs=3", "--json")
    assert outcome.code == 0, outcome.err
    assert "train.epochs: 2 -> 3" in outcome.err
    _assert_equal_weights(whole, part)
    epochs = [json.loads(line)["epoch"] for line in (part / "metrics.jsonl").read_text().splitlines()]
    assert epochs == [1, 2, 3]


def test_a_run_that_goes_on_refuses_what_does_not_fit_it(cli: Cli, quick: Path) -> None:
    """The network and the batch size belong to what was trained so far."""
    cli("train", quick, "--name", "a")
    outcome = cli("train", "--resume", "a", "--set", "train.batch_size=8")
    assert outcome.code == 2
    assert "`train.batch_size` can't change" in outcome.err
    outcome = cli("train", "--resume", "a", "--set", "train.epochs=3", "--set", "train.optimizer={name: sgd, lr: 0.1}")
    assert outcome.code == 2
    assert "`train.optimizer." in outcome.err


def test_a_config_that_was_edited_does_not_go_on_unnoticed(cli: Cli, quick: Path) -> None:
    """--resume with the config: what was trained with --set goes on, an added layer or key is refused."""
    cli("train", quick, "--set", "train.epochs=1")
    outcome = cli("train", quick, "--resume", "--set", "train.epochs=2")
    assert outcome.code == 0, outcome.err
    text = quick.read_text()
    for old, new in (("    - flatten\n", "    - flatten\n    - relu\n"), ("  epochs: 2\n", "  epochs: 2\n  ema: 0.9\n")):
        assert old in text
        quick.write_text(text.replace(old, new))
        outcome = cli("train", quick, "--resume")
        assert outcome.code == 2, outcome.err
        assert "is no longer what the run began with" in outcome.err


def test_a_resume_that_fails_leaves_the_record_of_the_run(cli: Cli, quick: Path) -> None:
    """Checkpoints that don't verify: exit code 5, and what the run had achieved is still in run.json."""
    run = Path(cli("train", quick, "--json").json["run"])
    before = (run / "run.json").read_bytes()
    for weights in run.glob("checkpoints/*/model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-1])
    outcome = cli("train", "--resume", run, "--set", "train.epochs=3")
    assert outcome.code == 5
    assert outcome.err.count("model.safetensors") == 2
    assert (run / "run.json").read_bytes() == before


def test_a_run_does_not_go_on_with_other_data(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """A file that has grown since: exit code 3 and both counts."""
    quick.write_text(quick.read_text().replace("name: digits, limit: 300", "name: arrays, path: a.npz"))

    def write(count: int) -> None:
        np.savez(tmp_path / "a.npz", x=np.zeros((count, 8, 8), np.uint8), y=np.arange(count) % 10)

    write(60)
    assert cli("train", quick).code == 0
    write(70)
    outcome = cli("train", "--resume", "--set", "train.epochs=3")
    assert outcome.code == 3
    assert "has changed since the run began" in outcome.err


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_configs_say_how_to_run_them(config: Path) -> None:
    """Each opens with what it shows, the exact command and what was measured."""
    head = "".join(line for line in config.read_text().splitlines(keepends=True) if line.startswith("#"))
    assert f"dlcli train configs/{config.name}" in head
    assert re.search(r"(accuracy|loss|error|nats)\D* \d+\.\d+", head)


def _assert_equal_weights(first: Path, second: Path) -> None:
    for which in ("best", "last"):
        left, right = (dlcli.load(run, checkpoint=which).state_dict() for run in (first, second))
        for name, value in left.items():
            assert torch.equal(value, right[name]), name


def test_a_finished_run_says_that_it_is_over(cli: Cli, quick: Path) -> None:
    """--resume without a new limit: nothing is trained, the result stays, and what would let it go on is said."""
    before = cli("train", quick, "--json").json
    outcome = cli("train", "--resume", "--json")
    assert outcome.code == 0
    assert {key: outcome.json[key] for key in ("step", "best", "test")} == {key: before[key] for key in ("step", "best", "test")}
    assert "the run is over" in outcome.err
    assert "steps" not in outcome.err


def test_without_a_command_there_is_help(cli: Cli) -> None:
    """`dlcli` alone shows the commands."""
    outcome = cli()
    assert outcome.code == 0
    assert "train" in outcome.out
