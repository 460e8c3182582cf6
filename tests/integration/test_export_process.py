"""The process that an export is made in: only Python itself is started, and whatever becomes of it, nothing is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlcli.app.export import child, fresh_process
from tests.integration.conftest import Cli


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    import tempfile

    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("program", "code", "message"),
    [
        ("import os; os.kill(os.getpid(), 9)", 6, "was killed, as happens where memory runs out"),
        ("import os; os.kill(os.getpid(), 11)", 5, "was ended: Segmentation fault"),
        (
            "import sys; print('first', file=sys.stderr); sys.exit('the last line\\n\\n')",
            5,
            "the process that exports fails: the last line",
        ),
        ("raise SystemExit(3)", 5, "the process that exports fails: it says nothing"),
        ("", 5, "has left no file"),
    ],
)
def test_a_process_that_comes_to_nothing_is_told(
    cli: Cli, quick: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, program: str, code: int, message: str
) -> None:
    """By how it ended; the export is not there, nor anything else."""
    monkeypatch.setattr(fresh_process, "_START", program)
    outcome = cli("export", quick, "--to", "pt2")
    assert outcome.code == code, outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not Path("quick.pt2").exists()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ("MemoryError()", 6, "there is not enough memory"),
        ("UsageError('not so', help='so')", 2, "not so"),
        ("CheckpointError('wrong', help=None)", 5, "wrong"),
    ],
)
def test_what_the_process_says_is_told(
    cli: Cli, quick: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, error: str, code: int, message: str
) -> None:
    """The error that it ran into, with its exit code."""

    def fail(place: Path, request: object) -> None:
        from dlcli import errors

        raise eval(error, {**vars(errors), "MemoryError": MemoryError})  # noqa: S307  # one of those above

    def run_child(place: Path) -> int:
        child.main(str(place))
        return 0

    monkeypatch.setattr(child, "_export", fail)
    monkeypatch.setattr(fresh_process, "_run", run_child)
    outcome = cli("export", quick, "--to", "pt2")
    assert outcome.code == code
    assert message in outcome.err
    assert list(temporary.iterdir()) == []


def test_only_python_is_started_and_it_looks_where_this_process_looks(
    cli: Cli, quick: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Isolated from the environment and the working folder; its last argument are the places of modules."""
    started: list[Any] = []

    def start(command: list[str], **options: Any) -> None:
        started.append((command, options))
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(fresh_process.subprocess, "Popen", start)
    outcome = cli("export", quick, "--to", "pt2")
    assert outcome.code == 6
    assert "Python can't be started once more: Permission denied" in outcome.err
    [(command, options)] = started
    assert command[:3] == [sys.executable, "-I", "-c"]
    assert command[5:] == sys.path
    assert "shell" not in options
    assert list(temporary.iterdir()) == []


def test_a_disk_that_is_full_is_told(cli: Cli, quick: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the folder for temporary files: exit code 6."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fresh_process, "write_safetensors", fail)
    outcome = cli("export", quick, "--to", "pt2")
    assert outcome.code == 6
    assert "the disk is full" in outcome.err
    assert "TMPDIR" in outcome.err
    assert list(temporary.iterdir()) == []


def test_an_interrupted_export_ends_its_process_and_leaves_nothing(
    cli: Cli, quick: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 130, as after Ctrl-C anywhere."""
    started: list[subprocess.Popen[bytes]] = []
    right = subprocess.Popen.wait

    def wait(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if process not in started:
            started.append(process)
            raise KeyboardInterrupt
        return right(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    monkeypatch.setattr(fresh_process, "_START", "import signal; signal.pause()")
    outcome = cli("export", quick, "--to", "pt2")
    assert outcome.code == 130
    assert started[0].returncode == -signal.SIGKILL
    assert not Path("quick.pt2").exists()
    assert list(temporary.iterdir()) == []


def test_ctrl_c_of_a_terminal_ends_both_processes(quick: Path, temporary: Path) -> None:
    """The signal comes to the whole group; no line of a traceback reaches the person."""
    command = [sys.executable, "-m", "dlcli", "export", str(quick), "--to", "pt2"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command,
        cwd=quick.parent,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line == "writing the network of quick.yaml\n"
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
    assert process.returncode == 130
    assert (out, err) == ("", "error: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert sorted(path.name for path in quick.parent.iterdir()) == ["quick.yaml", "temporary"]
    assert list(temporary.iterdir()) == []


def test_the_process_says_of_a_plugin_where_it_fails(tmp_path: Path, cli: Cli) -> None:
    """A plug-in that is gone since: what the process can't load it says as the command would."""
    (tmp_path / fresh_process.REQUEST).write_text(json.dumps({"file": "model.pt2", "plugins": [str(tmp_path / "gone.py")]}))
    child.main(str(tmp_path))
    told = json.loads((tmp_path / fresh_process.FAILURE).read_text())
    assert told["kind"] == "UsageError"
    assert "there is no plug-in" in told["message"]
