"""A run that is killed, again and again, ends as if nothing had happened."""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import pytest

from dlcli.errors import CheckpointError
from dlcli.training.checkpoint import load_checkpoint
from tests.integration.conftest import Outcome
from tests.integration.small_trainings import KINDS, assert_same_end, write_config
from tests.integration.started_commands import ANY_FILE, NotePhase, SignalWithin, Started, count_moments, dlcli

_KILLS_OF_A_RUN: Final = 4
"""After so many a run is left alone."""

_NO_SUCH_RUN: Final = 2


@dataclass
class _Tally:
    """What became of the kills.

    Attributes:
        phases: how many came in each.
        unreadable: checkpoints with a proper name that a kill left and that do not verify.
        different: what is not as in the undisturbed run, and how to see it again.
    """

    phases: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    kills_of_equal_runs: int = 0

    @property
    def kills(self) -> int:
        return self.phases.total()

    def as_text(self) -> str:
        """The two figures, and where the kills came."""
        phases = ", ".join(f"{count} in {phase}" for phase, count in self.phases.most_common())
        return (
            f"{self.kills_of_equal_runs} of {self.kills} kills ended like the undisturbed run, "
            f"{len(self.unreadable)} unreadable committed checkpoints ({phases})"
        )


@pytest.mark.parametrize(
    ("kills_of_a_kind", "seed"), [pytest.param(1, 5, id="sample"), pytest.param(50, 2024, id="200", marks=pytest.mark.slow)]
)
def test_a_run_killed_at_random_ends_like_an_undisturbed_one(
    kills_of_a_kind: int, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL at random moments of a CNN's, an LSTM's, a GRU's and a language model's run, and an automatic resume after each.

    The same weights, log, best checkpoint and result, and at no time a committed checkpoint that does not verify.
    """
    tally = _Tally()
    for kind in KINDS:
        config = write_config(kind, tmp_path / kind)
        assert dlcli("train", config, "--name", "warm", folder=config.parent).code == 0  # imports of the first run take long
        began = time.perf_counter()
        assert dlcli("train", config, "--name", "undisturbed", folder=config.parent).code == 0
        seconds = time.perf_counter() - began
        random, before, trial = Random(f"{seed} {kind}"), tally.kills, 0  # noqa: S311 - draws moments, no secrets
        while (left := kills_of_a_kind - (tally.kills - before)) > 0:
            trial += 1
            _kill_and_resume(config, f"killed-{trial}", random, seconds, min(left, _KILLS_OF_A_RUN), tally)
    with capsys.disabled():
        print(f"\n{tally.as_text()}")
    assert tally.different == []
    assert tally.unreadable == []
    assert tally.kills_of_equal_runs == tally.kills == kills_of_a_kind * len(KINDS)


def _kill_and_resume(config: Path, name: str, random: Random, seconds: float, kills: int, tally: _Tally) -> None:
    """Starts a run, kills it up to so many times at random moments of the time that a whole run takes, and lets it end."""
    folder, killed, delays = config.parent, 0, list[float]()
    run, phase = folder / "runs" / name, NotePhase(folder / "phase")
    while killed < kills:
        delays.append(random.uniform(0, seconds))
        started = Started(*_command(config, run), folder=folder, disturbance=phase)
        if started.has_ended_after(delays[-1]) or not started.kill():
            assert started.outcome().code == 0, started.outcome().err
            break
        killed += 1
        tally.phases[_phase_of_kill(run, phase)] += 1
        tally.unreadable += _unreadable(run)
    outcome = _ended(config, run)
    try:
        assert outcome.code == 0, outcome.err
        assert_same_end(run, folder / "runs" / "undisturbed")
    except AssertionError as error:
        tally.different.append(f"{run}, killed after {delays}: {error}")
    else:
        tally.kills_of_equal_runs += killed


def _command(config: Path, run: Path) -> list[object]:
    """What a script that starts a run and takes it up again would call."""
    if (run / "run.json").exists():
        return ["train", "--resume", run.name]
    return ["train", config, "--name", run.name]


def _ended(config: Path, run: Path) -> Outcome:
    return dlcli(*_command(config, run), folder=config.parent)


def _phase_of_kill(run: Path, phase: NotePhase) -> str:
    """From what the process noted, and from what it left half done in its folder."""
    if any((run / "checkpoints").glob(".*")):
        return "a save"
    if any(run.glob(".*.tmp")) or any(run.parent.glob(f".{run.name}.*.tmp")):
        return "a log or a record"
    if phase.noted():
        return phase.noted()
    return "between these" if (run / "run.json").exists() else "start-up"


def _unreadable(run: Path) -> list[str]:
    problems = []
    for path in (run / "checkpoints").glob("step-*"):
        try:
            load_checkpoint(path)
        except CheckpointError as error:
            problems.append(error.message)
    return problems


@pytest.mark.parametrize(
    ("first", "every"), [pytest.param(0, 4, id="sample"), pytest.param(0, 1, id="all", marks=pytest.mark.slow)]
)
def test_a_kill_before_any_file_operation_of_a_run_costs_no_more_than_time(first: int, every: int, quick: Path) -> None:
    """From the making of its folder on: the run can be taken up or begun again under its name, and ends the same."""
    folder = quick.parent
    moments = count_moments(ANY_FILE, "train", quick, "--name", "undisturbed", folder=folder)
    assert moments > 40
    for moment in range(first, moments, every):
        run = folder / "runs" / f"killed-{moment}"
        killed = SignalWithin(ANY_FILE, moment, (signal.SIGKILL,))
        outcome = dlcli("train", quick, "--name", run.name, folder=folder, disturbance=killed)
        assert outcome.code == -signal.SIGKILL, moment
        outcome = dlcli("train", "--resume", run.name, folder=folder)
        if outcome.code == _NO_SUCH_RUN:
            outcome = dlcli("train", quick, "--name", run.name, folder=folder)
        assert outcome.code == 0, (moment, outcome.err)
        assert_same_end(run, folder / "runs" / "undisturbed")
