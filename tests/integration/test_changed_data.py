"""A run and data whose values have changed since it began, and nothing else of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.conftest import Cli

_CONFIG = """\
data: {name: csv, path: x.csv, target: y}
model: {layers: [linear: 4, relu, linear: '${data.num_targets}']}
train: {epochs: 2, batch_size: 8, loss: mse}
"""

RUN = Path("runs/a")


def _write_table(scale: int = 1) -> None:
    rows = "\n".join(f"{row * scale},{row % 7},{row % 5 + 0.5}" for row in range(60))
    Path("x.csv").write_text(f"a,b,y\n{rows}\n")


@pytest.fixture
def trained(cli: Cli) -> Cli:
    """The command line beside a run on a table."""
    _write_table()
    Path("x.yaml").write_text(_CONFIG)
    assert cli("train", "x.yaml", "--name", "a").code == 0
    return cli


def _files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in RUN.rglob("*") if path.is_file()}


def test_a_run_does_not_go_on_with_other_values(trained: Cli) -> None:
    """A column times three, the rows as many as before: exit code 3, and nothing of the run is changed."""
    before = _files()
    _write_table(scale=3)
    outcome = trained("train", "--resume", "--set", "train.epochs=3")
    assert outcome.code == 3
    assert "x.csv has changed since the run began: there are as many samples, and some have other values" in outcome.err
    assert "--data-dir" in outcome.err
    assert _files() == before


def test_eval_says_that_it_judges_on_other_values(trained: Cli) -> None:
    """It is asked to, so it does; on those of the training there is nothing to say."""
    assert "notice" not in trained("eval", "--json").json
    _write_table(scale=3)
    outcome = trained("eval", "--json")
    assert outcome.code == 0
    assert "x.csv has other values than when the run began" in outcome.json["notice"]
    assert f"note: {outcome.json['notice']}" in outcome.err


def test_a_replay_blames_the_data_and_not_the_run(trained: Cli) -> None:
    """Exit code 3, before anything is trained; as soon as the data is as it was, the run is what it gives."""
    _write_table(scale=3)
    outcome = trained("verify", "--replay")
    assert outcome.code == 3
    assert "x.csv has changed since the run began" in outcome.err
    assert "the run itself is as it was written" in outcome.err
    assert "training again" not in outcome.err
    _write_table()
    assert trained("verify", "--replay").code == 0


def test_a_replay_without_its_data_is_told_like_a_training(trained: Cli) -> None:
    """Exit code 3."""
    Path("x.csv").unlink()
    outcome = trained("verify", "--replay")
    assert outcome.code == 3
    assert "x.csv can't be had here" in outcome.err


def test_a_run_from_before_values_were_noted_goes_on(trained: Cli) -> None:
    """What is not known is not held against it; from then on it is known."""
    record = json.loads((RUN / "run.json").read_text())
    fingerprint = record["data"].pop("fingerprint")
    (RUN / "run.json").write_text(json.dumps(record))
    assert trained("train", "--resume", "--set", "train.epochs=3").code == 0
    assert json.loads((RUN / "run.json").read_text())["data"]["fingerprint"] == fingerprint
