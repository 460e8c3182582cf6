"""Runs as they are listed and told: chosen, sorted, and read as those of strangers."""

from __future__ import annotations

import json
import math
import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.app.kept_runs.comparison import compare
from dlcli.app.kept_runs.epochs import curve, read_epochs
from dlcli.app.kept_runs.listing import Selection, list_runs
from dlcli.app.kept_runs.record import KeptRun, number
from dlcli.app.kept_runs.story import entries_of, tell
from dlcli.cli.run_pages import comparison_lines, list_lines, story_lines
from dlcli.errors import UsageError
from dlcli.runtime.lock import locked
from dlcli.training.run_folder import find_run
from tests.unit.app.run_folders import RECORD, make_run

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder of all runs, empty."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def _names(runs: Path, *arguments: Any) -> list[str]:
    return [run.name for run in list_runs(runs, *arguments)]


def test_the_newest_run_comes_first(runs: Path) -> None:
    """What was begun or taken up last, as the newest run is for every other command."""
    make_run(runs, "old", started="2026-01-01T00:00:00+00:00")
    make_run(runs, "new", started="2026-03-01T00:00:00+00:00")
    make_run(runs, "resumed", started="2026-02-01T00:00:00+00:00", resumed=[{"at": "2026-04-01T00:00:00+00:00"}])
    make_run(runs, "undated", started=5)
    (runs / "no run").mkdir()
    (runs / "latest").symlink_to("old")
    assert _names(runs) == ["resumed", "new", "old", "undated"]
    assert find_run(None, runs).path.name == _names(runs)[0]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("test", ["b", "a", "e", "d", "c"]),
        ("best", ["a", "b", "d", "e", "c"]),
        ("time", ["c", "b", "d", "e", "a"]),
        ("parameters", ["c", "e", "d", "b", "a"]),
        ("name", ["a", "b", "c", "d", "e"]),
    ],
)
def test_runs_are_sorted_by_what_is_better(order: str, expected: list[str], runs: Path) -> None:
    """Accuracies from the largest, losses from the smallest, side by side with their like; what has none at the end."""
    make_run(runs, "a", best={"metric": "valid/accuracy", "value": 0.9}, test={"accuracy": 0.7}, train_seconds=1, parameters=1)
    make_run(runs, "b", best={"metric": "valid/accuracy", "value": 0.8}, test={"accuracy": 0.75}, train_seconds=9, parameters=2)
    make_run(runs, "c", best=None, test=None, train_seconds=10, parameters=9)
    make_run(runs, "d", best={"metric": "valid/loss", "value": 0.1}, test={"loss": 0.3}, train_seconds=5, parameters=3)
    make_run(runs, "e", best={"metric": "valid/loss", "value": 0.2}, test={"loss": 0.2}, train_seconds=4, parameters=4)
    assert _names(runs, Selection(), order) == expected


def test_a_metric_of_a_plugin_is_taken_for_one_to_make_large(runs: Path) -> None:
    """So is one of dlcli's own that is; `mae` of an output is not."""
    for name, metric, values in (("own", "valid/own", (1, 2)), ("mae", "valid/wind/mae", (1, 2))):
        for value in values:
            figures = {metric.partition("/")[2]: value}
            make_run(runs, f"{name}-{value}", best={"metric": metric, "value": value}, test=figures)
    assert _names(runs, Selection(), "test") == ["own-2", "own-1", "mae-1", "mae-2"]


def test_runs_are_chosen_by_status_and_config(runs: Path) -> None:
    """A config by its name, with or without its ending, or by its path."""
    make_run(runs, "a")
    make_run(runs, "b", status="failed")
    (make_run(runs, "c") / "run.json").write_text(json.dumps(RECORD | {"config": "/elsewhere/rnn.yaml"}))
    make_run(runs, "d", status="running")
    (runs / "e").mkdir()
    (runs / "e" / "run.json").write_text("{")
    assert _names(runs, Selection(status="completed")) == ["c", "a"]
    assert _names(runs, Selection(status="completed", config="cnn")) == ["a"]
    assert _names(runs, Selection(status="killed")) == ["d"]
    assert _names(runs, Selection(status="unreadable")) == ["e"]
    for config in ("cnn", "cnn.yaml", "/home/me/cnn.yaml"):
        assert _names(runs, Selection(config=config)) == ["d", "b", "a"]
    assert _names(runs, Selection(config="cn")) == []


def test_where_there_is_no_folder_there_are_no_runs(tmp_path: Path) -> None:
    """That is no error."""
    assert list_runs(tmp_path / "nowhere") == []


def test_a_run_is_running_while_somebody_has_its_lock(runs: Path) -> None:
    """Afterwards it was killed; a run that ended is not looked after."""
    path = make_run(runs, "a", status="running")
    with locked(path):
        assert KeptRun.at(path).status == "running"
        assert "verify" in tell("a", runs).next[0]
        assert str(tell("a", runs).trained_by).startswith("process ")
    assert KeptRun.at(path).status == "killed"
    assert tell("a", runs).next[0] == f"dlcli train --resume {path}"


def test_a_pipe_in_place_of_a_lock_holds_nobody_up(runs: Path) -> None:
    """A stranger's run may have anything there; opened like a file, a pipe would wait for somebody to write."""
    path = make_run(runs, "a", status="running")
    os.mkfifo(path / ".lock")
    assert KeptRun.at(path).status == "killed"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = sorted({*RECORD, "status"})


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.dictionaries(st.sampled_from(_KEYS), _JSON), in_best=_JSON, in_data=_JSON)
def test_whatever_stands_in_a_record_is_shown_harmlessly(changes: dict[str, Any], in_best: Any, in_data: Any, runs: Path) -> None:
    """Listed, told and compared without an error, in lines that steer no terminal, and as JSON."""
    path = runs / "stranger"
    path.mkdir(exist_ok=True)
    record = RECORD | {"best": {"metric": in_best, "value": in_best}, "data": {"samples": in_data, "used": in_data}} | changes
    (path / "run.json").write_text(json.dumps(record))
    story, comparison = tell("stranger", runs), compare(["stranger", "stranger"], runs)
    lines = [*list_lines(list_runs(runs), 80, NOW), *story_lines(story, 80), *comparison_lines(comparison, 80)]
    assert all(line.isprintable() or "\u200c" in line or "\u200d" in line for line in lines)
    assert all(
        run.status in ("completed", "killed", "unreadable", "running", "interrupted", "diverged", "failed")
        for run in comparison.runs
    )
    json.dumps([story.as_json(), comparison.as_json(), *(run.as_json() for run in list_runs(runs))])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "can't be read"),
        ("[1]", "does not hold the record"),
        ("[" * 100_000, "can't be read"),
        ('{"status": "completed", "x": ' + "[" * 500 + "]" * 500 + "}", "nested deeper than 32 levels"),
        ('{"status": "great"}', "does not say how the run stands"),
        ('{"status": ["completed"]}', "does not say how the run stands"),
    ],
    ids=["empty", "list", "too deep to read", "deep", "unknown status", "no text"],
)
def test_a_broken_record_is_unreadable(content: str, problem: str, runs: Path) -> None:
    """It is listed with why, and what to do next is to verify it."""
    path = make_run(runs, "a")
    (path / "run.json").write_text(content)
    [found] = list_runs(runs)
    assert found.status == "unreadable"
    assert problem in str(found.problem)
    assert tell("a", runs).next == (f"dlcli verify {path}",)


def test_a_record_that_is_a_link_is_not_followed(runs: Path, tmp_path: Path) -> None:
    """What it leads to may be anything of the person's."""
    path = make_run(runs, "a")
    secret = tmp_path / "secret.json"
    (path / "run.json").rename(secret)
    (path / "run.json").symlink_to(secret)
    assert KeptRun.at(path).status == "unreadable"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, 1.0), (0.5, 0.5), (True, None), ("1", None), (math.nan, None), (math.inf, None), (10**400, None), ([1], None)],
)
def test_a_number_is_one_that_can_be_shown(value: object, expected: float | None) -> None:
    """Neither text nor truth, and finite."""
    assert number(value) == expected


@pytest.mark.parametrize("started", ["0001-01-01T00:00:00", "9999-12-31T23:59:59-23:00", "yesterday", "", 7])
def test_a_time_that_is_none_is_the_oldest(started: object, runs: Path) -> None:
    """Or one that no clock can have been at."""
    make_run(runs, "a", started=started)
    assert list_lines(list_runs(runs), 200, NOW)[1].endswith("-")


def test_a_story_has_all_that_there_is(runs: Path) -> None:
    """What happened, config, data, figures, files with their sizes, checkpoints, and the next command."""
    path = make_run(runs, "a")
    (path / "checkpoints" / "damaged-step-00000020").mkdir()
    (path / "link").symlink_to("/etc")
    story = tell("a", runs)
    sizes = {entry.name: (entry.files, entry.size) for entry in story.entries}
    in_checkpoints = [file.stat().st_size for file in (path / "checkpoints").rglob("*") if file.is_file()]
    assert sizes["checkpoints/"] == (3, sum(in_checkpoints))
    assert sizes["run.json"] == (1, (path / "run.json").stat().st_size)
    assert sizes["link"][1] == len("/etc")
    assert [(each.name, each.step, each.is_best, each.is_last) for each in story.checkpoints] == [
        ("damaged-step-00000020", 20, False, False),
        ("step-00000030", 30, True, True),
    ]
    assert story.next[0] == f"dlcli eval {path}"
    lines = "\n".join(" ".join(line.split()) for line in story_lines(story, 80))
    for expected in (
        "a (completed)",
        "/home/me/cnn.yaml",
        "--set train.epochs=3",
        "2026-11-27 11:26:06, ended 2026-11-27 11:26:08, 3.0 s in all",
        "810 parameters",
        "digits in place of mnist: 3 train, 2 valid, 1 test",
        "3 epochs, 2.5 s, 503 samples/s, ended by epochs",
        "valid/accuracy 0.9000 (epoch 2)",
        "accuracy 0.8000, loss 0.4000",
        "train/loss 1.0000 █▃▁ 0.3333",
        "step-00000030 1.0 kB best, last",
    ):
        assert expected in lines


def test_a_file_that_goes_meanwhile_has_no_size(tmp_path: Path) -> None:
    """A training that goes on replaces its files."""
    for name in ("a", "b"):
        (tmp_path / name).write_text("x")
    entries = entries_of(tmp_path)
    first = next(entries)
    for name in {"a", "b"} - {first.name}:
        (tmp_path / name).unlink()
    assert [first.size, *(entry.size for entry in entries)] == [1, 0]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("completed", []),
        ("interrupted", ["dlcli train --resume RUN --plugin 'my own.py'"]),
        ("failed", ["dlcli train --resume RUN --plugin 'my own.py'"]),
        ("diverged", ["dlcli train /home/me/cnn.yaml --set train.optimizer.lr=.. --plugin 'my own.py'"]),
    ],
)
def test_the_next_command_fits_how_a_run_stands(status: str, expected: list[str], runs: Path) -> None:
    """What comes from a record is quoted: a stranger's path must not become a command where it is copied."""
    path = make_run(runs, "a", status=status, plugins=["my own.py"])
    asked = [
        f"dlcli {words} --plugin 'my own.py'"
        for words in ("eval RUN", "explain RUN", "predict RUN FILE", "export RUN --to python")
    ]
    longer = ["dlcli train --resume RUN --set train.epochs=6 --plugin 'my own.py'"] if status == "completed" else []
    commands = [*expected, *asked, *longer]
    assert list(tell("a", runs).next) == [command.replace("RUN", shlex.quote(str(path))) for command in commands]


@pytest.mark.parametrize("finished", ["epochs", "max_steps", "early_stopping"])
def test_a_run_is_trained_longer_where_its_epochs_were_over(finished: str, runs: Path) -> None:
    """More of them would change nothing where something else ended it."""
    path = make_run(runs, "a", finished=finished)
    longer = f"dlcli train --resume {path} --set train.epochs=6"
    assert (longer in tell("a", runs).next) == (finished == "epochs")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("text", "dlcli predict RUN --prompt TEXT"),
        ("csv", "dlcli predict RUN FILE"),
        ("adding", None),
        ("of a plug-in", "dlcli predict RUN FILE"),
    ],
)
def test_a_network_is_asked_about_what_there_can_be_of_its_data(source: str, expected: str | None, runs: Path) -> None:
    """A text goes on, files are read, and of samples that are made up there is no file."""
    path = make_run(runs, "a", data={"used": source, "samples": {"test": 5}})
    found = [command for command in tell("a", runs).next if " predict " in command]
    assert found == ([expected.replace("RUN", str(path))] if expected else [])


def test_plug_ins_are_texts_a_few_of_them_and_said_to_be_code(runs: Path) -> None:
    """A stranger's record may hold anything, and the commands that go on would run these files."""
    path = make_run(runs, "a", plugins=[3, "\u202emy own.py", None, *(f"{number}.py" for number in range(50))])
    story = tell("a", runs)
    expected = ["dlcli", "eval", str(path), "--plugin", "\u202emy own.py"]
    expected += [word for number in range(15) for word in ("--plugin", f"{number}.py")]
    assert shlex.split(story.next[0]) == expected
    lines = story_lines(story, 80)
    at = lines.index("plug-ins    <U+202E>my own.py")
    assert lines[at + 15].split() == ["14.py"]
    assert lines[at + 16].split() == [
        "These",
        "files",
        "are",
        "code,",
        "which",
        "the",
        "commands",
        "below",
        "run:",
        "read",
        "them",
        "first.",
    ]
    assert lines[at + 17].startswith("next ")
    make_run(runs, "b", plugins="a.py")
    assert not any("--plugin" in command for command in tell("b", runs).next)
    assert "plug-ins" not in "\n".join(story_lines(tell("b", runs), 80))


def test_a_run_is_judged_on_a_split_that_it_has(runs: Path) -> None:
    """As the end of a training says it."""
    path = make_run(runs, "a", data={"samples": {"train": 5, "valid": 2, "test": 0}})
    assert tell("a", runs).next[0] == f"dlcli eval {path} --split valid"


def test_a_log_ends_with_its_last_line_of_ours(runs: Path) -> None:
    """Of two lines of one epoch the later counts; what comes behind garbage does not, nor epochs that no training has."""
    path = make_run(runs, "a", epochs=1)
    lines = [
        '{"event": "epoch", "epoch": 2, "x": 5}',
        '{"event": "epoch", "epoch": 2, "x": 6}',
        '{"event": "epoch", "epoch": 4, "x": "seven"}',
        '{"event": "other", "epoch": 5, "x": 8}',
        '{"event": "epoch", "epoch": 99999999, "x": 8}',
        '{"event": "epoch", "epoch": 6, "x": NaN}',
        "garbage",
        '{"event": "epoch", "epoch": 7, "x": 8}',
    ]
    with (path / "metrics.jsonl").open("a") as file:
        file.write("\n".join(lines))
    epochs = read_epochs(path)
    assert sorted(epochs) == [1, 2, 4, 6]
    assert curve(epochs, "x", 7) == [None, 6.0, None, None, None, None, None]
    with (path / "metrics.jsonl").open("a") as file:
        file.write("\n[1]")
    (path / "metrics.jsonl").write_text("[1]\n")
    assert read_epochs(path) == {}
    (path / "metrics.jsonl").unlink()
    assert read_epochs(path) == {}


def test_a_run_that_is_not_there_is_a_mistake(runs: Path) -> None:
    """Also where no file could have such a name."""
    for name in ("a", "x" * 300):
        with pytest.raises(UsageError, match="there is no run"):
            tell(name, runs)


def test_a_list_fits_its_width(runs: Path) -> None:
    """What there is no room for goes from the right; then names are cut in the middle, never below twenty columns."""
    make_run(runs, "japanese_vowels-20261127-112601")
    make_run(runs, "a", status="interrupted", started="2025-01-02T00:00:00+00:00", test=None)
    found = list_runs(runs)
    wide, medium, narrow = (list_lines(found, width, NOW) for width in (160, 80, 70))
    assert wide[0].split() == ["run", "status", "data", "metric", "best", "test", "time", "epochs", "started"]
    assert "27 Nov 11:26" in wide[1]
    assert "02 Jan 2025" in wide[2]
    assert medium[0].split() == ["run", "status", "data", "metric", "best", "test"]
    assert max(map(len, medium)) <= 80
    assert medium[1] == "japanese_vo..127-112601  completed    digits for mnist  accuracy  0.9000  0.8000"
    assert narrow[1].startswith("japanese_..27-112601  ")
