"""Where data is looked for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from dlcli.data.directories import search_directories, user_cache
from dlcli.errors import DataError


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DLCLI_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_folder_a_person_gives_comes_first_and_takes_downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--data-dir, then DLCLI_DATA, then the cache."""
    monkeypatch.setenv("DLCLI_DATA", str(tmp_path / "variable"))
    given = tmp_path / "given"
    given.mkdir()
    found = search_directories(given, None)
    assert found.roots == (given, tmp_path / "variable", tmp_path / "cache" / "dlcli")
    assert found.cache == given


def test_the_variable_takes_downloads_where_no_folder_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DLCLI_DATA may name a folder that a download will make."""
    monkeypatch.setenv("DLCLI_DATA", str(tmp_path / "variable"))
    assert search_directories(None, None).cache == tmp_path / "variable"


def test_without_anything_downloads_go_to_the_persons_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME, or else ~/.cache."""
    assert search_directories(None, None).cache == tmp_path / "cache" / "dlcli"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert search_directories(None, None).cache == tmp_path / "home" / ".cache" / "dlcli"


def test_who_has_no_home_has_a_cache_among_the_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container a user may have neither a variable nor an entry in the list of users."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert user_cache() == Path(tempfile.gettempdir()) / f"dlcli-{os.getuid()}"


@pytest.mark.parametrize(("make_file", "words"), [(False, "does not exist"), (True, "is a file")])
def test_a_given_folder_that_is_none_is_refused_by_name(tmp_path: Path, make_file: bool, words: str) -> None:
    """A misspelt --data-dir must not lead to another copy of the data."""
    path = tmp_path / "misspelt"
    if make_file:
        path.touch()
    with pytest.raises(DataError, match=rf"{path} {words}"):
        search_directories(path, None)


def test_a_relative_path_is_tried_before_the_cache_here_and_beside_the_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order --data-dir, here, config, cache, each once."""
    monkeypatch.chdir(tmp_path)
    given, config = tmp_path / "given", tmp_path / "configs"
    given.mkdir()
    tried = search_directories(given, config).candidates("pets")
    assert tried == (given / "pets", tmp_path / "pets", config / "pets", tmp_path / "cache" / "dlcli" / "pets")
    assert len(search_directories(given, tmp_path).candidates("pets")) == 3


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that begins with the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert search_directories(None, None).candidates("~/pets") == (tmp_path / "pets",)
    assert search_directories(None, None).candidates(str(tmp_path / "x")) == (tmp_path / "x",)
