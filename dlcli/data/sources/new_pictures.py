"""Pictures that somebody wants predictions for: files that are found and brought to what a network reads, and arrays of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dlcli.config.data import Arrays, DataSpec, ImageDataSpec, ImageFolder, KnownImages
from dlcli.config.diagnostics import shown
from dlcli.config.facts import DataFacts
from dlcli.config.normalisation import FixedNormalize
from dlcli.config.shapes import Image, Vector
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.data import pictures
from dlcli.data.raw import NewSamples
from dlcli.data.sources import arrays
from dlcli.data.sources.image_folder import KINDS, and_more, reason_unreadable, visible
from dlcli.errors import DataError

_MOST_NAMED: Final = 10
_MIDDLE: Final = 127.5
"""Between black and white."""
_LARGEST_STD: Final = 0.5
"""Of values between 0 and 1."""


@dataclass(frozen=True)
class PictureForm:
    """What picture files have to become for a network.

    Attributes:
        whose: what has pictures like that: the name of a data set, or `the training`.
        channels: 1 for grey, 3 for colour.
        size: height and width.
        is_told: whether a file that is not of this form is something to tell: not where the training scales its pictures too.
        is_bright_on_dark: whether all pictures of the training are.
    """

    whose: str
    channels: int
    size: tuple[int, int]
    is_told: bool = True
    is_bright_on_dark: bool = False


class PictureFile(NamedTuple):
    """A file, and what it is called in a table of predictions."""

    path: Path
    name: str


def form_of(spec: DataSpec, facts: DataFacts) -> PictureForm | None:
    """What picture files have to become for a network that was trained on a source.

    Args:
        spec: of a run, with all settled that its reading settles.
        facts: of the run.

    Returns:
        None where the source has no pictures, several inputs, or nothing says what its pictures were.
    """
    if isinstance(spec, KnownImages):
        known = spec.picture
        return PictureForm(spec.kind, known.channels, (known.height, known.width), is_bright_on_dark=known.channels == 1)
    if isinstance(spec, ImageFolder) or (isinstance(spec, Arrays) and not spec.input_names and _holds_bytes(spec)):
        picture = _picture(spec, facts)
        if picture is not None and picture.channels in (1, 3):
            size = (picture.height, picture.width)
            return PictureForm("the training", picture.channels, size, is_told=spec.resize is None)
    return None


def _picture(spec: ImageFolder | Arrays, facts: DataFacts) -> Image | None:
    """What the pictures are when they are viewed, as far as the views and the run's spec tell."""
    shapes = dict(zip(spec.views, facts.inputs.values(), strict=False))
    if "image" in shapes:
        shape = shapes["image"]
        return shape if isinstance(shape, Image) else None
    channels: int | None = spec.channels if isinstance(spec, ImageFolder) else None
    if channels is None and isinstance(spec.normalize, FixedNormalize):
        channels = len(spec.normalize.mean)
    rows = shapes.get("rows")
    if channels is None:
        return None
    if spec.resize is not None:
        return Image(channels, *spec.resize)
    if isinstance(rows, SequenceShape) and isinstance(rows.time, int) and isinstance(rows.item, Vector):
        return Image(channels, rows.time, rows.item.features // channels)
    return None


def _holds_bytes(spec: Arrays) -> bool:
    """Whether arrays look like 8-bit values, by what was measured of them in units of 255."""
    measured = spec.normalize
    if not isinstance(measured, FixedNormalize):
        return False
    return all(0 <= mean <= 1 for mean in measured.mean) and all(std <= _LARGEST_STD for std in measured.std)


def pictures_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """All pictures below a folder in the order of their names, and what else lies there, apart from what is hidden.

    A folder that links lead to twice is read once.

    Raises:
        DataError: a folder can't be read, or there is no picture.
    """
    found: list[Path] = []
    others: list[Path] = []
    seen: set[tuple[int, int]] = set()
    left = [folder]
    while left:
        place = left.pop()
        try:
            if not place.is_dir():
                is_meant = place.suffix.lower() in pictures.SUFFIXES and place.is_file()
                (found if is_meant else others).append(place)
                continue
            status = place.stat()
        except OSError as error:
            raise DataError(f"{place} can't be read: {error.strerror or error}", help="check its permissions") from error
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            left += reversed(visible(place))
    if not found:
        inside = f"; it holds {others[0].relative_to(folder)}{and_more(len(others))}" if others else ""
        raise DataError(f"{folder} holds no picture{inside}", help=f"give {KINDS} files, or a folder of them")
    return found, others


def read_new(spec: ImageDataSpec, path: Path) -> NewSamples:
    """Reads the array `x` of an .npz file: pictures (N, H, W), (N, H, W, C) or (N, C, H, W) of 8-bit values.

    Args:
        spec: of a run.
        path: of the file.

    Raises:
        DataError: it is no .npz file, or holds other pictures than the run was trained on.
    """
    if path.suffix.lower() != ".npz":
        raise no_pictures(path)
    new = arrays.read_new(Arrays(path=str(path), layout="image"), path)
    assert not isinstance(new.inputs, dict)
    if new.inputs.dtype != np.uint8:
        raise DataError(
            f"x in {path} holds no 8-bit values", help="write whole numbers 0 to 255: np.savez(path, x=x.astype('uint8'))"
        )
    if isinstance(spec, KnownImages):
        known = spec.picture
        expected = (known.height, known.width, known.channels)
        if new.inputs.shape[1:] != expected:
            found, wanted = ("x".join(map(str, sizes)) for sizes in (new.inputs.shape[1:], expected))
            what = f"x in {path} has pictures of {found}, and those of {spec.kind} are {wanted} (height, width, channels)"
            raise DataError(what, help="give pictures of that size, or picture files, which are scaled")
    return new


def no_pictures(path: Path, also: str = "") -> DataError:
    """What is said of a file that holds none.

    Args:
        path: of the file.
        also: what is read beside files that every network of pictures reads, with a comma before it.
    """
    what = f"{path} is neither a {KINDS} file nor an .npz file"
    return DataError(what, help=f"give picture files, folders of them{also} or an .npz file with an array x")


class _Decoded(NamedTuple):
    """What became of a file.

    Attributes:
        pixels: uint8 (H, W, channels), as they have to be.
        change: what they were, where that is something to tell.
    """

    pixels: NDArray[np.uint8]
    change: str | None


class PictureReader:
    """Decodes picture files a part at a time, and keeps what is to be told of all of them.

    Args:
        form: what they have to become.
        inverts: whether bright becomes dark.
    """

    def __init__(self, form: PictureForm, *, inverts: bool = False) -> None:
        self.form = form
        self._inverts = inverts
        self._count = 0
        self._failures: list[tuple[str, str]] = []
        self._changed: list[str] = []
        self._dark_on_bright: list[str] = []
        self._blank: list[str] = []

    def read(self, files: Sequence[PictureFile]) -> NewSamples | None:
        """Pictures uint8 (N, H, W, channels); None where a file could not be read, now or before: then `finish` says so."""
        images = np.zeros((len(files), *self.form.size, self.form.channels), dtype=np.uint8)
        with pictures.unwarned(), ThreadPoolExecutor(os.cpu_count()) as pool:
            for image, file, decoded in zip(images, files, pool.map(self._decoded, files), strict=True):
                if isinstance(decoded, Exception):
                    self._failures.append((shown(file.name), reason_unreadable(file.path, decoded)))
                else:
                    image[:] = decoded.pixels
                    self._look_at(decoded, file.name)
        self._count += len(files)
        return None if self._failures else NewSamples(images, None, tuple(file.name for file in files))

    def finish(self) -> tuple[str, ...]:
        """What a person should know of the pictures, a line each.

        Raises:
            DataError: some could not be read.
        """
        if self._failures:
            raise self._unreadable()
        (height, width), whose = self.form.size, self.form.whose
        colours = "grey" if self.form.channels == 1 else "colour"
        mend = "leave --invert out" if self._inverts else "add --invert"
        told = [
            (self._changed, f"brought to {height}x{width} in {colours}, like those of {whose}"),
            (self._dark_on_bright, f"dark on bright, unlike those of {whose}: {mend}"),
            (self._blank, "of one brightness all over; what is transparent is read as black"),
        ]
        return tuple(
            f"{len(names):,} of {self._count:,} pictures {'is' if len(names) == 1 else 'are'} {what}; the first: {names[0]}"
            for names, what in told
            if names
        )

    def _decoded(self, file: PictureFile) -> _Decoded | Exception:
        form = self.form
        try:
            picture = pictures.read_picture(file.path, form.channels)
            was_colour = form.is_told and form.channels == 1 and not pictures.is_grey(file.path)
        except MemoryError:
            raise
        except Exception as error:  # whatever Pillow raises
            return error
        height, width = picture.shape[:2]
        pixels = pictures.resized_picture(picture, form.size)
        is_changed = form.is_told and ((height, width) != form.size or was_colour)
        change = f"{shown(file.name)} ({height}x{width}{' in colour' if was_colour else ''})" if is_changed else None
        return _Decoded(255 - pixels if self._inverts else pixels, change)

    def _look_at(self, decoded: _Decoded, name: str) -> None:
        """Keeps what would lead the network astray."""
        if decoded.change is not None:
            self._changed.append(decoded.change)
        if not self.form.is_bright_on_dark:
            return
        if decoded.pixels.min() == decoded.pixels.max():
            self._blank.append(shown(name))
        elif _border(decoded.pixels).mean() > _MIDDLE:
            self._dark_on_bright.append(shown(name))

    def _unreadable(self) -> DataError:
        named = ", ".join(f"{name} ({reason})" for name, reason in self._failures[:_MOST_NAMED])
        rest = len(self._failures) - _MOST_NAMED
        more = f", and {rest:,} more" if rest > 0 else ""
        what = f"{len(self._failures):,} of {self._count:,} pictures can't be read, so nothing was predicted: {named}{more}"
        return DataError(what, help="replace them, or leave them out")


def _border(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The outermost pixels of a picture."""
    inside = np.zeros(pixels.shape[:2], dtype=bool)
    inside[1:-1, 1:-1] = True
    return pixels[~inside]
