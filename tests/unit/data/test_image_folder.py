"""Pictures in class folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcli.config.data import ImageFolder
from dlcli.config.shapes import Image as ImageShape
from dlcli.data import pictures
from dlcli.data.directories import Directories
from dlcli.data.raw import DataUnavailableError, RawData
from dlcli.data.sources import image_folder
from dlcli.errors import DataError


def _save(path: Path, value: int, size: tuple[int, int] = (4, 5), channels: int = 3) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.full((*size, channels), value, dtype=np.uint8)
    Image.fromarray(values.squeeze()).save(path)
    return values


def _read(path: Path, **fields: object) -> RawData:
    return image_folder.read(ImageFolder(path=str(path), **fields), Directories((), path), False)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Three pictures of two classes, 4 high and 5 wide, and files that are no pictures."""
    folder = tmp_path / "pets"
    for name, value in (("dog/b.png", 20), ("dog/a.PNG", 10), ("cat/c.bmp", 30)):
        _save(folder / name, value)
    for name in ("cat/notes.txt", "cat/.hidden.png", ".git/config", "README.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no picture")
    return folder


def test_classes_are_the_sorted_folders_and_files_come_in_order(pets: Path) -> None:
    """Hidden files and files of other kinds are passed over; suffixes in any case."""
    data = _read(pets)
    assert data.class_names == ("cat", "dog")
    assert data.train.targets.tolist() == [0, 1, 1]
    assert data.train.inputs[:, 0, 0, 0].tolist() == [30, 10, 20]
    assert data.train.inputs.shape == (3, 4, 5, 3)
    assert (data.valid, data.test) == (None, None)
    assert data.origin == str(pets)


def test_facts_are_known_without_reading_all_pictures(pets: Path) -> None:
    """Even where one of them is damaged."""
    (pets / "dog" / "b.png").write_bytes(b"damaged")
    facts = image_folder.facts(ImageFolder(path=str(pets)), Directories((), pets))
    assert facts.input == ImageShape(3, 4, 5)
    assert facts.target.num_classes == 2


def test_links_to_pictures_are_pictures_and_other_links_are_passed_over(pets: Path) -> None:
    """Those that lead nowhere, to a folder, or to themselves."""
    (pets / "dog" / "linked.png").symlink_to(pets / "cat" / "c.bmp")
    for name, target in (("nowhere.png", "absent"), ("folder.png", ".."), ("itself.png", "itself.png")):
        (pets / "dog" / name).symlink_to(target)
    data = _read(pets)
    assert data.train.inputs[:, 0, 0, 0].tolist() == [30, 10, 20, 30]
    assert "notes.txt (and 3 more)" in data.notices[0]


@pytest.mark.parametrize("valid", ["val", "valid"])
def test_folders_above_the_classes_are_splits(tmp_path: Path, valid: str) -> None:
    """Classes keep the number they have in train, also where a split lacks one."""
    for index, name in enumerate(("train/a/1", "train/b/1", "train/c/1", "train/c/2", f"{valid}/c/1", "test/a/1", "test/b/1")):
        _save(tmp_path / f"{name}.png", index)
    data = _read(tmp_path)
    assert data.valid is not None
    assert data.test is not None
    assert data.train.targets.tolist() == [0, 1, 2, 2]
    assert data.valid.targets.tolist() == [2]
    assert data.test.targets.tolist() == [0, 1]
    assert data.test.inputs[:, 0, 0, 0].tolist() == [5, 6]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    """Where that folder holds pictures and not classes."""
    for name in ("boat", "car", "train"):
        _save(tmp_path / name / "1.png", 1)
    assert _read(tmp_path).class_names == ("boat", "car", "train")


def test_channels_are_those_of_the_first_picture_or_as_asked(tmp_path: Path) -> None:
    """Grey where it is grey; `channels` decides otherwise."""
    _save(tmp_path / "a" / "1.png", 7, channels=1)
    _save(tmp_path / "b" / "1.png", 9, channels=3)
    assert _read(tmp_path).train.inputs.shape == (2, 4, 5, 1)
    assert _read(tmp_path, channels=3).train.inputs[0, 0, 0].tolist() == [7, 7, 7]


def test_pictures_of_different_sizes_need_a_common_one(pets: Path) -> None:
    """Two files with their sizes, how many there are, and the key that mends it, with which it is mended."""
    _save(pets / "dog" / "c.png", 40, (6, 7))
    _save(pets / "dog" / "d.png", 40, (8, 8))
    with pytest.raises(DataError, match=r"\(2 of them\): .*c\.bmp is 4x5 and .*c\.png is 6x7") as caught:
        _read(pets)
    assert "data.resize=[4, 5]" in (caught.value.help or "")
    data = _read(pets, resize=(3, 3))
    assert data.train.inputs.shape == (5, 3, 3, 3)
    assert data.train.inputs[:, 1, 1, 1].tolist() == [30, 10, 20, 40, 40]


def test_unreadable_pictures_are_named_and_counted(pets: Path) -> None:
    """Damaged, cut off and empty files: the first by name, and how many more."""
    whole = (pets / "dog" / "b.png").read_bytes()
    (pets / "dog" / "x.png").write_bytes(whole[:-30])
    (pets / "dog" / "y.png").write_bytes(b"text")
    (pets / "dog" / "z.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.png can't be read as a picture \(and 2 more\)"):
        _read(pets)


def test_a_first_picture_that_can_not_be_read_is_named_too(pets: Path) -> None:
    """It is looked at before all others."""
    (pets / "cat" / "c.bmp").write_bytes(b"text")
    with pytest.raises(DataError, match=r"c\.bmp can't be read as a picture: it is no PNG, JPEG, BMP or WebP file"):
        _read(pets)


def test_a_picture_that_would_fill_the_memory_is_refused(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Pillow warns of as a decompression bomb."""
    monkeypatch.setattr(pictures, "MOST_PIXELS", 15)
    with pytest.raises(DataError, match=r"can't be read as a picture.*: it has more than 15 pixels"):
        _read(pets)


def test_what_pillow_only_remarks_on_is_no_error(tmp_path: Path) -> None:
    """A palette with bytes of transparency makes it warn."""
    image = Image.new("P", (4, 4))
    image.putpalette([0, 0, 0, 255, 255, 255])
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a" / "1.png", transparency=bytes([0, 128]))
    assert _read(tmp_path).train.inputs.shape == (1, 4, 4, 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ([], "holds no folders of classes"),
        (["loose.png"], "holds no folders of classes"),
        (["a/1.png", "b/notes.txt"], "b holds no picture"),
        (["train/a/1.png", "test/a/1.png", "test/z/1.png"], "z is a class without training pictures"),
        (["train/a/1.png", "validation/a/1.png"], "validation is neither `train`, `valid` nor `test`"),
        (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "has both `val` and `valid`"),
        (["train/a/notes.txt"], "a holds no picture"),
    ],
)
def test_folders_that_do_not_fit_are_refused(tmp_path: Path, make: list[str], words: str) -> None:
    """With the place and what belongs there."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in make:
        if name.endswith(".png"):
            _save(folder / name, 1)
        else:
            (folder / name).parent.mkdir(parents=True)
            (folder / name).touch()
    with pytest.raises(DataError, match=words) as caught:
        _read(folder)
    assert caught.value.help


def test_an_absent_folder_is_unavailable(tmp_path: Path) -> None:
    """With all the places that were tried."""
    directories = Directories((tmp_path / "given", tmp_path / "cache"), tmp_path, (tmp_path / "here",))
    with pytest.raises(DataUnavailableError, match=f"{tmp_path / 'given' / 'pets'}, {tmp_path / 'here' / 'pets'}"):
        image_folder.facts(ImageFolder(path="pets"), directories)
