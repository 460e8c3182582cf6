"""What `dlcli init` writes: values that survive YAML, comments that end nothing, networks that fit any shape."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import dlcli.app.templates
from dlcli.app.commented_yaml import comment, rendered
from dlcli.app.starter_networks import augmentation, layers, pace_for, training
from dlcli.app.survey.image_folder import resize_to
from dlcli.app.templates import TEMPLATES
from dlcli.config import experiment, yaml_source
from dlcli.config.diagnostics import Report, Source
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Image, Sequence, Shape, Time, Token, Vector
from dlcli.config.tree import Mapping, plain
from dlcli.config.yaml_output import inline_yaml
from dlcli.errors import DataError

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["true", "no", "1e3", "0x1f", "null", "~", "", "-", "- a", "a: b", "a #b", "{x}", "'", '"', "&a", "*a", "%"]),
    st.sampled_from(["two\nlines", "tab\t", "\x1b[31m", "\x85", "\u2028", "C:\\new", "ж 水 😀", "x" * 300, "many words " * 30]),
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.one_of(TEXTS, st.integers(-9999, 9999), st.booleans())))
def test_values_read_back_as_they_are(values: dict[str, object]) -> None:
    """Whatever a path holds, the config says exactly that, on one line."""
    report = Report()
    text = f"data: {inline_yaml(values)}"
    assert len(text.splitlines()) == 1
    tree = yaml_source.parse(Source("test", text), report)
    report.raise_if_any()
    assert isinstance(tree, Mapping)
    assert plain(tree) == {"data": values}


@given(TEXTS)
def test_nothing_ends_a_comment_early(name: str) -> None:
    """Names of classes are not ours: no character of them can start a line of YAML, or make the file unreadable."""
    assert yaml.safe_load(comment(f"classes: {name}, and more.") + "\nkey: 1\n") == {"key": 1}


def test_comments_are_wrapped() -> None:
    """A long list stays within the width of a screen, and loses no word."""
    text = comment("word " * 100 + "end")
    assert max(map(len, text.splitlines())) <= 130
    assert text.replace("\n#", "").split()[1:] == ["word"] * 100 + ["end"]


def test_each_template_is_a_file_and_each_file_a_template() -> None:
    """Nothing is offered that is not there."""
    files = Path(dlcli.app.templates.__file__).parent.glob("*.yaml")
    assert {file.stem for file in files} == set(TEMPLATES)


@pytest.mark.parametrize("samples", [3, 300, 30_000])
@pytest.mark.parametrize(
    "shape",
    [
        *[Image(channels, height, width) for channels in (1, 3, 5) for height, width in ((1, 1), (3, 5), (8, 8), (28, 20))],
        *[Image(3, height, width) for height, width in ((31, 64), (64, 64), (128, 128), (16, 128))],
        *[Vector(features) for features in (1, 20, 5_000)],
        *[Sequence(steps, Vector(3)) for steps in (1, 50, 257, 5_000)],
        *[Sequence(steps, Token(vocabulary)) for steps in (1, 80) for vocabulary in (1, 100, 50_000)],
        Sequence(Time(), Vector(4)),
    ],
    ids=str,
)
def test_a_network_is_made_for_any_shape(shape: Shape, samples: int) -> None:
    """Of classes and of values: every shape in the network fits, and its output is what the loss takes."""
    for facts in (DataFacts.of(shape, num_classes=7), DataFacts.of(shape, num_targets=2)):
        lines = ["data: digits", "model:", "  layers:", *rendered(layers(facts, samples), 4)]
        text = "\n".join([*lines, "train:", *rendered(training(shape, facts.target, samples), 2)])
        report = Report()
        tree = yaml_source.parse(Source("test", text), report)
        report.raise_if_any()
        assert isinstance(tree, Mapping)
        experiment.resolve(tree, lambda _, facts=facts: facts)  # type: ignore[misc]


def test_a_sample_that_no_rule_is_for_is_refused() -> None:
    """Clips: a template is named instead."""
    with pytest.raises(DataError, match="no network for a sequence") as caught:
        layers(DataFacts.of(Sequence(5, Image(1, 8, 8)), num_classes=2), 100)
    assert "--template" in (caught.value.help or "")


@pytest.mark.parametrize(
    ("height", "width", "samples", "same", "expected"),
    [
        (28, 28, 1_000, True, None),
        (128, 96, 1_000, True, None),
        (28, 30, 1_000, False, (32, 32)),
        (60, 70, 1_000, False, (64, 64)),
        (480, 640, 1_000, True, (128, 128)),
        (480, 640, 50_000, True, (64, 64)),
        (200, 800, 1_000, True, (64, 256)),
    ],
)
def test_pictures_are_scaled_to_what_a_small_network_sees(
    height: int, width: int, samples: int, same: bool, expected: tuple[int, int] | None
) -> None:
    """Not at all where they are small and alike; square, unless they are far from it; smaller where there are many."""
    assert resize_to(height, width, samples, same=same) == expected


def test_colour_pictures_are_mirrored_and_grey_ones_are_not() -> None:
    """A mirrored letter is another letter; a mirrored cat is a cat."""
    assert augmentation(Image(3, 64, 64))[0].text == "- flip"
    assert not any("flip" in line.text for line in augmentation(Image(1, 64, 64)))


@pytest.mark.parametrize("samples", [1, 40, 300, 3_000, 60_000])
def test_few_samples_still_give_steps_enough(samples: int) -> None:
    """A training has some hundred steps, unless it would go over its samples hundreds of times; an epoch is never too short to show."""
    pace = pace_for(samples)
    steps = math.ceil(samples / pace.batch_size) * pace.repeat * pace.epochs
    assert steps >= 1_000 or pace.repeat * pace.epochs >= 150
    assert 8 <= pace.batch_size <= 128
    assert 10 <= pace.epochs <= 40
