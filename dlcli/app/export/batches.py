"""Random batches for a network to read, real enough to compare two ways to calculate it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import cast

import torch
from torch import Tensor

from dlcli.app.trainable import too_short
from dlcli.config.graph import Graph, all_nodes
from dlcli.config.shapes import Sequence, Shape, Time, at_steps, holds_tokens, token_of
from dlcli.models.network import Values
from dlcli.models.python_lengths import takes_lengths
from dlcli.models.valid_steps import fill_padding


@dataclass(frozen=True)
class Batch:
    """Samples, and the steps of each where their number is free.

    Attributes:
        inputs: (batch, *sizes) each by its name.
        lengths: int64 (batch,); what stands behind them is padding.
    """

    inputs: Mapping[str, Tensor]
    lengths: Tensor | None

    @property
    def values(self) -> Values:
        """The inputs as a network takes them."""
        return dict(self.inputs) if len(self.inputs) > 1 else next(iter(self.inputs.values()))

    @property
    def title(self) -> str:
        """`5 samples of up to 39 steps`, for messages."""
        count = len(next(iter(self.inputs.values())))
        steps = "" if self.lengths is None else f" of up to {int(self.lengths.max())} steps"
        return f"{count} sample{'s'[: count > 1]}{steps}"


def numbers_of_steps(graph: Graph) -> tuple[int, int] | None:
    """Two that every window of the network has room in; None where the number is fixed."""
    if not takes_lengths(graph):
        return None
    times = [shape.time for shape in _shapes(graph) if isinstance(shape, Sequence) and isinstance(shape.time, Time)]
    steps = 16
    while any(time.at(steps) < 2 for time in times):
        steps *= 2
    return steps, 2 * steps + 7


def random_batches(graph: Graph, sizes: tuple[int, ...]) -> Iterator[Batch]:
    """A batch of each size and, where the number of steps is free, of each number of them."""
    for seed, (size, steps) in enumerate(product(sizes, numbers_of_steps(graph) or (0,))):
        yield random_batch(graph, size, steps, seed)


def random_batch(graph: Graph, size: int, steps: int, seed: int) -> Batch:
    """Normally distributed numbers and any tokens; behind the end of a sample stands NaN, where numbers are padded.

    Args:
        graph: the network's.
        size: how many samples.
        steps: how many steps the longest sample has.
        seed: another one gives other numbers.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs = {name: _random(at_steps(shape, steps), size, generator) for name, shape in graph.inputs.items()}
    if not takes_lengths(graph):
        return Batch(inputs, None)
    fewest = next(number for number in range(1, steps + 1) if too_short(graph, number) is None)
    lengths = torch.randint(fewest, steps + 1, (size,), generator=generator)
    lengths[1:2] = steps
    return Batch({name: _padded(values, graph.inputs[name], lengths) for name, values in inputs.items()}, lengths)


def _padded(values: Tensor, shape: Shape, lengths: Tensor) -> Tensor:
    return padded_with(math.nan, values, shape, lengths) if values.is_floating_point() else values


def padded_with(value: float, sequence: Tensor, shape: Shape, lengths: Tensor | None) -> Tensor:
    """One value behind the end of each sample, where the number of steps is free, for samples of these lengths."""
    if lengths is None or not isinstance(shape, Sequence) or not isinstance(shape.time, Time):
        return sequence
    return fill_padding(sequence, shape.time.at(lengths), value)


def _random(shape: Shape, size: int, generator: torch.Generator) -> Tensor:
    sizes = (size, *cast("tuple[int, ...]", shape.sizes))
    if holds_tokens(shape):
        return torch.randint(token_of(shape).num_values, sizes, generator=generator)
    return torch.randn(sizes, generator=generator)


def _shapes(graph: Graph) -> Iterator[Shape]:
    yield from graph.inputs.values()
    for node, _ in all_nodes(graph, unknown=1):
        yield node.output_shape
