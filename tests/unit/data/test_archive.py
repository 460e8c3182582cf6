"""Archives made to write elsewhere, to hold too much or to be something else."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from dlcli.data.sources.archive import extract
from dlcli.errors import DataError

_LIMIT = 1 << 20


def _write(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def _file(name: str, content: bytes = b"content") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def _special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def test_the_chosen_files_of_the_folder_come_out_and_nothing_else(tmp_path: Path) -> None:
    """Neither those beside them nor those of the same name elsewhere; their modes are ours."""
    wanted = _file("inside/a", b"1")
    wanted[0].mode = 0o6777
    archive = _write(
        tmp_path / "x.tar.gz",
        _special("inside", tarfile.DIRTYPE),
        _file("inside/readme"),
        _file("a", b"another"),
        _file("inside/deeper/a", b"another"),
        wanted,
        _file("inside/b", b"2" * 100_000),
    )
    target = tmp_path / "target"
    target.mkdir()
    extract(archive, "inside", ["a", "b"], target, _LIMIT)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {"a": b"1", "b": b"2" * 100_000}
    (target / "mine").touch()
    assert (target / "a").stat().st_mode == (target / "mine").stat().st_mode


HOSTILE = {
    "a symbolic link": ([_special("inside/a", tarfile.SYMTYPE, "/etc/passwd")], "which is a link"),
    "a hard link": ([_special("inside/a", tarfile.LNKTYPE, "../../secret")], "which is a link"),
    "a link as the folder": ([_special("inside", tarfile.SYMTYPE, ".."), _file("inside/a")], "which is a link"),
    "a device": ([_special("inside/null", tarfile.CHRTYPE)], "neither a file nor a folder"),
    "a pipe": ([_special("inside/a", tarfile.FIFOTYPE)], "neither a file nor a folder"),
    "a sparse file": ([_special("inside/a", tarfile.GNUTYPE_SPARSE)], "neither a file nor a folder|damaged"),
    "a place above": ([_file("inside/../../escaped")], "a place outside"),
    "an absolute place": ([_file("/escaped")], "a place outside"),
    "a file twice": ([_file("inside/a"), _file("inside/a", b"other")], "lacks inside/b"),
    "a missing file": ([_file("inside/a")], "lacks inside/b"),
    "a folder for a file": ([_special("inside/a", tarfile.DIRTYPE), _file("inside/b")], "lacks inside/a"),
    "too many files": ([_file(f"inside/{number}") for number in range(200)], "holds more than 100 files"),
    "a bomb": ([_file("inside/a", bytes(2 * _LIMIT))], "unpacks to more than 1,048,576 bytes"),
    "a bomb that is passed over": ([_file("bomb", bytes(2 * _LIMIT))], "unpacks to more than 1,048,576 bytes"),
    "a bomb of a name": ([_file("x" * 2 * _LIMIT)], "unpacks to more than 1,048,576 bytes"),
}


@pytest.mark.parametrize(("members", "words"), HOSTILE.values(), ids=HOSTILE)
def test_what_a_data_set_would_not_hold_is_refused(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], words: str
) -> None:
    """With the file and the mend, and nothing lies outside the target."""
    archive = _write(tmp_path / "x.tar.gz", *members)
    target = tmp_path / "deep" / "down" / "target"
    target.mkdir(parents=True)
    with pytest.raises(DataError, match=words) as caught:
        extract(archive, "inside", ["a", "b"], target, _LIMIT)
    assert str(archive) in caught.value.message
    assert caught.value.help
    assert {path.name for path in target.iterdir()} <= {"a", "b"}
    assert sorted(tmp_path.iterdir()) == [tmp_path / "deep", archive]
    assert [*(tmp_path / "deep").iterdir()] == [tmp_path / "deep" / "down"]
    assert not Path("/escaped").exists()


@pytest.mark.parametrize("keep", [0, 1, 20, 60, -9])
def test_a_cut_archive_is_refused(tmp_path: Path, keep: int) -> None:
    """Wherever it ends."""
    archive = _write(tmp_path / "x.tar.gz", _file("inside/a", os.urandom(5000)), _file("inside/b"))
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(DataError, match="x.tar.gz"):
        extract(archive, "inside", ["a", "b"], tmp_path, _LIMIT)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    """Neither packed nor an archive once unpacked."""
    (tmp_path / "page").write_bytes(b"<html>")
    (tmp_path / "packed").write_bytes(gzip.compress(b"text" * 1000))
    for name in ("page", "packed"):
        with pytest.raises(DataError, match=f"{name} is damaged"):
            extract(tmp_path / name, "inside", ["a"], tmp_path, _LIMIT)
