"""The arrays inside an .npz file, as NumPy reads them and no more."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from dlcli.data.sources import growth
from dlcli.data.sources.npz import read_array, read_headers
from dlcli.errors import DataError

ARRAYS = {
    "plain": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "swapped": np.arange(5, dtype=">i4"),
    "scalar": np.array(3.5),
    "empty": np.empty((0, 4), np.uint8),
    "flags": np.array([True, False]),
    "large": np.random.default_rng(0).integers(0, 255, (300, 400), dtype=np.uint8),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_those_that_numpy_reads(tmp_path: Path, save: object) -> None:
    """Shape, type and values, packed or not."""
    assert callable(save)
    save(tmp_path / "a.npz", **ARRAYS)
    headers = read_headers(tmp_path / "a.npz")
    assert list(headers) == list(ARRAYS)
    for name, expected in ARRAYS.items():
        assert (headers[name].shape, headers[name].dtype) == (expected.shape, expected.dtype)
        found = read_array(tmp_path / "a.npz", name)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_all_versions_of_the_format_are_read(tmp_path: Path, version: tuple[int, int]) -> None:
    """NumPy chooses by the length of a header."""
    member = io.BytesIO()
    npy.write_array(member, ARRAYS["plain"], version=version)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", member.getvalue())
    assert read_headers(tmp_path / "a.npz")["x"].shape == (2, 3, 4)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npz", "x"), ARRAYS["plain"])


def test_what_has_the_name_of_an_array_without_being_one_is_passed_over(tmp_path: Path) -> None:
    """NumPy itself would take the member `x` for the array."""
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("x", "no array")
    assert list(read_headers(tmp_path / "a.npz")) == ["x"]
    assert read_array(tmp_path / "a.npz", "x").tolist() == [0, 1, 2]


@pytest.mark.parametrize("change", [-1, 1], ids=["too few", "too many"])
def test_an_array_has_as_many_values_as_it_says(tmp_path: Path, change: int) -> None:
    """Before anything is made room for."""
    member = io.BytesIO()
    np.save(member, np.zeros(10))
    content = member.getvalue()[:-8] if change < 0 else member.getvalue() + bytes(8)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(DataError, match=rf"x.npy has {80 + 8 * change} bytes of values, and float64 \[10\] takes 80"):
        read_headers(tmp_path / "a.npz")


def test_arrays_that_would_fill_the_memory_are_refused_by_their_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All together; the same values without packing are let through."""
    monkeypatch.setattr(growth, "ALWAYS", 1000)
    zeros = {"x": np.zeros(10_000), "y": np.zeros(10_000)}
    np.savez_compressed(tmp_path / "packed.npz", **zeros)
    np.savez(tmp_path / "plain.npz", **zeros)
    with pytest.raises(DataError, match="all in .*packed.npz would take") as caught:
        read_headers(tmp_path / "packed.npz")
    assert "np.savez" in (caught.value.help or "")
    assert len(read_headers(tmp_path / "plain.npz")) == 2
