"""A disk that refuses any one operation of a whole run, or all from one on: told, and the run can always be brought to its end."""

from __future__ import annotations

import errno
import shutil
import time
from pathlib import Path

import pytest

from tests.integration.conftest import Cli
from tests.integration.small_trainings import assert_same_end, committed
from tests.unit.runtime.file_operations import FailsFrom, FileOperations


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is between two tries of a save is for real disks."""
    monkeypatch.setattr(time, "sleep", lambda _: None)


@pytest.fixture
def three_epochs(quick: Path) -> Path:
    """Enough for a save to remove a checkpoint."""
    quick.write_text(quick.read_text().replace("epochs: 2", "epochs: 3"))
    return quick


@pytest.mark.parametrize("every", [pytest.param(17, id="sample"), pytest.param(1, id="all", marks=pytest.mark.slow)])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
@pytest.mark.parametrize("failing", [FileOperations, FailsFrom], ids=["once", "from then on"])
def test_a_refusal_anywhere_in_a_run_is_told_and_costs_no_more_than_time(
    failing: type[FileOperations], error: int, every: int, cli: Cli, three_epochs: Path, tmp_path: Path
) -> None:
    """Either the run ends as if nothing had been, or with exit code 6 and the place; then it goes on, or begins anew, to that end.

    From the making of its folder to the last line of its record; and no committed checkpoint is ever unreadable.
    """
    runs, undisturbed = tmp_path / "runs", tmp_path / "runs" / "undisturbed"
    operations = FileOperations()
    with operations.watching():
        assert cli("train", three_epochs, "--name", undisturbed.name).code == 0
    assert len(operations.log) > 100
    refused = 0
    for fail_at in range(every // 2, len(operations.log), every):
        run = runs / "run"
        disturbed = failing(fail_at, error)
        with disturbed.watching():
            outcome = cli("train", three_epochs, "--name", run.name)
        where = f"operation {fail_at}, {disturbed.names()[fail_at]}: {outcome.err}"
        assert outcome.code in (0, 6), where
        if outcome.code == 6:
            refused += 1
            assert "error: " in outcome.err, where
            assert "runs/" in outcome.err, where
            if run.exists():
                committed(run)
                outcome = cli("train", "--resume", run.name)
            else:
                visible = sorted(path.name for path in runs.iterdir() if not path.name.startswith("."))
                assert visible == ["latest", "undisturbed"], where
                outcome = cli("train", three_epochs, "--name", run.name)
            assert outcome.code == 0, f"{where}\nand then: {outcome.err}"
        assert_same_end(run, undisturbed)
        shutil.rmtree(run)
    assert refused > 0
