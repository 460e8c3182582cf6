"""The digits inside the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from dlcli.config.data import Digits
from dlcli.data.directories import Directories
from dlcli.data.sources import digits
from dlcli.errors import DataError

NOWHERE = Directories((), Path())


def test_the_digits_are_those_of_scikit_learn() -> None:
    """All 1,797 pictures with 16 spread to 255, and all labels."""
    theirs = load_digits()
    data = digits.read(Digits(), NOWHERE, False)
    np.testing.assert_array_equal(data.train.inputs[..., 0], np.round(theirs.images * 255 / 16))
    np.testing.assert_array_equal(data.train.targets, theirs.target)
    assert data.train.inputs.dtype == np.uint8
    assert (data.valid, data.test, data.origin) == (None, None, "inside the package")


def test_where_they_come_from_and_their_licence_lie_beside_them() -> None:
    """CC BY asks for it."""
    text = digits.FILE.with_name("DIGITS.md").read_text(encoding="utf-8")
    for word in ("Alpaydin", "Kaynak", "UCI", "CC BY 4.0"):
        assert word in text


@pytest.mark.parametrize("damage", ["absent", "cut", "changed"])
def test_a_damaged_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    """A file that is gone, cut off, or has one pixel changed."""
    path = tmp_path / "digits.npz"
    content = digits.FILE.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    if damage == "changed":
        theirs = load_digits()
        images = theirs.images.astype(np.uint8)
        images[5, 4, 4] ^= 1
        np.savez_compressed(path, images=images, labels=theirs.target.astype(np.uint8))
    monkeypatch.setattr(digits, "FILE", path)
    with pytest.raises(DataError, match="digits.npz") as caught:
        digits.read(Digits(), NOWHERE, False)
    assert caught.value.help == "install dlcli again"
