"""CIFAR-10 and CIFAR-100 in their Python version: pickled arrays, read without letting a pickle do anything."""

from __future__ import annotations

import hashlib
import io
import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import Cifar10, Cifar100, KnownImages
from dlcli.data.directories import Directories
from dlcli.data.raw import NewSamples, RawData, RawSplit
from dlcli.data.sources import new_pictures, published
from dlcli.data.sources.answers import check_labels
from dlcli.data.sources.archive import extract
from dlcli.data.sources.download import download
from dlcli.data.sources.published import Published
from dlcli.errors import DataError

MEND: Final = "delete the folder, and it is downloaded again, or put an intact copy in its place"
_LARGEST: Final = 200_000_000
"""Bytes of a file, and of all that is in an archive."""


@dataclass(frozen=True)
class _Member:
    """What is known of one of the two.

    Attributes:
        published: its archive on the network.
        folder: what the archive unpacks to.
        train: its files with training samples.
        test: its file with test samples.
        names: its file with the names of the classes.
        labels_key: where a file has the classes.
        names_key: where a file has their names.
        md5: of all files, as torchvision has them.
    """

    published: Published
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
        published.CIFAR10,
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
        published.CIFAR100,
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
    folder = _complete(spec, directories)
    if folder is None:
        unpack = partial(_unpack, member)
        folder = download(spec.kind, member.published, directories.cache, allowed=downloads, unpack=unpack)
    test = _split(spec, member, [folder / member.test])
    train = _split(spec, member, [folder / name for name in member.train])
    names = _content(folder / member.names, member).get(member.names_key)
    if not isinstance(names, list) or len(names) != spec.classes:
        raise DataError(f"{folder / member.names} does not name {spec.classes} classes", help=MEND)
    return RawData(train, None, test, tuple(str(name) for name in names), str(folder))


def files(spec: KnownImages, directories: Directories) -> tuple[Path, ...]:
    """The files that `read` would read; none where it would download them."""
    folder = _complete(spec, directories)
    return () if folder is None else tuple(folder / name for name in MEMBERS[type(spec)].files)


def read_new(spec: KnownImages, path: Path) -> NewSamples:
    """Reads pictures to predict: a published file of pictures, or an .npz file with `x`.

    Args:
        spec: of a run.
        path: of the file.

    Raises:
        DataError: the file is damaged, or holds something else.
    """
    member = MEMBERS[type(spec)]
    if path.name not in (*member.train, member.test):
        return new_pictures.read_new(spec, path)
    images, _ = _part(spec, member, path)
    return NewSamples(images, None, tuple(map(str, range(len(images)))))


def _complete(spec: KnownImages, directories: Directories) -> Path | None:
    """The first folder that has all files."""
    member = MEMBERS[type(spec)]
    folders = (folder for root in directories.roots for folder in _folders(spec, member, root))
    return next((folder for folder in folders if all((folder / name).is_file() for name in member.files)), None)


def _folders(spec: KnownImages, member: _Member, root: Path) -> list[Path]:
    return [root / member.folder, root / spec.kind, root / spec.kind / member.folder, root]


def _unpack(member: _Member, folder: Path) -> None:
    """Puts the files in place of their archive."""
    archive = folder / member.published.files[0].name
    extract(archive, member.folder, member.files, folder, _LARGEST)
    archive.unlink()


def _split(spec: KnownImages, member: _Member, paths: list[Path]) -> RawSplit:
    parts = [_part(spec, member, path) for path in paths]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return RawSplit(images, labels)


def _part(spec: KnownImages, member: _Member, path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (N, 32, 32, 3) and classes (N,) of a file, in which the channels come before height and width."""
    content = _content(path, member)
    picture, data, labels = spec.picture, content.get("data"), content.get(member.labels_key)
    pixels = data.bytes() if isinstance(data, _Array) else None
    if pixels is None or pixels.shape[1:] != (math.prod(picture.sizes),):
        raise DataError(f"{path} holds no 8-bit images of 32x32 in colour", help=MEND)
    if not isinstance(labels, list) or not all(type(label) is int for label in labels) or len(labels) != len(pixels):
        found = f"{len(labels)} labels" if isinstance(labels, list) else "no labels"
        raise DataError(f"{path} holds {len(pixels)} images and {found}, expected a whole number for each", help=MEND)
    classes = np.array(labels, dtype=np.int64)
    check_labels(classes, spec.classes, path, MEND)
    return pixels.reshape(-1, *picture.sizes).transpose(0, 2, 3, 1), classes


def _content(path: Path, member: _Member) -> dict[str, Any]:
    """The dictionary in a file, once its hash says that it is the published one."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}", help="check the file's permissions") from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != member.md5[path.name]:
        raise DataError(f"{path} is damaged: its MD5 is {found}, expected {member.md5[path.name]}", help=MEND)
    try:
        unpickled = _PlainValues(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a pickle can make anything go wrong
        raise DataError(f"{path} holds something else than pictures and labels: {error}", help=MEND) from error
    if not isinstance(unpickled, dict):
        raise DataError(f"{path} holds no dictionary of pictures and labels", help=MEND)
    return unpickled


class _Array:
    """Stands for an array while a pickle is read, so that no code of NumPy runs on what the pickle says."""

    def __init__(self, *_: object) -> None:
        self._state: object = None

    def __setstate__(self, state: object) -> None:
        self._state = state

    def bytes(self) -> NDArray[np.uint8] | None:
        """The array (N, K), where it is one of bytes and they are as many as its shape says."""
        match self._state:
            case (_, (int(rows), int(columns)), _Type("u1"), int(is_fortran), str() | bytes() as content):
                content = content if isinstance(content, bytes) else content.encode("latin1", "ignore")
                if rows >= 0 and columns >= 0 and rows * columns == len(content):
                    return np.frombuffer(content, dtype=np.uint8).reshape((rows, columns), order="F" if is_fortran else "C")
        return None


class _Type:
    """Stands for the type of an array; what else a pickle says of it does not matter to bytes."""

    __match_args__ = ("name",)

    def __init__(self, name: object, *_: object) -> None:
        self.name = name

    def __setstate__(self, _: object) -> None:
        pass


class _PlainValues(pickle.Unpickler):
    """Builds plain values and stand-ins for arrays, and refuses every other class or function."""

    _STAND_INS: Final[Mapping[tuple[str, str], type]] = {
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
    }

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in self._STAND_INS:
            raise pickle.UnpicklingError(f"a pickle of plain arrays does not need {module}.{name}")
        return self._STAND_INS[module, name]
