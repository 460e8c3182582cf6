"""Checkpoints in their folder: names, hints, and which are kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dlcli.errors import CheckpointError
from dlcli.training.checkpoint_folder import (
    best_checkpoint,
    best_saved,
    checkpoint_of_step,
    list_checkpoints,
    point_at,
    prune,
    read_hint,
    write_hint,
)
from dlcli.training.progress import Best
from tests.unit.training.checkpoint_cases import contents, saved, steps_that_load, write


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_names_sort_by_step(tmp_path: Path) -> None:
    """Also past 99,999,999 steps, where names get longer, and past nine saves of one step."""
    for name in ("step-100000000", "step-00000020", "step-00000020.2", "step-00000020.10", "step-00000003"):
        (tmp_path / name).mkdir()
    found = [path.name for path in list_checkpoints(tmp_path)]
    assert found == ["step-00000003", "step-00000020", "step-00000020.2", "step-00000020.10", "step-100000000"]


def test_a_step_saved_again_gets_a_number(tmp_path: Path) -> None:
    """What was written before is never replaced."""
    assert [write(tmp_path, 938).name for _ in range(3)] == ["step-00000938", "step-00000938.1", "step-00000938.2"]
    assert steps_that_load(list_checkpoints(tmp_path)) == [938, 938, 938]


def test_what_is_no_checkpoint_is_not_listed(tmp_path: Path) -> None:
    """Files, hints, other folders, and what killed writes and removals left."""
    write(tmp_path, 1)
    (tmp_path / "step-00000009").write_text("a file")
    (tmp_path / "best.json").write_text("{}")
    strange = ["step-1", "step-00000002.tmp", "step-00000002.1.1", "xstep-00000002", ".step-00000002.77.tmp", "Step-00000002"]
    for name in strange:
        (tmp_path / name).mkdir()
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000001"]
    assert list_checkpoints(tmp_path / "missing") == []


def test_the_checkpoint_of_a_step(tmp_path: Path) -> None:
    """The last one written after it, or none; a step is not taken for another that begins with the same digits."""
    for step in (1, 10, 10, 100):
        write(tmp_path, step)
    assert checkpoint_of_step(tmp_path, 1) == tmp_path / "step-00000001"
    assert checkpoint_of_step(tmp_path, 10) == tmp_path / "step-00000010.1"
    assert checkpoint_of_step(tmp_path, 2) is None


def test_a_hint_names_a_checkpoint(tmp_path: Path) -> None:
    """`best` and `last` are apart, and each can be changed."""
    first, second = write(tmp_path, 1), write(tmp_path, 2)
    write_hint(tmp_path, "best", first, 1)
    write_hint(tmp_path, "last", second, 2)
    assert (read_hint(tmp_path, "best"), read_hint(tmp_path, "last")) == (first, second)
    write_hint(tmp_path, "best", second, 2)
    assert read_hint(tmp_path, "best") == second


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        "{}",
        '{"checkpoint": null}',
        '{"checkpoint": 5}',
        '{"checkpoint": ["step-00000001"]}',
        '{"checkpoint": "step-00000002"}',
        '{"checkpoint": "../checkpoints/step-00000001"}',
        '{"checkpoint": "/"}',
        '{"checkpoint": "best.json"}',
        "[" * 100_000,
        "\udcff",
    ],
    ids=lambda text: text[:40] if text.isascii() else "no UTF-8",
)
def test_a_hint_that_is_wrong_is_no_hint(text: str, tmp_path: Path) -> None:
    """Garbage, and names of what is not there or not a checkpoint of this folder, are ignored."""
    folder = tmp_path / "checkpoints"
    write(folder, 1)
    (folder / "best.json").write_bytes(text.encode(errors="surrogateescape"))
    assert read_hint(folder, "best") is None


def test_a_missing_hint_is_no_hint(tmp_path: Path) -> None:
    """Neither without the file nor without the folder."""
    assert read_hint(tmp_path, "best") is None
    assert read_hint(tmp_path / "missing", "best") is None


def test_the_best_and_the_newest_two_are_kept(tmp_path: Path) -> None:
    """All others go, whole."""
    paths = [write(tmp_path, step) for step in range(1, 7)]
    prune(tmp_path, [paths[1]])
    assert names(tmp_path) == ["step-00000002", "step-00000005", "step-00000006"]
    assert steps_that_load(list_checkpoints(tmp_path)) == [2, 5, 6]


def test_nothing_goes_where_there_is_nothing_too_many(tmp_path: Path) -> None:
    """Two or fewer stay as they are; the best may be one of the newest."""
    prune(tmp_path, [])
    paths = [write(tmp_path, 1), write(tmp_path, 2)]
    prune(tmp_path, [paths[1]])
    assert list_checkpoints(tmp_path) == paths


def test_what_is_not_a_checkpoint_is_never_touched(tmp_path: Path) -> None:
    """A person's own folders and files, hints, and a best that is kept elsewhere."""
    for step in range(1, 6):
        write(tmp_path, step)
    mine = ["mine", "step-00000001.backup", "step-1", ".hidden", ".step-00000001.77.tmp.mine", "step-00000001.tmp"]
    for name in mine:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("kept")
    (tmp_path / "best.json").write_text("{}")
    prune(tmp_path, [tmp_path / "elsewhere"])
    assert names(tmp_path) == sorted([*mine, "best.json", "step-00000004", "step-00000005"])
    assert all((tmp_path / name / "file").read_text() == "kept" for name in mine)


def test_leftovers_of_killed_processes_go(tmp_path: Path) -> None:
    """Half-written and half-removed checkpoints take no room for ever, whichever process left them."""
    write(tmp_path, 3)
    for name in (".step-00000001.77.tmp", ".step-00000002.1.77.tmp", f".step-00000001.{os.getpid()}.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"half")
    prune(tmp_path, [])
    assert names(tmp_path) == ["step-00000003"]


def test_a_leftover_of_the_same_process_number_does_not_stop_a_removal(tmp_path: Path) -> None:
    """In a container every run has the same number: the old leftover gives way."""
    for step in (1, 2, 3):
        write(tmp_path, step)
    leftover = tmp_path / f".step-00000001.{os.getpid()}.old"
    leftover.mkdir()
    (leftover / "file").write_text("from before")
    prune(tmp_path, [])
    assert names(tmp_path) == ["step-00000002", "step-00000003"]


def write_with_best(folder: Path, step: int, best: int | None) -> Path:
    """Writes a checkpoint that says which step was the best so far."""
    return saved(folder, step, contents(step), {"progress": {"step": step, "best": best and {"step": best}}})


def test_the_best_is_where_the_hint_points(tmp_path: Path) -> None:
    """Without a hint that leads somewhere, it is what the newest checkpoint says; that may be nothing, or not there any more."""
    first, second = write_with_best(tmp_path, 1, None), write_with_best(tmp_path, 2, 1)
    assert best_checkpoint(tmp_path, pytest.fail) == first
    write_hint(tmp_path, "best", second, 2)
    assert best_checkpoint(tmp_path, pytest.fail) == second
    write_hint(tmp_path, "best", tmp_path / "step-00000009", 9)
    assert best_checkpoint(tmp_path, pytest.fail) == first
    write_with_best(tmp_path, 3, 7)
    assert best_checkpoint(tmp_path, pytest.fail) is None
    write_with_best(tmp_path, 4, None)
    assert best_checkpoint(tmp_path, pytest.fail) is None


def test_without_a_checkpoint_there_is_no_best(tmp_path: Path) -> None:
    """None where there never was one, an error where none verifies."""
    assert best_checkpoint(tmp_path, pytest.fail) is None
    (write(tmp_path, 1) / "MANIFEST.json").unlink()
    with pytest.raises(CheckpointError, match="no checkpoint verifies"):
        best_checkpoint(tmp_path, pytest.fail)


def test_a_best_that_was_saved_is_the_best(tmp_path: Path) -> None:
    """There is nothing to say and nothing to note; without an epoch that is best, or without a checkpoint, there is none."""
    best = Best(value=0.5, loss=0.5, epoch=1, step=1)
    assert best_saved(tmp_path, best, pytest.fail) is None
    first = write(tmp_path, 1)
    write(tmp_path, 2)
    assert best_saved(tmp_path, best, pytest.fail) == first
    assert best_saved(tmp_path, None, pytest.fail) is None
    assert read_hint(tmp_path, "best") is None


def test_in_place_of_a_best_that_was_not_saved_it_is_the_newest(tmp_path: Path) -> None:
    """That is said, and noted for whoever asks for the best later; a step saved twice has the number of the step."""
    write(tmp_path, 2)
    newest = [write(tmp_path, 30) for _ in range(2)][1]
    notices: list[str] = []
    assert best_saved(tmp_path, Best(value=0.5, loss=0.5, epoch=1, step=10), notices.append) == newest
    message = "the disk did not take the checkpoint of the best epoch (1): step-00000030.1 is judged in its place"
    assert notices == [message]
    assert json.loads((tmp_path / "best.json").read_text()) == {"checkpoint": "step-00000030.1", "step": 30}


def test_a_hint_is_written_where_it_is_another(tmp_path: Path) -> None:
    """The checkpoint is given either way; of a step without one there is no hint."""
    first, second = write(tmp_path, 1), write(tmp_path, 2)
    assert point_at(tmp_path, "best", 1) == first
    before = (tmp_path / "best.json").stat()
    assert point_at(tmp_path, "best", 1) == first
    assert (tmp_path / "best.json").stat().st_ino == before.st_ino, "not written again"
    assert point_at(tmp_path, "best", 9) is None
    assert point_at(tmp_path, "best", None) is None
    assert read_hint(tmp_path, "best") == first
    assert point_at(tmp_path, "best", 2) == second
    assert read_hint(tmp_path, "best") == second
