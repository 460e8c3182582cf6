"""Decoding and resizing pictures."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dlcli.data import pictures


def _pattern(height: int = 6, width: int = 9, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_colours_and_greys_come_back_exactly(tmp_path: Path, suffix: str) -> None:
    """From formats without loss."""
    for channels in (1, 3):
        values = _pattern(channels=channels)
        path = tmp_path / f"picture.{suffix}"
        Image.fromarray(values.squeeze()).save(path)
        np.testing.assert_array_equal(pictures.read_picture(path, channels), values)
        assert pictures.is_grey(path) == (channels == 1)
        assert pictures.size_of(path) == (6, 9)


def test_webp_and_jpeg_are_read(tmp_path: Path) -> None:
    """One without loss exactly, the other nearly, on a smooth picture."""
    smooth = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], 24, axis=0).repeat(3, axis=2)
    Image.fromarray(smooth).save(tmp_path / "a.webp", lossless=True)
    Image.fromarray(smooth).save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_array_equal(pictures.read_picture(tmp_path / "a.webp", 3), smooth)
    np.testing.assert_allclose(pictures.read_picture(tmp_path / "a.jpg", 3).astype(int), smooth, atol=6)


def test_grey_of_colours_is_their_luma(tmp_path: Path) -> None:
    """ITU-R 601-2: 0.299 red, 0.587 green, 0.114 blue."""
    values = _pattern()
    Image.fromarray(values).save(tmp_path / "a.png")
    grey = pictures.read_picture(tmp_path / "a.png", 1)[..., 0]
    np.testing.assert_allclose(grey, values @ [0.299, 0.587, 0.114], atol=1)


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    """65535 is 255, evenly down to 0."""
    values = np.array([[0, 128, 257, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert pictures.read_picture(tmp_path / "a.png", 1)[..., 0].tolist() == [[0, 0, 1, 128, 255]]
    assert pictures.is_grey(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_black(tmp_path: Path, mode: str) -> None:
    """Half transparent is half as bright, fully transparent black whatever colour is hidden there."""
    bands = len(Image.new(mode, (1, 1)).getbands()) - 1
    values = np.full((1, 3, bands + 1), 200, dtype=np.uint8)
    values[0, :, -1] = [255, 128, 0]
    Image.fromarray(values, mode=None).save(tmp_path / "a.png")
    read = pictures.read_picture(tmp_path / "a.png", 3)
    np.testing.assert_allclose(read[0, :, 0], [200, 100, 0], atol=1)


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    """Also where one entry of the palette is transparent."""
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", transparency=1)
    assert pictures.read_picture(tmp_path / "a.png", 3).tolist() == [[[10, 20, 30], [200, 100, 50]]]
    assert pictures.read_picture(tmp_path / "b.png", 3).tolist() == [[[10, 20, 30], [0, 0, 0]]]


def test_one_bit_pictures_are_black_and_white(tmp_path: Path) -> None:
    """0 and 255, not 0 and 1."""
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "a.png")
    assert pictures.read_picture(tmp_path / "a.png", 1)[..., 0].tolist() == [[255, 0]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    """For each of the eight EXIF orientations, as Pillow's own function turns them; sizes too."""
    from PIL import ImageOps

    image = Image.fromarray(_pattern())
    exif = image.getexif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    image.save(path, exif=exif)
    with Image.open(path) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(pictures.read_picture(path, 3), upright)
    assert pictures.size_of(path) == upright.shape[:2]


def test_damaged_exif_data_spoils_no_picture(tmp_path: Path) -> None:
    """The pixels are as good as ever."""
    values = _pattern()
    Image.fromarray(values).save(tmp_path / "a.png", exif=b"Exif\0\0garbage")
    np.testing.assert_array_equal(pictures.read_picture(tmp_path / "a.png", 3), values)


def test_other_decoders_are_not_let_near_a_file(tmp_path: Path) -> None:
    """A GIF named .png is refused."""
    Image.fromarray(_pattern()).save(tmp_path / "a.gif")
    (tmp_path / "a.gif").rename(tmp_path / "a.png")
    with pytest.raises(Image.UnidentifiedImageError):
        pictures.read_picture(tmp_path / "a.png", 3)


@pytest.mark.parametrize("pixels", [pictures.MOST_PIXELS + 1, 2 * pictures.MOST_PIXELS + 2], ids=["a few", "twice as many"])
@pytest.mark.parametrize("look", [pictures.is_grey, pictures.size_of, lambda path: pictures.read_picture(path, 3)])
def test_a_picture_of_too_many_pixels_is_refused_before_they_are_read(
    tmp_path: Path, look: Callable[[Path], object], pixels: int
) -> None:
    """Wherever a picture is opened; a header is all that there is. Pillow warns of some and refuses others."""
    header = struct.pack(">IIBBBBB", pixels, 1, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", b""), (b"IEND", b""))
    packed = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    with pytest.raises(pictures.TooLargeError, match="it has more than 89,478,485 pixels"), pictures.unwarned():
        look(tmp_path / "a.png")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(3, 4), (12, 18), (5, 20)])
def test_resizing_is_torchs_antialiased_bilinear(channels: int, size: tuple[int, int]) -> None:
    """Bytes within rounding, floats within 1e-4; every channel for itself."""
    images = np.stack([_pattern(channels=channels), 255 - _pattern(channels=channels)])
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    theirs = torch.nn.functional.interpolate(tensor, size, mode="bilinear", antialias=True).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(pictures.resized(images, size).astype(float), theirs, atol=1.01)
    np.testing.assert_allclose(pictures.resized(images.astype(np.float32), size), theirs, atol=1e-3)


def test_the_same_size_changes_nothing() -> None:
    """Not even a copy is made."""
    images = _pattern()[None]
    assert pictures.resized(images, (6, 9)) is images
