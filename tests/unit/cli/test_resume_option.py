"""`--resume` with and without the run that it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlcli.cli.train import resume_arguments


@pytest.mark.parametrize("following", ["my.yaml", "my.yml", "my.json", "there", "-", "--json", None])
def test_what_is_no_run_leaves_resume_with_the_newest(
    following: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config, by its name or because there is such a file, another option, or nothing more."""
    monkeypatch.chdir(tmp_path)
    Path("there").write_text("data: digits")
    behind = [following] if following is not None else []
    assert resume_arguments(["train", "--resume", *behind]) == ["train", "--resume=latest", *behind]


@pytest.mark.parametrize("run", ["a", "runs/a", "runs/a.json"])
def test_a_run_stays_the_value_of_resume(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name or a folder, whatever that is called."""
    monkeypatch.chdir(tmp_path)
    Path("runs/a.json").mkdir(parents=True)
    assert resume_arguments(["train", "--resume", run, "--json"]) == ["train", "--resume", run, "--json"]
