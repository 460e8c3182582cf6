"""Random numbers without a state: each is a function of where it is used.

A generator that is drawn from in turn gives a sample other numbers in another batch, on another device or after a
restart. Here the numbers of a sample are a hash of (seed, epoch, sample, k): the finaliser of SplitMix64 (Steele, Lea and
Flood, 2014, doi:10.1145/2660193.2660195) over counters, as in Salmon et al. (2011, doi:10.1145/2063384.2063405).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlcli.data.random_order import FIRST, GOLDEN, SECOND, mixed


def uniform(seed: int, epoch: int, samples: Tensor, count: int) -> Tensor:
    """Random numbers of samples, the same in any batch and on any device.

    Args:
        seed: any whole number.
        epoch: any whole number.
        samples: int64 (batch,), the number of each sample.
        count: how many numbers each sample gets.

    Returns:
        float32 (batch, count), uniform over the multiples of 2**-24 in [0, 1).
    """
    bits = random_bits(mixed(seed, epoch), samples, count)
    return _shifted(bits, 40).to(torch.float32).mul_(2.0**-24)


def random_bits(key: int, samples: Tensor, count: int) -> Tensor:
    """64 random bits for each sample and each of `count` places, as int64 (batch, count).

    Args:
        key: 64 bits from `mixed`.
        samples: int64 (batch,).
        count: how many places.
    """
    of_sample = _finalised_tensor((samples + 1) * _signed(GOLDEN) + _signed(key))
    places = torch.arange(1, count + 1, device=samples.device) * _signed(GOLDEN)
    return _finalised_tensor(of_sample[:, None] + places)


def _finalised_tensor(bits: Tensor) -> Tensor:
    bits = (bits ^ _shifted(bits, 30)).mul_(_signed(FIRST))
    bits = (bits ^ _shifted(bits, 27)).mul_(_signed(SECOND))
    return bits ^ _shifted(bits, 31)


def _shifted(bits: Tensor, places: int) -> Tensor:
    """Zeros come in from the left: torch's own shift brings in the sign."""
    return (bits >> places).bitwise_and_((1 << (64 - places)) - 1)


def _signed(bits: int) -> int:
    """The int64 of the same 64 bits."""
    return bits - 2**64 if bits >= 2**63 else bits
