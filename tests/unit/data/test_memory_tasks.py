"""Made-up sequences with known answers: each answer is found again in plain Python, and each guesser's loss is its formula."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pytest

from dlcli.config.data import Adding, CopyMemory, MadeUp, Parity, Sine
from dlcli.config.diagnostics import Report
from dlcli.config.facts import Target
from dlcli.config.shapes import Sequence, Time, Token, Vector
from dlcli.config.spec import dump, read
from dlcli.config.yaml_output import as_yaml
from dlcli.data.catalogue import SOURCES
from dlcli.data.directories import Directories
from dlcli.data.raw import Array, RawData
from tests.unit.config.configs import parse


def _read(spec: MadeUp, directories: Directories) -> RawData:
    return SOURCES[type(spec)].read(spec, directories, False)


def _drawn(spec: MadeUp, directories: Directories) -> tuple[Array, Array, Array | None]:
    """Inputs, targets, lengths."""
    split = _read(spec, directories).train
    assert isinstance(split.inputs, np.ndarray)
    assert isinstance(split.targets, np.ndarray)
    return split.inputs, split.targets, split.lengths


@pytest.mark.parametrize(
    ("spec", "shape", "target"),
    [
        (Adding(), Sequence(200, Vector(2)), Target(num_targets=1)),
        (Adding(steps=30, min_steps=10), Sequence(Time(), Vector(2)), Target(num_targets=1)),
        (Adding(steps=30, min_steps=30), Sequence(30, Vector(2)), Target(num_targets=1)),
        (CopyMemory(delay=50), Sequence(70, Token(10)), Target(num_classes=9, per_step=True)),
        (CopyMemory(delay=1, num_symbols=2, length=3), Sequence(7, Token(4)), Target(num_classes=3, per_step=True)),
        (Parity(steps=12), Sequence(12, Token(2)), Target(num_classes=2, per_step=True)),
        (Parity(steps=12, min_steps=4), Sequence(Time(), Token(2)), Target(num_classes=2, per_step=True)),
        (Sine(steps=40), Sequence(40, Vector(1)), Target(num_targets=1, per_step=True)),
    ],
)
def test_what_is_drawn_is_what_the_facts_say(spec: MadeUp, shape: Sequence, target: Target, directories: Directories) -> None:
    """Known before anything is drawn; lengths come with it where they differ, and only there."""
    spec = spec.model_copy(update={"num_samples": 100})
    assert (spec.facts().input, spec.facts().target) == (shape, target)
    data = _read(spec, directories)
    inputs, targets, lengths = _drawn(spec, directories)
    steps = inputs.shape[1] if lengths is None else int(lengths.max())
    assert (lengths is None) == isinstance(shape.time, int)
    assert steps == (shape.time if lengths is None else steps) == inputs.shape[1]
    item = shape.item.sizes
    assert (inputs.shape, inputs.dtype) == ((100, steps, *item), np.float32 if item else np.int64)
    values = () if target.num_classes else (1,)
    assert targets.shape == (100, *((steps,) if target.per_step else ()), *values)
    assert targets.dtype == (np.int64 if target.num_classes else np.float32)
    assert target.num_classes is None or data.class_names is None or len(data.class_names) == target.num_classes
    assert (data.valid, data.test, data.origin) == (None, None, "made up")


@pytest.mark.parametrize("fields", [{"steps": 9}, {"steps": 2}, {"steps": 12, "min_steps": 2}], ids=str)
def test_the_sum_is_of_one_marked_value_of_each_half(fields: dict[str, Any], directories: Directories) -> None:
    """The halves are those of the sample's own steps."""
    inputs, targets, lengths = _drawn(Adding(num_samples=300, **fields), directories)
    for sample, (steps, (answer,)) in enumerate(zip(inputs.tolist(), targets.tolist(), strict=True)):
        length = len(steps) if lengths is None else int(lengths[sample])
        marked = [(place, value) for place, (value, marker) in enumerate(steps) if marker]
        assert {marker for _, marker in steps} <= {0.0, 1.0}
        (first, one), (second, other) = marked
        assert first < length // 2 <= second < length
        assert answer == pytest.approx(one + other, rel=1e-6)
        assert all(step == [0, 0] for step in steps[length:])


def test_guessing_one_in_the_adding_problem_costs_a_sixth(directories: Directories) -> None:
    """Values are uniform and every step of a half is marked as often as any other; within five standard errors."""
    inputs, targets, _ = _drawn(Adding(steps=10), directories)
    count = len(targets)
    assert abs(np.mean((targets - 1.0) ** 2) - 1 / 6) < 5 * math.sqrt((1 / 15 - 1 / 36) / count)
    values = inputs[..., 0]
    assert values.min() >= 0
    assert values.max() < 1
    assert abs(values.mean() - 0.5) < 5 * math.sqrt(1 / 12 / values.size)
    assert abs(np.mean((values - 0.5) ** 2) - 1 / 12) < 5 * math.sqrt(1 / 180 / values.size)
    assert np.abs(inputs[..., 1].mean(0) - 0.2).max() < 5 * math.sqrt(0.16 / count)


@pytest.mark.parametrize("spec", [Adding(steps=9, min_steps=5), Parity(steps=9, min_steps=5)], ids=lambda spec: spec.kind)
def test_every_length_is_as_likely(spec: MadeUp, directories: Directories) -> None:
    """From the shortest to the longest, within five standard errors."""
    _, _, lengths = _drawn(spec, directories)
    assert lengths is not None
    assert lengths.dtype == np.int64
    shares = np.bincount(lengths) / len(lengths)
    assert shares[:5].sum() == 0
    assert np.abs(shares[5:] - 0.2).max() < 5 * math.sqrt(0.16 / len(lengths))
    assert len(shares) == 10


def test_there_is_no_more_padding_than_the_longest_sample_needs(directories: Directories) -> None:
    """One sample of up to 1,000 steps is as long as it is."""
    inputs, _, lengths = _drawn(Adding(steps=1000, min_steps=2, num_samples=1), directories)
    assert lengths is not None
    assert inputs.shape[1] == lengths[0] < 1000


@pytest.mark.parametrize(
    "fields", [{"delay": 5}, {"delay": 1, "num_symbols": 2, "length": 1}, {"delay": 3, "length": 4}], ids=str
)
def test_symbols_are_to_be_repeated_after_the_delimiter(fields: dict[str, Any], directories: Directories) -> None:
    """Symbols, blanks, delimiter, blanks; the answer is blank until the symbols are asked for."""
    spec = CopyMemory(num_samples=50, **fields)
    inputs, targets, _ = _drawn(spec, directories)
    blank, delimiter = spec.num_symbols, spec.num_symbols + 1
    for tokens, answers in zip(inputs.tolist(), targets.tolist(), strict=True):
        symbols = tokens[: spec.length]
        assert all(0 <= symbol < spec.num_symbols for symbol in symbols)
        assert tokens == [*symbols, *[blank] * (spec.delay - 1), delimiter, *[blank] * spec.length]
        assert answers == [*[blank] * (spec.length + spec.delay), *symbols]
        assert len(tokens) == spec.steps == spec.delay + 2 * spec.length


@pytest.mark.parametrize(("delay", "num_symbols", "length"), [(50, 8, 10), (1, 2, 1), (7, 5, 3)])
def test_who_forgets_the_symbols_has_the_loss_and_accuracy_of_the_formula(
    delay: int, num_symbols: int, length: int, directories: Directories
) -> None:
    """Blank for sure while it is time for it, and every symbol as likely after that."""
    spec = CopyMemory(delay=delay, num_symbols=num_symbols, length=length, num_samples=4000)
    _, targets, _ = _drawn(spec, directories)
    guess = np.zeros((spec.steps, num_symbols + 1))
    guess[: delay + length, num_symbols] = 1
    guess[delay + length :, :num_symbols] = 1 / num_symbols
    likelihood = guess[np.arange(spec.steps), targets]
    assert -np.log(likelihood).mean() == pytest.approx(length * math.log(num_symbols) / (delay + 2 * length))
    accuracy = (delay + length + length / num_symbols) / (delay + 2 * length)
    error = math.sqrt(length * (num_symbols - 1) / num_symbols**2 / 4000) / spec.steps
    assert abs((guess.argmax(1) == targets).mean() - accuracy) < 5 * error


def test_all_symbols_are_as_likely(directories: Directories) -> None:
    """At each place, within five standard errors."""
    inputs, _, _ = _drawn(CopyMemory(delay=2, num_symbols=4, length=3), directories)
    for place in range(3):
        shares = np.bincount(inputs[:, place], minlength=4) / len(inputs)
        assert np.abs(shares - 0.25).max() < 5 * math.sqrt(0.1875 / len(inputs))


@pytest.mark.parametrize("fields", [{"steps": 11}, {"steps": 11, "min_steps": 3}], ids=str)
def test_parity_is_that_of_the_ones_so_far(fields: dict[str, Any], directories: Directories) -> None:
    """Counted, at every step; behind the end there is nothing."""
    bits, classes, lengths = _drawn(Parity(num_samples=200, **fields), directories)
    assert set(np.unique(bits)) == {0, 1}
    for sample, (row, answers) in enumerate(zip(bits.tolist(), classes.tolist(), strict=True)):
        length = len(row) if lengths is None else int(lengths[sample])
        assert answers[:length] == [sum(row[: step + 1]) % 2 for step in range(length)]
        assert not any(row[length:])


def test_a_guess_of_parity_is_right_half_of_the_time(directories: Directories) -> None:
    """At every step, within five standard errors; the classes are named."""
    spec = Parity(steps=6)
    _, classes, _ = _drawn(spec, directories)
    assert np.abs(classes.mean(0) - 0.5).max() < 5 * math.sqrt(0.25 / len(classes))
    assert _read(spec, directories).class_names == ("even", "odd")


def test_without_noise_each_value_of_a_sine_is_the_answer_before_it(directories: Directories) -> None:
    """Amplitude 1, and x(t + 1) = 2 cos(w) x(t) - x(t - 1) with a period of 10 to 50 steps."""
    inputs, targets, _ = _drawn(Sine(steps=60, noise=0, num_samples=500), directories)
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    values = np.concatenate([inputs, targets[:, -1:]], axis=1)[..., 0].astype(np.float64)
    middle = values[:, 1:-1]
    cosine = ((values[:, 2:] + values[:, :-2]) * middle).sum(1) / (2 * (middle**2).sum(1))
    residual = values[:, 2:] + values[:, :-2] - 2 * cosine[:, np.newaxis] * middle
    assert np.abs(residual).max() < 1e-5
    frequency = np.arccos(cosine) / (2 * math.pi)
    assert np.abs(np.array([frequency.min() - 1 / 50, frequency.max() - 1 / 10])).max() < 1e-3
    assert abs(frequency.mean() - 0.06) < 5 * 0.08 / math.sqrt(12 * 500)
    amplitude = np.sqrt(middle**2 + ((values[:, 2:] - values[:, :-2]) / (2 * np.sin(np.arccos(cosine)))[:, np.newaxis]) ** 2)
    np.testing.assert_allclose(amplitude, 1, atol=1e-4)


def test_noise_is_on_what_is_read_and_not_on_the_answers(directories: Directories) -> None:
    """Normal with the given deviation, within five standard errors; guessing 0 costs a half."""
    clean, answers, _ = _drawn(Sine(noise=0, num_samples=2000), directories)
    noisy, same, _ = _drawn(Sine(noise=0.3, num_samples=2000), directories)
    np.testing.assert_array_equal(answers, same)
    noise = (noisy - clean).astype(np.float64)
    assert abs(noise.mean()) < 5 * 0.3 / math.sqrt(noise.size)
    assert abs(noise.std() - 0.3) < 5 * 0.3 / math.sqrt(2 * noise.size)
    assert abs(np.mean(answers[:, 0].astype(np.float64) ** 2) - 0.5) < 5 * math.sqrt(1 / 8 / 2000)


ALL = [Adding(steps=20, min_steps=5), CopyMemory(delay=4), Parity(steps=20, min_steps=5), Sine(steps=20)]


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.kind)
def test_equal_seeds_give_equal_samples(spec: MadeUp, directories: Directories) -> None:
    """And other seeds others."""
    one, again, other = (_read(spec.model_copy(update={"seed": seed}), directories).train for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.inputs, again.inputs)
    np.testing.assert_array_equal(one.targets, again.targets)
    np.testing.assert_array_equal(one.lengths, again.lengths)
    assert np.asarray(one.inputs).shape != np.asarray(other.inputs).shape or not np.array_equal(one.inputs, other.inputs)


@pytest.mark.parametrize("spec", ALL[:3], ids=lambda spec: spec.kind)
def test_samples_are_the_same_on_every_machine(spec: MadeUp, directories: Directories) -> None:
    """To the last bit, as when this was written."""
    inputs, targets, lengths = _drawn(spec.model_copy(update={"seed": 7, "num_samples": 50}), directories)
    content = b"".join(array.tobytes() for array in (inputs, targets, lengths) if array is not None)
    assert hashlib.sha256(content).hexdigest()[:16] == DIGESTS[spec.kind]


def test_sines_are_the_same_on_every_machine(directories: Directories) -> None:
    """To five digits, as when this was written: a sine's last bit is the processor's own."""
    inputs, targets, _ = _drawn(Sine(steps=2, seed=7, num_samples=2), directories)
    np.testing.assert_allclose([*inputs.ravel(), *targets.ravel()], SINES, atol=1e-5)


DIGESTS = {"adding": "5f2ba7e9b3c9709f", "copy_memory": "c6751249563bb1f5", "parity": "d61ccba27bd935e0"}
SINES = [-1.13866, -0.668924, 1.032807, 0.760837, -0.824624, -0.505246, 0.912732, 0.542381]


def _parsed(spec_class: type[MadeUp], text: str) -> tuple[MadeUp | None, Report]:
    report = Report()
    return read(parse(text), spec_class, spec_class.kind, report), report


@pytest.mark.parametrize(
    ("spec_class", "text", "column", "message"),
    [
        (Adding, "{steps: 1}", 9, "`steps` must be at least 2, not 1"),
        (Adding, "{steps: 100, min_steps: 101}", 25, "`min_steps` must be at most `steps`, 100, not 101"),
        (Adding, "{min_steps: 1}", 13, "`min_steps` must be at least 2, not 1"),
        (Adding, "{num_samples: 2000000000}", 15, "`num_samples` of these sizes are more than 4,294,967,296 numbers"),
        (Adding, "{steps: 70000}", 9, "`steps` must be at most 65536, not 70000"),
        (Adding, "{seed: -1}", 8, "`seed` must be at least 0, not -1"),
        (CopyMemory, "{length: 3}", 1, "`copy_memory` needs `delay`"),
        (CopyMemory, "{delay: 0}", 9, "`delay` must be at least 1, not 0"),
        (CopyMemory, "{delay: 5, num_symbols: 1}", 25, "`num_symbols` must be at least 2, not 1"),
        (CopyMemory, "{delay: 5, length: 0}", 20, "`length` must be at least 1, not 0"),
        (
            CopyMemory,
            "{delay: 60000, num_samples: 100000}",
            29,
            "`num_samples` of these sizes are more than 4,294,967,296 numbers",
        ),
        (Parity, "{min_steps: 5}", 1, "`parity` needs `steps`"),
        (Parity, "{steps: 5, min_steps: 6}", 23, "`min_steps` must be at most `steps`, 5, not 6"),
        (Sine, "{noise: -1}", 9, "`noise` must be at least 0, not -1"),
        (Sine, "{noise: .inf}", 9, "`noise` must be at most 100, not inf"),
        (Sine, "{steps: 0}", 9, "`steps` must be at least 1, not 0"),
    ],
)
def test_impossible_values_are_mistakes_at_their_places(spec_class: type[MadeUp], text: str, column: int, message: str) -> None:
    """One message each, which names the field."""
    spec, report = _parsed(spec_class, text)
    assert spec is None
    assert [(found.place.column, found.message) for found in report.diagnostics] == [(column, message)]


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.kind)
def test_a_spec_reads_back_as_it_was_written(spec: MadeUp) -> None:
    """In full; a number alone is how long a sequence is to be remembered."""
    assert _parsed(type(spec), as_yaml(dump(spec)))[0] == spec
    short, _ = _parsed(type(spec), "30")
    assert short is not None
    assert getattr(short, "delay" if isinstance(spec, CopyMemory) else "steps") == 30
