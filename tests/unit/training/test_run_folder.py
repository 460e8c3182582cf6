"""The folder of a run: how it is called, made and found."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dlcli.errors import CheckpointError, ResourceError, UsageError
from dlcli.training import run_folder as module
from dlcli.training.run_folder import (
    RunFolder,
    check_name,
    create_run_folder,
    find_run,
    is_run,
    point_latest_at,
)
from tests.unit.runtime.file_operations import FileOperations, Looks, Snapshots

NOON = datetime(2024, 5, 6, 12, 0, 0).astimezone()


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still."""

    class Clock(datetime):
        @classmethod
        def now(cls, _: Any = None) -> datetime:
            return NOON

    monkeypatch.setattr(module, "datetime", Clock)


def begin(folder: RunFolder) -> None:
    """What a training writes into the folder of a new run, as far as it matters here."""
    folder.write_record({"started": "2024-01-01T00:00:00+00:00", "resumed": []})


def make_run(runs: Path, name: str, started: str = "2024-01-01T00:00:00+00:00", *resumed: str, **record: object) -> Path:
    """A folder that is a run, taken up at these times."""
    (runs / name).mkdir(parents=True)
    times = {"started": started, "resumed": [{"at": at} for at in resumed]}
    (runs / name / "run.json").write_text(json.dumps({**times, **record}))
    return runs / name


@pytest.mark.parametrize("name", ["a", "cnn", "CNN_2", "0", "_x", "run-1.2", "a..b", "latest2", "x" * 100])
def test_names_that_a_run_can_have(name: str, tmp_path: Path) -> None:
    """Letters, digits, `_`, `-` and `.`, up to 100 of them: the folder is called exactly so."""
    folder = create_run_folder(tmp_path, "config", name, begin)
    assert folder.path == tmp_path / name
    assert folder.checkpoints.is_dir()


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "-x",
        "latest",
        "a/b",
        "../x",
        "/x",
        "a\\b",
        "a b",
        "a\n",
        "é",
        "\u0661",
        "a\0b",
        "a:b",
        "x" * 101,
    ],
    ids=lambda name: name.encode().hex(),
)
def test_names_that_a_run_cannot_have(name: str, tmp_path: Path) -> None:
    """What leads elsewhere, hides, looks like an option or is taken is refused, and nothing is made."""
    for refuse in (check_name, lambda name: create_run_folder(tmp_path / "runs", "config", name, begin)):
        with pytest.raises(UsageError, match="a run can't be called") as caught:
            refuse(name)
        assert caught.value.exit_code == 2
        assert "letters" in (caught.value.help or "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("stem", "safe"),
    [
        ("cnn", "cnn"),
        ("my config (2)", "my-config-2"),
        ("../../etc/passwd", "etc-passwd"),
        ("中文", "run"),
        ("", "run"),
        ("...", "run"),
        ("-x-", "x"),
        ("latest", "latest"),
        ("a" * 200, "a" * 60),
    ],
)
def test_a_run_without_a_name_is_called_after_its_config_and_the_time(stem: str, safe: str, noon: None, tmp_path: Path) -> None:
    """Whatever the config's file is called, the folder has a safe name and lies in the folder of runs."""
    folder = create_run_folder(tmp_path, stem, None, begin)
    assert folder.path == tmp_path / f"{safe}-20240506-120000"
    check_name(folder.path.name)


def test_runs_of_the_same_second_have_folders_of_their_own(noon: None, tmp_path: Path) -> None:
    """The second and third get a number."""
    names = [create_run_folder(tmp_path, "cnn", None, begin).path.name for _ in range(3)]
    assert names == [f"cnn-20240506-120000{again}" for again in ("", "-2", "-3")]


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    """A run is never written over: the help says how to go on with it."""
    folder = create_run_folder(tmp_path, "config", "mine", begin)
    (folder.path / "file").write_text("kept")
    with pytest.raises(UsageError, match=r"there is a run .*mine already") as caught:
        create_run_folder(tmp_path, "config", "mine", begin)
    assert f"--resume {folder.path}" in (caught.value.help or "")
    assert (folder.path / "file").read_text() == "kept"


def test_so_many_runs_in_a_second_that_it_must_be_a_mistake(noon: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search for a free name ends."""

    def taken(path: Path, target: Path) -> None:
        raise FileExistsError(errno.EEXIST, "taken", str(target))

    monkeypatch.setattr(Path, "rename", taken)
    with pytest.raises(UsageError, match="too many runs called cnn-20240506-120000"):
        create_run_folder(tmp_path, "cnn", None, begin)


@pytest.mark.parametrize("where", ["file", "file/runs"])
def test_a_file_in_the_way_is_told(where: str, tmp_path: Path) -> None:
    """`--runs-dir` names a file, or something below one."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a folder") as caught:
        create_run_folder(tmp_path / where, "config", "mine", begin)
    assert "--runs-dir" in (caught.value.help or "")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only disk is no bug: exit code 6 and what to do."""

    def refuse(path: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ResourceError, match="mine can't be written: Permission denied"):
        create_run_folder(tmp_path, "config", "mine", begin)


def test_the_newest_run_is_that_which_was_started_last(tmp_path: Path) -> None:
    """By the time in its record, in any time zone, not by its name or by when its files changed."""
    make_run(tmp_path, "b", "2024-10-27T02:30:00+02:00")  # 00:30 UTC
    make_run(tmp_path, "a", "2024-10-27T02:15:00+01:00")  # 01:15 UTC: the clock was put back in between
    make_run(tmp_path, "c", "2024-10-26T23:00:00+00:00")
    assert find_run(None, tmp_path).path == tmp_path / "a"
    assert find_run("latest", tmp_path).path == tmp_path / "a"


def test_a_run_that_was_taken_up_again_is_newer_than_those_begun_meanwhile(tmp_path: Path) -> None:
    """The last time counts, by its zone; a run that was begun after it is newer still, and one whose clock was wrong is not older."""
    make_run(tmp_path, "a", "2024-01-01T00:00:00+00:00", "2024-02-01T00:00:00+00:00", "2024-03-01T02:00:00+03:00")
    make_run(tmp_path, "b", "2024-02-29T22:30:00+00:00")
    make_run(tmp_path, "c", "2024-02-29T23:30:00+00:00")
    make_run(tmp_path, "d", "2024-02-29T23:15:00+00:00", "1970-01-01T00:00:00+00:00")
    with pytest.raises(UsageError) as caught:
        find_run("nothing", tmp_path)
    assert caught.value.help == "the newest are: c, d, a, b"
    assert find_run(None, tmp_path).path == tmp_path / "c"


@pytest.mark.parametrize(
    "record",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"started": 5, "resumed": []}',
        '{"started": "yesterday", "resumed": []}',
        '{"started": "2024-01-01"}',
        '{"started": "2024-01-01", "resumed": {}}',
        '{"started": "2024-01-01", "resumed": [5]}',
        "{",
        "[" * 100_000,
    ],
    ids=lambda record: record[:60],
)
def test_a_record_without_a_time_is_the_oldest(record: str, tmp_path: Path) -> None:
    """A damaged run.json does not hide the other runs."""
    make_run(tmp_path, "good", "1990-01-01T00:00:00+00:00")
    (tmp_path / "zzz").mkdir()
    (tmp_path / "zzz" / "run.json").write_text(record)
    assert find_run(None, tmp_path).path == tmp_path / "good"
    assert find_run("zzz", tmp_path).path == tmp_path / "zzz"


def test_a_run_is_found_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name under the folder of runs, a path from the working folder, or a whole one."""
    run = make_run(tmp_path / "runs", "mine")
    make_run(tmp_path / "runs", "other", "2025-01-01T00:00:00+00:00")
    monkeypatch.chdir(tmp_path)
    assert find_run("mine", tmp_path / "runs").path == run
    assert find_run(run, Path("elsewhere")).path == run
    assert find_run(str(run), Path("elsewhere")).path == run
    assert find_run("runs/mine", Path("elsewhere")).path.resolve() == run
    assert find_run("mine/", Path("runs")).path.resolve() == run


@pytest.mark.parametrize("name", ["nothing", "", "..", ".", "file", "folder", "x" * 200, "x" * 300, "circle", "dangling"])
def test_what_is_no_run_is_not_found(name: str, tmp_path: Path) -> None:
    """The help lists the newest runs, the newest first; exit code 2."""
    for day in range(1, 8):
        make_run(tmp_path, f"run{day}", f"2024-01-0{day}T00:00:00+00:00")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(UsageError) as caught:
        find_run(name, tmp_path)
    assert caught.value.message == f"there is no run `{name}`"
    assert caught.value.help == "the newest are: run7, run6, run5, run4, run3"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("runs", ["missing", "empty"])
def test_where_there_are_no_runs_the_help_says_how_to_make_one(runs: str, tmp_path: Path) -> None:
    """For the newest and for a name."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="there is no run in") as caught:
        find_run(None, tmp_path / runs)
    assert caught.value.help is not None
    assert caught.value.help.startswith("train one: dlcli train my.yaml")
    assert caught.value.help.endswith("a config to start from: dlcli init my.yaml")
    with pytest.raises(UsageError, match="there is no run `mine`") as caught:
        find_run("mine", tmp_path / runs)
    assert caught.value.help == f"there are none in {tmp_path / runs}"


def test_latest_points_at_the_run(tmp_path: Path) -> None:
    """A link that moves with the folder of runs, is replaced by the next, and leads to the run by its own name."""
    runs = tmp_path / "runs"
    for name in ("first", "second"):
        folder = RunFolder(make_run(runs, name))
        point_latest_at(folder)
        assert (runs / "latest").readlink() == Path(name)
    assert find_run(runs / "latest", Path("elsewhere")).path == (runs / "second").resolve()
    assert sorted(path.name for path in runs.iterdir()) == ["first", "latest", "second"]
    runs.rename(tmp_path / "moved")
    assert (tmp_path / "moved" / "latest" / "run.json").is_file()


def test_latest_is_no_run_of_its_own(tmp_path: Path) -> None:
    """The link is not listed beside the run that it points at."""
    point_latest_at(RunFolder(make_run(tmp_path, "first")))
    with pytest.raises(UsageError) as caught:
        find_run("nothing", tmp_path)
    assert caught.value.help == "the newest are: first"


@pytest.mark.parametrize("obstacle", ["folder", "no links", "read-only"])
def test_without_links_a_run_does_not_fail(obstacle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `latest` can't be a link there is none, and nothing is left half done."""
    folder = RunFolder(make_run(tmp_path, "first"))
    expected = ["first"]
    if obstacle == "folder":
        (tmp_path / "latest" / "inside").mkdir(parents=True)
        expected = ["first", "latest"]
    else:

        def refuse(*arguments: object, **options: object) -> None:
            raise OSError(errno.EROFS, "no links here")

        monkeypatch.setattr(Path, "symlink_to", refuse)
    if obstacle == "read-only":
        monkeypatch.setattr(Path, "unlink", refuse)
    point_latest_at(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == expected
    assert find_run("latest", tmp_path).path == folder.path


def test_a_run_that_could_not_begin_leaves_nothing(tmp_path: Path) -> None:
    """Where the disk does not take what a folder begins with, there is no folder; others stay."""
    other = make_run(tmp_path, "other")

    def full(folder: RunFolder) -> None:
        folder.write_record({})
        raise ResourceError("the disk is full")

    with pytest.raises(ResourceError, match="the disk is full"):
        create_run_folder(tmp_path, "config", "mine", full)
    assert list(tmp_path.iterdir()) == [other]


def test_a_disk_that_refuses_the_begin_of_a_run_is_told_with_the_name_of_the_run(tmp_path: Path) -> None:
    """Not with that of a temporary folder, which nobody knows."""
    with FileOperations(4, errno.ENOSPC).watching(), pytest.raises(ResourceError) as caught:
        create_run_folder(tmp_path, "config", "mine", begin)
    assert str(tmp_path / "mine" / "run.json") in caught.value.message
    assert ".tmp" not in caught.value.message


@pytest.mark.parametrize("old", [True, False])
def test_what_killed_processes_left_beside_the_runs_is_removed_after_an_hour(old: bool, tmp_path: Path) -> None:
    """Half a run and half of `latest`; what is younger may be at work, and what else is called so is not dlcli's."""
    left = tmp_path / ".mine.123.tmp"
    (left / "checkpoints").mkdir(parents=True)
    link, foreign = tmp_path / ".latest.123.tmp", tmp_path / ".notes.1.tmp"
    link.symlink_to("mine")
    foreign.write_text("mine")
    other = make_run(tmp_path, "other")
    then = time.time() - (3700 if old else 3500)
    for path in (left, link, foreign, other):
        os.utime(path, (then, then), follow_symlinks=False)
    create_run_folder(tmp_path, "config", "new", begin)
    assert {path.name for path in tmp_path.iterdir()} - {left.name, link.name} == {foreign.name, "other", "new"}
    assert os.path.lexists(left) is not old
    assert os.path.lexists(link) is not old


def test_a_run_is_there_with_all_it_begins_with_or_not_at_all(tmp_path: Path) -> None:
    """Before and after every file operation: what a kill then leaves is no run, or all of one, and else the name is free."""
    runs, copies = tmp_path / "runs", tmp_path / "copies"
    runs.mkdir()
    operations = Snapshots(runs, copies)
    with operations.watching():
        create_run_folder(runs, "config", "mine", begin)
    found = []
    for copy in sorted(copies.iterdir()):
        found.append(is_run(copy / "mine"))
        if not found[-1]:
            with pytest.raises(UsageError, match="there is no run"):
                find_run(None, copy)
            create_run_folder(copy, "config", "mine", begin)
        assert find_run(None, copy).path == copy / "mine"
    assert found == [False] * (len(found) - 2) + [True] * 2, "all but the last fsync of the parent come before the name"


def test_a_folder_that_holds_nothing_is_no_obstacle(tmp_path: Path) -> None:
    """It is not a run, and nothing is lost with it."""
    (tmp_path / "mine").mkdir()
    assert is_run(create_run_folder(tmp_path, "config", "mine", begin).path)


def test_a_record_reads_back(tmp_path: Path) -> None:
    """run.json is JSON that ends with a line's end, and can be replaced."""
    folder = RunFolder(tmp_path)
    for record in ({"status": "running", "best": None}, {"status": "completed", "value": 0.1 + 0.2, "name": "é"}):
        folder.write_record(record)
        assert folder.read_record() == record
    assert (tmp_path / "run.json").read_text().endswith("}\n")


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"5", b"\xff", b"null"])
def test_a_record_that_is_none_is_told(content: bytes | None, tmp_path: Path) -> None:
    """The file is named; exit code 5."""
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=re.escape(str(tmp_path / "run.json"))) as caught:
        RunFolder(tmp_path).read_record()
    assert caught.value.exit_code == 5


def test_configs_are_kept_as_given_and_as_understood(tmp_path: Path) -> None:
    """Both to the last character, comments and other scripts included."""
    folder = RunFolder(tmp_path)
    folder.write_configs("# mine: é 中\ntrain: {}\n", "train:\n  epochs: 10\n")
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "# mine: é 中\ntrain: {}\n"
    assert folder.resolved_config.read_text() == "train:\n  epochs: 10\n"
    assert folder.resolved_config.name == "config.resolved.yaml"


def test_nothing_temporary_stays(tmp_path: Path) -> None:
    """After all that a run writes, the folder holds files with plain names only."""
    folder = create_run_folder(tmp_path, "config", "mine", begin)
    folder.write_configs("a", "b")
    folder.write_record({})
    folder.metrics.append([{"event": "epoch", "epoch": 1, "step": 1}])
    folder.metrics.write_table()
    names = sorted(os.listdir(folder.path))  # noqa: PTH208 - names alone are compared
    assert names == ["checkpoints", "config.resolved.yaml", "config.yaml", "metrics.csv", "metrics.jsonl", "run.json"]


def test_a_run_of_a_config_is_found_among_others(tmp_path: Path) -> None:
    """The newest that was trained with this file, by whatever path it is named; where there is none, the help trains one."""
    config = tmp_path / "cnn.yaml"
    for name, day, path in (("a", 1, config), ("b", 2, config), ("c", 3, tmp_path / "rnn.yaml")):
        make_run(tmp_path / "runs", name, f"2024-01-0{day}T00:00:00+00:00", config=str(path))
    make_run(tmp_path / "runs", "d", "2024-01-04T00:00:00+00:00")
    make_run(tmp_path / "runs", "e", "2024-01-05T00:00:00+00:00", config=None)
    assert find_run(None, tmp_path / "runs", config=f"{tmp_path}/runs/../cnn.yaml").path.name == "b"
    with pytest.raises(UsageError, match=r"there is no run of other\.yaml in") as caught:
        find_run(None, tmp_path / "runs", config="other.yaml")
    assert caught.value.help == f"train one: dlcli train other.yaml --runs-dir {tmp_path / 'runs'}"


def test_a_run_that_may_not_be_looked_into_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of somebody else beside ours."""
    ours, theirs = make_run(tmp_path, "ours"), make_run(tmp_path, "theirs", "2025-01-01T00:00:00+00:00")
    real = Path.stat

    def stat(path: Path, **options: Any) -> os.stat_result:
        if path.parent == theirs:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert find_run(None, tmp_path).path == ours


def test_a_folder_of_runs_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """It is not taken for one without runs; exit code 6, for the newest and for a name that is not there."""
    make_run(tmp_path, "mine")
    for name in (None, "nothing"):
        with _unreadable(tmp_path), pytest.raises(ResourceError, match="can't be read: Permission denied") as caught:
            find_run(name, tmp_path)
        assert str(tmp_path) in caught.value.message


def test_a_run_that_is_named_is_found_without_reading_the_folder_of_runs(tmp_path: Path) -> None:
    """A folder may let everybody in and show nobody what is there."""
    run = make_run(tmp_path, "mine")
    with _unreadable(tmp_path):
        assert find_run(run, tmp_path).path == run
        assert find_run("mine", tmp_path).path == run


@contextmanager
def _unreadable(folder: Path) -> Iterator[None]:
    """Nobody may see what a folder holds, until the end of the block."""
    real = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "iterdir", iterdir)
        yield


def test_a_seal_notes_what_there_is(tmp_path: Path) -> None:
    """Size and SHA-256 of each file that no longer changes, as other programs compute them; nothing of what is not there."""
    folder = RunFolder(make_run(tmp_path, "a"))
    folder.log.write_bytes(b"a line\n")
    (folder.path / "notes.txt").write_text("mine")
    assert not folder.is_sealed
    folder.seal()
    assert folder.is_sealed
    files = json.loads((folder.path / "MANIFEST.json").read_text())["files"]
    assert set(files) == {"run.json", "train.log"}
    assert files["train.log"] == {"bytes": 7, "sha256": hashlib.sha256(b"a line\n").hexdigest()}


def test_a_seal_can_be_taken_back(tmp_path: Path) -> None:
    """With it goes what killed processes left half written; a person's files stay, and a second time changes nothing."""
    folder = RunFolder(make_run(tmp_path, "a"))
    folder.seal()
    (folder.path / ".run.json.77.tmp").write_text("{")
    (folder.path / ".mine.77.tmp").write_text("mine")
    for _ in range(2):
        folder.unseal()
        assert not folder.is_sealed
        assert sorted(path.name for path in folder.path.iterdir()) == [".mine.77.tmp", "run.json"]


def test_a_file_that_cannot_be_read_is_not_sealed(tmp_path: Path) -> None:
    """It is told, with exit code 6, and there is no seal."""
    folder = RunFolder(make_run(tmp_path, "a"))
    for fail_at in range(3):
        looks = Looks(fail_at, errno.EIO)
        with looks.watching(), pytest.raises(ResourceError, match="can't be read: Input/output error"):
            folder.seal()
        assert not folder.is_sealed


def test_a_disk_that_fails_at_the_last_moment_is_told(tmp_path: Path) -> None:
    """While a new run's folder gets its name: that is no name that is taken, and nothing of the folder stays."""
    watched = FileOperations()
    with watched.watching():
        create_run_folder(tmp_path, "config", "first", begin)
    naming = len(watched.log) - 1 - [what for what, _ in reversed(watched.log)].index("rename")
    with FileOperations(naming, errno.EIO).watching(), pytest.raises(ResourceError, match="Input/output error"):
        create_run_folder(tmp_path, "config", "second", begin)
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
