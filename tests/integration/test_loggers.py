"""Loggers in whole trainings: compared with metrics.jsonl, over resumes, missing, failing, and of a plug-in."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.app.verify import verify
from dlcli.training.loggers.event_file import EventFile
from tests.integration.conftest import Cli
from tests.integration.small_trainings import assert_same_end
from tests.integration.started_commands import PATIENCE, PROCESSES, HoldAfterStep, Started, dlcli
from tests.unit.training.loggers import events

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
LOGGED = ("--set", "train.loggers=[tensorboard]")


def _logged(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def _assert_curves_of(run: Path, steps: int) -> None:
    """The event files say what metrics.jsonl and run.json say, each number once, and have a loss for each step."""
    curves, record = events.curves(run / "tensorboard"), json.loads((run / "run.json").read_text())
    assert [step for step, _ in curves.pop("step/loss")] == list(range(1, steps + 1))
    expected: dict[str, list[tuple[int, float]]] = {}
    for epoch in _logged(run):
        for key, value in epoch.items():
            if key not in ("event", "step"):
                expected.setdefault(key, []).append((epoch["step"], float(np.float32(value))))
    for key, value in record["test"].items():
        expected[f"test/{key}"] = [(record["step"], float(np.float32(value)))]
    assert curves == expected


def test_event_files_say_what_the_log_of_metrics_says(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """And the run is bit for bit what it is without them."""
    assert cli("train", quick, "--name", "plain").code == 0
    outcome = cli("train", quick, "--name", "a", *LOGGED)
    assert outcome.code == 0, outcome.err
    _assert_curves_of(tmp_path / "runs" / "a", 20)
    assert_same_end(tmp_path / "runs" / "a", tmp_path / "runs" / "plain")
    assert cli("verify", "a").code == 0
    values = events.hyper_parameters(tmp_path / "runs" / "a" / "tensorboard")["_hparams_/session_start_info"]
    assert values.session_start_info.hparams["train.optimizer.lr"].number_value == 0.01


def test_a_run_that_was_interrupted_goes_on_in_the_same_curves(quick: Path, tmp_path: Path) -> None:
    """In the middle of an epoch: no point twice, none missing."""
    reached, go_on = PROCESSES.Event(), PROCESSES.Event()
    arguments = ("train", quick, "--name", "a", "--set", "train.epochs=4", *LOGGED)
    started = Started(*arguments, folder=tmp_path, disturbance=HoldAfterStep(15, reached, go_on))
    assert reached.wait(PATIENCE)
    os.kill(started.pid, signal.SIGTERM)
    go_on.set()
    assert started.outcome().code == 143
    assert dlcli("train", "--resume", "a", folder=tmp_path).code == 0
    run = tmp_path / "runs" / "a"
    record = json.loads((run / "run.json").read_text())
    step = record["resumed"][0]["step"]
    assert step in (15, 16)
    curves = events.curves(run / "tensorboard")
    assert [at for at, _ in curves["train/loss"]] == [10, 20, 30, 40]
    steps = [at for at, _ in curves["step/loss"]]
    assert steps == sorted(set(steps))
    assert set(range(1, 41)) - set(steps) <= {step}


def test_loggers_may_come_and_go_in_a_run_that_goes_on(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """It is said, and is no change of the course."""
    assert cli("train", quick, "--name", "a", "--set", "train.max_steps=10").code == 0
    outcome = cli("train", "--resume", "a", "--set", "train.max_steps=20", *LOGGED)
    assert outcome.code == 0, outcome.err
    assert "note: train.loggers: [] -> [{name: tensorboard}] (harmless)" in outcome.err
    curves = events.curves(tmp_path / "runs" / "a" / "tensorboard")
    assert [step for step, _ in curves["step/loss"]] == list(range(11, 21))
    outcome = cli(
        "train", "--resume", "a", "--set", "train.epochs=3", "--set", "train.max_steps=null", "--set", "train.loggers=[]"
    )
    assert outcome.code == 0, outcome.err
    assert "[{name: tensorboard}] -> [] (harmless)" in outcome.err
    assert events.curves(tmp_path / "runs" / "a" / "tensorboard") == curves


def test_a_logger_that_fails_is_left_out_and_told_of_once(
    cli: Cli, quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full for it: what it had written stays, and the run is complete and verifies."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    real = EventFile.scalars

    def scalars(file: EventFile, values: Mapping[str, float], step: int) -> None:
        if step == 20:
            file._file.close()
            file._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115 - closed by what is tested
        real(file, values, step)

    monkeypatch.setattr(EventFile, "scalars", scalars)
    outcome = cli("train", quick, "--name", "a", *LOGGED)
    assert outcome.code == 0
    told = (
        "the logger `tensorboard` is left out from here on, and the training goes on: OSError: [Errno 28] No space left on device"
    )
    assert outcome.err.count(told) == 1
    run = tmp_path / "runs" / "a"
    assert (run / "train.log").read_text().count(told) == 1
    assert [step for step, _ in events.curves(run / "tensorboard")["train/loss"]] == [10]
    assert verify("a", tmp_path / "runs").problems == []


class WithoutTensorBoard:
    """A process in which the package can't be imported."""

    def install(self) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboard"]:
            del sys.modules[name]
        sys.modules["tensorboard"] = None  # type: ignore[assignment] # as Python has it of what is not there


def test_a_missing_package_is_found_before_the_training(quick: Path, tmp_path: Path) -> None:
    """Exit code 2, how to install it, and no run folder."""
    outcome = dlcli("train", quick, *LOGGED, folder=tmp_path, disturbance=WithoutTensorBoard())
    assert outcome.code == 2
    assert "error: the logger `tensorboard` can't be used here: " in outcome.err
    assert "help: pip install tensorboard, or leave it out of train.loggers" in outcome.err
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The logger of docs/plugins.md, in a file."""
    [text] = [
        block for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL) if "(Logger)" in block
    ]
    path = tmp_path / "my_logger.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_logger_of_a_plug_in_is_chosen_by_its_name(plugin: Path, quick: Path, tmp_path: Path) -> None:
    """As docs/plugins.md has it; run.json and the resolved config name it, and the fields of its entry are checked."""
    chosen = ("--set", "train.loggers=[{name: best_epochs, digits: 3}]", "--plugin", plugin)
    done = dlcli("train", quick, "--name", "a", *chosen, folder=tmp_path)
    assert done.code == 0, done.err
    run = tmp_path / "runs" / "a"
    best = (run / "best.txt").read_text().splitlines()
    assert best[0] == "watching valid/accuracy"
    assert best[-1].startswith("completed after step 20: {'loss': ")
    values = [epoch["valid/accuracy"] for epoch in _logged(run)]
    assert best[1] == f"epoch 1: {values[0]:.3f}"
    assert json.loads((run / "run.json").read_text())["plugins"] == [str(plugin.resolve())]
    assert "best_epochs" in (run / "config.resolved.yaml").read_text()
    wrong = dlcli(
        "validate", quick, "--set", "train.loggers=[{name: best_epochs, digts: 3}]", "--plugin", plugin, folder=tmp_path
    )
    assert "did you mean `digits`?" in wrong.err


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("        return BestEpochsFile(", "        return BestEpochFile("),
        ("        if is_best", "        if is_bst"),
        ('        self.write(f"{status}', '        self.wrte(f"{status}'),
    ],
    ids=["build", "epoch_ended", "ended"],
)
def test_a_logger_of_a_plug_in_that_fails_ends_no_training(
    line: str, mistake: str, plugin: Path, quick: Path, tmp_path: Path
) -> None:
    """One notice with file and line, in train.log too; the run is complete, and its folder verifies."""
    text = plugin.read_text(encoding="utf-8")
    assert line in text
    plugin.write_text(text.replace(line, mistake), encoding="utf-8")
    number = text[: text.index(line)].count("\n") + 1
    chosen = ("--set", "train.loggers=[best_epochs]", "--plugin", plugin)
    done = dlcli("train", quick, "--name", "a", *chosen, folder=tmp_path)
    assert done.code == 0, done.err
    told = [text for text in done.err.splitlines() if text.startswith("note: the logger `best_epochs` is left out")]
    assert len(told) == 1
    assert f"my_logger.py:{number})" in told[0]
    assert told[0].removeprefix("note: ") in (tmp_path / "runs" / "a" / "train.log").read_text()
    assert verify("a", tmp_path / "runs").problems == []


def test_a_training_that_diverges_says_so_to_its_loggers(plugin: Path, quick: Path, tmp_path: Path) -> None:
    """With no result."""
    chosen = ("--set", "train.loggers=[best_epochs]", "--plugin", plugin)
    done = dlcli("train", quick, "--name", "a", "--set", "train.optimizer={name: sgd, lr: 1e30}", *chosen, folder=tmp_path)
    assert done.code == 4, done.err
    assert (tmp_path / "runs" / "a" / "best.txt").read_text().splitlines()[-1].endswith(": {}")
