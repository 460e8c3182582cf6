"""Faults in data: each found where it was put, and nowhere else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dlcli.app.datasets import balance
from dlcli.app.datasets.checks import CHECKS, check
from dlcli.app.datasets.samples import Examined, checksums
from dlcli.app.datasets.target import open_target
from dlcli.app.finding import Finding
from dlcli.data.dataset import Dataset

Arrays = dict[str, np.ndarray]
RNG = np.random.default_rng


def _arrays(**changes: Any) -> Arrays:
    """Vectors and classes without a fault: 60 to learn from, 20 and 20 to judge on."""
    generator = RNG(0)
    arrays: Arrays = {}
    for split, count in (("train", 60), ("valid", 20), ("test", 20)):
        arrays[f"x_{split}"] = generator.normal(size=(count, 3)).astype(np.float32)
        arrays[f"y_{split}"] = np.arange(count) % 2
    return arrays | changes


def _open(tmp_path: Path, arrays: Arrays, **fields: Any) -> Dataset:
    np.savez(tmp_path / "a.npz", **arrays)
    overrides = [f"data.path={tmp_path / 'a.npz'}", *(f"data.{key}={value}" for key, value in fields.items())]
    return open_target("arrays", overrides, None, lambda _: None)


def _found(dataset: Dataset, name: str) -> list[Finding]:
    return list(CHECKS[name](Examined(dataset)))


def _not_ok(dataset: Dataset) -> list[tuple[str, str]]:
    return [(finding.check, finding.state) for finding in check(dataset) if finding.state != "ok"]


def test_data_without_a_fault_has_none(tmp_path: Path) -> None:
    """And every check says what it looked at."""
    found = check(_open(tmp_path, _arrays()))
    assert {finding.state for finding in found} == {"ok"}
    assert {finding.check for finding in found} == {
        "numbers",
        "repeated samples",
        "shared samples",
        "answers",
        "features",
        "classes",
        "balance",
        "distribution",
    }


def test_whatever_is_not_ok_has_its_mend(tmp_path: Path) -> None:
    """With all that can be wrong at once."""
    arrays = _arrays()
    arrays["x_train"][:, 1] = 5
    arrays["x_train"][10] = arrays["x_train"][11] = arrays["x_train"][12]
    arrays["x_test"][:5] = arrays["x_train"][:5]
    arrays["y_test"][:] = 1
    found = check(_open(tmp_path, arrays))
    assert all(finding.help for finding in found if finding.state != "ok")
    assert {finding.check for finding in found if finding.state != "ok"} == {
        "repeated samples",
        "shared samples",
        "answers",
        "features",
        "classes",
        "distribution",
    }


def test_a_repeated_sample_is_a_warning(tmp_path: Path) -> None:
    """Each but the first counts; the first few are named with the one that they repeat."""
    arrays = _arrays()
    arrays["x_train"][[7, 9, 30]] = arrays["x_train"][2]
    arrays["y_train"][[7, 9, 30]] = arrays["y_train"][2]
    [found] = _found(_open(tmp_path, arrays), "repeated samples")
    assert found.state == "warning"
    assert "3 of 60 train" in found.message
    assert found.examples == ("train 7 = train 2", "train 9 = train 2", "train 30 = train 2")


@pytest.mark.parametrize(("count", "state"), [(1, "warning"), (2, "warning"), (3, "fault")])
def test_a_sample_of_two_splits_is_a_fault_from_a_hundredth_on(count: int, state: str, tmp_path: Path) -> None:
    """Of the split that is judged on, here 250 samples."""
    arrays = _arrays(x_test=RNG(5).normal(size=(250, 3)).astype(np.float32), y_test=np.arange(250) % 2)
    arrays["x_test"][100 : 100 + count] = arrays["x_train"][20 : 20 + count]
    arrays["y_test"][100 : 100 + count] = arrays["y_train"][20 : 20 + count]
    [found] = _found(_open(tmp_path, arrays), "shared samples")
    assert found.state == state
    assert found.message.startswith(f"{count} of 250 test samples ({count / 250:.2%}) are train samples too")
    assert found.examples == tuple(f"test {100 + number} = train {20 + number}" for number in range(count))


def test_equal_samples_with_different_answers_are_found_across_splits(tmp_path: Path) -> None:
    """Both count; a pair is named once."""
    arrays = _arrays()
    arrays["x_valid"][4], arrays["y_valid"][4] = arrays["x_train"][6], 1 - arrays["y_train"][6]
    arrays["x_test"][3], arrays["y_test"][3] = arrays["x_train"][8], arrays["y_train"][8]
    [found] = _found(_open(tmp_path, arrays), "answers")
    assert found.state == "fault"
    assert found.message == "2 of 100 samples (2.00%) have an equal one with another answer"
    assert found.examples == ("train 6 and valid 4",)


SAMPLES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(SAMPLES, SAMPLES)
def test_counts_are_those_of_a_plain_comparison(train: list[tuple[int, int]], test: list[tuple[int, int]]) -> None:
    """Of every sample with every other, as Python compares tuples."""
    sums = {
        name: [checksums({"x": np.array(part)}, {"x": None}) for part in ([[x] for x, _ in split], [[y] for _, y in split])]
        for name, split in (("train", train), ("test", test))
    }
    examined = Examined(None)  # type: ignore[arg-type]  # these checks look at the sums alone
    examined.__dict__["input_sums"] = {name: parts[0] for name, parts in sums.items()}
    examined.__dict__["target_sums"] = {name: parts[1] for name, parts in sums.items()}
    both = [*train, *test]
    expected = sum(any(x == other and y != answer for other, answer in both) for x, y in both)
    [answers] = CHECKS["answers"](examined)
    assert answers.message.startswith(f"{expected} of {len(both)} samples" if expected else "equal samples have equal")
    shared = sum(any(x == other for other, _ in train) for x, _ in test)
    [between] = CHECKS["shared samples"](examined)
    assert between.message.startswith(f"{shared} of {len(test)} test samples" if shared else "no sample is in two splits")
    repeats = {name: len(split) - len({x for x, _ in split}) for name, split in (("train", train), ("test", test))}
    [within] = CHECKS["repeated samples"](examined)
    for name, count in repeats.items():
        assert (f"{count} of {len(train if name == 'train' else test)} {name}" in within.message) == (count > 0)


def test_padding_is_no_part_of_a_sample(tmp_path: Path) -> None:
    """Equal up to their ends, sequences are equal; one that goes on is another."""
    series = RNG(0).normal(size=(3, 4, 2)).astype(np.float32)
    series[1, :2] = series[0, :2]
    lengths = np.array([2, 2, 4])
    sums = checksums({"x": series}, {"x": lengths})
    assert sums[0] == sums[1] != sums[2]
    assert len(set(checksums({"x": series}, {"x": np.array([2, 3, 4])}).tolist())) == 3


def test_a_checksum_is_of_every_input(tmp_path: Path) -> None:
    """And of the order of sizes: (1, 2) is not (2, 1); windows that overlap are read like any other."""
    one, other = np.zeros((2, 3)), np.array([[1.0], [2.0]])
    assert len(set(checksums({"a": one, "b": other}, {"a": None, "b": None}).tolist())) == 2
    assert checksums({"a": np.zeros((1, 1, 2))}, {"a": None})[0] != checksums({"a": np.zeros((1, 2, 1))}, {"a": None})[0]
    windows = np.lib.stride_tricks.sliding_window_view(np.arange(10.0) % 4, 3)
    expected = [tuple(window) for window in windows.tolist()]
    sums = checksums({"a": windows}, {"a": None}).tolist()
    assert [sums.index(value) for value in sums] == [expected.index(value) for value in expected]


def test_many_samples_are_looked_at_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the parts, the findings are the same."""
    arrays = _arrays()
    arrays["x_train"][[7, 50]] = arrays["x_train"][2]
    dataset = _open(tmp_path, arrays)
    whole = check(dataset)
    monkeypatch.setattr("dlcli.app.datasets.samples._CHUNK", 40)
    assert check(dataset) == whole


def test_nan_is_a_fault(tmp_path: Path) -> None:
    """Readers refuse it; a plug-in may let it through: of inputs and of answers."""
    dataset = _open(
        tmp_path, _arrays(y_train=RNG(1).normal(size=60).astype(np.float32), y_valid=np.zeros(20), y_test=np.zeros(20))
    )
    assert isinstance(dataset.train.inputs, torch.Tensor)
    assert isinstance(dataset.train.targets, torch.Tensor)
    dataset.train.inputs[5, 1] = torch.nan
    dataset.train.targets[9] = torch.inf
    [found] = _found(dataset, "numbers")
    assert found.state == "fault"
    assert found.message == "NaN or infinity in 2 samples"
    assert found.examples == ("train 5 (input)", "train 9 (target)")


def test_a_constant_feature_is_a_warning_and_nothing_but_them_a_fault(tmp_path: Path) -> None:
    """Named by its column where there are columns, else by its number."""
    arrays = _arrays()
    arrays["x_train"][:, 2] = 7
    [found] = _found(_open(tmp_path, arrays), "features")
    assert (found.state, found.examples) == ("warning", ("channel 2",))
    arrays["x_train"][:] = 1
    [found] = _found(_open(tmp_path, arrays), "features")
    assert (found.state, found.message) == ("fault", "all are constant: there is nothing to learn from")
    text = io.StringIO()
    text.write("height,year,weight,label\n")
    text.writelines(f"{number * 1.5},2024,{number % 7}.5,{'ab'[number % 2]}\n" for number in range(100))
    (tmp_path / "t.csv").write_text(text.getvalue())
    [found] = _found(open_target("csv", [f"data.path={tmp_path / 't.csv'}"], None, lambda _: None), "features")
    assert (found.state, found.examples) == ("warning", ("`year`",))


def test_only_what_is_there_of_a_sequence_has_to_change(tmp_path: Path) -> None:
    """A feature that is constant up to each end is constant, whatever the padding holds."""
    series = RNG(0).normal(size=(100, 5, 2)).astype(np.float32)
    lengths = np.arange(100) % 4 + 1
    series[:, :, 1] = np.where(np.arange(5) < lengths[:, np.newaxis], 3, 0)
    dataset = _open(tmp_path, {"x": series, "y": np.arange(100) % 2, "lengths": lengths}, layout="series")
    [found] = _found(dataset, "features")
    assert found.examples == ("channel 1",)
    [found] = _found(dataset, "lengths")
    assert (found.state, found.message) == ("warning", "25 of 100 sequences have a single step")
    assert found.examples[0].startswith("train ")


@pytest.mark.parametrize(("steps", "message"), [(4, "4 steps each"), (1, "100 of 100 sequences have a single step")])
def test_sequences_of_one_length_are_looked_at_too(steps: int, message: str, tmp_path: Path) -> None:
    """A window of one row is no sequence."""
    series = RNG(0).normal(size=(100, steps, 2)).astype(np.float32)
    [found] = _found(_open(tmp_path, {"x": series, "y": np.arange(100) % 2}), "lengths")
    assert found.message == message


def test_classes_that_are_missing_or_rare_are_named(tmp_path: Path) -> None:
    """Without a sample to learn from it is a fault, without one to judge on a warning; below ten one too."""
    arrays = _arrays(y_train=np.repeat([0, 1, 3], [30, 25, 5]), y_valid=np.arange(20) % 3, y_test=np.arange(20) % 4)
    found = _found(_open(tmp_path, arrays), "classes")
    assert [(finding.state, finding.examples) for finding in found] == [
        ("fault", ("class 2",)),
        ("warning", ("class 3",)),
        ("warning", ("class 3 (5)",)),
    ]
    assert found[0].message == "1 class without a train sample: not to be learnt"


def test_one_class_alone_is_a_fault(tmp_path: Path) -> None:
    """There is nothing to tell apart, and no balance to speak of."""
    arrays = _arrays(y_train=np.zeros(60, int), y_valid=np.zeros(20, int), y_test=np.zeros(20, int))
    assert _not_ok(_open(tmp_path, arrays)) == [("classes", "fault")]


@pytest.mark.parametrize(("small", "state"), [(6, "ok"), (5, "warning")])
def test_a_large_class_beside_a_small_one_is_a_warning(small: int, state: str, tmp_path: Path) -> None:
    """From more than ten times on; both are named with their sizes."""
    [found] = _found(_open(tmp_path, _arrays(y_train=np.repeat([0, 1], [60 - small, small]))), "balance")
    assert found.state == state
    if state == "warning":
        assert found.examples == ("class 0 (55)", "class 1 (5)")
        assert found.message == "the largest class has 11.0 times the samples of the smallest"


def test_values_that_never_change_are_a_fault(tmp_path: Path) -> None:
    """All of them; of several a warning."""
    values = {
        split: RNG(1).normal(size=(count, 2)).astype(np.float32) for split, count in (("train", 60), ("valid", 20), ("test", 20))
    }
    arrays = _arrays(**{f"y_{split}": part for split, part in values.items()})
    assert _not_ok(_open(tmp_path, arrays)) == []
    arrays["y_train"][:, 1] = 4
    [found] = _found(_open(tmp_path, arrays), "values")
    assert (found.state, found.examples) == ("warning", ("value 1: always 4",))
    arrays["y_train"][:, 0] = 2
    assert _found(_open(tmp_path, arrays), "values")[0].state == "fault"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 200), min_size=2, max_size=6), st.data())
def test_shares_are_compared_as_scipy_does(train: list[int], data: st.DataObject) -> None:
    """Pearson's test on a table of counts, and half the sum of the differences of shares."""
    split = data.draw(st.lists(st.integers(0, 200), min_size=len(train), max_size=len(train)).filter(any))
    apart, chance = balance._classes_apart(np.array(train), np.array(split))
    expected = stats.chi2_contingency(np.array([train, split]), correction=False)
    assert chance == pytest.approx(expected.pvalue, abs=1e-12)
    shares = [np.array(counts) / sum(counts) for counts in (train, split)]
    assert apart == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2)


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 10_000), st.booleans())
def test_values_are_compared_as_scipy_does(one: int, other: int, seed: int, whole: bool) -> None:
    """The two-sample statistic of Kolmogorov and Smirnov, equal values included; the largest of all columns."""
    generator = RNG(seed)
    parts = [generator.normal(size=(count, 2)).astype(np.float32) for count in (one, other)]
    if whole:
        parts = [part.round() for part in parts]
    expected = max(stats.ks_2samp(parts[0][:, column], parts[1][:, column], method="asymp").statistic for column in range(2))
    assert balance._values_apart(*parts)[0] == pytest.approx(expected)


def test_answers_that_are_shared_out_otherwise_are_a_warning(tmp_path: Path) -> None:
    """Classes and values; a difference that chance explains is none."""
    arrays = _arrays(y_valid=np.zeros(20, int), y_test=(np.arange(20) < 12).astype(int))
    states = {finding.message[:35]: finding.state for finding in _found(_open(tmp_path, arrays), "distribution")}
    assert list(states.values()) == ["warning", "ok"]
    generator = RNG(0)
    arrays = _arrays(
        **{f"y_{split}": generator.normal(size=count) for split, count in (("train", 60), ("valid", 20), ("test", 20))}
    )
    arrays["y_test"] += 3
    found = _found(_open(tmp_path, arrays), "distribution")
    assert [finding.state for finding in found] == ["ok", "warning"]
    assert "their Kolmogorov-Smirnov distance is" in found[1].message


def test_a_class_without_any_other_is_not_apart() -> None:
    """Counts of one class alone are the same shares."""
    assert balance._classes_apart(np.array([5, 0]), np.array([3, 0])) == (0.0, 1.0)


def test_several_inputs_and_targets_are_looked_at_each(tmp_path: Path) -> None:
    """Their names stand in the findings; a sample is equal only if all its inputs are."""
    generator = RNG(0)
    arrays = {
        "image_train": generator.integers(0, 255, (100, 4, 4), dtype=np.uint8),
        "meta_train": generator.normal(size=(100, 2)).astype(np.float32),
        "digit_train": np.arange(100) % 5,
        "size_train": generator.normal(size=100).astype(np.float32),
    }
    arrays["image_train"][50] = arrays["image_train"][51]
    arrays["meta_train"][:, 1] = 2
    arrays["digit_train"][arrays["digit_train"] == 4] = 0
    arrays["digit_train"][0] = 4
    dataset = _open(tmp_path, arrays, inputs="[image, meta]", targets="[digit, size]")
    found = check(dataset)
    assert [finding.message for finding in found if finding.check == "features"] == [
        "none of image is constant",
        "1 of 2 of meta are constant in the training samples",
    ]
    assert any("of digit" in finding.message for finding in found if finding.check == "balance")
    assert [finding.state for finding in found if finding.check == "repeated samples"] == ["ok"]
    assert "all of size to predict change" in [finding.message for finding in found]


def test_answers_for_each_step_are_counted_up_to_the_end(tmp_path: Path) -> None:
    """What padding holds is no answer."""
    generator = RNG(0)
    lengths = generator.integers(1, 6, 100)
    lengths[0] = 5
    tags = np.where(np.arange(5) < lengths[:, np.newaxis], generator.integers(1, 3, (100, 5)), 0)
    arrays = {"x": generator.normal(size=(100, 5, 2)).astype(np.float32), "y": tags, "lengths": lengths}
    found = _found(_open(tmp_path, arrays, layout="series"), "classes")
    assert [finding.examples for finding in found if finding.state == "fault"] == [("class 0",)]


def test_the_next_unit_of_a_text_is_no_class(tmp_path: Path) -> None:
    """Rare characters are no fault of a text."""
    (tmp_path / "t.txt").write_text("".join(chr(97 + number * number % 23) for number in range(4000)) + "zzz")
    dataset = open_target("text", [f"data.path={tmp_path / 't.txt'}", "data.window=16"], None, lambda _: None)
    assert "classes" not in {finding.check for finding in check(dataset)}


def test_real_data_has_no_fault(shared_data: Path) -> None:
    """The handwritten digits of 1998, and speakers of two vowels."""
    vowels = [f"data.path={shared_data / 'timeseries' / 'JapaneseVowels_TRAIN.ts'}"]
    for target, overrides in (("mnist", []), ("ts", vowels)):
        assert _not_ok(open_target(target, overrides, shared_data, lambda _: None)) == []


@pytest.mark.parametrize("name", [*CHECKS])
def test_one_sample_is_enough_to_look_at(name: str, tmp_path: Path) -> None:
    """No check fails for want of samples."""
    arrays = {"x_train": np.ones((1, 2), np.float32), "y_train": np.zeros(1, int)}
    dataset = _open(tmp_path, arrays, split="{valid: 0, test: 0}")
    assert all(finding.state in ("ok", "warning", "fault") for finding in _found(dataset, name))
