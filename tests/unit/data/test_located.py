"""Where the `path:` of a config leads."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from dlcli.data.directories import Directories
from dlcli.data.sources.located import locate
from dlcli.errors import DataError


@pytest.mark.parametrize("name", ["x" * 256, "é" * 128, "a/" * 2100, "a\0b", "a\ud800"], ids=len)
def test_a_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    """Too long in bytes, by itself or with its folders, or of characters that the system does not take."""
    with pytest.raises(DataError, match="no file can be called"):
        locate(name, Directories((tmp_path,), tmp_path), "table", "give another")


def test_the_longest_name_is_one(tmp_path: Path) -> None:
    """255 bytes."""
    (tmp_path / ("x" * 255)).touch()
    assert locate("x" * 255, Directories((tmp_path,), tmp_path), "table", "give another") == tmp_path / ("x" * 255)


def test_a_place_that_can_not_be_looked_into_is_said(tmp_path: Path) -> None:
    """With the system's reason."""

    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with pytest.raises(DataError, match="the table new.csv can't be looked for: Permission denied"):
        locate("new.csv", Directories((tmp_path,), tmp_path), "table", "give another", refuse)
