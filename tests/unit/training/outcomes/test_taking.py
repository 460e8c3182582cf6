"""Samples as they are kept to be looked at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dlcli.config.data import Arrays, Csv, Digits, MovingDigits, Text
from dlcli.config.facts import DataFacts, Target
from dlcli.config.shapes import Image, Sequence, Shape, Time, Token, Vector, Volume
from dlcli.data.dataset import Split
from dlcli.training.outcomes.arrays import MOST_SIDE, MOST_STEPS
from dlcli.training.outcomes.samples import Input, Samples
from dlcli.training.outcomes.taking import spread, taken

ARRAYS = Arrays(path="x.npz")


def kept(inputs: Tensor, shape: Shape, spec: object = ARRAYS, lengths: Tensor | None = None, *numbers: int) -> Input:
    """What is kept of the only input of some samples."""
    split = Split(inputs, torch.zeros(len(inputs), dtype=torch.int64), lengths)
    facts = DataFacts({"input": shape}, {"target": Target(num_classes=2)})
    samples = taken(split, torch.tensor(numbers or range(len(inputs))), spec, facts)  # type: ignore[arg-type]  # a data spec
    assert list(samples.inputs) == [""]
    return samples.inputs[""]


def test_numbers_are_spread_evenly() -> None:
    """From the first to the last, each once."""
    assert spread(100, 5).tolist() == [0, 25, 50, 74, 99]
    assert spread(3, 5).tolist() == [0, 1, 2]
    assert spread(1, 5).tolist() == [0]


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stay_as_they_are(channels: int) -> None:
    """8-bit values, of the samples that were asked for."""
    pictures = torch.randint(0, 256, (5, 8, 6, channels), dtype=torch.uint8)
    shown = kept(pictures, Image(channels, 8, 6), Digits(), None, 3, 1)
    assert shown.kind == "pictures"
    np.testing.assert_array_equal(shown.pixels, pictures[[3, 1]])


def test_pictures_that_are_read_as_rows_are_pictures() -> None:
    """Whatever the network makes of them."""
    pictures = torch.randint(0, 256, (2, 8, 8, 1), dtype=torch.uint8)
    assert kept(pictures, Sequence(8, Vector(8)), Digits(view="rows")).kind == "pictures"


def test_large_pictures_are_made_smaller() -> None:
    """No side is longer than a bound, and their proportions stay; a grey picture stays as grey as it was."""
    shown = kept(torch.full((2, 400, 200, 3), 77, dtype=torch.uint8), Image(3, 400, 200))
    assert shown.kind == "pictures"
    assert shown.pixels.shape == (2, MOST_SIDE, MOST_SIDE // 2, 3)
    assert (shown.pixels == 77).all()


def test_pictures_of_floats_go_from_black_to_white() -> None:
    """From the smallest value of those that are shown to the largest, what is no number black; of other channels the mean."""
    values = torch.tensor([-1.0, 0.0, 1.0, torch.nan]).reshape(1, 2, 2, 1)
    shown = kept(values, Image(1, 2, 2))
    assert shown.kind == "pictures"
    assert shown.pixels.flatten().tolist() == [0, 128, 255, 0]
    two = kept(torch.stack((torch.zeros(1, 2, 2), torch.ones(1, 2, 2)), dim=-1), Image(2, 2, 2))
    assert two.kind == "pictures"
    assert set(two.pixels.flatten().tolist()) == {128}
    constant = kept(torch.full((1, 2, 2, 1), 3.0), Image(1, 2, 2))
    assert constant.kind == "pictures"


def test_clips_and_volumes_are_strips_of_frames() -> None:
    """Eight of them side by side, evenly spread; behind the end of a shorter clip nothing."""
    clips = torch.arange(1, 21, dtype=torch.uint8).reshape(1, 20, 1, 1, 1).expand(2, 20, 4, 3, 1).contiguous()
    shown = kept(clips, Sequence(Time(), Image(1, 4, 3)), ARRAYS, torch.tensor([20, 2]))
    assert shown.kind == "pictures"
    assert shown.pixels.shape == (2, 4, 24, 1)
    assert shown.pixels[0, 0, ::3, 0].tolist() == [1, 4, 6, 9, 12, 15, 17, 20]
    assert shown.pixels[1, 0, ::3, 0].tolist() == [1, 2, 0, 0, 0, 0, 0, 0]
    assert kept(torch.zeros(1, 5, 4, 4, 2), Volume(2, 5, 4, 4)).kind == "pictures"
    assert kept(torch.zeros(1, 5, 4, 4, 1), Sequence(5, Image(1, 4, 4)), MovingDigits()).kind == "pictures"


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (torch.zeros(0, 5, 4, 3, 1), Sequence(5, Image(1, 4, 3))),
        (torch.zeros(0, 5, 4, 3, 1, dtype=torch.uint8), Sequence(5, Image(1, 4, 3))),
        (torch.zeros(0, 4, 3, 1), Image(1, 4, 3)),
        (torch.zeros(0, 400, 200, 1), Image(1, 400, 200)),
        (torch.zeros(0, 9, 2), Sequence(9, Vector(2))),
        (torch.zeros(0, 6), Vector(6)),
        (torch.zeros(0, 7, dtype=torch.int64), Sequence(7, Token(5))),
    ],
    ids=["clips", "8-bit clips", "pictures", "large pictures", "series", "rows", "texts"],
)
def test_none_are_kept_where_there_are_none(values: Tensor, shape: Shape) -> None:
    """A network that is right about every sample has no worst mistakes."""
    split = Split(values, torch.zeros(0, dtype=torch.int64))
    facts = DataFacts({"input": shape}, {"target": Target(num_classes=2)})
    assert len(taken(split, torch.zeros(0, dtype=torch.int64), ARRAYS, facts).numbers) == 0


def test_series_end_where_they_end() -> None:
    """With NaN behind the end, and of longer ones means over neighbours."""
    long = torch.arange(4.0 * MOST_STEPS).reshape(1, -1, 1).repeat(2, 1, 2)
    shown = kept(long, Sequence(Time(), Vector(2)), ARRAYS, torch.tensor([4 * MOST_STEPS, 3]))
    assert shown.kind == "series"
    assert shown.steps.tolist() == [4 * MOST_STEPS, 3]
    np.testing.assert_allclose(shown.values[0, :3, 0], [1.5, 5.5, 9.5])
    np.testing.assert_array_equal(shown.values[1, :4, 1], [0, 1, 2, np.nan])


def test_of_many_features_the_columns_to_predict_come_first() -> None:
    """By their names, as far as there is room."""
    names = tuple("abcdefghijkl")
    spec = Csv(path="x.csv", features=names, target=("k", "c"), window=4)
    values = torch.arange(12.0).expand(1, 4, 12).contiguous()
    shown = kept(values, Sequence(4, Vector(12)), spec)
    assert shown.kind == "series"
    assert shown.columns == ("c", "k", "a", "b", "d", "e", "f", "g")
    assert shown.values[0, 0].tolist() == [2, 10, 0, 1, 3, 4, 5, 6]


def test_dates_have_names_beside_the_features() -> None:
    """Sine and cosine of each."""
    spec = Csv(path="x.csv", features=("a",), target=("a",), window=4, time="t", date_features=("hour",))
    shown = kept(torch.zeros(1, 4, 3), Sequence(4, Vector(3)), spec)
    assert shown.kind == "series"
    assert shown.columns == ("a", "hour, sine", "hour, cosine")


def test_rows_of_numbers_keep_their_names() -> None:
    """As far as there are as many; of a flat picture there are none."""
    spec = Csv(path="x.csv", features=("age", "height"), target=("ill",))
    shown = kept(torch.tensor([[30.0, 1.8]]), Vector(2), spec)
    assert shown.kind == "vectors"
    assert shown.columns == ("age", "height")
    wide = kept(torch.zeros(1, 1000), Vector(1000), spec)
    assert wide.kind == "vectors"
    assert wide.columns == ()
    assert wide.values.shape[1] < 100


@pytest.mark.parametrize(
    ("unit", "entries", "tokens", "steps"),
    [
        ("characters", ("h", "o"), [1, 2, 0], ("h", "o", "\N{REPLACEMENT CHARACTER}")),
        ("words", ("hello", "x" * 300), [1, 2, 0], ("hello", "x" * 40, "<unknown>")),
        ("bytes", None, list("é!".encode()), ("é", "", "!")),
        ("bytes", None, [0xC3, 0x41, 0xC3], ("\N{REPLACEMENT CHARACTER}", "A", "\N{REPLACEMENT CHARACTER}")),
    ],
)
def test_texts_are_their_steps(unit: str, entries: tuple[str, ...] | None, tokens: list[int], steps: tuple[str, ...]) -> None:
    """Characters, words or bytes; each step has one piece, so that what is told of it can be shown beside it."""
    spec = Text.model_validate({"path": "x.txt", "unit": unit, "vocabulary": entries})
    shown = kept(torch.tensor([tokens]), Sequence(3, Token(256)), spec)
    assert shown.kind == "texts"
    assert shown.texts == (steps,)
    assert shown.joint == (" " if unit == "words" else "")


def test_long_texts_are_cut_off() -> None:
    """Their number of steps is known all the same; so is where shorter ones end, and a lone token is a text of one step."""
    tokens = torch.ones(2, 1000, dtype=torch.int64)
    shown = kept(tokens, Sequence(Time(), Token(9)), ARRAYS, torch.tensor([1000, 2]))
    assert shown.kind == "texts"
    assert [len(text) for text in shown.texts] == [MOST_STEPS, 2]
    assert shown.steps.tolist() == [1000, 2]
    lone = kept(torch.tensor([3, 4]), Token(9))
    assert lone.kind == "texts"
    assert lone.texts == (("3",), ("4",))


def test_each_of_several_inputs_is_kept() -> None:
    """By its name, those that have no steps whole."""
    split = Split({"text": torch.ones(3, 4, dtype=torch.int64), "age": torch.ones(3, 1)}, torch.zeros(3), torch.tensor([4, 2, 1]))
    facts = DataFacts({"text": Sequence(Time(), Token(5)), "age": Vector(1)}, {"target": Target(num_targets=1)})
    samples: Samples = taken(split, torch.tensor([1, 2]), ARRAYS, facts)
    text, age = samples.inputs["text"], samples.inputs["age"]
    assert text.kind == "texts"
    assert [len(steps) for steps in text.texts] == [2, 1]
    assert age.kind == "vectors"
    assert samples.numbers.tolist() == [1, 2]
