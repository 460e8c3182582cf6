"""metrics.jsonl and metrics.csv."""

from __future__ import annotations

import csv
import errno
import json
from pathlib import Path
from typing import Any

import pytest

from dlcli.errors import ResourceError
from dlcli.training.run_folder import RunFolder
from tests.unit.runtime.file_operations import FileOperations


def event(epoch: int, **values: float) -> dict[str, Any]:
    """The line of an epoch of ten steps."""
    return {"event": "epoch", "epoch": epoch, "step": 10 * epoch, "train/loss": 1 / epoch, **values}


def logged(folder: RunFolder, *epochs: int) -> RunFolder:
    """The folder with a line for each of these epochs."""
    for epoch in epochs:
        log(folder, event(epoch))
    return folder


def log(folder: RunFolder, entry: dict[str, Any]) -> None:
    """Adds a line, and makes the table anew."""
    folder.metrics.append([entry])
    folder.metrics.write_table()


def rows(folder: RunFolder) -> list[dict[str, str]]:
    """metrics.csv as another program reads it."""
    with (folder.path / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_events_read_back_in_order(tmp_path: Path) -> None:
    """Every number to its last digit; each event is one line of JSON."""
    folder = RunFolder(tmp_path)
    events = [event(1, **{"valid/loss": 0.1 + 0.2}), event(2, **{"valid/loss": 1e-300})]
    for entry in events:
        folder.metrics.append([entry])
    assert folder.metrics.read() == events
    assert [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == events


def test_a_run_without_a_log_has_no_events(tmp_path: Path) -> None:
    """Nothing is made by reading."""
    assert RunFolder(tmp_path).metrics.read() == []
    assert list(tmp_path.iterdir()) == []


def test_the_table_has_a_row_for_each_epoch(tmp_path: Path) -> None:
    """Columns as the events name them, without the kind of event; numbers that read back exactly."""
    folder = logged(RunFolder(tmp_path), 1, 2, 3)
    table = rows(folder)
    assert list(table[0]) == ["epoch", "step", "train/loss"]
    assert [(int(row["epoch"]), int(row["step"]), float(row["train/loss"])) for row in table] == [
        (1, 10, 1.0),
        (2, 20, 0.5),
        (3, 30, 1 / 3),
    ]


def test_other_events_are_in_the_log_alone(tmp_path: Path) -> None:
    """The table is of epochs."""
    folder = logged(RunFolder(tmp_path), 1)
    log(folder, {"event": "note", "epoch": 1, "step": 10, "text": "x"})
    assert len(folder.metrics.read()) == 2
    assert len(rows(folder)) == 1


def test_the_table_has_a_column_for_all_that_any_epoch_measured(tmp_path: Path) -> None:
    """A run that goes on may measure more, or less: in the order in which they came, and what a row lacks stays empty."""
    folder = RunFolder(tmp_path)
    log(folder, event(1, **{"valid/loss": 0.5}))
    log(folder, event(2))
    log(folder, event(3, **{"valid/loss": 0.25, "new": 1.0}))
    assert list(rows(folder)[0]) == ["epoch", "step", "train/loss", "valid/loss", "new"]
    assert [(row["valid/loss"], row["new"]) for row in rows(folder)] == [("0.5", ""), ("", ""), ("0.25", "1.0")]


@pytest.mark.parametrize(
    "tail", ['{"event": "epoch", "epoch": 3, "st', "{", "\0\0\0", "\udcff\udcfe"], ids=["half", "begun", "zeros", "no UTF-8"]
)
def test_a_last_line_that_is_cut_off_does_not_count(tail: str, tmp_path: Path) -> None:
    """What a crash in the middle of a write leaves is passed over."""
    folder = logged(RunFolder(tmp_path), 1, 2)
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(tail.encode(errors="surrogateescape"))
    assert [entry["epoch"] for entry in folder.metrics.read()] == [1, 2]


@pytest.mark.parametrize(("after", "left"), [(0, []), (1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (9, [1, 2, 3])])
def test_what_will_be_logged_again_is_dropped(after: int, left: list[int], tmp_path: Path) -> None:
    """Epochs after the one that a run goes on from leave both files."""
    folder = logged(RunFolder(tmp_path), 1, 2, 3)
    folder.metrics.forget_after(after)
    assert [entry["epoch"] for entry in folder.metrics.read()] == left
    assert [int(row["epoch"]) for row in rows(folder)] == left


def test_a_log_can_go_on_after_a_cut_off_line(tmp_path: Path) -> None:
    """Half a line is removed by forgetting: the next line is one of its own."""
    folder = logged(RunFolder(tmp_path), 1)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"event": "ep')
    folder.metrics.forget_after(1)
    logged(folder, 2)
    assert [entry["epoch"] for entry in folder.metrics.read()] == [1, 2]


def test_forgetting_makes_no_files(tmp_path: Path) -> None:
    """A new run has no log before its first epoch."""
    RunFolder(tmp_path).metrics.forget_after(0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_log_that_cannot_be_written_is_told(error: int, tmp_path: Path) -> None:
    """Whichever operation fails: the file is named, and the lines before are still there."""
    for fail_at in range(10):
        folder = RunFolder(tmp_path / str(fail_at))
        folder.path.mkdir()
        logged(folder, 1)
        operations = FileOperations(fail_at, error)
        with operations.watching(), pytest.raises(ResourceError, match=r"metrics\.(jsonl|csv)"):
            log(folder, event(2))
        assert folder.metrics.read()[0] == event(1)
        assert [int(row["epoch"]) for row in rows(folder)] in ([1], [1, 2])


def test_a_line_that_was_refused_is_logged_once(tmp_path: Path) -> None:
    """Whichever operation fails, in a new log or an old one: the same call again gives each line once, whole and in order."""
    for before in ([], [1, 2]):
        for fail_at in range(5):
            folder = RunFolder(tmp_path / f"{len(before)}-{fail_at}")
            folder.path.mkdir()
            logged(folder, *before)
            events = [event(epoch) for epoch in (3, 4)]
            operations = FileOperations(fail_at, errno.EIO)
            with operations.watching():
                if before and fail_at == 4:  # the folder needs no sync for a file that is there
                    folder.metrics.append(events)
                else:
                    with pytest.raises(ResourceError, match="metrics.jsonl can't be written"):
                        folder.metrics.append(events)
            folder.metrics.append(events)
            expected = "".join(json.dumps(entry) + "\n" for entry in [*(event(epoch) for epoch in before), *events])
            assert folder.metrics.path.read_text() == expected


def test_a_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A folder in its place: it is not taken for a log without lines."""
    (tmp_path / "metrics.jsonl").mkdir()
    log = RunFolder(tmp_path).metrics
    for attempt in (log.read, log.write_table, lambda: log.append([event(1)]), lambda: log.forget_after(1)):
        with pytest.raises(ResourceError, match=r"metrics\.jsonl can't be read: Is a directory"):
            attempt()


@pytest.mark.parametrize("line", ["7", "null", '"text"', "[1]", "[" * 100_000])
def test_a_line_that_is_no_event_ends_the_log(line: str, tmp_path: Path) -> None:
    """JSON or not: what stands behind it can't be trusted either."""
    folder = logged(RunFolder(tmp_path), 1)
    with folder.metrics.path.open("a") as file:
        file.write(f"{line}\n{json.dumps(event(2))}\n")
    assert folder.metrics.read() == [event(1)]


def test_a_line_is_on_the_disk_when_the_call_returns(tmp_path: Path) -> None:
    """Its name, where the file is new, then the line, in two writes if it takes two; then the table by way of a temporary file."""
    operations = FileOperations()
    with operations.watching():
        logged(RunFolder(tmp_path), 1)
    line = ["open metrics.jsonl", f"fsync {tmp_path.name}", "write metrics.jsonl", "write metrics.jsonl", "fsync metrics.jsonl"]
    assert operations.names()[:5] == line
    assert [name.partition(" ")[0] for name in operations.names()[5:]] == ["open", "write", "write", "fsync", "rename", "fsync"]
