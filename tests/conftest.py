"""What all tests share: where real data is, one thread for each worker, and no reports but where a test is about them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dlcli.app.report import page

_WRITE_REPORT = page.write_report
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data beside the checkout; without it the test skips."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs real data in {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Workers run side by side: with more threads than cores they, and the commands that they start, would wait for each other."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_reports() -> Iterator[None]:
    """Trainings in a test's own process leave their report out, which takes a second each: hundreds of tests train."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "write_report", lambda _: None)
        yield


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of this test make their report, as they do for everybody else."""
    monkeypatch.setattr(page, "write_report", _WRITE_REPORT)
