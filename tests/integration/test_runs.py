"""`dlcli runs`: what trainings left is listed, shown, compared and removed, on the command line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlcli.runtime.lock import locked
from tests.integration.conftest import Cli
from tests.unit.app.run_folders import RECORD, make_run


@pytest.fixture
def trained(cli: Cli, quick: Path) -> Path:
    """Two real runs, `a` and `b`, of which the second learnt more slowly and has the narrower network."""
    assert cli("train", quick, "--name", "a").code == 0
    slower = ("--set", "train.optimizer.lr=1e-4", "--set", "model.layers.conv2d.out_channels=4")
    assert cli("train", quick, "--name", "b", *slower, "--seed", "1").code == 0
    return Path("runs")


def test_what_was_trained_is_listed_shown_compared_and_removed(cli: Cli, trained: Path) -> None:
    """Figures, files and differences are those of the runs' own files; `latest` follows what is left."""
    records = {name: json.loads((trained / name / "run.json").read_text()) for name in ("a", "b")}
    listed = cli("runs", "list", "--json").json["runs"]
    assert [run["name"] for run in listed] == ["b", "a"]
    for run in listed:
        record = records[run["name"]]
        assert run["status"] == "completed"
        assert (run["metric"], run["best"], run["test"]) == ("accuracy", record["best"]["value"], record["test"]["accuracy"])
        assert (run["parameters"], run["train_seconds"]) == (record["parameters"], record["train_seconds"])
    by_test = [run["name"] for run in cli("runs", "list", "--sort", "test", "--json").json["runs"]]
    assert by_test == sorted(records, key=lambda name: -records[name]["test"]["accuracy"])

    shown = cli("runs", "show", "a", "--json").json
    assert shown["record"] == records["a"]
    assert sum(entry["size"] for entry in shown["files"]) == sum(
        file.stat().st_size for file in (trained / "a").rglob("*") if file.is_file()
    )
    assert {checkpoint["name"] for checkpoint in shown["checkpoints"]} == {
        path.name for path in (trained / "a" / "checkpoints").glob("step-*")
    }
    assert cli(*shown["next"][0].split()[1:], "--json").json["metrics"] == records["a"]["test"]

    compared = cli("runs", "compare", "a", "b", "--json").json
    assert compared["differences"] == {
        "model.layers.conv2d_1.out_channels": [8, 4],
        "train.optimizer.lr": [0.01, 0.0001],
        "train.seed": [0, 1],
    }
    logs = [[json.loads(line) for line in (trained / name / "metrics.jsonl").read_text().splitlines()] for name in ("a", "b")]
    for key, curves in compared["curves"].items():
        assert curves == [[line[key] for line in log] for log in logs]
    assert compared["results"]["test/accuracy"] == [records[name]["test"]["accuracy"] for name in ("a", "b")]

    removed = cli("runs", "remove", "latest", "--yes", "--json").json["removed"]
    assert [run["run"] for run in removed] == ["runs/b"]
    assert sorted(path.name for path in trained.iterdir()) == ["a", "latest"]
    assert cli("eval", "--json").json["run"] == "runs/a"


def test_pages_are_for_people(cli: Cli) -> None:
    """A head and a row for each run; the same runs shown and compared; nothing on stderr."""
    for name in ("a", "b"):
        make_run(Path("runs"), name)
    for command in (["list"], ["show", "a"], ["compare", "a", "b"]):
        outcome = cli("runs", *command)
        assert (outcome.code, outcome.err) == (0, "")
        assert "accuracy" in outcome.out


def test_a_broken_run_is_listed_with_its_problem(cli: Cli) -> None:
    """Nothing else suffers."""
    make_run(Path("runs"), "good")
    (make_run(Path("runs"), "bad\x1b[31m") / "run.json").write_text("{")
    outcome = cli("runs", "list")
    assert outcome.code == 0
    assert {tuple(line.split()[:2]) for line in outcome.out.splitlines()[1:]} == {
        ("good", "completed"),
        ("bad<U+001B>[31m", "unreadable"),
    }
    assert "note: runs/bad<U+001B>[31m/run.json can't be read" in outcome.err
    assert "\x1b" not in outcome.out + outcome.err


def test_problems_of_a_comparison_are_notes(cli: Cli) -> None:
    """The page is there all the same."""
    for name in ("a", "b"):
        (make_run(Path("runs"), name) / "config.resolved.yaml").unlink()
    outcome = cli("runs", "compare", "a", "b")
    assert (outcome.code, outcome.err.count("note: ")) == (0, 2)
    assert outcome.out.startswith("A  runs/a\n")


@pytest.mark.parametrize(("given", "help"), [("tests", "did you mean `test`?"), ("loss", "see `dlcli runs list --help`")])
def test_an_order_that_there_is_not_is_refused(given: str, help: str, cli: Cli) -> None:
    """With those that there are and what was probably meant."""
    outcome = cli("runs", "list", "--sort", given)
    assert outcome.code == 2
    assert f"error: invalid value for '--sort': '{given}' is not one of 'started', 'test'," in outcome.err
    assert help in outcome.err


def test_no_runs_are_said_to_be_none(cli: Cli) -> None:
    """With or without a choice; as JSON an empty list."""
    assert cli("runs", "list").err == "note: there are no runs in runs\n"
    assert cli("runs", "list", "--status", "failed").err == "note: there are no such runs in runs\n"
    assert cli("runs", "list", "--json").json == {"runs": []}


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "json"])
def test_without_a_terminal_nothing_is_removed_unasked(options: list[str], cli: Cli) -> None:
    """Exit code 2, and how to say yes beforehand."""
    make_run(Path("runs"), "a")
    outcome = cli("runs", "remove", "a", *options)
    assert outcome.code == 2
    assert "repeat the command with --yes" in outcome.err
    assert Path("runs/a").is_dir()


@pytest.mark.parametrize(("answer", "is_left"), [("y\n", False), ("yes\n", False), ("n\n", True), ("\n", True), ("x\n", True)])
def test_a_person_at_a_terminal_is_asked(answer: str, is_left: bool, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would go stands above the question; only yes is yes."""
    make_run(Path("runs"), "a")
    monkeypatch.setattr("dlcli.cli.runs.is_interactive", lambda _: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    outcome = cli("runs", "remove", "a")
    assert outcome.code == 0
    assert "runs/a  completed" in outcome.err
    assert "Remove 1 run? [y/N]" in outcome.err
    assert Path("runs/a").is_dir() == is_left
    assert ("nothing was removed" in outcome.err) == is_left


def test_a_run_that_is_trained_is_not_removed(cli: Cli) -> None:
    """Not even where a person has said yes."""
    path = make_run(Path("runs"), "a", status="running")
    with locked(path):
        outcome = cli("runs", "remove", "a", "--yes")
    assert outcome.code == 2
    assert "is being trained by process" in outcome.err
    assert path.is_dir()


def test_a_thousand_runs_are_listed_in_a_moment(tmp_path: Path) -> None:
    """Python's start included, and without torch."""
    for number in range(1000):
        folder = tmp_path / "runs" / f"cnn-{number:04}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(RECORD, indent=2))
    code = "import sys; from dlcli.cli.main import run; code = run(['runs', 'list']); sys.exit(code or 'torch' in sys.modules)"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1001
    assert time.perf_counter() - start < 10  # 0.4 s on a quiet machine


@pytest.mark.parametrize(
    ("arguments", "help"),
    [
        (["runs", "lsit"], "see `dlcli runs --help`"),
        (["runs", "list", "--foo"], "see `dlcli runs list --help`"),
        (["runs"], None),
        (["data"], None),
    ],
    ids=["a command", "an option", "runs", "data"],
)
def test_a_group_helps_as_a_command_does(arguments: list[str], help: str | None, cli: Cli) -> None:
    """Alone it lists its commands; a slip is answered with the page that has what was meant."""
    outcome = cli(*arguments)
    if help is None:
        assert outcome.code == 0
        assert "Commands:" in outcome.out
    else:
        assert outcome.code == 2
        assert f"help: {help}\n" in outcome.err
