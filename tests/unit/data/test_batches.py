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
from dlcli.config.shapes import Sequence, Time, Vector
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
    batches = Batches(
        Split(image, torch.zeros(1, dtype=torch.int64)), Preprocessing(spec, spec.facts()), 4, facts=FACTS, seed=0, repeat=2
    )
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


RAGGED_LENGTHS = torch.tensor([3, 9, 1, 4, 7, 2, 9, 5, 5, 8, 6, 1, 3])
RAGGED = DataFacts(
    {"series": Sequence(Time(), Vector(1)), "picture": Vector(2)},
    {
        "tag": Target(num_classes=2000, per_step=True),
        "value": Target(num_targets=1, per_step=True),
        "kind": Target(num_classes=13),
    },
)


def _ragged(batch_size: int, *, repeat: int = 1, in_streams: bool = False, seed: int = 0) -> Batches:
    """Sample n holds 100 n + t at step t in its series, tags and values, -1 in the padding, and n elsewhere."""
    count, time = len(RAGGED_LENGTHS), int(RAGGED_LENGTHS.max())
    numbers = 100 * torch.arange(count)[:, None] + torch.arange(time)
    steps = numbers.where(torch.arange(time) < RAGGED_LENGTHS[:, None], -1)
    inputs = {"series": steps[..., None].float(), "picture": torch.arange(count)[:, None].expand(-1, 2).float()}
    targets = {"tag": steps, "value": steps[..., None].float(), "kind": torch.arange(count)}
    names = tuple(RAGGED.inputs), tuple(RAGGED.targets)
    preprocessing = Preprocessing(Arrays(path="x", inputs=names[0], targets=names[1], normalize=NoNormalize()), RAGGED)
    split = Split(inputs, targets, RAGGED_LENGTHS)
    return Batches(split, preprocessing, batch_size, facts=RAGGED, seed=seed, repeat=repeat, in_streams=in_streams)


def _assert_as_by_hand(batch: Batch) -> list[int]:
    """Compares all that a batch holds with a loop over its samples, and gives their numbers."""
    assert isinstance(batch.inputs, dict)
    assert isinstance(batch.targets, dict)
    assert batch.lengths is not None
    assert batch.steps is not None
    samples = batch.targets["kind"].tolist()
    longest = max(int(RAGGED_LENGTHS[sample]) for sample in samples)
    assert list(batch.inputs["series"].shape) == [len(samples), longest, 1]
    assert batch.inputs["picture"].tolist() == [[sample, sample] for sample in samples]
    assert batch.lengths.tolist() == [int(RAGGED_LENGTHS[sample]) for sample in samples]
    places, answers = [], []
    for row, sample in enumerate(samples):
        for step in range(int(RAGGED_LENGTHS[sample])):
            places.append(row * longest + step)
            answers.append(100 * sample + step)
            assert batch.inputs["series"][row, step, 0] == 100 * sample + step
    assert batch.steps.tolist() == places
    assert batch.targets["tag"].tolist() == answers
    assert batch.targets["value"].tolist() == [[answer] for answer in answers]
    assert batch.size == len(samples)
    return samples


@pytest.mark.parametrize("repeat", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 3, 4, 13, 20])
def test_sequences_are_cut_to_the_longest_of_their_batch(batch_size: int, repeat: int) -> None:
    """Answers for each step are those of the steps that are there, in order; what has no steps stays as it is."""
    batches = _ragged(batch_size, repeat=repeat)
    found = list(batches.epoch(2))
    assert len(found) == len(batches)
    samples = [sample for batch in found for sample in _assert_as_by_hand(batch)]
    assert sorted(samples) == sorted([*range(13)] * repeat)
    assert sorted(sample for batch in batches.in_order() for sample in _assert_as_by_hand(batch)) == list(range(13))


@pytest.mark.parametrize(("batch_size", "repeat"), [(1, 1), (3, 1), (4, 1), (4, 2), (13, 1), (20, 1)])
def test_the_share_of_padding_is_that_of_the_batches(batch_size: int, repeat: int) -> None:
    """Counted over what the network is given."""
    batches = _ragged(batch_size, repeat=repeat)
    given = real = 0
    for batch in batches.epoch(1):
        assert isinstance(batch.inputs, dict)
        assert batch.lengths is not None
        given += batch.inputs["series"].numel()
        real += int(batch.lengths.sum())
    assert batches.padding(1) == pytest.approx(1 - real / given, abs=1e-12)
    assert _batches(10, 4).padding(0) is None


@pytest.mark.parametrize("start", [0, 1, 4, 7])
def test_an_epoch_of_sequences_can_be_taken_up_at_any_batch(start: int) -> None:
    """Exactly the first batches are left out."""
    whole, rest = ([_assert_as_by_hand(batch) for batch in _ragged(4, repeat=2).epoch(5, first)] for first in (0, start))
    assert rest == whole[start:]


def test_an_evaluation_of_sequences_goes_from_short_to_long() -> None:
    """So that hardly anything is padding, in an order that depends on nothing but the lengths."""
    batches = [_assert_as_by_hand(batch) for batch in _ragged(4, seed=1).in_order()]
    assert batches == [_assert_as_by_hand(batch) for batch in _ragged(4, seed=2).in_order()]
    lengths = [int(RAGGED_LENGTHS[sample]) for batch in batches for sample in batch]
    assert lengths == sorted(lengths)


def test_streams_go_on_from_batch_to_batch() -> None:
    """In training and in an evaluation, which has all samples; what does not fill a batch is left out of an epoch."""
    numbers = torch.arange(23)
    preprocessing = Preprocessing(Arrays(path="x", normalize=NoNormalize()), DataFacts.of(Vector(1)))
    batches = Batches(Split(numbers[:, None].float(), numbers), preprocessing, 5, facts=FACTS, seed=0, in_streams=True)
    trained = [batch.targets.tolist() for batch in batches.epoch(1) if isinstance(batch.targets, torch.Tensor)]
    assert len(trained) == len(batches) == 4
    assert all(after == [number + 1 for number in before] for before, after in itertools.pairwise(trained))
    assert [batch.targets.tolist() for batch in batches.epoch(1, 3) if isinstance(batch.targets, torch.Tensor)] == trained[3:]
    assert sorted(_order(list(batches.in_order()))) == list(range(23))
