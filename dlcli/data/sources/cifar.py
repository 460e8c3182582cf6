"""CIFAR-10 and CIFAR-100 in their Python version: pickled arrays, read without letting a pickle do anything."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import Cifar10, Cifar100, KnownImages
from dlcli.data.directories import Directories
from dlcli.data.raw import RawData, RawSplit
from dlcli.data.sources.answers import check_labels
from dlcli.data.sources.download import download
from dlcli.errors import DataError

MEND: Final = "delete the folder, and it is downloaded again, or put an intact copy in its place"


@dataclass(frozen=True)
class _Member:
    """What is known of one of the two.

    Attributes:
        torchvision: its class there.
        folder: what the archive unpacks to.
        train: its files with training samples.
        test: its file with test samples.
        names: its file with the names of the classes.
        labels_key: where a file has the classes.
        names_key: where a file has their names.
        md5: of all files, as torchvision has them.
    """

    torchvision: str
    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    labels_key: str
    names_key: str
    md5: Mapping[str, str]

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.train, self.test, self.names)


MEMBERS: Final[Mapping[type[KnownImages], _Member]] = {
    Cifar10: _Member(
        "CIFAR10",
        "cifar-10-batches-py",
        tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test_batch",
        "batches.meta",
        "labels",
        "label_names",
        {
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
            "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        },
    ),
    Cifar100: _Member(
        "CIFAR100",
        "cifar-100-python",
        ("train",),
        "test",
        "meta",
        "fine_labels",
        "fine_label_names",
        {
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            "meta": "7973b15100ade9c7d40fb424638fde48",
        },
    ),
}


def read(spec: KnownImages, directories: Directories, downloads: bool) -> RawData:
    """Reads one of the two from the first folder that has its files.

    Args:
        spec: which.
        directories: where to look.
        downloads: whether to download it where no folder has it.

    Raises:
        DataUnavailableError: it is nowhere and can't be downloaded.
        DataError: a file is damaged, or is not what its name says.
    """
    member = MEMBERS[type(spec)]
    folders = [folder for root in directories.roots for folder in _folders(spec, member, root)]
    complete = (folder for folder in folders if all((folder / name).is_file() for name in member.files))
    folder = next(complete, None)
    if folder is None:
        folder = download(spec.kind, member.torchvision, member.folder, directories.cache, allowed=downloads)
    test = _split(spec, member, [folder / member.test])
    train = _split(spec, member, [folder / name for name in member.train])
    names = _content(folder / member.names, member).get(member.names_key)
    if not isinstance(names, list) or len(names) != spec.classes:
        raise DataError(f"{folder / member.names} does not name {spec.classes} classes", help=MEND)
    return RawData(train, None, test, tuple(str(name) for name in names), str(folder))


def _folders(spec: KnownImages, member: _Member, root: Path) -> list[Path]:
    return [root / member.folder, root / spec.kind, root / spec.kind / member.folder, root]


def _split(spec: KnownImages, member: _Member, paths: list[Path]) -> RawSplit:
    parts = [_part(spec, member, path) for path in paths]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return RawSplit(images, labels)


def _part(spec: KnownImages, member: _Member, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 32, 32, 3) and classes (N,) of a file, in which the channels come before height and width."""
    content = _content(path, member)
    picture, pixels = spec.picture, content.get("data")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (np.prod(picture.sizes),):
        raise DataError(f"{path} holds no 8-bit images of 32x32 in colour", help=MEND)
    labels = np.asarray(content.get(member.labels_key), dtype=np.int64)
    if labels.shape != pixels.shape[:1]:
        raise DataError(f"{path} holds {len(pixels)} images and labels of shape {list(labels.shape)}", help=MEND)
    check_labels(labels, spec.classes, path, MEND)
    return pixels.reshape(-1, *picture.sizes).transpose(0, 2, 3, 1), labels


def _content(path: Path, member: _Member) -> dict[str, Any]:
    """The dictionary in a file, once its hash says that it is the published one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}", help="check the file's permissions") from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != member.md5[path.name]:
        raise DataError(f"{path} is damaged: its MD5 is {found}, expected {member.md5[path.name]}", help=MEND)
    unpickled = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    assert isinstance(unpickled, dict)
    return unpickled


class _ArraysOnly(pickle.Unpickler):
    """Builds plain values and arrays, and refuses every other class or function."""

    _ALLOWED: Final[Mapping[tuple[str, str], Callable[..., Any]]] = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # type: ignore[dict-item]
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"a pickle of plain arrays does not need {module}.{name}")
        return self._ALLOWED[module, name]
