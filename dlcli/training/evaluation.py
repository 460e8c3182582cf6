"""A network judged on a split."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import nn

from dlcli.config.training import TrainSpec
from dlcli.data.batches import Batches
from dlcli.data.dataset import Dataset
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import UsageError
from dlcli.models.carried_state import carry_state, restore_state, state_of
from dlcli.runtime.signals import StopRequest
from dlcli.training.objectives import Objective

_LEAST_BATCH: Final = 64

_STREAMS: Final = 32
"""Of one long sequence that is judged with a carried state, whatever the training's batches: each begins without one."""


def evaluation_batch_size(train: TrainSpec) -> int:
    """Samples judged at once: without gradients twice a training's batch takes less memory than the batch did."""
    return max(2 * train.batch_size, _LEAST_BATCH)


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


def evaluate(network: nn.Module, batches: Batches, objective: Objective, stop: StopRequest | None = None) -> dict[str, float]:
    """Loss and metrics over all samples of a split.

    Args:
        network: called in eval mode, and left in the mode it was in, with the state that it carried.
        batches: of the split, in order, on the network's device.
        objective: the training's.
        stop: read before each batch.

    Returns:
        `loss` and each metric by its name, as `TrainSpec.measured` has it; of several outputs also each `OUTPUT/loss`.

    Raises:
        StoppedError: somebody asked to stop before all samples were judged.
    """
    tally, stop = objective.tally(), stop or StopRequest()
    with _judged(network, carries=batches.in_streams), torch.inference_mode():
        for batch in batches.in_order():
            stop.check()
            tally.update(batch.through(network), batch.targets, batch.steps)
    return tally.figures()


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
