"""A checkpoint is whole or not there, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from dlcli.errors import ResourceError
from dlcli.runtime.memory import is_out_of_memory
from dlcli.training.checkpoint import save_checkpoint
from dlcli.training.checkpoint_folder import list_checkpoints, load_newest, prune, write_hint
from tests.unit.runtime.file_operations import FileOperations, Snapshots
from tests.unit.training.checkpoint_cases import contents, saved, steps_that_load, write

OPERATIONS_OF_A_SAVE = 1 + 5 * 4 + 3
"""A folder; five files each opened, written in two parts and synced; sync, rename, sync."""


def test_the_order_of_a_save(tmp_path: Path) -> None:
    """Each file with fsync, the manifest last, fsync of the folder, rename, fsync of the parent."""
    operations = FileOperations()
    with operations.watching():
        path = write(tmp_path, 7)
    temporary = tmp_path / f".step-00000007.{os.getpid()}.tmp"
    files = [temporary / name for name in [*(f"{part}.safetensors" for part in contents(7)), "state.json", "MANIFEST.json"]]
    writes = [(what, file) for file in files for what in ("open", "write", "write", "fsync")]
    assert operations.log == [
        ("mkdir", temporary),
        *writes,
        ("fsync", temporary),
        ("rename", temporary),
        ("fsync", tmp_path),
    ]
    assert len(operations.log) == OPERATIONS_OF_A_SAVE
    assert steps_that_load([path]) == [7]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("fail_at", range(OPERATIONS_OF_A_SAVE))
def test_a_failing_operation_leaves_nothing_half_done(fail_at: int, error: int, tmp_path: Path) -> None:
    """The old checkpoint is untouched, the new one is whole or not there, nothing else is left, and the next save works."""
    write(tmp_path, 1)
    operations = FileOperations(fail_at, error)
    with operations.watching(), pytest.raises(ResourceError) as caught:
        write(tmp_path, 2)
    assert str(tmp_path / "step-00000002") in caught.value.message
    assert ("the disk is full" in caught.value.message) == (error == errno.ENOSPC)
    assert ("the quota on the disk is used up" in caught.value.message) == (error == errno.EDQUOT)
    renamed = fail_at == OPERATIONS_OF_A_SAVE - 1
    assert steps_that_load(list_checkpoints(tmp_path)) == ([1, 2] if renamed else [1])
    assert list_checkpoints(tmp_path) == sorted(tmp_path.iterdir())
    write(tmp_path, 3)
    newest = load_newest(tmp_path, pytest.fail)
    assert newest is not None
    assert newest.path.name == "step-00000003"


def test_a_kill_at_any_moment_of_a_save_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """Before and after every operation: the loader gives a whole checkpoint, and the same process number can save again."""
    folder, copies = tmp_path / "checkpoints", tmp_path / "copies"
    write(folder, 1)
    operations = Snapshots(folder, copies)
    with operations.watching():
        write(folder, 2)
    found = []
    for copy in sorted(copies.iterdir()):
        found.append(steps_that_load(list_checkpoints(copy)))
        write(copy, 2)
        assert steps_that_load(list_checkpoints(copy))[-1] == 2
        prune(copy, [])
        assert [path.name for path in copy.iterdir() if path.name.startswith(".")] == []
    assert found == [[1]] * (OPERATIONS_OF_A_SAVE - 1) + [[1, 2]] * 2


def test_a_removal_that_fails_is_told(tmp_path: Path) -> None:
    """An input/output error while old checkpoints are removed is no bug: it names the checkpoint and the exit code is 6."""
    for step in (1, 2, 3):
        write(tmp_path, step)
    with FileOperations(0, errno.EIO).watching(), pytest.raises(ResourceError, match="step-00000001") as caught:
        prune(tmp_path, [])
    assert caught.value.exit_code == 6
    assert steps_that_load(list_checkpoints(tmp_path)) == [1, 2, 3]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file stands where the checkpoints should go."""
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(ResourceError, match="can't be written"):
        write(tmp_path / "checkpoints", 1)
    assert (tmp_path / "checkpoints").read_text() == "a file"


def test_the_folder_is_made_where_it_is_missing(tmp_path: Path) -> None:
    """The first checkpoint of a run may have to make the folder of all of them."""
    assert steps_that_load([write(tmp_path / "new" / "checkpoints", 1)]) == [1]


@pytest.mark.parametrize("fail_at", range(6))
def test_a_hint_that_cannot_be_written_leaves_the_old_one(fail_at: int, tmp_path: Path) -> None:
    """The hint names the old or the new checkpoint, and both are there."""
    first, second = write(tmp_path, 1), write(tmp_path, 2)
    write_hint(tmp_path, "best", first, 1)
    before = (tmp_path / "best.json").read_bytes()
    with FileOperations(fail_at).watching(), pytest.raises(ResourceError):
        write_hint(tmp_path, "best", second, 2)
    assert ((tmp_path / "best.json").read_bytes() == before) == (fail_at < 5)


def test_a_file_that_finds_no_memory_leaves_nothing(tmp_path: Path) -> None:
    """torch's error, which ends a run in order: safetensors itself would end the process."""
    huge = torch.zeros(1).expand(2**50)
    with pytest.raises(RuntimeError) as caught:
        save_checkpoint(tmp_path / "step-00000001", {"model": {"weight": huge}}, {})
    assert is_out_of_memory(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_json_leaves_nothing(tmp_path: Path) -> None:
    """A state that is not plain is a bug, found before anything is written."""
    with pytest.raises(TypeError):
        saved(tmp_path / "checkpoints", 1, contents(1), {"progress": object()})
    assert list(tmp_path.iterdir()) == []
