"""Pictures as arrays: decoding files and changing sizes, with Pillow."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dlcli.data.raw import Array

FORMATS: Final = ("PNG", "JPEG", "BMP", "WEBP")
"""The decoders that are let near a file, whatever its name says."""

_BEGINNINGS: Final = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"RIFF")
"""Of a file in each of these formats."""

MOST_PIXELS: Final = 89_478_485
"""Of a picture: what Pillow calls suspicious, 256 MiB in colour."""

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".webp")

_GREY_MODES: Final = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N")
_SIXTEEN_BIT_MODES: Final = _GREY_MODES[3:]
_PILLOW_MODES: Final = {1: "L", 3: "RGB"}

_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture upright, by its EXIF orientation; 1 is upright."""


class TooLargeError(Exception):
    """A picture has more pixels than are read."""


def begins_as_picture(path: Path) -> bool:
    """Whether a file's first bytes are those of a picture; one that is cut off still has them."""
    with path.open("rb") as file:
        return file.read(4).startswith(_BEGINNINGS)


@contextmanager
def unwarned() -> Iterator[None]:
    """Pillow keeps what it remarks on to itself; what matters is an error anyway. For a whole process, all its threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture whose pixels are not read yet.

    Raises:
        TooLargeError: it has too many of them.
    """
    too_large = TooLargeError(f"it has more than {MOST_PIXELS:,} pixels")
    try:
        image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise too_large from error
    with image:
        if image.width * image.height > MOST_PIXELS:
            raise too_large
        yield image


def is_grey(path: Path) -> bool:
    """Whether a file holds one channel, or one and transparency; its pixels are not read."""
    with _opened(path) as image:
        return image.mode in _GREY_MODES


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of the picture in a file when it is upright; its pixels are not read."""
    with _opened(path) as image:
        return (image.width, image.height) if _orientation(image) >= 5 else (image.height, image.width)


def read_picture(path: Path, channels: int) -> NDArray[np.uint8]:
    """Decodes a file.

    Turned as its EXIF orientation says. 16-bit grey is scaled to 8 bits; what is transparent becomes black, like all that
    is outside a picture.

    Args:
        path: PNG, JPEG, BMP or WebP.
        channels: 1 for grey, 3 for colour.

    Returns:
        (H, W, channels).

    Raises:
        Exception: `TooLargeError`, or whatever Pillow raises for a file that is damaged or no picture.
    """
    with _opened(path) as opened:
        turn = _TURNS.get(_orientation(opened))
        image = opened if turn is None else opened.transpose(turn)
        if image.mode in _SIXTEEN_BIT_MODES:
            wide = np.asarray(image).astype(np.uint32).clip(0, 65535)
            image = Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8))
        elif image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
            black = Image.new("RGBA", image.size, (0, 0, 0, 255))
            image = Image.alpha_composite(black, image.convert("RGBA"))
        mode = _PILLOW_MODES[channels]
        pixels = np.asarray(image if image.mode == mode else image.convert("RGB").convert(mode))
        return pixels.reshape(image.height, image.width, channels)


def resized(images: Array, size: tuple[int, int]) -> Array:
    """Images of another size, each new pixel the weighted mean of all old ones that it covers (antialiased bilinear).

    Args:
        images: uint8 or float32 (N, H, W, C).
        size: new height and width.

    Returns:
        (N, H', W', C) of the same type.
    """
    if images.shape[1:3] == size:
        return images
    result = np.empty((len(images), *size, images.shape[3]), dtype=images.dtype)
    for image, scaled in zip(images, result, strict=True):
        scaled[:] = resized_picture(image, size)
    return result


def resized_picture(image: Array, size: tuple[int, int]) -> Array:
    """One image (H, W, C) at another size; see `resized`."""
    if image.dtype == np.uint8 and image.shape[2] in _PILLOW_MODES:
        planes = [image.squeeze(2) if image.shape[2] == 1 else image]
    else:
        planes = [np.ascontiguousarray(image[:, :, channel]) for channel in range(image.shape[2])]
    scaled = [np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR)) for plane in planes]
    return np.stack(scaled, axis=2) if scaled[0].ndim == 2 else scaled[0]


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1 also where the EXIF data is damaged, which says nothing of the pixels."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, KeyError, struct.error):
        return 1
