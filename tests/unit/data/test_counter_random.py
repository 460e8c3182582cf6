"""Random numbers that are functions of where they are used."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats

from dlcli.data.counter_random import random_bits, uniform
from dlcli.data.random_order import mixed, random_order

BITS = 2**64


def _splitmix64(state: int) -> tuple[int, int]:
    """SplitMix64 as Vigna publishes it: the next state and its output."""
    state = (state + 0x9E3779B97F4A7C15) % BITS
    z = state
    z = ((z ^ (z // 2**30)) * 0xBF58476D1CE4E5B9) % BITS
    z = ((z ^ (z // 2**27)) * 0x94D049BB133111EB) % BITS
    return state, z ^ (z // 2**31)


def _expected(seed: int, epoch: int, sample: int, count: int) -> list[float]:
    _, key = _splitmix64(seed)
    _, key = _splitmix64(key + epoch)
    state = (key + sample * 0x9E3779B97F4A7C15) % BITS
    _, state = _splitmix64(state)
    numbers = []
    for _ in range(count):
        state, output = _splitmix64(state)
        numbers.append((output // 2**40) / 2**24)
    return numbers


def test_the_hash_gives_the_published_outputs_of_splitmix64() -> None:
    """The first outputs for the states 0 and 1234567."""
    assert mixed(0) == 0xE220A8397B1DCDAF
    assert mixed(1234567) == 6457827717110365317


@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (1, 0), (0, 1), (2**63 - 1, 10**6), (2**64 - 1, 7)])
def test_numbers_are_those_of_whole_number_arithmetic(seed: int, epoch: int) -> None:
    """The int64 tensors, which wrap and shift with a sign, agree with unbounded Python integers to the last bit."""
    samples = [0, 1, 59_999, 2**31, 2**62, 2**63 - 2]
    found = uniform(seed, epoch, torch.tensor(samples), 5)
    assert found.tolist() == [_expected(seed, epoch, sample, 5) for sample in samples]


def test_a_sample_has_its_numbers_in_any_batch() -> None:
    """However samples are grouped and ordered."""
    samples = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    whole = uniform(3, 4, samples, 6)
    parts = torch.cat([uniform(3, 4, part, 6) for part in samples.split(37)])
    alone = uniform(3, 4, samples[500:501], 6)
    assert torch.equal(whole, parts)
    assert torch.equal(whole[500:501], alone)


def test_more_numbers_begin_with_the_same_ones() -> None:
    """Another augmentation at the end of the list leaves those before it as they were."""
    samples = torch.arange(100)
    assert torch.equal(uniform(0, 0, samples, 3), uniform(0, 0, samples, 8)[:, :3])


def test_numbers_are_uniform() -> None:
    """Range, mean, variance, and the counts of 256 cells by a chi-square test, over a million numbers."""
    numbers = uniform(0, 0, torch.arange(100_000), 10).flatten().double()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(numbers.mean() - 1 / 2) < 5 * (1 / 12 / 1e6) ** 0.5
    assert abs(numbers.var() - 1 / 12) < 5 * (1 / 180 / 1e6) ** 0.5
    cells = torch.histc(numbers, 256, 0, 1).numpy()
    assert stats.chisquare(cells).pvalue > 1e-3


@pytest.mark.parametrize("neighbour", ["sample", "place", "epoch", "seed"])
def test_neighbours_have_nothing_in_common(neighbour: str) -> None:
    """The correlation of 100,000 pairs is within five standard errors of 0."""
    samples = torch.arange(100_000)
    one = uniform(5, 9, samples, 2)
    others = {
        "sample": uniform(5, 9, samples + 1, 1)[:, 0],
        "place": one[:, 1],
        "epoch": uniform(5, 10, samples, 1)[:, 0],
        "seed": uniform(6, 9, samples, 1)[:, 0],
    }
    correlation = np.corrcoef(one[:, 0].numpy(), others[neighbour].numpy())[0, 1]
    assert abs(correlation) < 5 / 100_000**0.5


def test_an_order_is_a_permutation_and_its_own_for_each_key() -> None:
    """Each number once; another key, another order; the same key, the same."""
    order = random_order(mixed(1), 1000)
    assert np.array_equal(np.sort(order), np.arange(1000))
    assert np.array_equal(order, random_order(mixed(1), 1000))
    assert (order == random_order(mixed(2), 1000)).sum() < 10


def test_an_order_sorts_the_random_bits_of_the_tensors() -> None:
    """The order of numpy's 64 bits is that of torch's, for keys on both sides of 2**63."""
    for key in (0, 5, 2**63 - 1, 2**63, 2**64 - 1):
        bits = random_bits(key, torch.arange(500), 1)[:, 0]
        assert random_order(key, 500).tolist() == bits.argsort(stable=True).tolist()


def test_orders_need_no_torch() -> None:
    """Whoever only asks what is known of the data waits for no import."""
    code = "import sys, dlcli.data.splits; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_first_places_of_orders_are_uniform() -> None:
    """Over 6,000 keys, each of 6 numbers comes first about equally often."""
    firsts = [int(random_order(mixed(key), 6)[0]) for key in range(6000)]
    assert stats.chisquare(np.bincount(firsts, minlength=6)).pvalue > 1e-3
