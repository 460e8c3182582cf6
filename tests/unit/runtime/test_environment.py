"""What a run ran on."""

from __future__ import annotations

import json
import os
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


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The working folder is a repository with one commit; that commit."""
    monkeypatch.chdir(tmp_path)
    _git("init", "-b", "main")
    (tmp_path / "a").write_text("1")
    _git("add", "a")
    _git("commit", "-m", "a")
    return _git("rev-parse", "HEAD")


def test_the_commit_is_that_of_git(repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a branch, whether files differ or not, and in a folder below."""
    assert git_commit() == repository
    (tmp_path / "a").write_text("2")
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    assert git_commit() == repository


@pytest.mark.parametrize(
    "command",
    [
        ("checkout", "--detach"),
        ("checkout", "-b", "with/slashes.and-dots"),
        ("pack-refs", "--all"),
        ("gc", "--quiet"),
        ("tag", "-a", "v1", "-m", "v1"),
    ],
    ids=" ".join,
)
def test_the_commit_is_found_however_git_keeps_it(repository: str, command: tuple[str, ...]) -> None:
    """Detached, on a branch of a long name, packed with others."""
    _git(*command)
    assert git_commit() == repository


def test_the_commit_of_a_second_working_folder_is_its_own(
    repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There `.git` is a file, and the branches are where the first one has them, packed or not."""
    second = tmp_path.with_name("second")
    _git("worktree", "add", "-b", "other", str(second))
    monkeypatch.chdir(second)
    _git("commit", "--allow-empty", "-m", "b")
    commit = _git("rev-parse", "HEAD")
    assert git_commit() == commit != repository
    _git("pack-refs", "--all")
    assert git_commit() == commit


def test_a_repository_without_a_commit_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh from `git init`."""
    monkeypatch.chdir(tmp_path)
    _git("init")
    assert git_commit() is None


def test_outside_a_repository_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of all folders has none above it."""
    monkeypatch.chdir("/")
    assert git_commit() is None


def test_nothing_that_a_repository_names_is_run(repository: str, tmp_path: Path) -> None:
    """`core.fsmonitor` is a program that git itself would start."""
    hook = tmp_path / "hook"
    hook.write_text("#!/bin/sh\ntouch was-here\n")
    hook.chmod(0o755)
    _git("config", "core.fsmonitor", str(hook))
    assert git_commit() == repository
    assert not (tmp_path / "was-here").exists()
    assert "subprocess" not in module.__dict__


HOSTILE = {
    "a place outside": "ref: refs/../../secret",
    "an absolute place": "ref: /etc/passwd",
    "no branch": "ref: secret",
    "a hidden part": "ref: refs/.hidden",
    "other text": "0123456789abcdef",
    "too long": "0" * 41,
    "nothing": "",
    "no text": "ref: refs/heads/\0\ud800",
}


@pytest.mark.parametrize("head", HOSTILE.values(), ids=HOSTILE)
def test_a_head_that_is_none_gives_no_commit(head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it lead to files elsewhere."""
    (tmp_path / ".git" / "refs").mkdir(parents=True)
    (tmp_path / ".git" / "HEAD").write_text(head, errors="surrogatepass")
    for secret in (tmp_path / "secret", tmp_path / ".git" / "secret", tmp_path / ".git" / "refs" / ".hidden"):
        secret.write_text("0" * 40)
    monkeypatch.chdir(tmp_path)
    assert git_commit() is None


def test_a_pipe_in_place_of_a_file_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be waited for forever."""
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git" / "HEAD")
    monkeypatch.chdir(tmp_path)
    assert git_commit() is None


def test_the_processor_is_named_as_linux_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere it is the kind of machine."""
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(module, "_CPU_FILE", file)
    assert environment(torch.device("cpu"))["device_name"] == platform.machine()
    file.write_text("processor\t: 0\nmodel name\t: A fast one @ 3.00GHz\n\nprocessor\t: 1\nmodel name\t: Another\n")
    assert environment(torch.device("cpu"))["device_name"] == "A fast one @ 3.00GHz"
