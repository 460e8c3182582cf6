"""What is said at the end of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlcli.app.runs import Run
from dlcli.cli.train import _show
from dlcli.cli.training_outcome import outcome
from tests.unit.cli.test_live_region import Terminal

RECORD: dict[str, Any] = {
    "status": "completed",
    "finished": "epochs",
    "epochs": 3,
    "step": 2532,
    "train_seconds": 12.34,
    "samples_per_second": 13_127.4,
    "device_title": "cpu (2 threads)",
    "parameters": 347_146,
    "data": {"asked": "mnist", "used": "mnist", "samples": {"train": 54_000, "valid": 6_000, "test": 10_000}},
    "best": {"metric": "valid/accuracy", "value": 0.98912, "epoch": 2},
    "test": {"loss": 0.0364, "accuracy": 0.98791},
    "baseline": None,
    "plugins": [],
}


def said(path: Path = Path("runs/cnn-1"), width: int | None = None, **fields: Any) -> tuple[str, list[str]]:
    sentence, lines = outcome(Run(path, {**RECORD, **fields}), width)
    return sentence, lines.splitlines()


def test_a_training_that_came_to_its_end() -> None:
    """A sentence with what counts; then figures, places and commands that can be pasted."""
    sentence, lines = said()
    assert (
        sentence == "Trained for 3 epochs in 12.3 s. Kept is the network of epoch 2, with accuracy 0.9879 on 10,000 test samples."
    )
    assert lines == [
        "network   347,146 parameters",
        "data      mnist: 54,000 train, 6,000 valid, 10,000 test",
        "speed     13,127 samples/s on cpu (2 threads)",
        "best      valid/accuracy 0.9891 (epoch 2)",
        "test      accuracy 0.9879, loss 0.0364",
        "run       runs/cnn-1",
        "next      dlcli eval runs/cnn-1",
        "          dlcli explain runs/cnn-1",
        "          dlcli predict runs/cnn-1 FILE",
        "          dlcli export runs/cnn-1 --to python",
        "          dlcli train --resume runs/cnn-1 --set train.epochs=6",
    ]


@pytest.mark.parametrize(
    ("finished", "words"),
    [
        ("early_stopping", "3 epochs in 12.3 s, stopped early, since valid/accuracy got no better."),
        ("max_time", "3 epochs in 12.3 s, out of time."),
        ("max_steps", "3 epochs in 12.3 s, out of steps."),
    ],
)
def test_why_it_ended_before_the_last_epoch_is_said(finished: str, words: str) -> None:
    """By itself, or at a limit."""
    assert f"Trained for {words}" in said(finished=finished)[0]


def test_without_a_test_split_the_monitored_value_is_the_result() -> None:
    """And `eval` is told which split there is."""
    samples = {"train": 10, "valid": 0, "test": 0}
    best = {"metric": "train/loss", "value": 0.5, "epoch": 1}
    data = {"asked": "csv", "used": "csv", "samples": samples}
    sentence, lines = said(epochs=1, test=None, best=best, data=data)
    assert sentence == "Trained for 1 epoch in 12.3 s. Kept is the network of epoch 1, with train/loss 0.5000."
    assert not any(line.startswith("test") for line in lines)
    assert "next      dlcli eval runs/cnn-1 --split train" in lines
    assert "data      csv: 10 train" in lines


def test_a_training_that_was_interrupted_goes_on_with_a_command() -> None:
    """Nothing else is offered before it is over."""
    sentence, lines = said(status="interrupted", finished=None, epochs=0, test=None, best=None, samples_per_second=None)
    assert sentence == "Interrupted after step 2,532, with 0 epochs done in 12.3 s. All of it is saved, and can go on."
    assert lines[-2:] == ["run       runs/cnn-1", "next      dlcli train --resume runs/cnn-1"]
    assert "speed     no sample yet on cpu (2 threads)" in lines


def test_the_report_is_named_where_it_is(tmp_path: Path) -> None:
    """And only there."""
    assert not any(line.startswith("report") for line in said(tmp_path)[1])
    (tmp_path / "report.html").touch()
    assert f"report    {tmp_path / 'report.html'}" in said(tmp_path)[1]


def test_several_outputs_have_a_line_each() -> None:
    """Before the loss of all."""
    best = {"metric": "valid/digit/accuracy", "value": 0.5, "epoch": 2}
    test = {"loss": 1.5, "digit/accuracy": 0.75, "digit/loss": 0.5, "size/mae": 2.0, "size/loss": 1.0}
    sentence, lines = said(test=test, best=best)
    at = lines.index("test      digit: accuracy 0.7500, loss 0.5000")
    assert lines[at + 1 : at + 3] == ["          size: mae 2.0000, loss 1.0000", "          loss 1.5000"]
    assert "digit/accuracy 0.7500 on 10,000 test samples" in sentence


def test_a_forecast_is_beside_what_repeating_gives() -> None:
    """A network has to be better than that."""
    lines = said(test={"loss": 0.5}, baseline={"loss": 0.75})[1]
    assert "          loss 0.7500 by repeating the last value" in lines


def test_a_plug_in_that_is_no_text_is_left_out() -> None:
    """The record is read anew, and anything may stand in it."""
    assert "next      dlcli eval runs/cnn-1 --plugin a.py" in said(plugins=["a.py", 3, None])[1]


def test_commands_can_be_pasted_into_a_shell() -> None:
    """Paths with spaces are quoted, plug-ins are given again, and a language model takes a text."""
    data = {"asked": "text", "used": "text", "samples": {"train": 5, "valid": 1, "test": 1}}
    lines = said(Path("my runs/a"), plugins=["/my parts.py"], data=data)[1]
    assert "          dlcli predict 'my runs/a' --prompt TEXT --plugin '/my parts.py'" in lines
    assert "next      dlcli eval 'my runs/a' --plugin '/my parts.py'" in lines


@pytest.mark.parametrize("width", [40, 60, 80])
def test_lines_break_between_words_where_a_terminal_is_narrow(width: int) -> None:
    """Never inside a path, whose line is then longer; the words are the same."""
    path = Path("runs/a-name-that-is-longer-than-forty-columns-of-text")
    sentence, lines = said(path, width)
    whole = said(path)
    for line in [*sentence.splitlines(), *lines]:
        assert len(line) <= width or str(path) in line
    assert sentence.split() == whole[0].split()
    assert " ".join(lines).split() == " ".join(whole[1]).split()


@pytest.mark.parametrize(("status", "colour"), [("completed", "1;32"), ("interrupted", "1;33")])
@pytest.mark.parametrize("wants_colours", [True, False])
def test_on_a_terminal_the_sentence_stands_out(
    status: str, colour: str, wants_colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Green or yellow where colours are wanted; below it, the same lines as in a pipe."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("NO_COLOR", "" if wants_colours else "1")
    terminal = Terminal(columns=200)
    monkeypatch.setattr("sys.stdout", terminal)
    _show(Run(Path("runs/cnn-1"), {**RECORD, "status": status}), quiet=False)
    sentence, lines = said(status=status)
    assert terminal.screen.rows == [sentence, *lines]
    assert terminal.screen.styles == ({colour, "0"} if wants_colours else set())


def test_quiet_is_the_folder_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """For a script to read."""
    _show(Run(Path("runs/cnn-1"), RECORD), quiet=True)
    assert capsys.readouterr().out == "runs/cnn-1\n"
