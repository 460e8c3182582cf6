"""Pictures in class folders."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from dlcli.config.data import ImageFolder
from dlcli.config.facts import TARGET, DataFacts, Target
from dlcli.config.shapes import Image as ImageShape
from dlcli.data import pictures
from dlcli.data.decoded_cache import Recipe, decoded
from dlcli.data.directories import Directories
from dlcli.data.raw import RawData, RawSplit
from dlcli.data.sources.growth import ALWAYS, check_growth
from dlcli.data.sources.located import locate
from dlcli.errors import DataError

_SPLITS: Final = {"train": "train", "valid": "valid", "val": "valid", "test": "test"}
KINDS: Final = "PNG, JPEG, BMP or WebP"
_MOST_TIMES: Final = 100
"""So many times larger than their files pictures may be in memory."""


@dataclass(frozen=True)
class _Folder:
    """What an image folder holds.

    Attributes:
        path: absolute.
        classes: their names, sorted.
        files: split -> (file, class number), in a fixed order.
        others: what else lies in the folders of the classes, apart from hidden files.
    """

    path: Path
    classes: tuple[str, ...]
    files: dict[str, list[tuple[Path, int]]]
    others: list[Path]


def facts(spec: ImageFolder, directories: Directories) -> DataFacts:
    """From the names of the folders and the first picture.

    Raises:
        DataUnavailableError: there is no such folder.
        DataError: it does not hold pictures in class folders.
    """
    folder = _scanned(spec, directories)
    shape = _first_picture(spec, folder)
    return DataFacts(spec.viewed(shape), {TARGET: Target(num_classes=len(folder.classes))})


def read(spec: ImageFolder, directories: Directories, _: bool) -> RawData:
    """Decodes all pictures, or takes what an earlier start has decoded of the same files.

    Raises:
        DataUnavailableError: there is no such folder.
        DataError: it does not hold pictures in class folders, a file can't be read, or sizes differ and nothing is said of
            a common one.
    """
    folder = _scanned(spec, directories)
    first = _first_picture(spec, folder)
    files = [file for split in folder.files.values() for file in split]
    paths = [path for path, _ in files]
    shape = (len(files), *(spec.resize or (first.height, first.width)), first.channels)
    if spec.resize is None:
        _check_growth(paths, shape)
    recipe = Recipe(spec.kind, folder.path, paths, {"channels": first.channels, "resize": spec.resize})
    images = decoded(recipe, shape, partial(_decoded, paths, shape, spec.resize))
    targets = np.array([number for _, number in files], dtype=np.int64)
    splits: dict[str, RawSplit] = {}
    start = 0
    for name, members in folder.files.items():
        stop = start + len(members)
        splits[name] = RawSplit(images[start:stop], targets[start:stop])
        start = stop
    valid, test = splits.get("valid"), splits.get("test")
    found = {"channels": first.channels}
    return RawData(splits["train"], valid, test, folder.classes, str(folder.path), notices_of(folder.others), found)


def notices_of(others: list[Path]) -> tuple[str, ...]:
    """What is said of files that are passed over."""
    if not others:
        return ()
    known = ", ".join(pictures.SUFFIXES)
    return (f"not read, since the name ends in none of {known}: {others[0]}{and_more(len(others))}",)


def _scanned(spec: ImageFolder, directories: Directories) -> _Folder:
    help = "give the folder that holds the classes' folders"
    path = locate(spec.path, directories, "image folder", help, Path.is_dir)
    if not any(child.is_dir() for child in visible(path / "train")):
        classes = _class_names(path)
        found, beside = _files(path, classes)
        return _Folder(path, classes, {"train": found}, beside)
    classes = _class_names(path / "train")
    files: dict[str, list[tuple[Path, int]]] = {}
    others: list[Path] = []
    for child in visible(path):
        if not child.is_dir():
            continue
        split = _SPLITS.get(child.name)
        if split is None or split in files:
            what = f"{child} is neither `train`, `valid` nor `test`" if split is None else f"{path} has both `val` and `valid`"
            raise DataError(what, help="beside `train` there may be `valid` (or `val`) and `test`, nothing else")
        unknown = [name for name in _class_names(child) if name not in classes]
        if unknown:
            help = f"the classes are those of {path / 'train'}: {', '.join(classes[:10])}"
            raise DataError(f"{child / unknown[0]} is a class without training pictures", help=help)
        files[split], beside = _files(child, classes)
        others += beside
    return _Folder(path, classes, files, others)


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, sorted by name, apart from what is hidden; nothing where there is no such folder.

    Raises:
        DataError: it can't be read.
    """
    if not folder.is_dir():
        return []
    with _listing_errors(folder):
        return sorted(child for child in folder.iterdir() if not child.name.startswith("."))


@contextmanager
def _listing_errors(folder: Path) -> Iterator[None]:
    """Turns what keeps a folder from being listed into an error that says where."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{folder} can't be read: {error.strerror or error}", help="check the folder's permissions") from error


def _class_names(folder: Path) -> tuple[str, ...]:
    names = tuple(child.name for child in visible(folder) if child.is_dir())
    if not names:
        help = f"put the pictures of each class into a folder of its own: {folder / 'cats'}, {folder / 'dogs'}"
        raise DataError(f"{folder} holds no folders of classes", help=help)
    return names


def _files(folder: Path, classes: Sequence[str]) -> tuple[list[tuple[Path, int]], list[Path]]:
    """The pictures of the classes that are there, with the number of their class, and what else lies beside them."""
    files: list[tuple[Path, int]] = []
    others: list[Path] = []
    for number, name in enumerate(classes):
        found, beside = _pictures_in(folder / name)
        if not found and (folder / name).is_dir():
            raise DataError(f"{folder / name} holds no picture", help=f"put {KINDS} files into it, or remove it")
        files += [(path, number) for path in found]
        others += beside
    return files, others


def _pictures_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The pictures in a folder, and what else lies there and is not hidden, both sorted by name; nothing without a folder."""
    if not folder.is_dir():
        return [], []
    found: list[Path] = []
    others: list[Path] = []
    with _listing_errors(folder), os.scandir(folder) as children:
        for child in sorted(children, key=lambda child: child.name):
            if not child.name.startswith("."):
                is_meant = child.name.lower().endswith(pictures.SUFFIXES) and _is_file(child)
                (found if is_meant else others).append(folder / child.name)
    return found, others


def _is_file(child: os.DirEntry[str]) -> bool:
    """Whether it is one or leads to one; the system is asked only about links."""
    try:
        return child.is_file()
    except OSError:  # a link that leads to itself
        return False


def _first_picture(spec: ImageFolder, folder: _Folder) -> ImageShape:
    path = folder.files["train"][0][0]
    try:
        with pictures.unwarned():
            height, width = pictures.size_of(path)
            channels = spec.channels or (1 if pictures.is_grey(path) else 3)
    except MemoryError:
        raise
    except Exception as error:
        raise unreadable([(path, error)]) from error
    return ImageShape(channels, height, width)


def _check_growth(paths: Sequence[Path], shape: tuple[int, ...]) -> None:
    """Refuses pictures that would take far more memory than their files."""
    grown = math.prod(shape)
    with _listing_errors(paths[0].parent):
        size = sum(path.stat().st_size for path in paths) if grown > ALWAYS else 0
    what = f"{len(paths):,} pictures of {shape[1]}x{shape[2]} like {paths[0]}"
    help = "scale them all down with data.resize, for example data.resize=[128, 128]"
    check_growth(what, grown, size, help, _MOST_TIMES)


def _decoded(paths: Sequence[Path], shape: tuple[int, ...], resize: tuple[int, int] | None) -> NDArray[np.uint8]:
    """All pictures (N, H, W, channels): at the size of `resize`, or else all of the size of the first."""
    images = np.empty(shape, dtype=np.uint8)
    first = shape[1:3]
    failures: list[tuple[Path, Exception]] = []
    odd: list[tuple[Path, tuple[int, int]]] = []

    def decode(index: int) -> None:
        path = paths[index]
        try:
            picture = pictures.read_picture(path, shape[3])
        except MemoryError:
            raise
        except Exception as error:
            failures.append((path, error))
            return
        if resize is not None:
            images[index] = pictures.resized_picture(picture, resize)
        elif picture.shape[:2] == first:
            images[index] = picture
        else:
            odd.append((path, picture.shape[:2]))

    with pictures.unwarned(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(decode, range(len(paths))):
            pass
    if failures:
        raise unreadable(sorted(failures, key=lambda entry: entry[0]))
    if odd:
        path, (height, width) = min(odd)
        sizes = f"{paths[0]} is {first[0]}x{first[1]} and {path} is {height}x{width} (height x width)"
        help = f"scale them all: data.resize=[{first[0]}, {first[1]}]"
        raise DataError(f"pictures of different sizes{_of_them(len(odd))}: {sizes}", help=help)
    return images


def unreadable(failures: list[tuple[Path, Exception]]) -> DataError:
    """What is said of files that Pillow could not read: the first of them, and why."""
    path, error = failures[0]
    what = f"{path} can't be read as a picture{and_more(len(failures))}: {reason_unreadable(path, error)}"
    mend = "scale it down" if isinstance(error, pictures.TooLargeError) else "replace it"
    return DataError(what, help=f"{mend}, or remove it from the folder")


def reason_unreadable(path: Path, error: Exception) -> str:
    """Why Pillow could not read a file, as a clause."""
    if isinstance(error, UnidentifiedImageError):
        return "it is damaged or not complete" if pictures.begins_as_picture(path) else f"it is no {KINDS} file"
    return " ".join(str(error).split())


def and_more(count: int) -> str:
    """What stands behind the first of so many."""
    return f" (and {count - 1} more)" if count > 1 else ""


def _of_them(count: int) -> str:
    return f" ({count} of them)" if count > 1 else ""
