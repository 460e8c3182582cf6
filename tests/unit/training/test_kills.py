"""A run that is killed between any two file operations, or loses its newest checkpoint, goes on to the same end."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dlcli.training.checkpoint_folder import list_checkpoints, load_newest
from dlcli.training.run_folder import RunFolder
from tests.unit.runtime.file_operations import Snapshots
from tests.unit.training.test_resume import MAKERS, assert_equal_to_undisturbed, start
from tests.unit.training.trainings import resumed


@pytest.mark.parametrize(("name", "every"), [("all at once", 1), ("one cycle", 5), ("cut short", 4)])
def test_a_kill_at_any_moment_costs_no_more_than_time(name: str, every: int, tmp_path: Path) -> None:
    """Before each file operation of the whole run: what a kill leaves is taken up, and ends like the undisturbed run."""
    run, copies = tmp_path / "run", tmp_path / "copies"
    run.mkdir()
    with Snapshots(run, copies).watching():
        start(name, run, set())
    left = sorted(copies.iterdir())
    assert len(left) > 60
    for copy in left[::every]:
        torch.manual_seed(123)
        resumed(lambda: MAKERS[name][0](seed=0), copy)
        assert_equal_to_undisturbed(name, copy)
        assert [path.name for path in (copy / "checkpoints").iterdir() if path.name.startswith(".step-")] == []


@pytest.mark.parametrize("stop_after", [5, 6])
@pytest.mark.parametrize("name", MAKERS)
def test_a_run_whose_newest_checkpoint_is_damaged_goes_back_one(name: str, stop_after: int, tmp_path: Path) -> None:
    """It says so, repeats what was lost, and ends like the undisturbed run; each epoch is in the log once."""
    start(name, tmp_path, {stop_after})
    newest = list_checkpoints(tmp_path / "checkpoints")[-1]
    (newest / "model.safetensors").write_bytes(b"lost")
    notices: list[str] = []
    older = load_newest(tmp_path / "checkpoints", notices.append)
    assert older is not None
    assert older.state["progress"]["step"] < stop_after
    assert len(notices) == 1
    resumed(MAKERS[name][0], tmp_path)
    assert_equal_to_undisturbed(name, tmp_path)


@pytest.mark.parametrize("tail", [b'{"event": "epoch", "ep', b"\0\0\0\0", b"\xff\xfe", b"\n\n", b'{"event"'])
def test_a_line_cut_off_by_a_crash_is_replaced(tail: bytes, tmp_path: Path) -> None:
    """Half a line, or what a file system leaves at the end of a file, neither stops a resume nor spoils later lines."""
    name = "one cycle"
    start(name, tmp_path, {5})
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(tail)
    resumed(MAKERS[name][0], tmp_path)
    assert_equal_to_undisturbed(name, tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_bytes().splitlines()) == len(RunFolder(tmp_path).metrics.read()) == 3
