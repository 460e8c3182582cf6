"""Made-up samples."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from dlcli.config.data import Random
from dlcli.config.diagnostics import Report
from dlcli.config.facts import Target
from dlcli.config.shapes import Image, Sequence, Token, Vector, Volume
from dlcli.config.spec import dump, read
from dlcli.config.yaml_output import as_yaml
from dlcli.data.catalogue import SOURCES
from dlcli.data.dataset import open_dataset
from dlcli.data.directories import Directories
from dlcli.data.raw import RawSplit
from tests.unit.config.configs import parse


def _drawn(directories: Directories, **fields: Any) -> RawSplit:
    return SOURCES[Random].read(Random(**fields), directories, False).train


KINDS = [
    ({"sizes": (5,)}, Vector(5), (256, 5)),
    ({"sizes": (7, 5)}, Sequence(7, Vector(5)), (256, 7, 5)),
    ({"sizes": (3, 9, 8)}, Image(3, 9, 8), (256, 9, 8, 3)),
    ({"sizes": (3, 4, 9, 8)}, Volume(3, 4, 9, 8), (256, 4, 9, 8, 3)),
    ({"sizes": (4, 3, 9, 8), "layout": "clip"}, Sequence(4, Image(3, 9, 8)), (256, 4, 9, 8, 3)),
    ({"sizes": (7,), "layout": "tokens", "vocabulary_size": 11}, Sequence(7, Token(11)), (256, 7)),
]


@pytest.mark.parametrize(("fields", "shape", "stored"), KINDS)
def test_sizes_and_layout_say_what_a_sample_is(
    fields: dict[str, Any], shape: object, stored: tuple[int, ...], directories: Directories
) -> None:
    """In torch's order where they are written, with the channels last where they are kept."""
    assert Random(**fields).facts().input == shape
    inputs = _drawn(directories, **fields).inputs
    assert isinstance(inputs, np.ndarray)
    assert (inputs.shape, inputs.dtype) == (stored, np.int64 if "vocabulary_size" in fields else np.float32)


@pytest.mark.parametrize(
    ("fields", "target", "stored", "dtype"),
    [
        ({}, Target(num_classes=10), (256,), np.int64),
        ({"num_classes": 4}, Target(num_classes=4), (256,), np.int64),
        ({"num_targets": 2}, Target(num_targets=2), (256, 2), np.float32),
        ({"num_classes": 4, "per_step": True}, Target(num_classes=4, per_step=True), (256, 7), np.int64),
        ({"num_targets": 2, "per_step": True}, Target(num_targets=2, per_step=True), (256, 7, 2), np.float32),
    ],
)
def test_answers_are_classes_or_values_of_samples_or_steps(
    fields: dict[str, Any], target: Target, stored: tuple[int, ...], dtype: type, directories: Directories
) -> None:
    """Ten classes where nothing is said."""
    assert Random(sizes=(7, 5), **fields).facts().target == target
    answers = _drawn(directories, sizes=(7, 5), **fields).targets
    assert isinstance(answers, np.ndarray)
    assert (answers.shape, answers.dtype) == (stored, dtype)


def test_values_are_standard_normal_and_classes_and_tokens_uniform(directories: Directories) -> None:
    """Of many samples, within five standard errors."""
    drawn = _drawn(directories, sizes=(10,), num_samples=10_000, num_classes=5)
    assert isinstance(drawn.inputs, np.ndarray)
    assert abs(drawn.inputs.mean()) < 5 / np.sqrt(100_000)
    assert abs(drawn.inputs.std() - 1) < 5 / np.sqrt(200_000)
    tokens = _drawn(directories, sizes=(10,), layout="tokens", vocabulary_size=5, num_samples=1000).inputs
    for numbers in (drawn.targets, tokens):
        shares = np.bincount(np.ravel(numbers), minlength=5) / 10_000
        assert len(shares) == 5
        assert np.abs(shares - 0.2).max() < 5 * np.sqrt(0.16 / 10_000)


def test_equal_seeds_give_equal_samples(directories: Directories) -> None:
    """Other seeds others; other answers leave the inputs as they are."""
    one, again, other, regression = (
        _drawn(directories, sizes=(6,), **fields) for fields in ({}, {}, {"seed": 1}, {"num_targets": 3})
    )
    np.testing.assert_array_equal(one.inputs, again.inputs)
    np.testing.assert_array_equal(one.targets, again.targets)
    np.testing.assert_array_equal(one.inputs, regression.inputs)
    assert not np.array_equal(one.inputs, other.inputs)
    assert not np.array_equal(one.targets, other.targets)


def test_samples_are_the_same_on_every_machine(directories: Directories) -> None:
    """Tokens and classes to the last bit, values to six digits, as when this was written."""
    drawn = _drawn(directories, sizes=(2, 3), num_samples=2, seed=7)
    tokens = _drawn(directories, sizes=(4,), layout="tokens", vocabulary_size=1000, num_samples=50, seed=7)
    assert isinstance(drawn.inputs, np.ndarray)
    assert isinstance(tokens.inputs, np.ndarray)
    np.testing.assert_allclose(drawn.inputs.ravel()[:4], VALUES, rtol=1e-6)
    assert hashlib.sha256(tokens.inputs.tobytes() + np.asarray(tokens.targets).tobytes()).hexdigest()[:16] == DIGEST


VALUES = [1.521969, -1.144106, 1.150162, -1.784653]
DIGEST = "2c0e719b4fec1d80"


def test_splits_are_held_out_like_those_of_other_sources(directories: Directories) -> None:
    """All samples together are `num_samples`."""
    data = open_dataset(Random(sizes=(4,), num_samples=100, num_classes=2), directories, pytest.fail)
    assert data.counts() == {"train": 72, "valid": 8, "test": 20}
    assert data.facts == Random(sizes=(4,), num_classes=2).facts()
    again = open_dataset(data.spec, directories, pytest.fail)
    assert data.test.inputs.equal(again.test.inputs)


def _read(text: str) -> tuple[Random | None, Report]:
    report = Report()
    return read(parse(text), Random, "random", report), report


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("{sizes: [5, 4], layout: image}", 9, "`sizes` are [C, H, W] for the layout image, not [5, 4]"),
        ("{sizes: [5, 4], layout: tokens, vocabulary_size: 3}", 9, "`sizes` are [T] for the layout tokens, not [5, 4]"),
        ("{sizes: [5], layout: tokens}", 22, "`layout` tokens needs `vocabulary_size`: how many tokens there are"),
        ("{sizes: [5], vocabulary_size: 3}", 31, "`vocabulary_size` is for `layout: tokens` alone"),
        ("{num_classes: 3, num_targets: 3, sizes: [5]}", 31, "`num_targets` is in place of `num_classes`: give one of them"),
        (
            "{sizes: [5], per_step: true}",
            24,
            "`per_step` needs a sequence, and the samples are of another kind: a vector (features=5)",
        ),
        ("{sizes: [5, 5], num_samples: 2000000000}", 30, "`num_samples` of these sizes are more than 4,294,967,296 numbers"),
        ("{sizes: [5, 0]}", 13, "`sizes` must be at least 1, not 0"),
        ("{sizes: []}", 9, "`sizes` must have at least 1 entry, not 0"),
        ("{sizes: [1, 1, 1, 1, 1]}", 9, "`sizes` must have at most 4 entries, not 5"),
        ("{num_samples: 9}", 1, "`random` needs `sizes`"),
    ],
)
def test_what_does_not_go_together_is_a_mistake_at_its_place(text: str, column: int, message: str) -> None:
    """One message each, which names the field."""
    spec, report = _read(text)
    assert spec is None
    assert [(found.place.column, found.message) for found in report.diagnostics] == [(column, message)]


def test_a_spec_reads_back_as_it_was_written() -> None:
    """In full, and from sizes alone."""
    assert _read("[3, 8, 8]")[0] == Random(sizes=(3, 8, 8))
    assert _read("5")[0] == Random(sizes=(5,))
    for spec in (Random(sizes=(7,), layout="tokens", vocabulary_size=4, per_step=True), Random(sizes=(4,), num_targets=2)):
        assert _read(as_yaml(dump(spec)))[0] == spec
