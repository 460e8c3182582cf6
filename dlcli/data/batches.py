"""Batches whose order and changes are functions of (seed, epoch): nothing to save, nothing to replay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter, methodcaller

import torch
from torch import Tensor

from dlcli.data.counter_random import mixed
from dlcli.data.dataset import Split, Tensors
from dlcli.data.named import each
from dlcli.data.preprocessing import Preprocessing


@dataclass
class Batch:
    """Samples that go through the network together.

    Attributes:
        inputs: (size, *sizes of the network's input), by name where it has several.
        targets: as in `Split`, by name where there are several.
        size: how many.
    """

    inputs: Tensors
    targets: Tensors
    size: int


class Batches:
    """The samples of a split in batches.

    Args:
        split: on the device of the preprocessing.
        preprocessing: what a batch goes through.
        batch_size: samples in a batch, but for the last.
        seed: of the order.
        repeat: how often an epoch goes over all samples, each time in an order of its own.
    """

    def __init__(
        self,
        split: Split,
        preprocessing: Preprocessing,
        batch_size: int,
        *,
        seed: int,
        repeat: int = 1,
    ) -> None:
        self._split = split
        self._preprocessing = preprocessing
        self._batch_size = batch_size
        self._seed = seed
        self._repeat = repeat

    @property
    def num_samples(self) -> int:
        """Of the split."""
        return len(self._split)

    def __len__(self) -> int:
        """Batches of an epoch of training.

        A last batch of one sample, from which batch_norm can't learn, joins the one before it.
        """
        whole, rest = divmod(self.num_samples * self._repeat, self._batch_size)
        return max(1, whole + (rest > 1))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch of training.

        Args:
            epoch: counted from 0.
            start: how many batches to leave out: the rest are exactly those that would have followed.
        """
        numbers = self._numbers(epoch)
        total, count, device = len(numbers), len(self), self._split.device
        indices = (numbers % self.num_samples if self._repeat > 1 else numbers).to(device)
        samples = numbers.to(device)
        for batch in range(start, count):
            first = batch * self._batch_size
            after = total if batch == count - 1 else first + self._batch_size
            taken = methodcaller("index_select", 0, indices[first:after])
            inputs = self._preprocessing(each(self._split.inputs, taken), samples[first:after], epoch)
            yield Batch(inputs, each(self._split.targets, taken), after - first)

    def in_order(self) -> Iterator[Batch]:
        """All samples once, unchanged and in their order, for an evaluation."""
        for first in range(0, self.num_samples, self._batch_size):
            part = slice(first, first + self._batch_size)
            inputs, targets = (each(tensors, itemgetter(part)) for tensors in (self._split.inputs, self._split.targets))
            yield Batch(self._preprocessing(inputs), targets, min(self._batch_size, self.num_samples - first))

    def _numbers(self, epoch: int) -> Tensor:
        """The samples of an epoch by number: that of a sample in the second pass goes on after those of the first."""
        passes = []
        for number in range(self._repeat):
            generator = torch.Generator().manual_seed(mixed(self._seed, epoch, number))
            order = torch.randperm(self.num_samples, generator=generator)
            passes.append(order + number * self.num_samples)
        return torch.cat(passes)
