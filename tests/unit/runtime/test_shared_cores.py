"""What other programs leave of the cores, by numbers that a machine could have counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlcli.runtime import shared_cores
from dlcli.runtime.shared_cores import CoreTimes, core_times, let_waiting_threads_sleep, waiting_threads_sleep

SETTING = "GOMP_SPINCOUNT"


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    monkeypatch.setattr(shared_cores, "available_cores", lambda: 2)


def _setting(others: float, own: float = 0.1, seconds: float = 0.1, cores: int = 2, **environ: str) -> str | None:
    """What torch's library is told where other programs took so many cores and this one so many seconds."""
    before = CoreTimes(5.0, 70.0, 1.0, cores)
    after = CoreTimes(5.0 + seconds, 70.0 + others * seconds + own, 1.0 + own, cores)
    let_waiting_threads_sleep(before, after, environ)
    return environ.get(SETTING)


def test_only_the_cores_that_the_process_may_run_on_are_counted(tmp_path: Path) -> None:
    """User, nice, system, both interrupts and stolen time, in hundredths of a second as Linux counts; idle and disk are no work."""
    (tmp_path / "proc").mkdir()
    core = "{name} 100 20 30 9000 8000 4 5 6 7777 7777"
    lines = [core.format(name=name) for name in ("cpu", "cpu0", "cpu1", "cpu2", "cpu20")]
    (tmp_path / "proc/stat").write_text("\n".join([*lines, "intr 1 2 3", "", "ctxt 9"]))
    found = core_times(tmp_path)
    assert found is not None
    assert found.busy == pytest.approx(2 * 165 / os.sysconf("SC_CLK_TCK"))
    assert found.cores == 2


@pytest.mark.parametrize("text", [None, "cpu0 one two"])
def test_where_the_system_does_not_say_nothing_is_known(tmp_path: Path, text: str | None) -> None:
    """Elsewhere than under Linux, or in a container without the file."""
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/stat").write_text(text)
    assert core_times(tmp_path) is None


def test_this_machine_counts_on() -> None:
    """Two moments, one after the other."""
    first, second = core_times(), core_times()
    if first is None or second is None:
        pytest.skip("this system does not say how long its cores have worked")
    assert second.clock >= first.clock
    assert second.busy >= first.busy
    assert second.own >= first.own


def test_beside_a_program_that_takes_a_core_waiting_threads_sleep() -> None:
    """Two threads for one core that is left; what the process itself does is no other program's."""
    assert _setting(others=1.0) is not None
    assert _setting(others=0.0, own=0.2) is None


def test_a_little_work_of_others_changes_nothing() -> None:
    """Nor does what a clock of hundredths of a second makes of it, up or down."""
    assert _setting(others=0.5) is None
    assert _setting(others=-0.2) is None


def test_enough_cores_are_left_for_fewer_threads() -> None:
    """One thread waits for none, and where more cores are than are taken, all have theirs."""
    assert _setting(others=1.0, OMP_NUM_THREADS="1") is None
    assert _setting(others=1.0, OMP_NUM_THREADS="2") is not None
    assert _setting(others=1.0, OMP_NUM_THREADS="4,2") is not None


def test_enough_cores_for_all_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight, three are taken, and torch is to have four threads."""
    monkeypatch.setattr(shared_cores, "available_cores", lambda: 8)
    assert _setting(others=3.0, cores=8, OMP_NUM_THREADS="4") is None
    assert _setting(others=3.0, cores=8) is not None


def test_a_share_of_a_large_machine_is_not_what_others_take_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container is granted 4 of 64 cores, and may run on all: others take 10, and 54 are free, or 62, and 2 are."""
    monkeypatch.setattr(shared_cores, "available_cores", lambda: 4)
    assert _setting(others=10.0, cores=64) is None
    assert _setting(others=62.0, cores=64) is not None


def test_what_was_decided_can_be_asked() -> None:
    """For the record of a run."""
    before, after, environ = CoreTimes(0.0, 0.0, 0.0, 2), CoreTimes(0.1, 0.2, 0.1, 2), dict[str, str]()
    assert not waiting_threads_sleep(environ)
    let_waiting_threads_sleep(before, after, environ)
    assert waiting_threads_sleep(environ)


@pytest.mark.parametrize("name", [SETTING, "OMP_WAIT_POLICY"])
def test_who_has_decided_is_not_overruled(name: str) -> None:
    """By either of the variables that OpenMP's library reads."""
    assert _setting(others=2.0, **{name: "7"}) == ("7" if name == SETTING else None)


def test_no_time_between_two_moments_says_nothing() -> None:
    """A clock may stand still between them."""
    assert _setting(others=2.0, seconds=0.0) is None
