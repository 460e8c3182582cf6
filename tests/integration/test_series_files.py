"""What people do to `.ts` files: one clear message with file, line and mend, exit code 3, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dlcli.app.configs import diagnose
from tests.integration.conftest import Cli, Outcome

CONFIG = """\
data: {name: ts, path: Made_TRAIN.ts}
model:
  layers:
    - gru: {hidden_size: 4, return: last}
    - linear: ${data.num_classes}
train: {epochs: 1, batch_size: 4, loss: cross_entropy}
"""
HEAD = "@problemName Made\n@timeStamps false\n@dimensions 2\n@equalLength false\n@classLabel true up down\n@data\n"
SERIES = "1,2,3:4,5,6:up\n3,2:6,5:down\n" * 10


def _write(name: str, text: str) -> None:
    Path(name).write_text(text)
    Path("made.yaml").write_text(CONFIG)


def _assert_refused(outcome: Outcome, *words: str) -> None:
    assert outcome.code == 3, outcome.err
    assert "Traceback" not in outcome.err
    assert "help: " in outcome.err
    for word in words:
        assert word in outcome.err, outcome.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD.replace("Length false", "Length true") + SERIES, ("Made_TRAIN.ts:8", "has 2 steps", "`@equalLength` is true")),
        (HEAD.replace("@data", "@seriesLength 10\n@data") + SERIES, ("Made_TRAIN.ts:8", "has 3 steps", "`@seriesLength` is 10")),
        (HEAD + SERIES + "::up\n", ("Made_TRAIN.ts:27", "dimension 1 is empty")),
        (HEAD + SERIES + "1,2:?,?:up\n", ("Made_TRAIN.ts:27", "dimension 2 has no value")),
        (HEAD + SERIES + "1,2:3,4:left\n", ("Made_TRAIN.ts:27", "the class is 'left'", "up, down")),
        (HEAD + SERIES + "1,2:3,4,5:up\n", ("Made_TRAIN.ts:27", "dimension 2 has 3 steps, and dimension 1 has 2")),
        (HEAD + SERIES.replace("6:up", "six:up"), ("Made_TRAIN.ts:7", "value 3 of dimension 2 is 'six'")),
        (HEAD.replace("@timeStamps false", "@timeStamps true") + SERIES, ("Made_TRAIN.ts:2", "time stamps")),
    ],
    ids=["unequal", "other length", "empty", "all missing", "label", "dimensions", "no number", "time stamps"],
)
def test_damaged_series_end_a_training(cli: Cli, text: str, words: tuple[str, ...]) -> None:
    """Before a run folder is made."""
    _write("Made_TRAIN.ts", text)
    _assert_refused(cli("train", "made.yaml"), *words)


def test_a_class_of_the_test_that_training_does_not_have_ends_it(cli: Cli) -> None:
    """With the line that names it."""
    _write("Made_TRAIN.ts", HEAD + SERIES)
    _write("Made_TEST.ts", HEAD.replace("up down", "up left") + "1:2:left\n")
    _assert_refused(cli("train", "made.yaml"), "Made_TEST.ts:5", "'left'", "up, down")


def test_missing_values_can_be_refused_on_the_command_line(cli: Cli) -> None:
    """With what else can be written."""
    _write("Made_TRAIN.ts", HEAD + SERIES + "1,?,2:3,4,5:up\n")
    _assert_refused(cli("train", "made.yaml", "--set", "data.missing=refuse"), "Made_TRAIN.ts:27", "missing: linear")


def test_a_misspelt_way_to_fill_in_is_a_mistake_of_the_config(cli: Cli) -> None:
    """Exit code 2, with what there is."""
    _write("Made_TRAIN.ts", HEAD + SERIES)
    outcome = cli("train", "made.yaml", "--set", "data.missing=lineal")
    assert outcome.code == 2
    assert all(word in outcome.err for word in ("lineal", "linear", "previous", "zero", "refuse"))


def test_lengths_that_are_none_end_a_training(cli: Cli) -> None:
    """Of arrays: the row and what it may be."""
    np.savez("a.npz", x=np.zeros((40, 5, 2), np.float32), y=np.arange(40) % 2, lengths=np.arange(40) % 6)
    Path("made.yaml").write_text(CONFIG.replace("ts, path: Made_TRAIN.ts", "arrays, path: a.npz"))
    _assert_refused(cli("train", "made.yaml"), "row 0 of lengths", "a.npz is 0, expected 1 to 5")


def test_init_reads_series_of_different_lengths(cli: Cli) -> None:
    """From a `.ts` file, with a word on what was filled in, and from arrays with lengths."""
    _write("Made_TRAIN.ts", HEAD + SERIES + "1,?,2:3,4,5:up\n")
    random = np.random.default_rng(0)
    np.savez("a.npz", x=random.random((60, 9, 9)), y=np.arange(60) % 3, lengths=random.integers(1, 10, 60))
    np.savez("t.npz", x=random.integers(0, 9, (60, 5)), y=np.arange(60) % 3, lengths=random.integers(1, 6, 60))
    for data, head, kind in (
        ("Made_TRAIN.ts", "21 series of different lengths with 2 values each", "lstm"),
        ("a.npz", "60 series of different lengths with 9 values each", "lstm"),
        ("t.npz", "60 texts of different lengths, each token one of 9", "embedding"),
    ):
        assert cli("init", "new.yaml", "--from", data, "--force").code == 0
        text = Path("new.yaml").read_text()
        assert head in text
        assert kind in text
        assert ("1 of 106 values are missing" in text) == (data == "Made_TRAIN.ts")
        assert diagnose(Path("new.yaml"), (), None) == []
