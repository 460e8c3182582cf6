"""CIFAR on disk. The pictures are made up, and the table of hashes is told of them."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcli.config.data import Cifar10, Cifar100, KnownImages
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError, RawData
from dlcli.data.sources import cifar
from dlcli.errors import DataError

Write = Callable[..., Path]


class _Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its texts, the way the published files are."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self.write(b"T" + struct.pack("<i", len(value)) + value)

    dispatch[bytes] = save_bytes


def _pickled_as_published(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    _Python2Pickler(buffer, protocol=2).dump(content)
    return buffer.getvalue().replace(b"numpy._core", b"numpy.core")


def _read(spec: KnownImages, root: Path) -> RawData:
    return cifar.read(spec, Directories((root,), root), False)


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the files of a data set below a folder and makes their hashes the known ones."""

    def write_files(spec: type[KnownImages], folder: Path, **changes: Any) -> Path:
        member = cifar.MEMBERS[spec]
        folder.mkdir(parents=True)
        generator = np.random.default_rng(0)
        md5 = {}
        for name in member.files:
            labels = generator.integers(0, spec.classes, 20).tolist()
            content: dict[str, Any] = {
                "data": generator.integers(0, 256, (20, 3072), dtype=np.uint8),
                member.labels_key: labels,
                member.names_key: [f"class {number}" for number in range(spec.classes)],
            }
            pickled = _pickled_as_published({**content, **changes})
            (folder / name).write_bytes(pickled)
            md5[name] = hashlib.md5(pickled).hexdigest()
        monkeypatch.setattr(cifar, "MEMBERS", {**cifar.MEMBERS, spec: replace(member, md5=md5)})
        return folder

    return write_files


@pytest.mark.parametrize(("spec", "class_name"), [(Cifar10, "CIFAR10"), (Cifar100, "CIFAR100")])
def test_pictures_and_classes_are_those_of_torchvision(
    root: Path, write: Write, monkeypatch: pytest.MonkeyPatch, spec: type[KnownImages], class_name: str
) -> None:
    """Both parts, value by value, and the names of the classes."""
    from torchvision import datasets

    dataset_class = getattr(datasets, class_name)
    member = cifar.MEMBERS[spec]
    write(spec, root / member.folder)
    data = _read(spec(), root)
    assert data.test is not None
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    for mine, train in ((data.train, True), (data.test, False)):
        theirs = dataset_class(root, train=train)
        np.testing.assert_array_equal(mine.inputs, theirs.data)
        assert mine.targets.tolist() == theirs.targets
        assert data.class_names == tuple(theirs.classes)


def test_published_files_can_be_predicted(root: Path, write: Write) -> None:
    """The pictures of the test, numbered; and of a file of any other name no pickle is read."""
    folder = write(Cifar10, root / "cifar-10-batches-py")
    new, test = cifar.read_new(Cifar10(), folder / "test_batch"), _read(Cifar10(), root).test
    assert test is not None
    np.testing.assert_array_equal(new.inputs, test.inputs)
    assert (len(new.names), new.names[-1]) == (20, "19")
    for name in ("test_batch.copy", "batches.meta"):
        (folder / name).write_bytes((folder / "test_batch").read_bytes())
        with pytest.raises(DataError, match=f"{name} is neither a PNG, JPEG, BMP or WebP file nor an .npz file"):
            cifar.read_new(Cifar10(), folder / name)


def test_the_hashes_are_those_of_torchvision() -> None:
    """Of every file of both data sets."""
    from torchvision.datasets import CIFAR10, CIFAR100

    for spec, theirs in ((Cifar10, CIFAR10), (Cifar100, CIFAR100)):
        known = dict([*theirs.train_list, *theirs.test_list, (theirs.meta["filename"], theirs.meta["md5"])])
        assert dict(cifar.MEMBERS[spec].md5) == known
        assert cifar.MEMBERS[spec].folder == theirs.base_folder


@pytest.mark.parametrize("below", ["cifar-10-batches-py", "cifar10", "cifar10/cifar-10-batches-py", "."])
def test_files_are_found_in_the_usual_places(tmp_path: Path, write: Write, below: str) -> None:
    """Torchvision's folder, ours, and the folder itself."""
    folder = write(Cifar10, tmp_path / "data" / below)
    assert Path(_read(Cifar10(), tmp_path / "data").origin).resolve() == folder.resolve()


def test_a_damaged_file_is_refused_before_it_is_unpickled(root: Path, write: Write) -> None:
    """One changed byte, by its hash."""
    path = write(Cifar10, root / "cifar10") / "data_batch_3"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match="data_batch_3 is damaged: its MD5 is"):
        _read(Cifar10(), root)


class _Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle ran a function",))


def test_a_pickle_can_run_nothing(root: Path, write: Write) -> None:
    """Not even where its hash is right."""
    write(Cifar10, root / "cifar10", extra=_Attack())
    with pytest.raises(DataError, match="holds something else than pictures and labels: .* does not need"):
        _read(Cifar10(), root)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": np.zeros((20, 3071), np.uint8)}, "holds no 8-bit images of 32x32"),
        ({"data": np.zeros((20, 3072), np.int32)}, "holds no 8-bit images of 32x32"),
        ({"data": np.zeros((20, 3072), object)}, "holds no 8-bit images of 32x32"),
        ({"data": [0] * 20}, "holds no 8-bit images of 32x32"),
        ({"labels": [0] * 19}, r"holds 20 images and 19 labels"),
        ({"labels": [0.5] * 20}, r"holds 20 images and 20 labels, expected a whole number for each"),
        ({"labels": np.zeros(20, np.uint8)}, r"holds 20 images and no labels"),
        ({"labels": [0] * 19 + [10]}, "label 10 in row 19 of .*test_batch is not one of 0 to 9"),
        ({"label_names": ["one"]}, "does not name 10 classes"),
    ],
)
def test_content_that_does_not_fit_is_refused(root: Path, write: Write, changes: dict[str, Any], words: str) -> None:
    """Sizes, types, counts and the range of labels."""
    write(Cifar10, root / "cifar10", **changes)
    with pytest.raises(DataError, match=words):
        _read(Cifar10(), root)


def test_absent_data_is_unavailable(root: Path) -> None:
    """The error that a fallback answers."""
    with pytest.raises(DataUnavailableError, match="cifar100 can't be had here: it is not on disk"):
        _read(Cifar100(), root)
