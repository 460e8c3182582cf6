"""Two models of a Keras textbook, word for word: their mistakes are named where they stand, and mended they learn."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlcli.config import compose, experiment
from dlcli.config.data import DataSpec, Mnist
from dlcli.config.facts import DataFacts
from tests.integration.conftest import Cli

TEXTBOOK = Path(__file__).parents[1] / "textbook"


def _facts_of(data: DataSpec) -> DataFacts:
    assert isinstance(data, Mnist)
    return data.facts()


def _named(config: str) -> list[tuple[str, str, int, int]]:
    """Severity, code, line and column of all that is said of a config."""
    found = experiment.examine(compose.load(TEXTBOOK / config), _facts_of)
    return [(said.severity, said.code, said.place.line, said.place.column) for said in found.diagnostics]


def test_the_cnn_applies_an_activation_twice_and_has_no_class_head() -> None:
    """The second `relu`, and the end of the network: 64 scores for 10 classes."""
    assert _named("cnn.yaml") == [("warning", "repeated-activation", 8, 7), ("warning", "missing-head", 12, 7)]


def test_the_lstm_has_an_answer_for_each_step_and_a_softmax_before_the_loss() -> None:
    """The mistake that stops it and the one that would run are named together."""
    assert _named("lstm.yaml") == [("error", "head", 8, 7), ("warning", "softmax-before-loss", 8, 7)]


@pytest.mark.parametrize("config", ["cnn_mended.yaml", "lstm_mended.yaml"])
def test_mended_nothing_is_said_and_the_network_learns(cli: Cli, no_download: None, config: str) -> None:
    """More than 0.9 of the embedded digits' test samples right, after seconds."""
    assert _named(config) == []
    outcome = cli("train", TEXTBOOK / config, "--json", "--device", "cpu")
    assert outcome.code == 0, outcome.err
    assert outcome.json["data"] == {"name": "digits", "fallback": True}
    assert outcome.json["test"]["accuracy"] > 0.9
    assert "[missing-head]" not in outcome.err


def test_training_shows_each_warning_once_and_goes_on(cli: Cli, no_download: None) -> None:
    """On stderr and in the log, with place, mend and code; a run that goes on does not say them again."""
    short = ("--set", "data.fallback.limit=100", "--set", "train.epochs=1")
    outcome = cli("train", TEXTBOOK / "cnn.yaml", "--json", "--device", "cpu", *short)
    assert outcome.code == 0
    for text in (outcome.err, Path(outcome.json["run"], "train.log").read_text()):
        assert text.count("[repeated-activation]") == text.count("[missing-head]") == 1
        assert f"{TEXTBOOK / 'cnn.yaml'}:8:7: " in text
        assert "the class head is missing: end with `- linear: ${data.num_classes}` [missing-head]\n" in text
    again = cli("train", "--resume", "--set", "train.epochs=2", "--json")
    assert again.code == 0
    assert "[missing-head]" not in again.err
