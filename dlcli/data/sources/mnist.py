"""The MNIST family: four IDX files each, found on disk or downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import FashionMnist, Kmnist, KnownImages, Mnist, Qmnist
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError, NewSamples, RawData, RawSplit
from dlcli.data.sources import new_pictures, published
from dlcli.data.sources.answers import check_labels
from dlcli.data.sources.download import download
from dlcli.data.sources.idx import IdxFile, read_idx
from dlcli.data.sources.published import Published
from dlcli.errors import DataError

MEND: Final = "delete the file, and all are downloaded again, or put an intact copy in its place"


@dataclass(frozen=True)
class _Files:
    """Names without .gz."""

    train_images: str = "train-images-idx3-ubyte"
    train_labels: str = "train-labels-idx1-ubyte"
    test_images: str = "t10k-images-idx3-ubyte"
    test_labels: str = "t10k-labels-idx1-ubyte"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.train_images, self.train_labels, self.test_images, self.test_labels)


@dataclass(frozen=True)
class _Member:
    """What is known of a data set of the family.

    Attributes:
        torchvision: the folder that torchvision downloads it to.
        class_names: of its ten classes.
        published: its compressed files on the network.
        files: their names.
        sha256: of uncompressed files, where known.
    """

    torchvision: str
    class_names: tuple[str, ...]
    published: Published
    files: _Files = _Files()
    sha256: Mapping[str, str] | None = None


_DIGITS: Final = tuple("0123456789")
_CLOTHING: Final = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
_SYLLABLES: Final = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_QMNIST_FILES: Final = _Files(
    "qmnist-train-images-idx3-ubyte",
    "qmnist-train-labels-idx2-int",
    "qmnist-test-images-idx3-ubyte",
    "qmnist-test-labels-idx2-int",
)
_MNIST_SHA256: Final = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

MEMBERS: Final[Mapping[type[KnownImages], _Member]] = {
    Mnist: _Member("MNIST", _DIGITS, published.MNIST, sha256=_MNIST_SHA256),
    FashionMnist: _Member("FashionMNIST", _CLOTHING, published.FASHION_MNIST),
    Kmnist: _Member("KMNIST", _SYLLABLES, published.KMNIST),
    Qmnist: _Member("QMNIST", _DIGITS, published.QMNIST, _QMNIST_FILES),
}


def read(spec: KnownImages, directories: Directories, downloads: bool) -> RawData:
    """Reads a data set of the family from the first folder that has its four files.

    Args:
        spec: which.
        directories: where to look.
        downloads: whether to download it where no folder has it.

    Raises:
        DataUnavailableError: it is nowhere and can't be downloaded.
        DataError: a file is damaged, or is not what its name says.
    """
    member = MEMBERS[type(spec)]
    folders = _all_folders(spec, directories)
    folder = _complete(folders, member)
    if folder is None:
        folder = _download(spec, member, folders, directories.cache, downloads)
    files = member.files
    train = _split(spec, member, folder, files.train_images, files.train_labels)
    test = _split(spec, member, folder, files.test_images, files.test_labels)
    return RawData(train, None, test, member.class_names, str(folder))


def files(spec: KnownImages, directories: Directories) -> tuple[Path, ...]:
    """The files that `read` would read; none where it would download them."""
    member = MEMBERS[type(spec)]
    folder = _complete(_all_folders(spec, directories), member)
    found = (_file(folder, name) for name in member.files.names) if folder is not None else ()
    return tuple(path for path in found if path is not None)


def read_new(spec: KnownImages, path: Path) -> NewSamples:
    """Reads pictures to predict: an IDX file of 28x28 pictures, also compressed with gzip, or an .npz file with `x`.

    Args:
        spec: of a run.
        path: of the file.

    Raises:
        DataError: the file is damaged, or holds something else.
    """
    if path.suffix.lower() == ".npz":
        return new_pictures.read_new(spec, path)
    if path.suffix != ".gz" and not _begins_as_idx(path):
        raise new_pictures.no_pictures(path, ", IDX files")
    images = read_idx(path, "give an intact copy").values
    _check_pictures(spec, images, path, "give the file of the pictures, such as t10k-images-idx3-ubyte")
    return NewSamples(images[..., np.newaxis], None, tuple(map(str, range(len(images)))))


def _begins_as_idx(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"\0\0"
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}", help="check the file's permissions") from error


def _all_folders(spec: KnownImages, directories: Directories) -> list[Path]:
    return [folder for root in directories.roots for folder in _folders(spec, MEMBERS[type(spec)], root)]


def _complete(folders: list[Path], member: _Member) -> Path | None:
    """The first folder that has all four files."""
    return next((folder for folder in folders if not _missing(folder, member)), None)


def _folders(spec: KnownImages, member: _Member, root: Path) -> list[Path]:
    """Where in a root the files may lie.

    MNIST, Fashion-MNIST and KMNIST have files of the same names, so those directly in the root are taken only where its
    own name says whose they are, and for MNIST where it says nothing.
    """
    below = [root / spec.kind, root / member.torchvision / "raw", root / member.torchvision]
    named = {plain_name(other.kind) for other in MEMBERS if plain_name(other.kind) == plain_name(root.name)}
    direct = named == {plain_name(spec.kind)} or (not named and spec.kind == Mnist.kind) or spec.kind == Qmnist.kind
    return [root, *below] if direct else below


def plain_name(name: str) -> str:
    """The name of a data set without what people write differently."""
    return name.lower().replace("_", "").replace("-", "")


def _missing(folder: Path, member: _Member) -> list[str]:
    return [name for name in member.files.names if _file(folder, name) is None]


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _download(spec: KnownImages, member: _Member, folders: list[Path], cache: Path, allowed: bool) -> Path:
    try:
        return download(spec.kind, member.published, cache, allowed=allowed)
    except DataUnavailableError as error:
        incomplete = next((folder for folder in folders if len(_missing(folder, member)) < len(member.files.names)), None)
        if incomplete is None:
            raise
        reason = f"{error.reason}; {incomplete} lacks {', '.join(_missing(incomplete, member))}"
        raise DataUnavailableError(spec.kind, reason, help=error.help) from error


def _split(spec: KnownImages, member: _Member, folder: Path, images_name: str, labels_name: str) -> RawSplit:
    images_path, images = _checked_file(spec, member, folder, images_name)
    labels_path, labels = _checked_file(spec, member, folder, labels_name)
    _check_pictures(spec, images.values, images_path, MEND)
    classes = _classes(labels.values, labels_path, spec.classes)
    if len(classes) != len(images.values):
        what = f"{images_path.name} holds {len(images.values)} images, and {labels_path.name} {len(classes)} labels"
        raise DataError(f"{what}, in {folder}", help=MEND)
    return RawSplit(images.values[..., np.newaxis], classes)


def _check_pictures(spec: KnownImages, images: NDArray[Any], path: Path, mend: str) -> None:
    if images.dtype != np.uint8 or images.shape[1:] != (spec.picture.height, spec.picture.width):
        found = f"{images.dtype} {list(images.shape)}"
        raise DataError(f"{path} holds {found}, expected 8-bit images of 28x28", help=mend)


def _classes(labels: NDArray[np.integer], path: Path, classes: int) -> NDArray[np.int64]:
    """Labels (N,), or as QMNIST has them (N, 8) with the class first."""
    if labels.ndim == 2 and labels.shape[1] == 8:
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{path} holds {labels.dtype} {list(labels.shape)}, expected one label for each image", help=MEND)
    check_labels(labels, classes, path, MEND)
    return labels.astype(np.int64)


def _checked_file(spec: KnownImages, member: _Member, folder: Path, name: str) -> tuple[Path, IdxFile]:
    path = _file(folder, name)
    assert path is not None
    file = read_idx(path, MEND)
    if member.sha256 is not None and file.sha256 != member.sha256[name]:
        what = f"{path} is damaged, or is not {spec.kind}: its SHA-256 is {file.sha256[:12]}..."
        raise DataError(f"{what}, expected {member.sha256[name][:12]}...", help=MEND)
    return path, file
