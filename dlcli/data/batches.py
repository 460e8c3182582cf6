"""Batches whose order and changes are functions of (seed, epoch): nothing to save, nothing to replay."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import methodcaller

import torch
from torch import Tensor, nn

from dlcli.config.facts import DataFacts
from dlcli.config.shapes import has_any_time
from dlcli.data.batch_order import by_length, in_streams, shuffled, streams_of
from dlcli.data.dataset import Split, Tensors
from dlcli.data.named import each
from dlcli.data.preprocessing import Preprocessing


@dataclass
class Batch:
    """Samples that go through the network together.

    Attributes:
        inputs: (size, *sizes of the network's input), by name where it has several; sequences padded to the longest of the batch.
        targets: as in `Split`, by name where there are several; of answers for each step, where lengths differ, those of the
            steps that are there, one sample after the other: classes (steps,) or values (steps, K).
        size: how many.
        lengths: steps of each sample, int64 (size,), where they differ.
        steps: for the same the places of those steps among size * time, int64 (steps,).
        samples: their places in the split, int64 (size,), on its device.
    """

    inputs: Tensors
    targets: Tensors
    size: int
    lengths: Tensor | None = None
    steps: Tensor | None = None
    samples: Tensor | None = None

    def through(self, network: nn.Module) -> Tensors:
        """What a network makes of the inputs; it is given lengths only where they differ."""
        outputs: Tensors = network(self.inputs) if self.lengths is None else network(self.inputs, self.lengths)
        return outputs


class Batches:
    """The samples of a split in batches.

    Samples of different lengths are put together with others of about their length, so that little is padding.

    Args:
        split: on the device of the preprocessing.
        preprocessing: what a batch goes through.
        batch_size: samples in a batch, but for the last.
        facts: tells what has steps.
        seed: of the order.
        repeat: how often an epoch goes over all samples, each time in an order of its own.
        in_streams: whether each row of a batch goes on where that of the batch before ended, for a state that is carried.
    """

    def __init__(
        self,
        split: Split,
        preprocessing: Preprocessing,
        batch_size: int,
        *,
        facts: DataFacts,
        seed: int,
        repeat: int = 1,
        in_streams: bool = False,
    ) -> None:
        self._split = split
        self._preprocessing = preprocessing
        self._batch_size = batch_size
        self._ragged_inputs = {name for name, shape in facts.inputs.items() if has_any_time(shape)}
        self._targets_per_step = {name for name, target in facts.targets.items() if target.per_step}
        self._seed = seed
        self._repeat = repeat
        self._lengths = split.lengths.cpu() if split.lengths is not None else None
        self.in_streams = in_streams

    @property
    def have_lengths(self) -> bool:
        """Whether the numbers of steps of the samples differ, and with them the sizes of batches."""
        return self._lengths is not None

    @property
    def num_samples(self) -> int:
        """Of the split."""
        return len(self._split)

    def __len__(self) -> int:
        """Batches of an epoch of training.

        A last batch of one sample, from which batch_norm can't learn, joins the one before it. Streams leave out what does
        not fill a batch, other samples in each epoch.
        """
        whole, rest = divmod(self.num_samples * self._repeat, self._batch_size)
        return whole if self.in_streams else max(1, whole + (rest > 1))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch of training.

        Args:
            epoch: counted from 0.
            start: how many batches to leave out: the rest are exactly those that would have followed.
        """
        numbers = self._numbers(epoch)
        ends = [0, *range(self._batch_size, self._batch_size * len(self), self._batch_size), len(numbers)]
        samples = numbers.to(self._split.device)
        for first, after in list(pairwise(ends))[start:]:
            yield self._batch(numbers[first:after], samples[first:after], epoch)

    def padding(self, epoch: int) -> float | None:
        """The share of an epoch's steps that is padding; None where all samples have the same number of steps."""
        if self._lengths is None:
            return None
        lengths = self._lengths[self._numbers(epoch) % self.num_samples]
        whole = lengths[: (len(self) - 1) * self._batch_size].reshape(-1, self._batch_size)
        last = lengths[whole.numel() :]
        steps = int(whole.amax(1).sum()) * self._batch_size + int(last.max()) * len(last)
        return 1 - int(lengths.sum()) / steps

    def in_order(self) -> Iterator[Batch]:
        """All samples once and unchanged, for an evaluation; the order is always the same."""
        for numbers in self._evaluated():
            yield self._batch(numbers, numbers.to(self._split.device), None)

    def _evaluated(self) -> Iterator[Tensor]:
        if self.in_streams:
            yield from streams_of(self.num_samples, self._batch_size)
        elif self._lengths is not None:
            yield from self._lengths.argsort(stable=True).split(self._batch_size)
        else:
            yield from torch.arange(self.num_samples).split(self._batch_size)

    def _batch(self, numbers: Tensor, samples: Tensor, epoch: int | None) -> Batch:
        """The batch of these samples, by their numbers on the CPU and on the device; with an epoch changed at random."""
        indices = samples % self.num_samples if self._repeat > 1 else samples
        taken = methodcaller("index_select", 0, indices)
        drawn = (samples, epoch) if epoch is not None else ()
        if self._lengths is None:
            inputs, targets = each(self._split.inputs, taken), each(self._split.targets, taken)
            return Batch(self._preprocessing(inputs, *drawn), targets, len(numbers), samples=indices)
        lengths = self._lengths[numbers % self.num_samples]
        time = int(lengths.max())

        def cut(padded: Tensor) -> Tensor:
            return padded[:, :time]

        inputs = each(_changed(self._split.inputs, self._ragged_inputs, cut), taken)
        targets = each(_changed(self._split.targets, self._targets_per_step, cut), taken)
        present = (torch.arange(time) < lengths[:, None]).flatten().nonzero()[:, 0].to(self._split.device)
        targets = _changed(targets, self._targets_per_step, lambda padded: padded.flatten(0, 1).index_select(0, present))
        moved = lengths.to(self._split.device)
        return Batch(self._preprocessing(inputs, *drawn), targets, len(numbers), moved, present, indices)

    def _numbers(self, epoch: int) -> Tensor:
        """The samples of an epoch by number: that of a sample in the second pass goes on after those of the first."""
        if self.in_streams:
            return in_streams(self.num_samples, self._batch_size, self._seed, epoch)
        numbers = shuffled(self.num_samples, self._repeat, self._seed, epoch)
        if self._lengths is None:
            return numbers
        lengths = self._lengths[numbers % self.num_samples]
        return by_length(numbers, lengths, self._batch_size, len(self), seed=self._seed, epoch=epoch)


def _changed(tensors: Tensors, names: Collection[str], change: Callable[[Tensor], Tensor]) -> Tensors:
    """The tensors with those of these names changed; a tensor without a name is the only one."""
    if isinstance(tensors, dict):
        return {name: change(tensor) if name in names else tensor for name, tensor in tensors.items()}
    return change(tensors) if names else tensors
