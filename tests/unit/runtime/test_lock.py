"""One process at a time for a folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dlcli.errors import ResourceError
from dlcli.runtime import lock as module
from dlcli.runtime.lock import LOCK, HeldError, Holder, holder_of, locked

_HOLDS = """
import sys
from pathlib import Path
from dlcli.runtime.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> object:
    """Another process that has the lock, until it is killed or its stdin ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_names_its_holder_and_goes_with_it(tmp_path: Path) -> None:
    """Process, machine and time; afterwards the folder is as it was."""
    with locked(tmp_path) as is_locked:
        assert is_locked
        found = json.loads((tmp_path / LOCK).read_text())
        assert (found["pid"], found["host"]) == (os.getpid(), socket.gethostname())
        assert holder_of(tmp_path) == Holder(found["pid"], found["host"], found["since"])
    assert list(tmp_path.iterdir()) == []
    assert holder_of(tmp_path) is None


def test_the_lock_goes_also_when_the_block_fails(tmp_path: Path) -> None:
    """An error inside lets go of it."""
    with pytest.raises(ValueError, match="inside"), locked(tmp_path):
        raise ValueError("inside")
    with locked(tmp_path) as is_locked:
        assert is_locked


def test_another_process_keeps_us_out_and_is_named(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    """Its number is in the error, and its lock is not touched."""
    with pytest.raises(HeldError) as caught, locked(tmp_path):
        pytest.fail("two processes in one folder")
    assert caught.value.holder.pid == other.pid
    assert str(caught.value.holder).startswith(f"process {other.pid}, since 20")
    held = holder_of(tmp_path)
    assert held is not None
    assert held.pid == other.pid


def test_a_killed_holder_is_no_obstacle(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    """SIGKILL leaves the file behind, and it holds nobody up."""
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / LOCK).exists()
    assert holder_of(tmp_path) is None
    with locked(tmp_path) as is_locked:
        assert is_locked
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_a_file_removed_before_it_was_locked_is_not_taken_for_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our opening and our locking its holder let go and removed it: we lock the file that is there now."""
    (tmp_path / LOCK).write_text("")
    real, tries = module._locks, []

    def locks(descriptor: int, kind: int) -> bool:
        tries.append(descriptor)
        if len(tries) == 1:
            (tmp_path / LOCK).unlink()
        return real(descriptor, kind)

    monkeypatch.setattr(module, "_locks", locks)
    with locked(tmp_path):
        assert len(tries) == 2
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("content", ["", "{}", "[1]", "no JSON", '{"pid": "x", "host": "h", "since": "s"}'])
def test_a_holder_that_has_not_written_its_name_yet(content: str, tmp_path: Path, other: subprocess.Popen[str]) -> None:
    """Between lock and name, or with a damaged file: it is another process, whichever."""
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(HeldError, match="held by another process"), locked(tmp_path):
        pytest.fail("two processes in one folder")


def test_a_holder_elsewhere_is_named_with_its_machine() -> None:
    """A process number says nothing without it."""
    assert str(Holder(12, "elsewhere", "2024-05-06")) == "process 12 on elsewhere, since 2024-05-06"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_is_told_apart(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have none: the block runs, and knows it."""

    def refuse(descriptor: int, kind: int) -> bool:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "_locks", refuse)
    with locked(tmp_path) as is_locked:
        assert not is_locked
    assert holder_of(tmp_path) is None


def test_a_holder_is_named_where_only_what_can_be_written_can_be_locked(
    tmp_path: Path, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS, by flock(2): a lock for one alone is for files that are open for writing. Looking for the holder asks for none."""
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    held = holder_of(tmp_path)
    assert held is not None
    assert held.pid == other.pid


def test_whoever_looks_for_the_holder_is_not_taken_for_one(tmp_path: Path) -> None:
    """Two `verify` at a time of a run that was killed: neither sees the other's look at the lock."""
    (tmp_path / LOCK).write_text("")
    with (tmp_path / LOCK).open("rb") as look:
        fcntl.flock(look, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert holder_of(tmp_path) is None


def test_a_disk_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a folder that takes no file nor an input/output error is taken for a lock that somebody holds."""
    with pytest.raises(ResourceError, match="can't be written"), locked(tmp_path / "nowhere"):
        pytest.fail("no lock, no work")

    def fail(descriptor: int, kind: int) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module, "_locks", fail)
    with pytest.raises(ResourceError, match="Input/output error"), locked(tmp_path):
        pytest.fail("no lock, no work")


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """What it points at is not written over."""
    target = tmp_path / "mine"
    target.write_text("kept")
    (tmp_path / LOCK).symlink_to(target)
    with pytest.raises(ResourceError), locked(tmp_path):
        pytest.fail("no lock, no work")
    assert target.read_text() == "kept"


def test_a_folder_that_goes_away_meanwhile_is_no_error(tmp_path: Path) -> None:
    """Somebody removes the run while it is locked: there is nothing left to tidy."""
    folder = tmp_path / "run"
    folder.mkdir()
    with locked(folder):
        (folder / LOCK).unlink()
        folder.rmdir()
    assert list(tmp_path.iterdir()) == []
