"""In which order the samples of an epoch come: functions of (seed, epoch)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from dlcli.data.random_order import mixed

_LARGEST_POOL: Final = 50
"""Batches among whose samples those of about one length are put together: more would shuffle less, and pad hardly less."""

_FEWEST_POOLS: Final = 2
"""In an epoch: even a small data set should not give the same batches in every epoch."""

_OF_BATCHES: Final = 1 << 32
_OF_OFFSET: Final = 1 << 33
"""Keep the draws apart from those of the passes, which are counted from 0."""


def shuffled(num_samples: int, repeat: int, seed: int, epoch: int) -> Tensor:
    """Every sample once in each pass: int64 (repeat * num_samples,); the second pass counts on from `num_samples`."""
    passes = []
    for number in range(repeat):
        order = torch.randperm(num_samples, generator=_generator(seed, epoch, number))
        passes.append(order + number * num_samples)
    return torch.cat(passes)


def by_length(numbers: Tensor, lengths: Tensor, batch_size: int, num_batches: int, *, seed: int, epoch: int) -> Tensor:
    """The same samples so that those of a batch have about the same length.

    Within pools of consecutive batches samples are sorted by length; then the batches are shuffled, all but the last, whose
    size may differ.

    Args:
        numbers: int64 (n,), in a random order.
        lengths: of each, int64 (n,).
        batch_size: of all batches but the last.
        num_batches: how many there are.
        seed: of the order of the batches.
        epoch: for the same.
    """
    pool = min(_LARGEST_POOL, max(1, num_batches // _FEWEST_POOLS)) * batch_size
    pools = torch.arange(len(numbers)) // pool
    numbers = numbers[(pools * (int(lengths.max()) + 1) + lengths).argsort(stable=True)]
    whole = (num_batches - 1) * batch_size
    batches = numbers[:whole].reshape(-1, batch_size)
    order = torch.randperm(len(batches), generator=_generator(seed, epoch, _OF_BATCHES))
    return torch.cat((batches[order].flatten(), numbers[whole:]))


def in_streams(num_samples: int, batch_size: int, seed: int, epoch: int) -> Tensor:
    """Consecutive samples in as many streams as a batch has rows: row r of a batch follows row r of the one before.

    What does not fill a batch is left out at the ends, in each epoch otherwise shared out between the two.
    """
    steps = num_samples // batch_size
    left = num_samples - steps * batch_size
    offset = int(torch.randint(left + 1, (), generator=_generator(seed, epoch, _OF_OFFSET)))
    return offset + torch.arange(steps * batch_size).reshape(batch_size, steps).T.flatten()


def streams_of(num_samples: int, most: int) -> Iterator[Tensor]:
    """All samples once in at most so many streams, a batch for each step; the first streams may be longer by one."""
    rows = min(most, num_samples)
    steps, longer = divmod(num_samples, rows)
    row = torch.arange(rows)
    starts = row * steps + row.clamp(max=longer)
    for step in range(steps):
        yield starts + step
    if longer:
        yield starts[:longer] + steps


def _generator(seed: int, epoch: int, stream: int) -> torch.Generator:
    return torch.Generator().manual_seed(mixed(seed, epoch, stream))
