"""What a person sees on a terminal, and what a pipe gets in its place."""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from dlcli.app.predictions import Predictions
from dlcli.app.text_generation import Continuation
from dlcli.cli.console import is_interactive, losable, print_error, print_json, print_notice, print_progress, table
from dlcli.cli.predict import _show_predictions, _show_text
from dlcli.cli.progress_display import progress_display
from dlcli.config.words import duration
from dlcli.training.observers import epoch_line
from dlcli.training.progress import Progress

RECORD = {
    "event": "epoch",
    "epoch": 1,
    "step": 10,
    "train/loss": 0.5,
    "train_seconds": 2.0,
    "samples_per_second": 100.0,
    "lr": 0.1,
}


class Stream(io.StringIO):
    """A text that says whether it is a terminal."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture(autouse=True)
def _a_terminal_like_any(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def _streams(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> tuple[Stream, Stream]:
    out, err = Stream(is_terminal=is_terminal), Stream(is_terminal=is_terminal)
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    return out, err


def test_only_a_terminal_that_can_redraw_is_interactive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe, a closed stream, a dumb terminal and CI get plain lines."""
    terminal = Stream(is_terminal=True)
    assert is_interactive(terminal)
    assert not is_interactive(Stream(is_terminal=False))
    assert not is_interactive(None)
    for name, value in (("CI", "true"), ("TERM", "dumb")):
        with monkeypatch.context() as other:
            other.setenv(name, value)
            assert not is_interactive(terminal)


def test_messages_have_colours_on_a_terminal_that_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """`error:`, `help:` and `note:` stand out; with NO_COLOR, and in a pipe, they are only words."""
    _, err = _streams(monkeypatch, is_terminal=True)
    print_error("too small", "take more")
    print_notice("by the way")
    assert (
        err.getvalue()
        == "\033[1;31merror:\033[0m too small\n\033[1;36mhelp:\033[0m take more\n\033[1;33mnote:\033[0m by the way\n"
    )
    monkeypatch.setenv("NO_COLOR", "1")
    _, err = _streams(monkeypatch, is_terminal=True)
    print_error("too small", None)
    assert err.getvalue() == "error: too small\n"


def test_json_has_no_numbers_that_json_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN and infinity are null, wherever they stand."""
    out, _ = _streams(monkeypatch, is_terminal=False)
    print_json({"a": math.nan, "b": [math.inf, 1.5, {"c": -math.inf}], "d": (2, "x")})
    assert json.loads(out.getvalue()) == {"a": None, "b": [None, 1.5, {"c": None}], "d": [2, "x"]}


def test_durations_and_tables_are_read_at_a_glance() -> None:
    """The two largest units; numbers at the right edge of their column."""
    assert [duration(seconds) for seconds in (8.26, 59.94, 125.2, 3599, 4320)] == [
        "8.3 s",
        "59.9 s",
        "2 min 5 s",
        "59 min 59 s",
        "1 h 12 min",
    ]
    assert table([["name", "n"], ["a", "10"], ["bcdef", "7"]], right=[1]) == "name    n\na      10\nbcdef   7"


@contextmanager
def _stderr_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A terminal of the system's for stderr; gives what takes it away."""
    terminal, ours = os.openpty()
    with os.fdopen(ours, "w") as err, monkeypatch.context() as patch:
        patch.setattr("sys.stderr", err)
        yield lambda: os.close(terminal)


@pytest.mark.parametrize("calls_before", range(4))
def test_a_training_goes_on_where_its_terminal_is_lost(calls_before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its window closed, its connection broken: from then on nothing is shown, and stdout is again what it was."""
    out, progress = sys.stdout, Progress()
    with _stderr_on_a_terminal(monkeypatch) as lose_terminal, progress_display() as display:
        calls: list[Callable[[], None]] = [
            lambda: display.started(progress, epochs=3, steps_per_epoch=10, total_steps=30, monitored="train/loss"),
            lambda: display.stepped(progress, torch.tensor(0.25)),
            lambda: display.epoch_ended(RECORD, is_best=True),
            lambda: display.notice("a checkpoint was kept"),
        ]
        for call in calls[:calls_before]:
            call()
        lose_terminal()
        for call in calls[calls_before:]:
            call()
    assert sys.stdout is out


@pytest.mark.parametrize("end", ["", "\n"], ids=["within a line", "at its end"])
def test_a_losable_stream_takes_what_nobody_reads(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it fails when it is written to or when it is flushed."""
    with _stderr_on_a_terminal(monkeypatch) as lose_terminal:
        lose_terminal()
        with pytest.raises(OSError, match="Input/output error"):
            print("for nobody", end=end, file=sys.stderr, flush=True)
        print("for nobody", end=end, file=losable(sys.stderr), flush=True)


def test_what_is_printed_for_nobody_leaves_no_file_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest descriptor that was free before still is."""
    with _stderr_on_a_terminal(monkeypatch) as lose_terminal:
        lose_terminal()
        free = _lowest_free_descriptor()
        print_progress("for nobody")
        assert _lowest_free_descriptor() == free


def _lowest_free_descriptor() -> int:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def test_a_training_is_a_line_an_epoch_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ahead, each epoch, each note, and nothing for a step."""
    _, err = _streams(monkeypatch, is_terminal=False)
    with progress_display() as display:
        display.started(Progress(), epochs=3, steps_per_epoch=1000, total_steps=3000, monitored="train/loss")
        display.started(Progress(epoch=2, step=1234), epochs=1, steps_per_epoch=1, total_steps=1, monitored="train/loss")
        display.started(Progress(), epochs=3, steps_per_epoch=1000, total_steps=2500, monitored="train/loss")
        display.stepped(Progress(), torch.tensor(0.25))
        display.epoch_ended(RECORD, is_best=False)
        display.notice("a checkpoint was kept")
    assert err.getvalue().splitlines() == [
        "3 epochs of 1,000 steps",
        "1 epoch of 1 step, going on after step 1,234",
        "3 epochs of 1,000 steps, up to step 2,500",
        epoch_line(RECORD, is_best=False),
        "note: a checkpoint was kept",
    ]


FOUND = Predictions(
    Path("runs/x"),
    "best",
    ("new\u202e.csv",),
    3,
    [
        {"sample": 0, "text": "short\n\033[31m", "share": 0.25, "scores": {"a": 1.0}},
        {"sample": 1, "text": "y" * 60, "share": 1e-9, "scores": {"a": 2.0}},
        {"sample": 2, "text": "\u202egnp.exe", "share": 0.5, "scores": {"a": 2.0}},
    ],
)


def test_predictions_are_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is, then a row each: long cells cut, numbers rounded, nothing that steers the terminal or turns a name around."""
    out, err = _streams(monkeypatch, is_terminal=True)
    _show_predictions(FOUND, None, as_json=False)
    assert err.getvalue() == "runs/x (best), 3 samples of new<U+202E>.csv\n"
    assert out.getvalue().splitlines() == [
        f"sample  text{' ' * 39}share",
        f"     0  short <U+001B>[31m{' ' * 24}0.2500",
        f"     1  {'y' * 37}...   1e-09",
        f"     2  <U+202E>gnp.exe{' ' * 27}0.5000",
    ]


def test_predictions_are_a_csv_in_a_pipe_and_one_object_under_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole numbers, for whatever reads them next; into a file, a line that says so."""
    out, _ = _streams(monkeypatch, is_terminal=False)
    _show_predictions(FOUND, None, as_json=False)
    assert out.getvalue() == FOUND.as_text(".csv")
    out, _ = _streams(monkeypatch, is_terminal=False)
    _show_predictions(FOUND, None, as_json=True)
    assert json.loads(out.getvalue()) == FOUND.as_json()
    out, _ = _streams(monkeypatch, is_terminal=False)
    _show_predictions(FOUND, Path("found\u202e.csv"), as_json=False)
    assert out.getvalue() == "found<U+202E>.csv: 3 rows for 3 samples of new<U+202E>.csv\n"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_text_is_shown_as_it_comes_and_harms_no_terminal(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    """On a terminal each piece at once, without what would steer it; in a pipe the text as it is."""
    out, _ = _streams(monkeypatch, is_terminal=is_terminal)
    seen: list[str] = []

    def pieces() -> Iterator[str]:
        for piece in ("lo\n", "\033[2J", "\u202e!"):
            seen.append(out.getvalue())
            yield piece

    _show_text(Continuation(Path("runs/x"), "best", "hel", pieces()))
    if is_terminal:
        assert seen == ["hel", "hello\n", "hello\n<U+001B>[2J"]
        assert out.getvalue() == "hello\n<U+001B>[2J<U+202E>!\n"
    else:
        assert seen == ["", "", ""]
        assert out.getvalue() == "hello\n\033[2J\u202e!\n"


def test_a_text_that_is_interrupted_ends_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the prompt of the shell does not stand behind it."""
    out, _ = _streams(monkeypatch, is_terminal=True)

    def pieces() -> Iterator[str]:
        yield "lo"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _show_text(Continuation(Path("runs/x"), "best", "hel", pieces()))
    assert out.getvalue() == "hello\n"
