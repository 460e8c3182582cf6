"""Removing runs: all of one or nothing, and never anything else."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from dlcli.app.kept_runs import removal as module
from dlcli.app.kept_runs.listing import list_runs
from dlcli.app.kept_runs.removal import plan_removal, remove
from dlcli.errors import ResourceError, UsageError
from dlcli.runtime.lock import Holder, locked
from dlcli.training.run_folder import RunFolder, create_run_folder, is_run, point_latest_at
from tests.unit.app.run_folders import make_run


def _remove(runs: Path, *names: str) -> None:
    for removal in plan_removal(names, runs):
        remove(removal)


def _everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_run_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    """Others stay to the last file; what was said of its size is the sum of its files."""
    path, other = make_run(tmp_path, "a"), make_run(tmp_path, "b")
    before = _everything(other)
    [planned] = plan_removal(["a"], tmp_path)
    files = [file for file in path.rglob("*") if file.is_file()]
    assert (planned.files, planned.size) == (len(files), sum(file.stat().st_size for file in files))
    assert planned.as_json() == {"run": str(path), "status": "completed", "files": planned.files, "bytes": planned.size}
    remove(planned)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert _everything(other) == before


def test_a_run_that_is_named_twice_goes_once(tmp_path: Path) -> None:
    """By its name and by its folder."""
    make_run(tmp_path, "a")
    assert len(plan_removal(["a", str(tmp_path / "a"), "latest"], tmp_path)) == 1


def test_a_broken_run_can_be_removed(tmp_path: Path) -> None:
    """It is what one wants to be rid of."""
    path = make_run(tmp_path, "a")
    (path / "run.json").write_text("{")
    _remove(tmp_path, "a")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_being_trained_stays(tmp_path: Path) -> None:
    """Who trains it is named, and nothing of what was named beside it goes either."""
    path = make_run(tmp_path, "a")
    make_run(tmp_path, "b")
    with locked(path), pytest.raises(UsageError, match=f"is being trained by process {os.getpid()}") as caught:
        plan_removal(["b", "a"], tmp_path)
    assert caught.value.help == f"wait until it ends, or stop it: kill {os.getpid()}"
    assert len(list_runs(tmp_path)) == 2


def test_a_training_that_begins_meanwhile_keeps_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the lock and the renaming: the folder has its name again, with all that is in it."""
    path = make_run(tmp_path, "a")
    before = _everything(path)
    [planned] = plan_removal(["a"], tmp_path)
    monkeypatch.setattr(module, "holder_of", lambda _: Holder())
    with pytest.raises(UsageError, match="is being trained by another process") as caught:
        remove(planned)
    assert caught.value.help == "wait until it ends"
    assert _everything(path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("after", range(6))
def test_a_kill_leaves_no_half_run(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any file that was removed: there is no run of that name, and what is left goes with a later training."""
    runs = tmp_path / "runs"
    make_run(runs, "a")
    make_run(runs, "b")
    [planned] = plan_removal(["a"], runs)
    removed, real = [], os.unlink

    def unlink(*arguments: object, **options: object) -> None:
        if len(removed) == after:
            raise _KilledError
        removed.append(arguments)
        real(*arguments, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as killed:
        killed.setattr(os, "unlink", unlink)
        killed.setattr(Path, "unlink", unlink)
        with pytest.raises(_KilledError):
            remove(planned)
    assert [run.name for run in list_runs(runs)] == ["b"]
    [left] = [path for path in runs.iterdir() if path.name != "b"]
    assert not is_run(left)
    old = time.time() - 7200
    os.utime(left, (old, old))
    create_run_folder(runs, "c", None, lambda folder: folder.write_record({}))
    assert not left.exists()


def test_links_inside_a_run_are_not_followed(tmp_path: Path) -> None:
    """To a file or to a folder: the link goes, what it leads to stays."""
    outside, runs = tmp_path / "outside", tmp_path / "runs"
    outside.mkdir()
    (outside / "kept").touch()
    path = make_run(runs, "a")
    (path / "folder").symlink_to(outside)
    (path / "checkpoints" / "folder").symlink_to(outside)
    (path / "file").symlink_to(outside / "kept")
    (path / "exports").mkdir()
    (path / "exports" / "model.py").touch()
    _remove(runs, "a")
    assert _everything(tmp_path) == ["outside", "outside/kept", "runs"]


@pytest.mark.parametrize("name", ["link", "runs/link", "latest/", "runs/latest"])
def test_a_link_is_not_a_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To a run elsewhere, or to the newest: neither the link nor the run goes."""
    monkeypatch.chdir(tmp_path)
    path = make_run(tmp_path / "elsewhere", "a")
    Path("runs").mkdir()
    for link in ("link", "latest"):
        (Path("runs") / link).symlink_to(path)
    before = _everything(tmp_path)
    with pytest.raises(UsageError):
        _remove(Path("runs"), name.replace("latest/", "./runs/latest/"))
    assert _everything(tmp_path) == before


def test_the_newest_run_may_be_a_link_and_stays_then(tmp_path: Path) -> None:
    """`latest` finds it by its record; it leads out of the folder."""
    path = make_run(tmp_path / "elsewhere", "a")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a").symlink_to(path)
    with pytest.raises(UsageError, match=r"`latest` is a link to .*elsewhere/a"):
        _remove(tmp_path / "runs", "latest")
    assert path.is_dir()


@pytest.mark.parametrize("name", ["nothing", "/etc", ".", "..", "folder", "file", "x" * 300])
def test_what_is_no_run_stays(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a file, or nothing at all."""
    monkeypatch.chdir(tmp_path)
    make_run(Path("runs"), "a")
    Path("runs/folder").mkdir()
    Path("runs/file").touch()
    before = _everything(tmp_path)
    with pytest.raises(UsageError, match="there is no run"):
        _remove(Path("runs"), name)
    assert _everything(tmp_path) == before


def test_a_project_that_has_a_run_json_of_its_own_stays(tmp_path: Path) -> None:
    """A run has checkpoints, or at least their folder."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="may be something else than a run"):
        _remove(tmp_path, "project")
    assert project.is_dir()


def test_the_folder_that_one_is_in_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell in a removed folder is of no use."""
    path = make_run(tmp_path, "a")
    monkeypatch.chdir(path / "checkpoints")
    with pytest.raises(UsageError, match="you are in"):
        _remove(tmp_path, "a")


def test_latest_becomes_the_newest_that_is_left(tmp_path: Path) -> None:
    """And goes with the last run; a link to another run stays as it is."""
    for name, started in (("a", "2026-01-01"), ("b", "2026-01-02"), ("c", "2026-01-03")):
        make_run(tmp_path, name, started=f"{started}T00:00:00+00:00")
    link = tmp_path / "latest"
    point_latest_at(RunFolder(tmp_path / "c"))
    _remove(tmp_path, "b")
    assert str(link.readlink()) == "c"
    _remove(tmp_path, "latest")
    assert str(link.readlink()) == "a"
    _remove(tmp_path, "a")
    assert not link.is_symlink()
    assert list(tmp_path.iterdir()) == []


def test_a_latest_that_is_no_link_is_left_alone(tmp_path: Path) -> None:
    """A file system may have none."""
    make_run(tmp_path, "a")
    (tmp_path / "latest").mkdir()
    _remove(tmp_path, "a")
    assert (tmp_path / "latest").is_dir()


def test_a_folder_that_can_not_be_changed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything of the run has gone, or in the middle of it."""
    path = make_run(tmp_path, "a")
    [planned] = plan_removal(["a"], tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(ResourceError, match="can't be written: Permission denied"):
            remove(planned)
    assert is_run(path)
    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(ResourceError, match=r"\.a\..*\.tmp can't be written"):
        remove(planned)
