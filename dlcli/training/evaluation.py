"""A network judged on a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import Tensor, nn

from dlcli.config.training import TrainSpec
from dlcli.data.batches import Batch, Batches
from dlcli.data.dataset import Dataset, Tensors
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import UsageError
from dlcli.models.carried_state import carry_state, restore_state, state_of
from dlcli.runtime.products import products_in
from dlcli.runtime.signals import StopRequest
from dlcli.training.divergence import first_bad
from dlcli.training.objectives import Objective

_SMALL_BATCH: Final = 64
_SMALL_TIMES: Final = 8
"""Of a training's batch, up to `_SMALL_BATCH` samples: small batches judge slowly, and large ones may find no memory."""

_STREAMS: Final = 32
"""Of one long sequence that is judged with a carried state, whatever the training's batches: each begins without one."""


def evaluation_batch_size(train: TrainSpec) -> int:
    """Samples judged at once: without gradients twice a training's batch takes less memory than the batch did."""
    return max(2 * train.batch_size, min(_SMALL_TIMES * train.batch_size, _SMALL_BATCH))


def evaluation_batches(dataset: Dataset, split: str, preprocessing: Preprocessing, train: TrainSpec) -> Batches:
    """The samples of a split in batches of a fixed size, so that equal weights give equal numbers to the last digit.

    Raises:
        UsageError: there is no such split.
    """
    splits = dataset.splits()
    samples = splits.get(split)
    if samples is None:
        there = ", ".join(name for name, samples in splits.items() if samples is not None)
        raise UsageError(f"the data has no split `{split}`", help=f"there are: {there}")
    size = _STREAMS if train.stateful else evaluation_batch_size(train)
    return Batches(samples, preprocessing, size, facts=dataset.facts, seed=train.seed, in_streams=train.stateful)


def evaluate(
    network: nn.Module,
    batches: Batches,
    objective: Objective,
    stop: StopRequest | None = None,
    look: Callable[[Batch, Tensors], None] | None = None,
) -> dict[str, float]:
    """Loss and metrics over all samples of a split.

    Args:
        network: called in eval mode, and left in the mode it was in, with the state that it carried.
        batches: of the split, in order, on the network's device.
        objective: the training's.
        stop: read before each batch.
        look: is shown each batch and what the network makes of it.

    Returns:
        `loss` and each metric by its name, as `TrainSpec.measured` has it; of several outputs also each `OUTPUT/loss`.

    Raises:
        StoppedError: somebody asked to stop before all samples were judged.
    """
    tally, stop = objective.tally(), stop or StopRequest()
    with _judged(network, carries=batches.in_streams), torch.inference_mode(), products_in("float32"):
        for batch in batches.in_order():
            stop.check()
            outputs = batch.through(network)
            tally.update(outputs, batch.targets, batch.steps)
            if look is not None:
                look(batch, outputs)
    return tally.figures()


def first_bad_batch(
    network: nn.Module, batches: Batches, objective: Objective, train: TrainSpec, *, updates: int
) -> tuple[str, str] | None:
    """Where NaN or infinity comes from in an evaluation, as half a sentence, and what to do about it.

    Args:
        network: as for `evaluate`.
        batches: as for `evaluate`.
        objective: the training's.
        train: the config's `train`.
        updates: those that the weights have seen.

    Returns:
        None where the loss of each batch is finite.
    """

    def run(batch: Batch) -> Tensor:
        return objective(batch.through(network), batch.targets, batch.steps)

    with _judged(network, carries=batches.in_streams), torch.inference_mode():
        for number, batch in enumerate(batches.in_order(), start=1):
            if not torch.isfinite(run(batch)):
                what, help = first_bad(network, [batch], run, train, updates=updates)
                return f"in batch {number} of {len(batches)}, {what}", help
    return None


@contextmanager
def _judged(network: nn.Module, *, carries: bool) -> Iterator[None]:
    """Puts a network into eval mode, without a carried state, and back."""
    was_training, carried = network.training, state_of(network)
    network.eval()
    if carries:
        carry_state(network)
    try:
        yield
    finally:
        network.train(was_training)
        if carries:
            restore_state(network, carried)
