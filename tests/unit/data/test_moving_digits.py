"""Clips of digits that move: where they go is seen in their centres of mass, and who they are in the package's own pictures."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from dlcli.config.data import Digits, MovingDigits, SplitSpec
from dlcli.config.diagnostics import Report
from dlcli.config.facts import Target
from dlcli.config.shapes import Image, Sequence
from dlcli.config.spec import dump, read
from dlcli.config.yaml_output import as_yaml
from dlcli.data.catalogue import SOURCES
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, RawData, RawSplit
from dlcli.data.sources import digits
from dlcli.errors import DataError
from tests.unit.config.configs import parse

COMPASS = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}
"""Rows are counted from the top."""


def _read(directories: Directories, **fields: Any) -> RawData:
    return SOURCES[MovingDigits].read(MovingDigits(**fields), directories, False)


def _arrays(split: RawSplit | None) -> tuple[Array, Array]:
    assert split is not None
    assert isinstance(split.inputs, np.ndarray)
    assert isinstance(split.targets, np.ndarray)
    return split.inputs, split.targets


def _centres(clips: Array) -> Array:
    """Row and column of the centre of mass of each frame (N, T, 2), on a field whose opposite sides are joined."""
    angles = np.exp(2j * np.pi * np.arange(clips.shape[2]) / clips.shape[2])
    mass = clips[..., 0].astype(np.float64)
    waves = np.stack([mass.sum(3) @ angles, mass.sum(2) @ angles], axis=-1)
    return np.angle(waves) * clips.shape[2] / (2 * np.pi)


def _movements(clips: Array) -> Array:
    """Rows and columns from each frame to the next, (N, T - 1, 2)."""
    size = clips.shape[2]
    return (np.diff(_centres(clips), axis=1) + size / 2) % size - size / 2


@pytest.fixture(scope="module")
def picture_of() -> dict[bytes, int]:
    """The number of each picture of the package by its ink, wherever that lies."""
    images, _ = _arrays(digits.read(Digits(), Directories((), digits.FILE), False).train)
    by_ink = {_ink(image[..., 0]): number for number, image in enumerate(images)}
    assert len(by_ink) == len(images)
    return by_ink


def _ink(picture: Array) -> bytes:
    """What of a picture is not blank, with its height."""
    rows, columns = np.flatnonzero(picture.any(1)), np.flatnonzero(picture.any(0))
    cut = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return bytes([len(cut)]) + cut.tobytes()


def _joined(field: Array) -> bytes:
    """The ink of a frame as it was before the edges cut it: 8 of 24 rows and columns are always blank in a row."""
    for axis in (0, 1):
        blank = ~field.any(1 - axis)
        start = next(place for place in range(len(blank)) if np.roll(blank, -place)[:8].all())
        field = np.roll(field, -start, axis)
    return _ink(field)


def test_facts_and_arrays_agree(directories: Directories) -> None:
    """Clips of one byte a pixel with the channels last, known before any is drawn."""
    for label, classes in (("direction", 8), ("digit", 10)):
        spec = MovingDigits(label=label, frames=5, size=20, num_samples=100)
        assert spec.facts().input == Sequence(5, Image(1, 20, 20))
        assert spec.facts().target == Target(num_classes=classes)
        data = SOURCES[MovingDigits].read(spec, directories, False)
        assert data.class_names is not None
        assert len(data.class_names) == classes
        for split, count in ((data.train, 72), (data.valid, 8), (data.test, 20)):
            clips, targets = _arrays(split)
            assert (clips.shape, clips.dtype) == ((count, 5, 20, 20, 1), np.uint8)
            assert (targets.shape, targets.dtype) == ((count,), np.int64)


@pytest.mark.parametrize("size", [8, 16, 21])
def test_the_class_is_where_the_centre_of_mass_goes(size: int, directories: Directories) -> None:
    """By one or two pixels in each frame, from its name: `down left` is down and left."""
    data = _read(directories, size=size, num_samples=400)
    clips, targets = _arrays(data.train)
    assert data.class_names is not None
    moved = _movements(clips)
    speed = np.abs(moved).max((1, 2)).round()
    assert set(speed) == {1, 2}
    for clip, (of_frames, label) in enumerate(zip(moved, targets, strict=True)):
        words = data.class_names[label].split()
        expected = np.sum([COMPASS[word] for word in words], axis=0) * speed[clip]
        np.testing.assert_allclose(of_frames, np.broadcast_to(expected, of_frames.shape), atol=1e-6)
    assert len(set(targets)) == len(data.class_names) == 8


def test_a_frame_alone_does_not_tell_the_direction(directories: Directories) -> None:
    """In each direction and each frame, digits are anywhere on the field as often: within five standard errors."""
    clips, targets = _arrays(_read(directories, frames=4, num_samples=12_000).train)
    corners = np.exp(2j * np.pi * _centres(clips) / clips.shape[2])
    for label in range(8):
        of_label = corners[targets == label]
        assert np.abs(of_label.mean(0)).max() < 5 / np.sqrt(len(of_label))
        assert abs(len(of_label) / len(targets) - 1 / 8) < 5 * np.sqrt(7 / 64 / len(targets))


def test_every_frame_holds_the_digit_of_its_class(directories: Directories, picture_of: dict[bytes, int]) -> None:
    """One picture of the package in all frames of a clip, whole, and its label."""
    clips, targets = _arrays(_read(directories, label="digit", size=24, num_samples=60).train)
    _, labels = _arrays(digits.read(Digits(), directories, False).train)
    for clip, label in zip(clips[..., 0], targets, strict=True):
        (picture,) = {picture_of[_joined(frame)] for frame in clip}
        assert labels[picture] == label


@pytest.mark.parametrize("stratify", [True, False])
def test_no_two_splits_share_a_digit(stratify: bool, directories: Directories, picture_of: dict[bytes, int]) -> None:
    """Each picture is in one split alone, and each split has its share of them."""
    split = SplitSpec(stratify=stratify)
    data = _read(directories, frames=2, size=24, num_samples=10_000, split=split)
    seen = [{picture_of[_joined(clip[0, ..., 0])] for clip in _arrays(part)[0]} for part in (data.train, data.valid, data.test)]
    assert sum(map(len, seen)) == len(set.union(*seen))
    for pictures, share in zip(seen, (0.72, 0.08, 0.2), strict=True):
        assert abs(len(pictures) / len(picture_of) - share) < 0.01


def test_a_split_of_nothing_is_none(directories: Directories) -> None:
    """All clips and all digits are then for the others."""
    data = _read(directories, num_samples=50, split=SplitSpec(valid=0, test=0))
    assert (data.valid, data.test, len(data.train)) == (None, None, 50)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_samples": 3}, "the valid split would be empty: 0 of 3 clips and 145 of 1,797 digits go to it"),
        ({"split": SplitSpec(test=0.001)}, "the test split would be empty: 10 of 10,000 clips and 0 of 1,797 digits go to it"),
        (
            {"num_samples": 1, "split": SplitSpec(test=0.9)},
            "the train split would be empty: 0 of 1 clips and 159 of 1,797 digits go to it",
        ),
    ],
)
def test_a_split_that_would_be_empty_is_a_mistake(fields: dict[str, Any], message: str, directories: Directories) -> None:
    """Whether it has no clips or no digits to make them of."""
    with pytest.raises(DataError) as caught:
        _read(directories, **fields)
    assert caught.value.message == message
    assert caught.value.help is not None
    assert "data.split" in caught.value.help


def test_equal_seeds_give_equal_clips_on_every_machine(directories: Directories) -> None:
    """To the last bit, as when this was written; other seeds give other clips, of the same digits."""
    clips, targets = _arrays(_read(directories, num_samples=50, seed=7).train)
    again, _ = _arrays(_read(directories, num_samples=50, seed=7).train)
    other, _ = _arrays(_read(directories, num_samples=50, seed=8).train)
    np.testing.assert_array_equal(clips, again)
    assert not np.array_equal(clips, other)
    assert hashlib.sha256(clips.tobytes() + targets.tobytes()).hexdigest()[:16] == DIGEST


DIGEST = "d68a013b4285fdbb"


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("{size: 7}", 8, "`size` must be at least 8, not 7"),
        ("{size: 5000}", 8, "`size` must be at most 4096, not 5000"),
        ("{frames: 1}", 10, "`frames` must be at least 2, not 1"),
        ("{label: speed}", 9, "`label` must be 'direction' or 'digit', not the text 'speed'"),
        ("{size: 4096}", 1, "`num_samples` of these sizes are more than 4,294,967,296 numbers"),
    ],
)
def test_impossible_values_are_mistakes_at_their_places(text: str, column: int, message: str) -> None:
    """One message each, which names the field."""
    report = Report()
    assert read(parse(text), MovingDigits, "moving_digits", report) is None
    assert [(found.place.column, found.message) for found in report.diagnostics] == [(column, message)]


def test_a_spec_reads_back_as_it_was_written() -> None:
    """In full."""
    spec = MovingDigits(label="digit", frames=4, size=12, split=SplitSpec(valid=0.2))
    assert read(parse(as_yaml(dump(spec))), MovingDigits, "moving_digits", Report()) == spec
