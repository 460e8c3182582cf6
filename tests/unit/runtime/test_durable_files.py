"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dlcli.errors import ResourceError
from dlcli.runtime.durable_files import (
    append_durably,
    disk_errors,
    reading_errors,
    remove_leftovers,
    size_text,
    sync_folder,
    write_durably,
)
from tests.unit.runtime.file_operations import FileOperations


def test_a_file_gets_its_new_content(tmp_path: Path) -> None:
    """Both a new file and one that is there hold what was written, and nothing else is left in the folder."""
    path = tmp_path / "state.json"
    for content in (b"first, and longer", b"second", b""):
        write_durably(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_the_order_of_a_durable_write(tmp_path: Path) -> None:
    """The content, also in two writes, is on the disk before the name points at it, and the name before the call returns."""
    operations = FileOperations()
    with operations.watching():
        write_durably(tmp_path / "state.json", b"content")
    temporary = f".state.json.{os.getpid()}.tmp"
    assert operations.names() == [
        f"open {temporary}",
        f"write {temporary}",
        f"write {temporary}",
        f"fsync {temporary}",
        f"rename {temporary}",
        f"fsync {tmp_path.name}",
    ]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("fail_at", range(6))
def test_a_failing_operation_leaves_the_old_or_the_new_content(fail_at: int, error: int, tmp_path: Path) -> None:
    """Whichever fails, a second write too, half of which is done: all of one or the other, and no temporary file stays."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    operations = FileOperations(fail_at, error)
    with operations.watching(), pytest.raises(ResourceError):
        write_durably(path, b"the new content")
    assert [what for what, _ in operations.log[fail_at + 1 :]] == (["remove"] if 0 < fail_at < 5 else [])
    renamed = fail_at == 5
    assert path.read_bytes() == (b"the new content" if renamed else b"old")
    assert list(tmp_path.iterdir()) == [path]


def test_a_leftover_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    """A temporary file of another process with the same number, as containers have, is written over."""
    (tmp_path / f".state.json.{os.getpid()}.tmp").write_bytes(b"half a file, and longer than the new one")
    write_durably(tmp_path / "state.json", b"whole")
    assert (tmp_path / "state.json").read_bytes() == b"whole"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("number", "words", "mend"),
    [
        (errno.ENOSPC, "the disk is full: /runs/x can't be written", "free some space, or "),
        (errno.EDQUOT, "the quota on the disk is used up: /runs/x can't be written", "free some space, or "),
        (errno.EFBIG, "/runs/x can't be written: File too large", "allow larger files (ulimit -f), or "),
        (errno.EACCES, "/runs/x can't be written: Permission denied", "see that you may write there, or "),
        (errno.EPERM, "/runs/x can't be written: Operation not permitted", "see that you may write there, or "),
        (errno.EROFS, "/runs/x can't be written: Read-only file system", "make the disk writable, or "),
        (errno.EIO, "/runs/x can't be written: Input/output error", ""),
    ],
)
def test_each_refusal_of_the_file_system_names_the_place_and_the_mend(number: int, words: str, mend: str) -> None:
    """An OSError becomes a ResourceError (exit code 6) with the path, the reason and what to do."""
    with pytest.raises(ResourceError) as caught, disk_errors(Path("/runs/x")):
        raise OSError(number, os.strerror(number))
    assert caught.value.message == words
    assert caught.value.help == f"{mend}write elsewhere with --runs-dir"
    assert caught.value.exit_code == 6
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(("number", "mend"), [(errno.ENOSPC, "free some space, or "), (errno.EIO, "")])
def test_whoever_writes_says_where_else_it_could_be(number: int, mend: str, tmp_path: Path) -> None:
    """A file that is not in a run's folder is not moved by `--runs-dir`."""
    with FileOperations(0, number).watching(), pytest.raises(ResourceError) as caught:
        write_durably(tmp_path / "out.csv", b"1", help="give another file: --output FILE")
    assert caught.value.help == f"{mend}give another file: --output FILE"


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


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The system takes so many bytes of a file, and refuses the next."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_system_that_takes_a_part_and_refuses_the_rest(tmp_path: Path) -> None:
    """A real one, by its limit on the size of files: what is replaced stays whole, and nothing temporary stays."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    with no_file_larger_than(1000), pytest.raises(ResourceError, match="File too large"):
        write_durably(path, b"x" * 1500)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [100, 1500, 20_000])
def test_nothing_comes_after_a_refusal(size: int, tmp_path: Path) -> None:
    """What was not taken is not written later: not when the file is closed, by a buffer that still has it."""
    path = tmp_path / "log"
    append_durably(path, b"before")
    with FileOperations(2, errno.EIO).watching(), pytest.raises(ResourceError, match="Input/output error"):
        append_durably(path, b"x" * size)
    assert path.read_bytes() == b"before" + b"x" * (size // 2)
    append_durably(path, b"after")
    assert path.read_bytes() == b"before" + b"x" * (size // 2) + b"after"


def test_what_is_needed_and_what_there_is(tmp_path: Path) -> None:
    """Both are told of a full disk, as the system says it, also for a file in a folder that is not there yet."""
    with pytest.raises(ResourceError) as caught, disk_errors(tmp_path / "new" / "file", 12_345_678):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    found = re.fullmatch(r".* can't be written, for it takes 12\.3 MB and ([\d.]+) (\w+) are free", caught.value.message)
    assert found is not None
    status = os.statvfs(tmp_path)
    free = float(found[1]) * {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[found[2]]
    assert free == pytest.approx(status.f_bavail * status.f_frsize, rel=0.2)


def test_a_disk_that_does_not_say_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drive that is gone altogether: the error is told as far as it is known, and is not taken for a bug."""

    def gone(_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(shutil, "disk_usage", gone)
    with pytest.raises(ResourceError, match="for it takes 5 bytes$"), disk_errors(tmp_path / "file", 5):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """The place, the reason, and what to look for; a bug passes."""
    with pytest.raises(ResourceError, match="can't be read: No such file or directory") as caught, reading_errors(tmp_path / "x"):
        (tmp_path / "x").read_bytes()
    assert str(tmp_path / "x") in caught.value.message
    assert caught.value.help == "see that its disk is there, and that you may read it"
    with pytest.raises(ValueError, match="a bug"), reading_errors(tmp_path):
        raise ValueError("a bug")


def test_leftovers_of_named_files_alone_are_removed(tmp_path: Path) -> None:
    """Of any process; what is called otherwise stays, and a folder that is not there has none."""
    mine = [".other.json.77.tmp", ".state.json.tmp", ".state.json.77.tmp.mine", "state.json", "state.json.77.tmp"]
    for name in [*mine, ".state.json.77.tmp", ".state.json.1.tmp"]:
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path, ["state.json"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(mine)
    remove_leftovers(tmp_path / "missing", ["state.json"])


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (12_345, "12.3 kB"),
        (12_345_678, "12.3 MB"),
        (999_900_000, "999.9 MB"),
        (12_345_678_901, "12.3 GB"),
        (12_345_678_901_234, "12345.7 GB"),
    ],
)
def test_sizes_as_people_read_them(size: int, text: str) -> None:
    """Units of a thousand, as disks are sold by; no larger one than GB."""
    assert size_text(size) == text
