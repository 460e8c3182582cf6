"""Decoded pictures in the person's cache: the same tensors from a second start, which decodes nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
import pytest
import torch
from PIL import Image, features

from dlcli.config.data import ImageFolder
from dlcli.data import decoded_cache, pictures
from dlcli.data.dataset import Dataset, open_dataset
from dlcli.data.decoded_cache import Recipe, decoded, saved_seconds
from dlcli.data.directories import Directories
from dlcli.data.sources import image_folder
from dlcli.errors import DataError
from tests.unit.runtime.file_operations import FileOperations

_SHAPE = (2, 3, 4, 1)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the entries, which is not there yet; whatever is decoded is worth an entry."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(decoded_cache, "LEAST_SAVED", -1e9)
    return tmp_path / "cache" / "dlcli" / "decoded"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files, which nobody decodes."""
    folder = tmp_path / "files"
    folder.mkdir()
    paths = [folder / "a", folder / "b"]
    for path in paths:
        path.write_bytes(b"content")
    return paths


class Start(NamedTuple):
    """What a start gets, and whether it had to decode."""

    pixels: np.ndarray
    has_decoded: bool


def _pixels(value: int = 7, shape: tuple[int, ...] = _SHAPE) -> np.ndarray:
    return (np.arange(np.prod(shape)).reshape(shape) + value).astype(np.uint8)


def _start(
    files: list[Path], value: int = 7, shape: tuple[int, ...] = _SHAPE, folder: Path | None = None, **settings: object
) -> Start:
    """A start that would decode pictures of this value."""
    decodings = []

    def decode() -> np.ndarray:
        decodings.append(value)
        return _pixels(value, shape)

    found = decoded(Recipe("kind", folder or files[0].parent, files, settings), shape, decode)
    return Start(found, bool(decodings))


def _entries(cache: Path) -> list[Path]:
    return sorted(cache.iterdir()) if cache.is_dir() else []


# --- pictures


def _varied(folder: Path) -> None:
    """Pictures of each kind that is decoded in a way of its own, of different sizes."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    values = rng.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    Image.fromarray(values[..., :3]).save(folder / "a" / "colour.png")
    Image.fromarray(values[..., 0]).save(folder / "a" / "grey.png")
    Image.fromarray(values).save(folder / "a" / "transparent.png")
    Image.fromarray(values[..., 0].astype(np.uint16) * 257).save(folder / "a" / "sixteen bits.png")
    palette = Image.fromarray(rng.integers(0, 2, (4, 11), dtype=np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.save(folder / "a" / "palette.png", transparency=1)
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        Image.fromarray(values[:6, :, :3]).save(folder / "b" / f"turned {turn}.jpg", exif=exif)
    Image.fromarray(values[:, :5, :3]).save(folder / "b" / "colour.bmp")
    Image.fromarray(values[:5, :, :3]).save(folder / "b" / "colour.webp", lossless=True)


def _dataset(folder: Path, **fields: object) -> Dataset:
    spec = ImageFolder(path=str(folder), **fields)
    return open_dataset(spec, Directories((folder,), folder), lambda _: None)


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What makes every decoding from now on a failure of the test."""

    def forbid() -> None:
        monkeypatch.setattr(pictures, "read_picture", lambda path, channels: pytest.fail(f"{path} is decoded"))

    return forbid


def _assert_same(found: Dataset, expected: Dataset) -> None:
    assert found.fingerprint == expected.fingerprint
    assert found.facts == expected.facts
    assert found.spec == expected.spec
    for name, split in expected.splits().items():
        other = found.splits()[name]
        assert (split is None) == (other is None)
        if split is not None and other is not None:
            assert torch.equal(other.inputs, split.inputs)
            assert torch.equal(other.targets, split.targets)


@pytest.mark.parametrize("channels", [None, 1, 3])
def test_tensors_are_the_same_with_and_without_a_cache(
    tmp_path: Path, cache: Path, channels: int | None, no_decoding: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit: grey, colour, 16 bits, palettes, transparency, turned by EXIF, of sizes that have to be made one."""
    _varied(tmp_path / "in")
    fields = {"resize": (6, 5), "channels": channels, "split": {"valid": 0.2, "test": 0.2}}
    with monkeypatch.context() as patch:
        patch.setattr(decoded_cache, "LEAST_SAVED", 1e9)
        without = _dataset(tmp_path / "in", **fields)
    assert _entries(cache) == []
    cold = _dataset(tmp_path / "in", **fields)
    assert len(_entries(cache)) == 1
    no_decoding()
    for dataset in (cold, _dataset(tmp_path / "in", **fields)):
        _assert_same(dataset, without)


def test_pictures_of_one_size_and_splits_of_their_own_come_back(tmp_path: Path, no_decoding: Callable[[], None]) -> None:
    """Without `resize`; classes and splits are those of the folders, in which files may be moved."""
    for index, name in enumerate(("train/a/1", "train/b/1", "train/b/2", "valid/b/1", "test/a/1")):
        path = tmp_path / "in" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5), index, dtype=np.uint8)).save(path)
    cold = _dataset(tmp_path / "in")
    no_decoding()
    _assert_same(_dataset(tmp_path / "in"), cold)


def test_resize_and_channels_make_entries_of_their_own(tmp_path: Path, cache: Path) -> None:
    """Of the same files."""
    _varied(tmp_path / "in")
    for fields in ({"resize": (4, 4)}, {"resize": (4, 5)}, {"resize": (4, 4), "channels": 1}, {"resize": (4, 4), "channels": 3}):
        _dataset(tmp_path / "in", **fields)
    assert len(_entries(cache)) == 3  # the first picture is in colour, so 3 channels are what is read without being asked for


def test_facts_neither_decode_nor_touch_the_cache(tmp_path: Path, cache: Path, no_decoding: Callable[[], None]) -> None:
    """As `--help` and `validate` need them."""
    _varied(tmp_path / "in")
    no_decoding()
    image_folder.facts(ImageFolder(path=str(tmp_path / "in")), Directories((), tmp_path))
    assert not cache.exists()


def test_a_picture_that_can_not_be_read_is_an_error_at_every_start(tmp_path: Path, cache: Path) -> None:
    """Nothing is kept of the others."""
    _varied(tmp_path / "in")
    (tmp_path / "in" / "b" / "x.png").write_bytes(b"text")
    for _ in range(2):
        with pytest.raises(DataError, match=r"x\.png can't be read as a picture"):
            _dataset(tmp_path / "in", resize=(4, 4))
    assert _entries(cache) == []


def test_no_file_is_made_or_changed_beside_the_pictures(tmp_path: Path, cache: Path) -> None:
    """Nor anywhere else but in the cache."""
    _varied(tmp_path / "in")
    before = {path: path.stat() for path in (tmp_path / "in").rglob("*")}
    for _ in range(2):
        _dataset(tmp_path / "in", resize=(4, 4))
    after = {path: path.stat() for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "cache")}
    changed = [path for path, found in after.items() if path in before and found.st_mtime_ns != before[path].st_mtime_ns]
    assert (after.keys(), changed) == (before.keys() | {tmp_path / "in"}, [])
    assert [path.parent for path in tmp_path.joinpath("cache").rglob("*") if path.is_file()] == [cache]


def test_what_is_decoded_is_that_of_the_format(tmp_path: Path) -> None:
    """Whoever changes how files without loss become pixels raises `FORMAT`, or entries of before would be read as those of now."""
    _varied(tmp_path / "in")
    for path in (tmp_path / "in").rglob("*.jpg"):
        path.unlink()
    digest = hashlib.sha256()
    for channels in (1, 3):
        spec = ImageFolder(path=str(tmp_path / "in"), resize=(6, 5), channels=channels)
        digest.update(image_folder.read(spec, Directories((), tmp_path), False).train.inputs.data)
    assert (decoded_cache.FORMAT, digest.hexdigest()[:16]) == (1, "3ea0584418ebcc86")


# --- which files and how


def test_a_second_start_reads_what_the_first_has_decoded(files: list[Path], cache: Path) -> None:
    """As an array of its own, which tensors can be made of without a copy."""
    first = _start(files, 7)
    second = _start(files, 8)
    assert (first.has_decoded, second.has_decoded) == (True, False)
    np.testing.assert_array_equal(second.pixels, _pixels(7))
    assert second.pixels.flags.writeable
    assert second.pixels.flags.c_contiguous
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_was_moved_with_its_files_is_the_same(files: list[Path]) -> None:
    """Paths count from the folder."""
    _start(files)
    moved = files[0].parent.rename(files[0].parent.with_name("moved"))
    assert not _start([moved / path.name for path in files]).has_decoded


def _grown(files: list[Path]) -> list[Path]:
    files[1].write_bytes(b"longer content")
    return files


def _modified(files: list[Path]) -> list[Path]:
    os.utime(files[1], ns=(0, 1))
    return files


def _changed_with_its_old_time(files: list[Path]) -> list[Path]:
    before = files[1].stat()
    while files[1].stat().st_ctime_ns == before.st_ctime_ns:  # until the clock of the file system has gone on
        files[1].write_bytes(b"CONTENT")
        os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (files[1].stat().st_size, files[1].stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    return files


def _renamed(files: list[Path]) -> list[Path]:
    return [files[0], files[1].rename(files[1].with_name("c"))]


def _added(files: list[Path]) -> list[Path]:
    shutil.copy2(files[1], files[1].with_name("c"))
    return [*files, files[1].with_name("c")]


def _removed(files: list[Path]) -> list[Path]:
    files[1].unlink()
    return files[:1]


def _swapped(files: list[Path]) -> list[Path]:
    return files[::-1]


@pytest.mark.parametrize(
    "change",
    [_grown, _modified, _changed_with_its_old_time, _renamed, _added, _removed, _swapped],
    ids=lambda change: change.__name__,
)
def test_other_files_are_decoded(files: list[Path], cache: Path, change: Callable[[list[Path]], list[Path]]) -> None:
    """Also one of the same size whose time was set back. The entry of before stays for whoever has those files again."""
    _start(files, 7)
    changed = change(files)
    shape = (len(changed), *_SHAPE[1:])
    found = _start(changed, 8, shape)
    assert found.has_decoded
    np.testing.assert_array_equal(found.pixels, _pixels(8, shape))
    assert not _start(changed, 9, shape).has_decoded
    assert len(_entries(cache)) == 2


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (PIL, "__version__", "0.1"),
        (features, "version", lambda name: f"another {name}"),
        (decoded_cache, "FORMAT", decoded_cache.FORMAT + 1),
    ],
    ids=["Pillow", "its libraries", "format"],
)
def test_another_version_of_what_decodes_decodes_anew(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch, where: object, name: str, value: object
) -> None:
    """Pixels may differ; and both keep their entries."""
    _start(files, 7)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, value)
        assert _start(files, 8).has_decoded
        assert not _start(files, 9).has_decoded
    assert _start(files, 10).pixels.tolist() == _pixels(7).tolist()
    assert len(_entries(cache)) == 2


def test_other_settings_are_decoded(files: list[Path]) -> None:
    """Each by its own entry."""
    for value, settings in enumerate(({}, {"channels": 1}, {"channels": 3}, {"resize": (3, 4)}, {"resize": (4, 3)})):
        assert _start(files, value, **settings).has_decoded
        assert _start(files, 99, **settings).pixels[0, 0, 0, 0] == value


def test_files_that_change_while_they_are_decoded_are_not_kept(files: list[Path], cache: Path) -> None:
    """What came out may be of before or of after."""

    def decode() -> np.ndarray:
        files[1].write_bytes(b"changed meanwhile")
        return _pixels()

    decoded(Recipe("kind", files[0].parent, files, {}), _SHAPE, decode)
    assert _entries(cache) == []


def test_a_file_that_is_gone_is_left_to_who_decodes(files: list[Path], cache: Path) -> None:
    """Which says what is wrong."""
    files[1].unlink()
    assert _start(files).has_decoded
    assert _entries(cache) == []


# --- entries


def test_an_entry_is_what_numpy_reads(files: list[Path], cache: Path) -> None:
    """A `.npy` file of plain values, whatever the number of its axes' digits."""
    for shape in (_SHAPE, (1, 1, 1, 1), (1234, 1, 10, 3)):
        _start(files, 5, shape, sizes=shape)
        found = [np.load(entry, allow_pickle=False) for entry in _entries(cache)]
        assert any(array.shape == shape and np.array_equal(array, _pixels(5, shape)) for array in found)


def test_every_damaged_byte_is_found(files: list[Path], cache: Path) -> None:
    """In the header, the values and the sum: decoded anew without a word, and whole the next time."""
    _start(files, 7)
    [entry] = _entries(cache)
    whole = entry.read_bytes()
    for place in range(len(whole)):
        entry.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        found = _start(files, 7)
        assert found.has_decoded, place
        np.testing.assert_array_equal(found.pixels, _pixels(7))
        assert entry.read_bytes() == whole


@pytest.mark.parametrize(
    "change", [lambda whole: whole[:-1], lambda whole: whole[:40], lambda whole: b"", lambda whole: whole + b"\0"]
)
def test_an_entry_that_is_cut_off_or_longer_is_decoded_anew(
    files: list[Path], cache: Path, change: Callable[[bytes], bytes]
) -> None:
    """As after a crash of the machine."""
    _start(files, 7)
    [entry] = _entries(cache)
    whole = entry.read_bytes()
    entry.write_bytes(change(whole))
    assert _start(files, 7).has_decoded
    assert entry.read_bytes() == whole


def test_an_entry_that_shrinks_while_it_is_read_is_decoded_anew(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size was right when it was asked for."""
    _start(files, 7)
    [entry] = _entries(cache)
    empty = np.empty

    def cut(*arguments: object, **options: object) -> np.ndarray:
        os.truncate(entry, 130)
        return empty(*arguments, **options)

    monkeypatch.setattr(np, "empty", cut)
    assert _start(files, 7).has_decoded


def test_an_entry_under_the_name_of_another_is_not_taken_for_it(files: list[Path], cache: Path) -> None:
    """The sum is over the name too."""
    _start(files, 7, which=1)
    [entry] = _entries(cache)
    _start(files, 8, which=2)
    [other] = [path for path in _entries(cache) if path != entry]
    shutil.copy(entry, other)
    assert _start(files, 8, which=2).has_decoded


def test_a_damaged_entry_is_removed_even_if_nothing_takes_its_place(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every start would read it in vain."""
    _start(files)
    [entry] = _entries(cache)
    entry.write_bytes(b"damaged")
    monkeypatch.setattr(decoded_cache, "LEAST_SAVED", 1e9)
    assert _start(files).has_decoded
    assert _entries(cache) == []


# --- what keeps it from being there


def test_it_is_done_without_a_cache_that_can_not_be_made(files: list[Path], tmp_path: Path) -> None:
    """Where a file lies in place of its folder."""
    (tmp_path / "cache").write_text("no folder")
    for _ in range(2):
        assert _start(files).has_decoded
    assert (tmp_path / "cache").read_text() == "no folder"


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_whatever_the_disk_refuses_the_pictures_come(files: list[Path], cache: Path, error: int) -> None:
    """Each operation in turn, on a read-only or full disk: no error, a whole entry or none, and the next start makes it."""

    def started(fail_at: int | None) -> list[tuple[str, Path]]:
        shutil.rmtree(cache, ignore_errors=True)
        operations = FileOperations(fail_at, error)
        with operations.watching():
            np.testing.assert_array_equal(_start(files, 7).pixels, _pixels(7))
        return operations.log

    cache.parent.mkdir(parents=True)
    count = len(started(None))
    assert count > 5
    for fail_at in range(count):
        assert len(started(fail_at)) > fail_at
        assert len(_entries(cache)) <= 1
        np.testing.assert_array_equal(_start(files, 7).pixels, _pixels(7))
        assert not _start(files, 8).has_decoded
        assert len(_entries(cache)) == 1


def test_an_entry_in_a_read_only_cache_is_read(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it can't be noted that it was used."""
    _start(files)

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(os, "utime", refuse)
    assert not _start(files).has_decoded


def test_starts_at_once_do_not_disturb_each_other(files: list[Path], cache: Path) -> None:
    """Four threads miss together and write the same entry: each has its pictures, and a whole entry stays."""
    count = 4
    together = threading.Barrier(count)
    pixels = _pixels(7, (2, 300, 300, 3))

    def decode() -> np.ndarray:
        together.wait(timeout=60)
        return pixels.copy()

    def start(_: int) -> np.ndarray:
        return decoded(Recipe("kind", files[0].parent, files, {}), pixels.shape, decode)

    with ThreadPoolExecutor(count) as pool:
        for found in pool.map(start, range(count)):
            np.testing.assert_array_equal(found, pixels)
    assert len(_entries(cache)) == 1
    assert not _start(files, 8, pixels.shape).has_decoded


# --- bounds


def test_what_a_start_saves_is_the_decoding_less_the_reading() -> None:
    """At 500 MB a second."""
    assert saved_seconds(3.0, 0) == 3.0
    assert saved_seconds(3.0, 1_000_000_000) == 1.0


@pytest.mark.parametrize(("seconds", "is_kept"), [(0.99, False), (1.01, True)])
def test_an_entry_is_made_where_a_second_is_saved(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, is_kept: bool
) -> None:
    """By the time that decoding took."""
    clock = iter([100.0, 100.0 + seconds])
    with monkeypatch.context() as patch:
        patch.setattr(decoded_cache, "LEAST_SAVED", 1.0)
        patch.setattr(time, "perf_counter", lambda: next(clock))
        _start(files)
    assert bool(_entries(cache)) == is_kept


def test_an_entry_takes_a_tenth_of_the_free_disk_at_most(files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is made that would take more, and for none another has to go."""
    _start(files, 7, which=1)
    [entry] = _entries(cache)
    size = entry.stat().st_size
    monkeypatch.setattr(decoded_cache, "MOST_BYTES", size)
    for free, is_kept in ((10 * size - 1, False), (10 * size, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: shutil._ntuple_diskusage(free, 0, free))
        _start(files, 8, which=2)
        assert (entry in _entries(cache)) != is_kept
        assert len(_entries(cache)) == 1


def test_entries_that_were_not_used_for_longest_make_room(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that reads an entry uses it."""
    ages = {}
    for which in range(3):
        _start(files, which, which=which)
        [entry] = {*_entries(cache)} - {*ages}
        ages[entry] = which
    oldest, middle, newest = ages
    for age, entry in enumerate((newest, middle, oldest)):
        os.utime(entry, (age, age))  # made in this order, used in the other
    _start(files, which=0)
    monkeypatch.setattr(decoded_cache, "MOST_BYTES", 3 * newest.stat().st_size)
    _start(files, which=3)
    assert newest not in _entries(cache)
    assert {oldest, middle} < {*_entries(cache)}
    assert len(_entries(cache)) == 3


def test_an_entry_larger_than_the_whole_cache_is_not_made(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And those that are there stay."""
    _start(files, which=1)
    before = _entries(cache)
    monkeypatch.setattr(decoded_cache, "MOST_BYTES", before[0].stat().st_size)
    _start(files, shape=(2, 30, 40, 1), which=2)
    assert _entries(cache) == before


def test_what_is_not_ours_is_neither_removed_nor_replaced(
    files: list[Path], cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of strangers, and folders and links that are called like entries."""
    _start(files, which=1)
    [entry] = _entries(cache)
    target = tmp_path / "elsewhere.npy"
    shutil.copy(entry, target)
    entry.unlink()
    entry.symlink_to(target)
    (cache / f"{'0' * 64}.npy").mkdir()
    for name in ("notes.txt", ".notes.txt.1.tmp", f"{'a' * 63}.npy", f"{'A' * 64}.npy", f"{'a' * 64}.npy.bak"):
        (cache / name).write_bytes(b"a stranger's")
        os.utime(cache / name, (0, 0))
    strangers = _entries(cache)
    assert _start(files, which=1).has_decoded
    monkeypatch.setattr(decoded_cache, "MOST_BYTES", target.stat().st_size)
    for which in (2, 3):
        _start(files, which=which)
    assert entry.is_symlink()
    assert {*strangers} < {*_entries(cache)}
    assert len(_entries(cache)) == len(strangers) + 1


def test_what_killed_processes_left_is_removed_after_a_day(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then another process may be writing it: it counts, and an entry that has no room beside it is not made."""
    _start(files, which=1)
    [entry] = _entries(cache)
    fresh, stale = (cache / f".{entry.name}.{number}.tmp" for number in (1, 2))
    for path in (fresh, stale):
        shutil.copy(entry, path)
    day_ago = time.time() - 24 * 3600 - 60
    os.utime(stale, (day_ago, day_ago))
    monkeypatch.setattr(decoded_cache, "MOST_BYTES", entry.stat().st_size)
    _start(files, which=2)
    assert _entries(cache) == [fresh]


def test_an_entry_that_another_process_removes_first_is_no_error(
    files: list[Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both make room at once."""
    _start(files, which=1)
    [entry] = _entries(cache)
    listed = Path.iterdir

    def gone(place: Path) -> object:
        found = [*listed(place)]
        entry.unlink(missing_ok=True)
        return iter(found)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", gone)
        _start(files, which=2)
    assert not _start(files, which=2).has_decoded


def test_neither_writing_nor_reading_copies_the_pictures(files: list[Path]) -> None:
    """The most memory that is used at once is that of the array, and a little."""
    shape = (20, 512, 512, 3)
    size = int(np.prod(shape))
    pixels = np.zeros(shape, dtype=np.uint8)
    recipe = Recipe("kind", files[0].parent, files, {})
    tracemalloc.start()
    try:
        decoded(recipe, shape, lambda: pixels)
        writing = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        found = decoded(recipe, shape, lambda: pytest.fail("is decoded"))
        reading = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(found, pixels)
    assert writing < 0.1 * size
    assert size <= reading < 1.1 * size
