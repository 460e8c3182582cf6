"""What the tests of the data share."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlcli.data.directories import Directories


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder for data, empty."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def directories(root: Path) -> Directories:
    """That look for everything in `root`."""
    return Directories((root,), root)
