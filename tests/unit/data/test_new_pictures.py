"""Pictures to predict: found, brought to what the network reads, and read exactly as in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcli.config.data import Arrays, Cifar10, DataSpec, Digits, ImageFolder, Mnist, Sine
from dlcli.config.data.images import ImageDataSpec
from dlcli.config.facts import DataFacts
from dlcli.config.normalisation import FixedNormalize
from dlcli.config.shapes import Image as ImageShape
from dlcli.config.shapes import Sequence, Shape, Vector
from dlcli.data.directories import Directories
from dlcli.data.sources import image_folder, mnist, new_pictures
from dlcli.data.sources.new_pictures import PictureFile, PictureForm, PictureReader, form_of, pictures_in
from dlcli.errors import DataError
from tests.unit.data.idx_files import pictures_and_labels, write_idx

GREY = PictureForm("digits", 1, (8, 8), is_bright_on_dark=True)
_BYTES = FixedNormalize(mean=(0.3, 0.4, 0.5), std=(0.2, 0.2, 0.5))


def _noise(path: Path, size: tuple[int, int], seed: int = 0, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)).convert(mode).save(path)
    return path


@pytest.mark.parametrize("fields", [{}, {"resize": (5, 6)}, {"channels": 1}])
def test_pictures_are_those_of_a_training(tmp_path: Path, fields: dict[str, object]) -> None:
    """To the last bit, whatever the format: for the form that a run's own spec and facts say."""
    for number in range(12):
        suffix = ("png", "jpg", "webp", "bmp")[number % 4]
        _noise(tmp_path / "in" / "ab"[number % 2] / f"{number}.{suffix}", (9, 7), number, "L" if number % 3 else "RGB")
    spec, directories = ImageFolder(path=str(tmp_path / "in"), **fields), Directories((), tmp_path)
    data, facts = image_folder.read(spec, directories, False), image_folder.facts(spec, directories)
    settled = spec.model_copy(update=dict(data.found))
    form = form_of(settled, facts)
    assert form is not None
    assert form.is_told is ("resize" not in fields)
    files, others = pictures_in(tmp_path / "in")
    reader = PictureReader(form)
    new = reader.read([PictureFile(file, file.name) for file in files])
    assert new is not None
    np.testing.assert_array_equal(new.inputs, data.train.inputs)
    assert others == []


@pytest.mark.parametrize(
    ("spec", "shapes", "expected"),
    [
        (Mnist(resize=(14, 14)), [ImageShape(1, 14, 14)], PictureForm("mnist", 1, (28, 28), is_bright_on_dark=True)),
        (Cifar10(view="pixels"), [Sequence(1024, Vector(3))], PictureForm("cifar10", 3, (32, 32))),
        (Sine(), [Sequence(9, Vector(1))], None),
        (ImageFolder(path="x"), [ImageShape(3, 9, 7)], PictureForm("the training", 3, (9, 7))),
        (ImageFolder(path="x", channels=3, view="rows"), [Sequence(9, Vector(21))], PictureForm("the training", 3, (9, 7))),
        (ImageFolder(path="x", channels=1, view="pixels"), [Sequence(63, Vector(1))], None),
        (ImageFolder(path="x", view="rows"), [Sequence(9, Vector(21))], None),
        (
            ImageFolder(path="x", channels=1, view="pixels", resize=(4, 5)),
            [Sequence(20, Vector(1))],
            PictureForm("the training", 1, (4, 5), is_told=False),
        ),
        (Arrays(path="x", normalize=_BYTES), [ImageShape(3, 9, 7)], PictureForm("the training", 3, (9, 7))),
        (Arrays(path="x", normalize=_BYTES, view="rows"), [Sequence(9, Vector(21))], PictureForm("the training", 3, (9, 7))),
        (Arrays(path="x", normalize=_BYTES), [Sequence(9, Vector(3))], None),
        (Arrays(path="x"), [ImageShape(3, 9, 7)], None),
        (Arrays(path="x", normalize=FixedNormalize(mean=(0.5,), std=(0.51,))), [ImageShape(1, 9, 7)], None),
        (Arrays(path="x", normalize=FixedNormalize(mean=(-0.1,), std=(0.3,))), [ImageShape(1, 9, 7)], None),
        (Arrays(path="x", normalize=FixedNormalize(mean=(1.1,), std=(0.3,))), [ImageShape(1, 9, 7)], None),
        (Arrays(path="x", normalize=FixedNormalize(mean=(0.1,) * 4, std=(0.3,) * 4)), [ImageShape(4, 9, 7)], None),
        (Arrays(path="x", inputs=("a", "b")), [ImageShape(3, 9, 7), Vector(2)], None),
    ],
)
def test_what_files_have_to_become_follows_from_the_run(
    spec: DataSpec, shapes: list[Shape], expected: PictureForm | None
) -> None:
    """Size and colours where something says them, and where the values can have been of 8 bits; else nothing."""
    assert form_of(spec, DataFacts({str(number): shape for number, shape in enumerate(shapes)}, {})) == expected


def _read(path: Path, form: PictureForm = GREY, *, inverts: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    reader = PictureReader(form, inverts=inverts)
    new = reader.read([PictureFile(path, path.name)])
    assert new is not None
    assert not isinstance(new.inputs, dict)
    return new.inputs[0], reader.finish()


def test_other_sizes_and_colours_are_brought_to_the_form(tmp_path: Path) -> None:
    """By Pillow's weights for grey and its antialiased bilinear scaling, which is told."""
    path = _noise(tmp_path / "a.png", (16, 24))
    found, told = _read(path)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("L").resize((8, 8), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(found[..., 0], expected)
    assert told[0] == "1 of 1 pictures is brought to 8x8 in grey, like those of digits; the first: a.png (16x24 in colour)"
    in_colour, told = _read(_noise(tmp_path / "b.png", (9, 7), mode="L"), PictureForm("cifar10", 3, (9, 7)))
    assert (in_colour.shape, told) == ((9, 7, 3), ())


@pytest.mark.parametrize(
    ("border", "inside", "word"), [(128, 0, "add --invert"), (127, 255, None), (60, 0, None), (9, 9, "of one")]
)
def test_dark_on_bright_is_told_by_the_border_and_never_mended(
    tmp_path: Path, border: int, inside: int, word: str | None
) -> None:
    """Where all pictures of the training are bright on dark; a picture without anything on it is told, too."""
    pixels = np.full((8, 8), border, np.uint8)
    pixels[1:-1, 1:-1] = inside
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    found, told = _read(path)
    np.testing.assert_array_equal(found[..., 0], pixels)
    assert [word in line for line in told] == ([True] if word else [])
    assert _read(path, PictureForm("the training", 1, (8, 8)))[1] == ()
    inverted, told = _read(path, inverts=True)
    np.testing.assert_array_equal(inverted[..., 0], 255 - pixels)
    assert ("leave --invert out" in "".join(told)) == (border <= 127 and border != inside)


def test_memory_that_runs_out_is_no_damaged_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as what it is, further up."""

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(new_pictures.pictures, "read_picture", full)
    with pytest.raises(MemoryError):
        _read(_noise(tmp_path / "a.png", (8, 8)))


def test_folders_that_can_not_be_looked_into_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason."""
    _noise(tmp_path / "in" / "a.png", (8, 8))

    def refused(self: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", refused)
    with pytest.raises(DataError, match="in can't be read: Permission denied"):
        pictures_in(tmp_path / "in")


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_hold_pictures(tmp_path: Path, suffix: str) -> None:
    """Those that were written, numbered from 0."""
    pictures, _ = pictures_and_labels(3, 0)
    path = tmp_path / f"t10k-images-idx3-ubyte{suffix}"
    write_idx(path, pictures)
    new = mnist.read_new(Mnist(), path)
    np.testing.assert_array_equal(new.inputs, pictures[..., None])
    assert (new.names, new.lengths) == (("0", "1", "2"), None)


def test_what_holds_no_pictures_of_mnist_is_named(tmp_path: Path) -> None:
    """Labels, pictures of another size, another kind of file, no file at all."""
    _, labels = pictures_and_labels(3, 0)
    write_idx(tmp_path / "labels", labels)
    write_idx(tmp_path / "large", np.zeros((2, 30, 28), np.uint8))
    (tmp_path / "text").write_text("text")
    (tmp_path / "a.gz").write_text("text")
    for name, words in {
        "labels": r"labels holds uint8 \[3\], expected 8-bit images of 28x28",
        "large": r"large holds uint8 \[2, 30, 28\]",
        "text": "text is neither a PNG, JPEG, BMP or WebP file nor an .npz file",
        "a.gz": "a.gz is damaged",
        "none": "none can't be read: No such file",
        "none.npz": "none.npz can't be read",
    }.items():
        with pytest.raises(DataError, match=words) as caught:
            mnist.read_new(Mnist(), tmp_path / name)
        assert caught.value.help
    with pytest.raises(DataError) as caught:
        mnist.read_new(Mnist(), tmp_path / "text")
    assert caught.value.help == "give picture files, folders of them, IDX files or an .npz file with an array x"


@pytest.mark.parametrize("spec", [Digits(), ImageFolder(path="x")])
def test_arrays_of_pictures_have_their_channels_anywhere(tmp_path: Path, spec: ImageDataSpec) -> None:
    """None, first or last: the same pictures."""
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8)).astype(np.uint8)
    for x in (pictures, pictures[:, None], pictures[..., None]):
        np.savez(tmp_path / "x.npz", x=x)
        new = new_pictures.read_new(spec, tmp_path / "x.npz")
        np.testing.assert_array_equal(new.inputs, pictures[..., None])
        assert new.names == ("0", "1", "2", "3")
