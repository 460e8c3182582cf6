"""What a run ran on."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dlcli
from dlcli.runtime import environment as module
from dlcli.runtime.environment import environment, git_commit


def _git(*arguments: str) -> str:
    """Runs git in the working folder, whoever's machine it is."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("needs git")
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run([git, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_versions_are_those_that_run() -> None:
    """Each version is what the package itself says, and all of it can be written as JSON."""
    facts = environment(torch.device("cpu"))
    assert facts["torch"] == torch.__version__
    assert facts["dlcli"] == dlcli.__version__
    assert facts["python"] == platform.python_version()
    assert facts["command"] == sys.argv
    assert json.loads(json.dumps(facts)) == facts


def test_a_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record holds the card's product name."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a card")
    assert environment(torch.device("cuda", 0))["device_name"] == "a card"


def test_a_package_that_is_not_there_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without torchvision says so instead of failing."""

    def absent(package: str) -> str:
        raise module.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(module.metadata, "version", absent)
    assert environment(torch.device("cpu"))["torchvision"] is None


def test_the_commit_and_whether_files_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The full hash in a clean folder, whatever tags there are; `-dirty` behind it once a file differs."""
    monkeypatch.chdir(tmp_path)
    _git("init")
    (tmp_path / "a").write_text("1")
    _git("add", "a")
    _git("commit", "-m", "a")
    _git("tag", "-a", "v1", "-m", "v1")
    commit = _git("rev-parse", "HEAD")
    assert git_commit() == commit
    (tmp_path / "a").write_text("2")
    assert git_commit() == f"{commit}-dirty"


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that git does not know gives None and no message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() is None


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without git trains all the same."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert git_commit() is None


@pytest.mark.parametrize("error", [OSError("no"), subprocess.TimeoutExpired("git", 5)])
def test_a_git_that_fails_gives_no_commit(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git that hangs or can't start holds nothing up."""

    def fail(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/git")
    monkeypatch.setattr(subprocess, "run", fail)
    assert git_commit() is None
