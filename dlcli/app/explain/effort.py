"""How much is computed for a page: bounded, whatever the size of the network and of its samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from dlcli.config.graph import Graph, all_nodes
from dlcli.config.shapes import ShapeError, at_steps, fixed_sizes

_OPERATIONS: Final = 1.5e12
"""Of a page: about half a minute on two cores, and less on anything larger."""
_JUDGED: Final = 4e11
"""Of looking through a split for samples worth explaining."""
_BACK: Final = 3
"""A pass forward and back costs so many forward."""
_USUAL_STEPS, _MOST_STEPS, _FEWEST_STEPS = 128, 512, 16
"""Of integrated gradients: what should be there for each sample, and between which numbers they are chosen."""
_MOST_HIDDEN, _FEWEST_HIDDEN = 200, 25
"""Of parts of a sample that are hidden one by one."""
_MOST_JUDGED, _FEWEST_JUDGED = 10_000, 64
_VALUES_AT_ONCE: Final = 1 << 24
"""Of the largest layer's output, over all rows of a batch."""
_MOST_ROWS: Final = 64
_KEPT_VALUES: Final = 1 << 24
"""Of the outputs for samples that are judged together: 64 MiB, and some copies of them."""


@dataclass(frozen=True)
class Effort:
    """What is computed.

    Attributes:
        samples: how many are explained, at most.
        steps: of integrated gradients, at most.
        hidden: parts of a sample that are hidden one by one, at most.
        rows: rows of a batch.
    """

    samples: int
    steps: int
    hidden: int
    rows: int


def effort_for(graph: Graph, steps: int, wanted: int) -> Effort:
    """What can be done for samples of so many steps, where `wanted` of them are to be explained."""
    cost = max(operations(graph, steps), 1)
    per_sample = cost * (_BACK * _USUAL_STEPS + _MOST_HIDDEN)
    samples = max(1, min(wanted, int(_OPERATIONS / per_sample)))
    share = _OPERATIONS / samples / cost
    return Effort(
        samples,
        int(min(max(share / 2 / _BACK, _FEWEST_STEPS), _MOST_STEPS)),
        int(min(max(share / 4, _FEWEST_HIDDEN), _MOST_HIDDEN)),
        int(min(max(_VALUES_AT_ONCE / _largest_output(graph, steps), 1), _MOST_ROWS)),
    )


def judged_samples(graph: Graph, steps: int, there: int) -> int:
    """How many samples of a split are looked through."""
    most = min(max(_JUDGED / max(operations(graph, steps), 1), _FEWEST_JUDGED), _MOST_JUDGED)
    return min(there, int(most))


def judged_together(graph: Graph, steps: int) -> int:
    """How many samples of so many steps are judged at a time: their outputs are kept until their losses are known."""
    sizes = (math.prod(fixed_sizes(at_steps(shape, steps))) for shape in graph.output_shapes.values())
    return max(_KEPT_VALUES // max(sum(sizes), 1), 1)


def operations(graph: Graph, steps: int) -> int:
    """Floating-point operations of a pass forward, for a sample of so many steps, as far as layers say theirs."""
    total = 0
    for node, times in all_nodes(graph, unknown=steps):
        if node.body is None:
            try:
                total += times * node.spec.flops(*(at_steps(shape, steps) for shape in node.input_shapes))
            except ShapeError:
                continue
    return total


def _largest_output(graph: Graph, steps: int) -> int:
    sizes = (
        times * math.prod(fixed_sizes(at_steps(node.output_shape, steps))) for node, times in all_nodes(graph, unknown=steps)
    )
    return max(*sizes, 1)
