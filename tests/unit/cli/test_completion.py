"""What a shell is offered where Tab is pressed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dlcli.cli.main import run

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Complete:
    """Asks as bash does: the words so far, the last of them begun."""
    monkeypatch.chdir(tmp_path)

    def complete(*words: str) -> list[str]:
        monkeypatch.setenv("_DLCLI_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(["dlcli", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        with pytest.raises(SystemExit) as ended:
            run([])
        assert ended.value.code == 0
        return capsys.readouterr().out.split()

    return complete


def _make_run(name: str, runs: str = "runs") -> None:
    folder = Path(runs) / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"status": "completed"}))


@pytest.mark.parametrize(
    "command",
    [
        ["eval"],
        ["verify"],
        ["predict"],
        ["export"],
        ["summary"],
        ["runs", "show"],
        ["runs", "compare"],
        ["runs", "compare", "cnn-1"],
        ["runs", "remove"],
        ["train", "--resume"],
    ],
    ids=" ".join,
)
def test_a_run_is_offered_wherever_one_is_asked_for(command: list[str], complete: Complete) -> None:
    """Those that begin so, the newest name first; `latest` is one of them; what is no run is not."""
    for name in ("cnn-1", "cnn-2", "rnn-1"):
        _make_run(name)
    Path("runs/cnn-none").mkdir()
    assert complete(*command, "cn") == ["cnn-2", "cnn-1"]
    assert complete(*command, "la") == ["latest"]


def test_the_folder_of_runs_is_the_one_that_was_given(complete: Complete) -> None:
    """`--runs-dir` before the name."""
    _make_run("here")
    _make_run("there", "elsewhere")
    assert complete("runs", "show", "--runs-dir", "elsewhere", "") == ["latest", "there"]


@pytest.mark.parametrize("command", [["train"], ["validate"], ["smoke"], ["bench"], ["data", "info"]], ids=" ".join)
def test_a_config_is_offered_wherever_one_is_asked_for(command: list[str], complete: Complete) -> None:
    """YAML files that begin so, also in another folder."""
    Path("configs").mkdir()
    for path in ("cnn.yaml", "cnn2.yml", "cnn.txt", "configs/cnn.yaml", "configs/lstm.yaml"):
        Path(path).touch()
    assert complete(*command, "cn") == ["cnn.yaml", "cnn2.yml"]
    assert complete(*command, "configs/") == ["configs/cnn.yaml", "configs/lstm.yaml"]
    assert complete(*command, "nowhere/") == []


@pytest.mark.parametrize("name", ["\\$(touch x)", "a'b", 'a"b', "a b", "a;b", "a`b`", "-x", "a\\b", "é", "a\nb"])
def test_a_name_that_a_shell_would_read_otherwise_is_not_offered(name: str, complete: Complete) -> None:
    """Zsh evaluates what it is given: a run or a file of a stranger must not become a command."""
    _make_run(name)
    Path(f"{name}.yaml").touch()
    assert complete("summary", "") == ["latest"]


def test_names_of_data_are_offered(complete: Complete) -> None:
    """Those that can be downloaded, or all sources."""
    assert complete("data", "fetch", "") == ["mnist", "fashion_mnist", "kmnist", "qmnist", "cifar10", "cifar100"]
    assert complete("data", "check", "moving") == ["moving_digits"]


def test_groups_offer_their_commands(complete: Complete) -> None:
    """As the commands themselves are."""
    assert complete("runs", "") == ["list", "show", "compare", "remove"]
    assert "runs" in complete("r")


def test_where_there_are_no_runs_nothing_fails(complete: Complete) -> None:
    """Only `latest` is left."""
    assert complete("runs", "show", "") == ["latest"]
