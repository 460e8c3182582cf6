"""Batches: each sample once, in an order that is a function of seed and epoch."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.config.augmentation import Shift
from dlcli.config.data import Arrays, Mnist
from dlcli.config.facts import DataFacts, Target
from dlcli.config.normalisation import FixedNormalize, NoNormalize
from dlcli.config.shapes import Vector
from dlcli.data.batches import Batch, Batches
from dlcli.data.dataset import Split
from dlcli.data.preprocessing import Preprocessing

FACTS = DataFacts.of(Vector(1), num_classes=70)


def _batches(count: int, batch_size: int, *, seed: int = 0, repeat: int = 1) -> Batches:
    """Of samples whose only feature is their number, and whose class is that number too."""
    numbers = torch.arange(count)
    split = Split(numbers[:, None].float(), numbers)
    preprocessing = Preprocessing(Arrays(path="x", normalize=NoNormalize()), DataFacts.of(Vector(1)))
    return Batches(split, preprocessing, batch_size, facts=FACTS, seed=seed, repeat=repeat)


def _order(batches: list[Batch]) -> list[int]:
    return [int(number) for batch in batches for number in batch.targets]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 70), st.integers(1, 20), st.integers(1, 3))
def test_an_epoch_has_every_sample_once_in_each_pass(count: int, batch_size: int, repeat: int) -> None:
    """With its own answer; sizes as promised; as many batches as `len` says; never one sample alone but where there is no other way."""
    batches = _batches(count, batch_size, repeat=repeat)
    found = list(batches.epoch(3))
    order = _order(found)
    for number in range(repeat):
        assert sorted(order[number * count : (number + 1) * count]) == list(range(count))
    for batch in found:
        assert batch.size == len(batch.inputs) == len(batch.targets)
        assert torch.equal(batch.inputs[:, 0].long(), batch.targets)
    sizes = [batch.size for batch in found]
    assert len(batches) == len(found)
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] <= batch_size + 1
    assert 1 not in sizes or batch_size == 1 or count * repeat == 1
    assert batches.num_samples == count


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (5, 4, [5]), (1, 4, [1]), (3, 1, [1, 1, 1])],
)
def test_a_last_single_sample_joins_the_batch_before(count: int, batch_size: int, sizes: list[int]) -> None:
    """In training; an evaluation has no need for it."""
    batches = _batches(count, batch_size)
    assert [batch.size for batch in batches.epoch(0)] == sizes
    assert sum(batch.size <= batch_size for batch in batches.in_order()) == -(-count // batch_size)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    """The same for the same, whatever was drawn from torch in between; another for every other, and for every pass."""
    torch.manual_seed(0)
    order = _order(list(_batches(100, 7).epoch(0)))
    torch.rand(5)
    before = torch.get_rng_state()
    assert order == _order(list(_batches(100, 7).epoch(0)))
    assert torch.equal(before, torch.get_rng_state())
    twice = _order(list(_batches(100, 7, repeat=2).epoch(0)))
    others = [
        _order(list(_batches(100, 7).epoch(1))),
        _order(list(_batches(100, 7, seed=1).epoch(0))),
        twice[100:],
    ]
    assert twice[:100] == order
    assert all(one != other for one, other in itertools.combinations([order, *others], 2))


@pytest.mark.parametrize("start", [0, 1, 5, 14, 15])
def test_an_epoch_can_be_taken_up_at_any_batch(start: int) -> None:
    """The rest is bit for bit what would have followed, changes of pictures included."""
    split = Split(torch.randint(0, 256, (60, 28, 28, 1), dtype=torch.uint8), torch.arange(60))
    spec = Mnist(normalize=FixedNormalize(mean=(0.1,), std=(0.3,)), augment=(Shift(),))
    batches = Batches(split, Preprocessing(spec, spec.facts()), 8, facts=FACTS, seed=0, repeat=2)
    whole, rest = list(batches.epoch(4)), list(batches.epoch(4, start))
    assert len(rest) == len(batches) - start
    for mine, theirs in zip(rest, whole[start:], strict=True):
        assert torch.equal(mine.inputs, theirs.inputs)
        assert torch.equal(mine.targets, theirs.targets)


def test_each_pass_and_epoch_changes_a_picture_in_another_way() -> None:
    """Two passes over one picture that shows where it was shifted to."""
    image = torch.zeros(1, 28, 28, 1, dtype=torch.uint8)
    image[0, 14, 14] = 255
    spec = Mnist(normalize=NoNormalize(), augment=(Shift(),))
    batches = Batches(Split(image, torch.zeros(1, dtype=torch.int64)), Preprocessing(spec, spec.facts()), 4, facts=FACTS, seed=0, repeat=2)
    (first,), (second,) = batches.epoch(0), batches.epoch(1)
    assert not torch.equal(first.inputs[0], first.inputs[1])
    assert not torch.equal(first.inputs[0], second.inputs[0])


def test_an_evaluation_sees_every_sample_once_in_order_and_unchanged() -> None:
    """Repetitions and random changes are for training."""
    split = Split(torch.randint(0, 256, (10, 28, 28, 1), dtype=torch.uint8), torch.arange(10))
    spec = Mnist(normalize=NoNormalize(), augment=(Shift(),))
    batches = Batches(split, Preprocessing(spec, spec.facts()), 4, facts=FACTS, seed=0, repeat=3)
    found = list(batches.in_order())
    assert [batch.size for batch in found] == [4, 4, 2]
    assert _order(found) == list(range(10))
    torch.testing.assert_close(torch.cat([batch.inputs for batch in found]).permute(0, 2, 3, 1), split.inputs / 255)


def test_seeds_of_any_size_are_taken() -> None:
    """As large as a config may have them."""
    assert sorted(_order(list(_batches(10, 3, seed=2**63 - 1).epoch(10**9)))) == list(range(10))


def test_several_inputs_and_targets_stay_together() -> None:
    """Each batch has the same rows of all, in training and in an evaluation."""
    numbers = torch.arange(30)
    inputs = {"a": numbers[:, None].float(), "b": numbers[:, None].float() * 2}
    split = Split(inputs, {"c": numbers, "d": numbers.float()[:, None] * 3})
    facts = DataFacts({"a": Vector(1), "b": Vector(1)}, {"c": Target(num_classes=30), "d": Target(num_targets=1)})
    preprocessing = Preprocessing(Arrays(path="x", inputs=("a", "b"), normalize=NoNormalize()), facts)
    batches = Batches(split, preprocessing, 7, facts=facts, seed=0)
    for found in (list(batches.epoch(0)), list(batches.in_order())):
        seen = []
        for batch in found:
            assert isinstance(batch.inputs, dict)
            assert isinstance(batch.targets, dict)
            row = batch.targets["c"]
            assert list(batch.inputs) == ["a", "b"]
            assert torch.equal(batch.inputs["a"][:, 0], row.float())
            assert torch.equal(batch.inputs["b"][:, 0], row.float() * 2)
            assert torch.equal(batch.targets["d"][:, 0], row.float() * 3)
            assert batch.size == len(row)
            seen += row.tolist()
        assert sorted(seen) == list(range(30))
