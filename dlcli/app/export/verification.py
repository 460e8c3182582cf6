"""Whether an exported file says what the network says, on batches of other sizes and lengths than it was made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor

from dlcli.app.export.batches import Batch, numbers_of_steps, padded_with, random_batches
from dlcli.config.graph import Graph, all_nodes
from dlcli.config.layers.normalisation import BatchNorm1d, BatchNorm2d, BatchNorm3d
from dlcli.errors import CheckpointError, ResourceError
from dlcli.models.network import Network
from dlcli.runtime.memory import memory_errors

Outputs = Mapping[str, Tensor]
"""Each output by its name."""
Answer = Callable[[Batch], Outputs]
"""What an exported file says of a batch."""

FAULT: Final = "this is a fault of dlcli: please report it with the config"


@dataclass(frozen=True)
class Verified:
    """How well an export and the network agree.

    Attributes:
        batch_sizes: that both were run with.
        lengths: the steps of the longest sample, with each batch size; None where their number is fixed.
        largest_difference: between the values of each output.
        tolerance: what a difference may be at most, as a share of a value above 1.
    """

    batch_sizes: tuple[int, ...]
    lengths: tuple[int, ...] | None
    largest_difference: dict[str, float]
    tolerance: float

    def __str__(self) -> str:
        samples, steps = (" and ".join(map(str, numbers or ())) for numbers in (self.batch_sizes, self.lengths))
        batches = f"random batches of {samples} samples" + (f" of up to {steps} steps" if steps else "")
        return f"on {batches} the outputs differ by at most {max(self.largest_difference.values()):.2g}"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@torch.no_grad()
def verify(network: Network, answer: Answer, tolerance: float) -> Verified:
    """Compares an export with the network it was made of.

    Args:
        network: in eval mode.
        answer: runs the export, read back from its file.
        tolerance: the largest difference allowed, as a share of a value above 1.

    Raises:
        CheckpointError: they differ by more, or the export does not run or gives something of another shape.
        ResourceError: there is not enough memory.
    """
    graph, sizes = network.graph, _batch_sizes(network.graph)
    largest = dict.fromkeys(graph.outputs, 0.0)
    for batch in random_batches(graph, sizes):
        with memory_errors():
            expected = answer_of(network, batch)
            found = _run(answer, batch)
        for name in graph.outputs:
            difference, share = _difference(found, expected, name, batch)
            if not share <= tolerance:
                what = f"the exported network gives other values: `{name}` differs by {difference:g} on {batch.title}"
                raise CheckpointError(what, help=FAULT)
            largest[name] = max(largest[name], difference)
    return Verified(sizes, numbers_of_steps(graph), largest, tolerance)


def answer_of(network: Network, batch: Batch) -> Outputs:
    """What a network says of a batch; 0 behind the end of each sample, as every export has it there."""
    values = network(batch.values) if batch.lengths is None else network(batch.values, batch.lengths)
    named = {network.graph.outputs[0]: values} if isinstance(values, Tensor) else values
    return {name: padded_with(0, named[name], shape, batch.lengths) for name, shape in network.graph.output_shapes.items()}


def _batch_sizes(graph: Graph) -> tuple[int, ...]:
    """Two of them; a lone sample only where the network says something of it."""
    norms = (
        node.spec for node, _ in all_nodes(graph, unknown=1) if isinstance(node.spec, BatchNorm1d | BatchNorm2d | BatchNorm3d)
    )
    return (1, 5) if all(norm.track_running_stats for norm in norms) else (2, 5)


def _run(answer: Answer, batch: Batch) -> Outputs:
    try:
        return answer(batch)
    except (CheckpointError, ResourceError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        what = f"the exported network does not run on {batch.title}: {type(error).__name__}: {reason}"
        raise CheckpointError(what, help=FAULT) from error


def _difference(found: Outputs, expected: Outputs, name: str, batch: Batch) -> tuple[float, float]:
    """The largest of an output, and the same as a share of values above 1; NaN where one has a number and the other none."""
    if list(found) != list(expected):
        what = f"the exported network has the outputs {', '.join(found)}, and the network {', '.join(expected)}"
        raise CheckpointError(what, help=FAULT)
    theirs, ours = found[name], expected[name]
    if theirs.shape != ours.shape:
        sizes = f"{list(theirs.shape)} in place of {list(ours.shape)}"
        raise CheckpointError(f"the exported network gives `{name}` of {sizes} for {batch.title}", help=FAULT)
    same = (theirs == ours) | (theirs.isnan() & ours.isnan())
    differences = torch.where(same, 0.0, (theirs - ours).abs())
    return float(differences.max()), float((differences / ours.abs().clamp(min=1)).max())
