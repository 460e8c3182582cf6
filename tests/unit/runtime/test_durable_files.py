"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dlcli.errors import ResourceError
from dlcli.runtime.durable_files import disk_errors, sync_folder, write_durably
from tests.unit.runtime.file_operations import FileOperations


def test_a_file_gets_its_new_content(tmp_path: Path) -> None:
    """Both a new file and one that is there hold what was written, and nothing else is left in the folder."""
    path = tmp_path / "state.json"
    for content in (b"first, and longer", b"second", b""):
        write_durably(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_the_order_of_a_durable_write(tmp_path: Path) -> None:
    """The content is on the disk before the name points at it, and the name is on the disk before the call returns."""
    operations = FileOperations()
    with operations.watching():
        write_durably(tmp_path / "state.json", b"content")
    temporary = f".state.json.{os.getpid()}.tmp"
    assert operations.names() == [
        f"open {temporary}",
        f"write {temporary}",
        f"fsync {temporary}",
        f"rename {temporary}",
        f"fsync {tmp_path.name}",
    ]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("fail_at", range(5))
def test_a_failing_operation_leaves_the_old_or_the_new_content(fail_at: int, error: int, tmp_path: Path) -> None:
    """Whichever operation fails, the file holds all of one or the other, and no temporary file stays."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    operations = FileOperations(fail_at, error)
    with operations.watching(), pytest.raises(ResourceError):
        write_durably(path, b"the new content")
    assert len(operations.log) == fail_at + 1
    renamed = fail_at == 4
    assert path.read_bytes() == (b"the new content" if renamed else b"old")
    assert list(tmp_path.iterdir()) == [path]


def test_a_leftover_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    """A temporary file of another process with the same number, as containers have, is written over."""
    (tmp_path / f".state.json.{os.getpid()}.tmp").write_bytes(b"half a file, and longer than the new one")
    write_durably(tmp_path / "state.json", b"whole")
    assert (tmp_path / "state.json").read_bytes() == b"whole"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full: /runs/x can't be written"),
        (errno.EDQUOT, "the disk is full: /runs/x can't be written"),
        (errno.EACCES, "/runs/x can't be written: Permission denied"),
        (errno.EPERM, "/runs/x can't be written: Operation not permitted"),
        (errno.EROFS, "/runs/x can't be written: Read-only file system"),
        (errno.EIO, "/runs/x can't be written: Input/output error"),
    ],
)
def test_each_refusal_of_the_file_system_names_the_place_and_the_mend(number: int, words: str) -> None:
    """An OSError becomes a ResourceError (exit code 6) with the path, the reason and what to do."""
    with pytest.raises(ResourceError) as caught, disk_errors(Path("/runs/x")):
        raise OSError(number, os.strerror(number))
    assert caught.value.message == words
    assert caught.value.help is not None
    assert "--runs-dir" in caught.value.help
    assert caught.value.exit_code == 6
    assert isinstance(caught.value.__cause__, OSError)


def test_an_error_without_a_number_keeps_its_words() -> None:
    """Python itself raises some OSErrors with a text alone."""
    with pytest.raises(ResourceError, match="can't be written: no such luck"), disk_errors(Path("x")):
        raise OSError("no such luck")


def test_other_errors_pass(tmp_path: Path) -> None:
    """A bug is not taken for a full disk."""
    with pytest.raises(ValueError, match="a bug"), disk_errors(tmp_path):
        raise ValueError("a bug")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_accepted(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have no fsync of folders: there is nothing more to wait for."""

    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    sync_folder(tmp_path)


def test_a_folder_that_fails_to_sync_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input/output error is not swallowed, and the folder does not stay open."""
    closed: list[int] = []
    real_close = os.close

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        real_close(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(os, "close", close)
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(tmp_path)
    assert len(closed) == 1
