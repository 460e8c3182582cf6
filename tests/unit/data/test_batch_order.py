"""The order of an epoch's samples: those of about one length together, or in streams that go on from batch to batch."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlcli.data.batch_order import by_length, in_streams, shuffled, streams_of

PROFILE = settings(max_examples=50, deadline=None)


def _log_uniform(count: int, shortest: int, longest: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (shortest * (longest / shortest) ** torch.rand(count, generator=generator, dtype=torch.float64)).long()


def _batches(lengths: Tensor, batch_size: int, *, seed: int = 0, epoch: int = 0) -> list[list[int]]:
    """The samples of each batch of an epoch."""
    count = -(-len(lengths) // batch_size)
    numbers = shuffled(len(lengths), 1, seed, epoch)
    order = by_length(numbers, lengths[numbers], batch_size, count, seed=seed, epoch=epoch)
    return [batch.tolist() for batch in order.split(batch_size)]


@PROFILE
@given(st.lists(st.integers(1, 40), min_size=1, max_size=90), st.integers(1, 9), st.integers(0, 3))
def test_every_sample_comes_once(lengths: list[int], batch_size: int, epoch: int) -> None:
    """Whatever the lengths, and as many in each batch as without them."""
    batches = _batches(torch.tensor(lengths), batch_size, epoch=epoch)
    assert sorted(sample for batch in batches for sample in batch) == list(range(len(lengths)))
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_the_batches_are_a_function_of_seed_and_epoch() -> None:
    """The same for the same; for others not only another order of the same batches but other company for each sample."""
    lengths = _log_uniform(600, 8, 256)
    batches = _batches(lengths, 16)
    assert _batches(lengths, 16) == batches
    for other in (_batches(lengths, 16, epoch=1), _batches(lengths, 16, seed=1)):
        assert not {frozenset(batch) for batch in batches[:-1]} & {frozenset(batch) for batch in other[:-1]}


def test_short_and_long_batches_come_in_turn() -> None:
    """A training that went from short to long would forget the short ones: the order says nothing of the length."""
    lengths = _log_uniform(2000, 8, 256)
    means = torch.tensor([float(lengths[batch].double().mean()) for batch in _batches(lengths, 16)])
    places = torch.arange(len(means)).double()
    assert abs(float(torch.corrcoef(torch.stack((means, places)))[0, 1])) < 0.2


@pytest.mark.parametrize(("count", "batch_size", "most"), [(1000, 32, 0.2), (2000, 16, 0.08), (8000, 32, 0.04)])
def test_little_is_padding(count: int, batch_size: int, most: float) -> None:
    """Of log-uniform lengths from 8 to 256 the less the more samples there are; of batches at random more than half."""
    lengths = _log_uniform(count, 8, 256)

    def share(batches: list[list[int]]) -> float:
        return 1 - int(lengths.sum()) / sum(int(lengths[batch].max()) * len(batch) for batch in batches)

    assert share(_batches(lengths, batch_size)) < most
    assert share([batch.tolist() for batch in shuffled(count, 1, 0, 0).split(batch_size)]) > 0.5


@PROFILE
@given(st.integers(1, 12), st.integers(1, 6), st.integers(0, 11), st.integers(0, 5))
def test_in_streams_each_row_goes_on_where_it_ended(batch_size: int, steps: int, left: int, epoch: int) -> None:
    """Row r of a batch is the sample after row r of the batch before; the rows together are consecutive samples."""
    count = batch_size * steps + left % batch_size
    batches = in_streams(count, batch_size, 3, epoch).reshape(-1, batch_size)
    assert len(batches) == steps
    assert torch.equal(batches[1:], batches[:-1] + 1)
    used = batches.flatten().sort().values
    assert torch.equal(used, used[0] + torch.arange(batch_size * steps))
    assert used[0] >= 0
    assert used[-1] < count


def test_every_sample_is_in_the_streams_of_some_epoch() -> None:
    """What does not fill a batch is left out now at one end, now at the other; which is a function of seed and epoch."""
    epochs = [in_streams(23, 8, 0, epoch) for epoch in range(40)]
    assert set(torch.cat(epochs).tolist()) == set(range(23))
    assert all(torch.equal(first, in_streams(23, 8, 0, epoch)) for epoch, first in enumerate(epochs))


@PROFILE
@given(st.integers(1, 70), st.integers(1, 12))
def test_an_evaluation_in_streams_sees_every_sample_once(count: int, most: int) -> None:
    """Each stream is consecutive, and none begins after the first batch: a row that ends is not taken by another stream."""
    batches = [batch.tolist() for batch in streams_of(count, most)]
    assert sorted(sample for batch in batches for sample in batch) == list(range(count))
    assert len(batches[0]) == min(most, count)
    for batch, following in itertools.pairwise(batches):
        assert following == [sample + 1 for sample in batch[: len(following)]]
