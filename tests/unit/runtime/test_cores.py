"""How many cores there are for a process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlcli.runtime.cores import available_cores


def _write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def test_without_groups_all_that_the_process_may_run_on(tmp_path: Path) -> None:
    """As `taskset` has it."""
    assert available_cores(tmp_path) == 8


def test_where_a_system_does_not_say_on_which_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has no such call; at least one there always is."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert available_cores(tmp_path) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores(tmp_path) == 1


@pytest.mark.parametrize(
    ("own", "around", "cores"),
    [
        ("200000 100000", "max 100000", 2),
        ("250000 100000", "max 100000", 3),
        ("max 100000", "50000 100000", 1),
        ("400000 100000", "150000 100000", 2),
        ("9900000 100000", "max 100000", 8),
        ("garbage", None, 8),
    ],
)
def test_groups_of_the_second_version_grant_a_share(own: str, around: str | None, cores: int, tmp_path: Path) -> None:
    """The smallest of the process's group and those around it; a part of a core counts as one; `max` is no limit."""
    _write(tmp_path, "proc/self/cgroup", "0::/docker/abc\n")
    _write(tmp_path, "sys/fs/cgroup/docker/abc/cpu.max", own)
    if around is not None:
        _write(tmp_path, "sys/fs/cgroup/docker/cpu.max", around)
    assert available_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("300000", 3), ("-1", 8)])
def test_groups_of_the_first_version_grant_a_share(quota: str, cores: int, tmp_path: Path) -> None:
    """In two files; -1 is no limit; groups of something else do not count."""
    _write(tmp_path, "proc/self/cgroup", "3:memory:/a\n2:cpu,cpuacct:/a\n1:cpuset:/b\n")
    _write(tmp_path, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", quota)
    _write(tmp_path, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000")
    assert available_cores(tmp_path) == cores
