"""What data is said to be like, against what NumPy and Python count."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dlcli.app.datasets.description import Description, describe
from dlcli.app.datasets.target import open_target
from dlcli.cli.data_pages import description_lines
from dlcli.data.sources import digits


def _described(target: str, *overrides: str) -> Description:
    return describe(open_target(target, overrides, None, lambda _: None))


def _of(tmp_path: Path, arrays: dict[str, np.ndarray], *overrides: str) -> Description:
    np.savez(tmp_path / "a.npz", **arrays)
    return _described("arrays", f"data.path={tmp_path / 'a.npz'}", *overrides)


def test_pictures_are_described_as_they_are_in_the_package() -> None:
    """Counts of classes, the range of values, mean and spread in units of 255; where they are and under which licence."""
    with np.load(digits.FILE) as file:
        labels = Counter(file["labels"].tolist())
    found = _described("digits", "data.split={valid: 0.25, test: 0.2}")
    target, pictures = found.targets["target"], found.inputs["input"]
    assert target.counts is not None
    totals = np.sum([target.counts[split] for split in ("train", "valid", "test")], axis=0)
    assert dict(enumerate(totals.tolist())) == labels
    assert {split: sum(counts) for split, counts in target.counts.items()} == found.samples
    assert pictures.shapes == {"input": "an image (C=1, H=8, W=8)"}
    assert (pictures.dtype, pictures.values.smallest, pictures.values.largest, pictures.values.channels) == ("uint8", 0, 255, 1)
    assert pictures.values.mean is not None
    assert 0 < pictures.values.mean[0] < 1
    assert (found.origin, found.licence) == ("inside the package", "CC BY 4.0")
    assert found.lengths == {}
    assert found.megabytes == pytest.approx((1797 * 64 + 1797 * 8) / 1e6)


def test_only_what_is_there_of_sequences_is_described(tmp_path: Path) -> None:
    """Ranges and counts leave padding out; lengths have a histogram whose bars add up."""
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, 40, 500)
    lengths[:2] = 3, 39
    is_there = np.arange(39) < lengths[:, np.newaxis]
    values = np.where(is_there[..., np.newaxis], generator.uniform(1, 2, (500, 39, 2)), -99).astype(np.float32)
    tags = np.where(is_there, generator.integers(1, 4, (500, 39)), 0)
    found = _of(tmp_path, {"x": values, "y": tags, "lengths": lengths}, "data.layout=series", "data.split={valid: 0, test: 0}")
    series, target, of_train = found.inputs["input"].values, found.targets["target"], found.lengths["train"]
    assert 1 <= series.smallest < series.largest <= 2
    assert target.per_step
    assert target.counts is not None
    assert target.counts["train"] == np.bincount(tags[is_there], minlength=4).tolist()
    assert (of_train.shortest, of_train.longest, of_train.median) == (3, 39, np.median(lengths))
    assert of_train.mean == pytest.approx(lengths.mean())
    edges = of_train.edges
    counted = [sum(first <= length < last for length in lengths) for first, last in pairwise(edges)]
    assert list(of_train.histogram) == counted
    assert (edges[0], edges[-1], len(counted)) == (3, 40, 10)


def test_large_data_is_described_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in parts of any size."""
    arrays = {"x": np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32), "y": np.arange(50) % 2}
    whole = _of(tmp_path, arrays)
    monkeypatch.setattr("dlcli.app.datasets.samples._CHUNK", 30)
    assert _of(tmp_path, arrays) == whole


def test_several_inputs_and_targets_are_described_each(tmp_path: Path) -> None:
    """By their names; values to predict with their range and scale."""
    arrays = {
        "image": np.arange(100 * 16, dtype=np.uint8).reshape(100, 4, 4),
        "meta": np.linspace(-1, 1, 200).reshape(100, 2).astype(np.float32),
        "digit": np.arange(100) % 5,
        "size": np.linspace(0, 9, 100).astype(np.float32),
    }
    found = _of(tmp_path, arrays, "data.inputs=[image, meta]", "data.targets=[digit, size]", "data.normalize={image: none}")
    assert list(found.inputs) == ["image", "meta"]
    assert found.inputs["image"].values.mean is None
    assert found.inputs["meta"].values.channels == 2
    size = found.targets["size"]
    assert size.counts is None
    assert size.values is not None
    assert size.values.largest <= 9
    page = "\n".join(description_lines(found, 80))
    for line in ("input image", "not normalised", "input meta", "target digit", "target size", "1 value to predict, from"):
        assert line in page


def test_a_picture_that_is_read_in_two_ways_has_both_shapes() -> None:
    """It is in memory once."""
    found = _described("digits", "data.view=[image, rows]")
    assert found.inputs["input"].shapes == {"image": "an image (C=1, H=8, W=8)", "rows": "a sequence (T=8, features=8)"}
    page = description_lines(found, 80)
    assert "input      image: an image (C=1, H=8, W=8)" in page
    assert "steps      8 each" in page


def test_bars_are_as_long_as_shares(tmp_path: Path) -> None:
    """The largest class fills what is left of the width, at most forty columns; names of strangers steer nothing."""
    arrays = {"x": np.arange(300, dtype=np.float32).reshape(100, 3), "y": np.repeat([0, 1, 2], [60, 30, 10])}
    found = _of(tmp_path, arrays, "data.split={valid: 0, test: 0}")
    found = Description(**{**vars(found), "origin": "a.npz", "classes": ("a\x1b[31m", "b" * 50, "c")})
    lines = description_lines(found, 80)
    bars = [line.count("█") for line in lines if line.endswith("█")]
    assert bars[0] <= 40
    assert [round(bar / bars[0], 1) for bar in bars] == [1.0, 0.5, 0.2]
    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)


def test_of_many_classes_the_largest_are_shown(tmp_path: Path) -> None:
    """And how many more there are; JSON has them all."""
    labels = np.concatenate([np.arange(100), np.full(50, 77)])
    found = _of(tmp_path, {"x": np.arange(150, dtype=np.float32)[:, None], "y": labels}, "data.split={valid: 0, test: 0}")
    lines = description_lines(found, 80)
    rows = [line.split() for line in lines]
    assert ["and", "70", "classes", "more"] in rows
    assert rows[[row[:1] for row in rows].index(["class"]) + 1][:2] == ["77", "51"]
    counts = found.as_json()["targets"]["target"]["counts"]["train"]
    assert len(counts) == 100


def test_pages_are_within_80_columns() -> None:
    """Of pictures, of series of different lengths, of tokens and of values for each step."""
    for target, *overrides in (
        ["digits"],
        ["adding", "data.min_steps=5", "data.num_samples=200"],
        ["copy_memory", "data.delay=20", "data.num_samples=200"],
        ["sine", "data.num_samples=200"],
        ["random", "data.sizes=[7]", "data.num_targets=9", "data.normalize_targets=none"],
    ):
        lines = description_lines(_described(target, *overrides), 80)
        assert max(map(len, lines)) <= 80, lines
