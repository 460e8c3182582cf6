"""A checkpoint that is not what was written is never loaded."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcli.errors import CheckpointError, ResourceError
from dlcli.training.checkpoint import load_checkpoint
from dlcli.training.checkpoint_folder import list_checkpoints, list_set_aside, load_newest, set_aside_after
from dlcli.training.manifest import MOST_JSON, FormatError
from tests.unit.runtime.file_operations import FileOperations, Looks
from tests.unit.training.checkpoint_cases import assert_is_of_step, contents, saved, steps_that_load, write

FILES = ["MANIFEST.json", "state.json", "model.safetensors", "optimizer.safetensors", "random.safetensors"]


def flip(path: Path, bit: int) -> None:
    """Turns one bit over, counted from the file's start."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def with_manifest(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Writes the manifest anew after a change."""
    manifest = json.loads((path / "MANIFEST.json").read_text())
    replaced = change(manifest)
    (path / "MANIFEST.json").write_text(json.dumps(manifest if replaced is None else replaced))


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_at_either_end_or_in_the_middle(name: str, tmp_path: Path) -> None:
    """One bit is enough, in any file, and the file is named; a manifest may accuse the file that it describes."""
    path = write(tmp_path, 1)
    whole = (path / name).read_bytes()
    for bit in (0, 4 * len(whole), 8 * len(whole) - 1):
        flip(path / name, bit)
        named = name if name != "MANIFEST.json" else "step-00000001"
        with pytest.raises(CheckpointError, match=re.escape(named)) as caught:
            load_checkpoint(path)
        assert caught.value.exit_code == 5
        (path / name).write_bytes(whole)
    assert_is_of_step(load_checkpoint(path), 1)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_found(data: st.DataObject, tmp_path: Path) -> None:
    """Random bits of random files, the manifest's own among them."""
    path = tmp_path / "step-00000001"
    if not path.exists():
        write(tmp_path, 1)
    file = path / data.draw(st.sampled_from(FILES))
    whole = file.read_bytes()
    flip(file, data.draw(st.integers(0, 8 * len(whole) - 1)))
    try:
        with pytest.raises(CheckpointError):
            load_checkpoint(path)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize(
    ("flips", "truncations", "seed"),
    [pytest.param(100, 20, 5, id="sample"), pytest.param(1000, 200, 2024, id="1000", marks=pytest.mark.slow)],
)
def test_a_damaged_checkpoint_costs_one_checkpoint(
    flips: int, truncations: int, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Random bits of all files turned over, and files cut off at random: each is found, named, and gone back from by one."""
    paths = [write(tmp_path, step) for step in (1, 2)]
    random, found = Random(seed), Counter[str]()  # noqa: S311 - damage to choose, no secret
    for what in ["flip"] * flips + ["cut"] * truncations:
        file = paths[1] / random.choice(FILES)
        whole = file.read_bytes()
        if what == "flip":
            flip(file, random.randrange(8 * len(whole)))
        else:
            file.write_bytes(whole[: random.randrange(len(whole))])
        notices: list[str] = []
        newest = load_newest(tmp_path, notices.append)
        assert newest is not None
        if newest.path == paths[0]:
            assert_is_of_step(newest, 1)
            assert [(str(paths[1]) in notice, notice.endswith("; going back to step-00000001")) for notice in notices] == [
                (True, True)
            ]
            found[what] += 1
        file.write_bytes(whole)
    assert steps_that_load(paths) == [1, 2], "undamaged again"
    with capsys.disabled():
        print(f"\n{found['flip']} of {flips} flipped bits and {found['cut']} of {truncations} truncations found (seed {seed})")
    assert (found["flip"], found["cut"]) == (flips, truncations)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0.0, 0.5, -1])
def test_a_truncated_file_is_found(name: str, keep: float, tmp_path: Path) -> None:
    """Nothing left, half left, one byte short."""
    path = write(tmp_path, 1)
    content = (path / name).read_bytes()
    (path / name).write_bytes(content[: -1 if keep == -1 else int(len(content) * keep)])
    with pytest.raises(CheckpointError, match=name.partition(".")[0]):
        load_checkpoint(path)


@pytest.mark.parametrize("name", FILES)
def test_a_longer_file_is_found(name: str, tmp_path: Path) -> None:
    """Something behind the end is as wrong as something missing."""
    path = write(tmp_path, 1)
    (path / name).write_bytes((path / name).read_bytes() + b"x")
    with pytest.raises(CheckpointError, match=name.partition(".")[0]):
        load_checkpoint(path)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(name: str, tmp_path: Path) -> None:
    """Any of them, the manifest included."""
    path = write(tmp_path, 1)
    (path / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name} can't be read: "):
        load_checkpoint(path)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file_is_found(name: str, tmp_path: Path) -> None:
    """It can't be read as a file, and that is what is said."""
    path = write(tmp_path, 1)
    (path / name).unlink()
    (path / name).mkdir()
    with pytest.raises(CheckpointError, match=name.partition(".")[0]):
        load_checkpoint(path)


@pytest.mark.parametrize("name", ["MANIFEST.json", "model.safetensors"])
def test_a_pipe_in_place_of_a_file_is_found(name: str, tmp_path: Path) -> None:
    """Nothing is waited for that nobody will ever write."""
    path = write(tmp_path, 1)
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(CheckpointError, match=f"{name} is no file"):
        load_checkpoint(path)


def test_a_manifest_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    """The limit is told, and so is the size."""
    path = write(tmp_path, 1)
    with (path / "MANIFEST.json").open("r+b") as file:
        file.truncate(MOST_JSON + 1)
    with pytest.raises(CheckpointError, match=rf"MANIFEST\.json has {MOST_JSON + 1} bytes, and at most {MOST_JSON} are read"):
        load_checkpoint(path)


def test_a_link_in_place_of_a_checkpoint_is_refused(tmp_path: Path) -> None:
    """What it leads to may be whole, and is not this run's."""
    path = write(tmp_path / "elsewhere", 1)
    (tmp_path / "step-00000001").symlink_to(path)
    with pytest.raises(CheckpointError, match="step-00000001 is a link, and a checkpoint is a folder"):
        load_checkpoint(tmp_path / "step-00000001")


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"7", b'"text"', b"{}", b"{", b"\xff\xfe\x00", b"not json", b"[" * 100_000, b'{"format": 1}'],
    ids=lambda text: text[:12].decode() if text.isascii() else "no UTF-8",
)
def test_a_manifest_that_is_none_is_refused(text: bytes, tmp_path: Path) -> None:
    """Whatever is in its place gives a clear error and never another one."""
    path = write(tmp_path, 1)
    (path / "MANIFEST.json").write_bytes(text)
    with pytest.raises(CheckpointError, match=r"MANIFEST\.json"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "files", [None, [], ["model.safetensors"], {"model.safetensors": 5}, {"model.safetensors": {}}, {"a": []}]
)
def test_a_list_of_files_that_is_none_is_refused(files: object, tmp_path: Path) -> None:
    """`files` maps names to sizes and hashes, and nothing else is taken."""
    path = write(tmp_path, 1)
    with_manifest(path, lambda manifest: manifest.update(files=files))
    with pytest.raises(CheckpointError, match=r"MANIFEST\.json"):
        load_checkpoint(path)


@pytest.mark.parametrize("number", [0, 2, "1", None])
def test_another_format_is_refused(number: object, tmp_path: Path) -> None:
    """A checkpoint of another version of dlcli is not guessed at."""
    path = write(tmp_path, 1)
    with_manifest(path, lambda manifest: manifest.update(format=number))
    with pytest.raises(CheckpointError, match=f"has format {number}, and this version of dlcli reads 1") as caught:
        load_checkpoint(path)
    assert caught.value.help == "use the version of dlcli that wrote it"


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "/etc/hostname", "..", ".", "", "a/b", "sub/../state.json", "a\\b", "a\x00b", "a b", ".x"]
)
def test_no_file_outside_is_read(name: str, tmp_path: Path) -> None:
    """A manifest that names anything but a plain file of its folder is refused, even if size and hash are right."""
    path = write(tmp_path, 1)
    secret = (path / "model.safetensors").read_bytes()
    (tmp_path / "secret.safetensors").write_bytes(secret)
    entry = {"bytes": len(secret), "sha256": hashlib.sha256(secret).hexdigest()}
    with_manifest(path, lambda manifest: manifest["files"].update({name: entry}))
    with pytest.raises(CheckpointError, match="names files that can't be here"):
        load_checkpoint(path)


@pytest.mark.parametrize(("missing", "message"), [("state.json", "can't be read"), ("model.safetensors", "holds no weights")])
def test_a_manifest_without_the_main_files_is_refused(missing: str, message: str, tmp_path: Path) -> None:
    """All that is listed verifies, and it is still no checkpoint."""
    path = write(tmp_path, 1)
    with_manifest(path, lambda manifest: manifest["files"].pop(missing) and None)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [b"\x80\x04K\x01.", b"\xff" * 100, b"\x08" + b"\0" * 7 + b"{}", b""],
    ids=["a pickle", "noise", "a short header", "nothing"],
)
def test_weights_that_are_no_safetensors_are_refused(content: bytes, tmp_path: Path) -> None:
    """A pickle or anything else under that name, with a manifest that fits it, is neither run nor read."""
    path = write(tmp_path, 1)
    (path / "model.safetensors").write_bytes(content)
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with_manifest(path, lambda manifest: manifest["files"].update({"model.safetensors": entry}))
    with pytest.raises(CheckpointError, match="can't be read"):
        load_checkpoint(path)


def test_a_state_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    """A checkpoint says how far the training had come."""
    state: Any = [1, 2]
    path = saved(tmp_path, 1, contents(1), state)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_the_newest_is_loaded(tmp_path: Path) -> None:
    """By step, whatever the order in which they were written; there is nothing to say about it."""
    for step in (20, 100, 3):
        write(tmp_path, step)
    notices: list[str] = []
    newest = load_newest(tmp_path, notices.append)
    assert newest is not None
    assert_is_of_step(newest, 100)
    assert notices == []


def test_a_damaged_one_is_passed_over_and_named(tmp_path: Path) -> None:
    """The newest that verifies is taken, and each newer one is told with what is wrong."""
    for step in (1, 2, 3):
        write(tmp_path, step)
    flip(tmp_path / "step-00000003" / "model.safetensors", 100)
    (tmp_path / "step-00000002" / "MANIFEST.json").unlink()
    notices: list[str] = []
    newest = load_newest(tmp_path, notices.append)
    assert newest is not None
    assert_is_of_step(newest, 1)
    assert len(notices) == 2
    assert "step-00000003/model.safetensors is damaged" in notices[0]
    assert "step-00000002/MANIFEST.json can't be read" in notices[1]
    assert all(notice.endswith("; going back to step-00000001") for notice in notices)


def test_one_of_a_newer_version_is_not_gone_back_from(tmp_path: Path) -> None:
    """It is not damaged: the newer version can read it, and a run that went back would lose what it holds."""
    for step in (1, 2):
        write(tmp_path, step)
    with_manifest(tmp_path / "step-00000002", lambda manifest: manifest.update(format=2))
    with pytest.raises(FormatError, match="step-00000002 has format 2"):
        load_newest(tmp_path, pytest.fail)
    assert steps_that_load([tmp_path / "step-00000001"]) == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]


def test_damaged_ones_are_set_aside(tmp_path: Path) -> None:
    """Renamed, with all they hold, next to others of that step from before; what verifies stays the newest."""
    names = [write(tmp_path, step).name for step in (1, 2, 3)]
    for earlier in (f"damaged-{names[2]}", f"damaged-{names[2]}-1"):
        (tmp_path / earlier).mkdir()
    for name in names[1:]:
        flip(tmp_path / name / "state.json", 3)
    damaged = {name: (tmp_path / name / "state.json").read_bytes() for name in names[1:]}
    notices: list[str] = []
    newest = load_newest(tmp_path, notices.append)
    assert newest is not None
    assert_is_of_step(newest, 1)
    set_aside_after(newest)
    assert len(notices) == 2
    assert list_checkpoints(tmp_path) == [tmp_path / names[0]]
    aside = [f"damaged-{names[1]}", f"damaged-{names[2]}", f"damaged-{names[2]}-1", f"damaged-{names[2]}-2"]
    assert [path.name for path in list_set_aside(tmp_path)] == aside
    assert (tmp_path / aside[0] / "state.json").read_bytes() == damaged[names[1]]
    assert (tmp_path / aside[3] / "state.json").read_bytes() == damaged[names[2]]
    assert list_set_aside(tmp_path / "missing") == []


def test_where_a_damaged_one_cannot_be_set_aside_that_is_told(tmp_path: Path) -> None:
    """It would push out a good one later: the run does not go on."""
    for step in (1, 2):
        write(tmp_path, step)
    flip(tmp_path / "step-00000002" / "state.json", 3)
    newest = load_newest(tmp_path, lambda _: None)
    assert newest is not None
    with FileOperations(0, errno.EROFS).watching(), pytest.raises(ResourceError, match="Read-only file system") as caught:
        set_aside_after(newest)
    assert caught.value.exit_code == 6
    assert list_set_aside(tmp_path) == []


def _refuse(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> None:
    """Files of this name can't be opened."""
    real = os.open

    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == name:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", opened)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "number",
    [errno.EMFILE, errno.ENFILE, errno.EIO, errno.ESTALE, errno.ENOMEM, errno.EACCES, errno.EINTR],
    ids=errno.errorcode.get,
)
def test_a_passing_error_of_the_disk_condemns_no_checkpoint(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be opened or read for now may be whole: exit code 6, nothing is set aside and nothing gone back to."""
    for step in (1, 2):
        write(tmp_path, step)
    with monkeypatch.context() as patch:
        _refuse(patch, name, number)
        with pytest.raises(ResourceError, match=f"step-00000002/{name} can't be read: {os.strerror(number)}") as caught:
            load_newest(tmp_path, pytest.fail)
    assert caught.value.exit_code == 6
    newest = load_newest(tmp_path, pytest.fail)
    assert newest is not None
    assert_is_of_step(newest, 2)


@pytest.mark.parametrize(
    "number",
    [errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG],
    ids=errno.errorcode.get,
)
def test_what_is_no_file_is_damage(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, or a folder, a link, a socket or a name that no file can have in its place: no later look will find it whole."""
    path = write(tmp_path, 1)
    _refuse(monkeypatch, "model.safetensors", number)
    with pytest.raises(CheckpointError, match=rf"model\.safetensors can't be read: {os.strerror(number)}"):
        load_checkpoint(path)


def test_a_folder_that_cannot_be_looked_at_for_now_is_no_damaged_checkpoint(tmp_path: Path) -> None:
    """Neither is it taken for a bug: exit code 6."""
    path = write(tmp_path, 1)
    with Looks(0, errno.EIO).watching(), pytest.raises(ResourceError, match="step-00000001 can't be read: Input/output error"):
        load_checkpoint(path)


def test_where_none_verifies_a_run_does_not_start_over(tmp_path: Path) -> None:
    """Each bad file is named, and the exit code is that of a damaged checkpoint."""
    for step in (1, 2):
        write(tmp_path, step)
        flip(tmp_path / f"step-0000000{step}" / "state.json", 5)
    notices: list[str] = []
    with pytest.raises(CheckpointError, match="no checkpoint verifies") as caught:
        load_newest(tmp_path, notices.append)
    assert all(f"step-0000000{step}/state.json" in caught.value.message for step in (1, 2))
    assert caught.value.exit_code == 5
    assert caught.value.help is not None
    assert notices == []


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_where_there_never_was_one_there_is_none(folder: str, tmp_path: Path) -> None:
    """A run that was killed before its first checkpoint begins anew."""
    (tmp_path / "empty").mkdir()
    assert load_newest(tmp_path / folder, pytest.fail) is None


def test_a_checkpoint_can_be_moved(tmp_path: Path) -> None:
    """A copy elsewhere, under any name, still verifies."""
    shutil.copytree(write(tmp_path, 4), tmp_path / "copy of mine")
    assert_is_of_step(load_checkpoint(tmp_path / "copy of mine"), 4)
