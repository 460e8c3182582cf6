"""The MNIST family on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlcli.config.data import FashionMnist, Kmnist, KnownImages, Mnist, Qmnist
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError, RawData
from dlcli.data.sources import mnist
from dlcli.errors import DataError
from tests.unit.data.idx_files import pictures_and_labels, write_family, write_idx


def _read(spec: KnownImages, root: Path) -> RawData:
    return mnist.read(spec, Directories((root,), root), False)


def test_real_mnist_is_found_and_is_what_is_known_of_it(shared_data: Path) -> None:
    """60,000 and 10,000 pictures, the published counts of classes and mean of all pixels."""
    data = _read(Mnist(), shared_data)
    assert data.train.inputs.shape == (60_000, 28, 28, 1)
    assert data.test is not None
    assert data.test.inputs.shape == (10_000, 28, 28, 1)
    assert data.valid is None
    assert np.bincount(data.train.targets).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.train.inputs.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert data.train.targets[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.origin == str(shared_data / "mnist")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("below", ["fashion_mnist", "FashionMNIST/raw", "FashionMNIST"])
def test_files_are_found_in_the_usual_places(root: Path, below: str, suffix: str) -> None:
    """Our own folder and torchvision's, compressed or not."""
    write_family(root / below, suffix=suffix)
    data = _read(FashionMnist(), root)
    images, labels = pictures_and_labels(50, 0)
    np.testing.assert_array_equal(data.train.inputs[..., 0], images)
    np.testing.assert_array_equal(data.train.targets, labels)
    assert data.origin == str(root / below)
    assert data.class_names is not None
    assert data.class_names[9] == "ankle boot"


def test_files_directly_in_a_root_are_taken_where_its_name_says_whose_they_are(tmp_path: Path) -> None:
    """`--data-dir fashion-mnist` is Fashion-MNIST, and never MNIST or KMNIST; of `--data-dir data` it can't be known."""
    write_family(tmp_path / "fashion-mnist")
    write_family(tmp_path / "data")
    assert len(_read(FashionMnist(), tmp_path / "fashion-mnist").train) == 50
    for spec, folder in ((Kmnist(), "fashion-mnist"), (Mnist(), "fashion-mnist"), (FashionMnist(), "data")):
        with pytest.raises(DataUnavailableError):
            _read(spec, tmp_path / folder)


def test_files_in_a_root_of_any_other_name_are_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The four files alone, as one gets them."""
    monkeypatch.setattr(mnist, "MEMBERS", {Mnist: replace(mnist.MEMBERS[Mnist], sha256=None)})
    write_family(tmp_path / "downloads")
    assert _read(Mnist(), tmp_path / "downloads").origin == str(tmp_path / "downloads")


def test_the_first_root_that_has_all_files_wins(tmp_path: Path) -> None:
    """A root with three of four is passed over."""
    roots = tuple(tmp_path / name for name in ("a", "b", "c"))
    for seed, folder in enumerate(roots):
        write_family(folder / "kmnist", seed=seed * 10)
    (roots[0] / "kmnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    data = mnist.read(Kmnist(), Directories(roots, roots[0]), False)
    assert data.origin == str(roots[1] / "kmnist")


def test_what_lacks_in_an_incomplete_folder_is_said(root: Path) -> None:
    """Nothing is read from it, and the reason names the missing file."""
    write_family(root / "kmnist")
    (root / "kmnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataUnavailableError, match="kmnist lacks t10k-labels-idx1-ubyte"):
        _read(Kmnist(), root)


def test_other_pictures_under_mnists_name_are_refused(root: Path) -> None:
    """Whole files in the right format, but not MNIST: its hash is known."""
    write_family(root / "mnist", train=60, test=10)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz is damaged, or is not mnist: its SHA-256 is"):
        _read(Mnist(), root)


def test_qmnists_eight_numbers_a_label_are_understood(root: Path) -> None:
    """The class is the first of them; files and counts are its own. torchvision reads the same."""
    from torchvision.datasets import QMNIST

    folder = root / "QMNIST" / "raw"
    for prefix, count in (("train", 30), ("test", 25)):
        images, labels = pictures_and_labels(count, count)
        columns = np.concatenate([labels[:, None], np.full((count, 7), 4711)], axis=1).astype(np.int32)
        write_idx(folder / f"qmnist-{prefix}-images-idx3-ubyte", images)
        write_idx(folder / f"qmnist-{prefix}-labels-idx2-int", columns)
    data = _read(Qmnist(), root)
    assert data.test is not None
    for mine, theirs in ((data.train, QMNIST(root, train=True)), (data.test, QMNIST(root, train=False))):
        np.testing.assert_array_equal(mine.inputs[..., 0], theirs.data.numpy())
        assert mine.targets.tolist() == [theirs[index][1] for index in range(len(theirs))]


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        (
            "train-labels-idx1-ubyte.gz",
            np.array([0, 10] * 25, np.uint8),
            r"label 10 in row 1 of .*train-labels.* is not one of 0 to 9",
        ),
        ("train-labels-idx1-ubyte.gz", np.zeros(49, np.uint8), "holds 50 images, and train-labels-idx1-ubyte.gz 49 labels"),
        ("train-labels-idx1-ubyte.gz", np.zeros((50, 2), np.uint8), "expected one label for each image"),
        ("t10k-images-idx3-ubyte.gz", np.zeros((20, 27, 28), np.uint8), "expected 8-bit images of 28x28"),
        ("t10k-images-idx3-ubyte.gz", np.zeros((20, 28, 28), np.int32), "expected 8-bit images of 28x28"),
        ("t10k-images-idx3-ubyte.gz", np.zeros(20, np.uint8), "expected 8-bit images of 28x28"),
    ],
)
def test_files_that_do_not_fit_are_refused(root: Path, name: str, values: np.ndarray, words: str) -> None:
    """With the file, what was found and what was expected."""
    write_family(root / "kmnist")
    write_idx(root / "kmnist" / name, values)
    with pytest.raises(DataError, match=words) as caught:
        _read(Kmnist(), root)
    assert not isinstance(caught.value, DataUnavailableError)
    assert caught.value.help == mnist.MEND
