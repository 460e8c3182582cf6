"""Pictures in a folder for each class."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Final

from dlcli.app.commented_yaml import printable
from dlcli.app.survey.found import Field, Survey, counted, facts_of, few_fields, listed
from dlcli.config.data import ImageFolder
from dlcli.data import pictures
from dlcli.data.sources.image_folder import unreadable
from dlcli.errors import DataError

_MEASURED_PICTURES: Final = 100
_LARGEST_SIDE: Final = 128
"""Pixels. Larger pictures are scaled down: training time grows with their area."""
_MANY_PICTURES: Final = 5_000


def is_picture(file: Path) -> bool:
    """Whether a file is one that the source reads."""
    return file.suffix.lower() in pictures.SUFFIXES and not file.name.startswith(".") and file.is_file()


def survey_image_folder(path: Path) -> Survey:
    """Counts pictures and classes, and measures some of the pictures.

    Raises:
        DataError: the folder does not hold pictures in folders of two classes or more, or one can't be read.
    """
    facts = facts_of(ImageFolder(path=str(path)))
    train = path / "train"
    root = train if train.is_dir() and any(child.is_dir() for child in train.iterdir()) else path
    files = sorted(file for file in root.glob("*/*") if is_picture(file) and not file.parent.name.startswith("."))
    classes = sorted({file.parent.name for file in files})
    passed_over = _passed_over(root)
    if len(classes) == 1:
        help = f"put the pictures of each class into a folder of its own: {root / 'cats'}, {root / 'dogs'}"
        what = "; ".join([f"{root} holds one class only, `{printable(classes[0], 60)}`", *passed_over])
        raise DataError(what, help=help)
    sizes = _sizes(files)
    height, width = (round(statistics.median(side)) for side in zip(*sizes, strict=True))
    same = len(set(sizes)) == 1
    head = f"{len(files):,} pictures{' for training' if root is train else ''} in {counted(len(classes), 'class', 'classes')}"
    sized = f"{'each' if same else 'of different sizes, the middle one'} {height}x{width} pixels (height x width)"
    resize = resize_to(height, width, len(files), same=same)
    fields: list[Field] = []
    if resize is not None:
        fields.append(("resize", list(resize), "height and width of all; larger shows more and takes longer"))
        facts = facts_of(ImageFolder(path=str(path), resize=resize))
    if not any((path / name).is_dir() for name in ("valid", "val") if root is train):
        fields += few_fields(len(files))
    return Survey(ImageFolder.kind, path, facts, len(files), f"{head}: {listed(classes)}; {sized}", tuple(fields), passed_over)


def _passed_over(root: Path) -> tuple[str, ...]:
    """What is to be said of pictures that lie beside the folders of the classes."""
    loose = sum(is_picture(file) for file in root.iterdir())
    if not loose:
        return ()
    those = counted(loose, "picture", "pictures")
    return (f"{those} beside the folders of the classes {'is' if loose == 1 else 'are'} passed over",)


def _sizes(files: list[Path]) -> list[tuple[int, int]]:
    """Heights and widths of some pictures, evenly spread over all of them."""
    sizes = []
    for file in files[:: math.ceil(len(files) / _MEASURED_PICTURES)]:
        try:
            with pictures.unwarned():
                sizes.append(pictures.size_of(file))
        except Exception as error:  # Pillow raises whatever a decoder raises
            raise unreadable([(file, error)]) from error
    return sizes


def resize_to(height: int, width: int, samples: int, *, same: bool) -> tuple[int, int] | None:
    """The size that pictures are scaled to, or None where they can stay as they are.

    A power of two from 32, as large as the shorter side asks for, up to 128 pixels, or 64 where there are many pictures;
    what is far from square keeps its proportions.
    """
    if same and max(height, width) <= _LARGEST_SIDE:
        return None
    most = _LARGEST_SIDE if samples <= _MANY_PICTURES else _LARGEST_SIDE // 2
    side = min(most, max(32, 1 << (min(height, width) - 1).bit_length()))
    if max(height, width) <= 1.5 * min(height, width):
        return side, side
    proportion = math.sqrt(height / width)
    return max(8, 8 * round(side * proportion / 8)), max(8, 8 * round(side / proportion / 8))
