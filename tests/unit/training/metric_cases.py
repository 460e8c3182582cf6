"""Random outputs and targets in uneven batches, for the tests of metrics."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from hypothesis import strategies as st
from torch import Tensor

from dlcli.config.facts import Target
from dlcli.config.losses import LossSpec
from dlcli.config.metrics import MetricSpec
from dlcli.training.metrics import build_metrics

CPU = torch.device("cpu")

seeds = st.integers(0, 2**32)
batch_sizes = st.lists(st.integers(1, 17), min_size=1, max_size=6)


def measured(
    spec: MetricSpec,
    loss: LossSpec,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    num_classes: int | None = None,
    num_targets: int | None = None,
) -> float:
    """What dlcli says of batches."""
    [metric] = build_metrics([spec], loss, Target(num_classes, num_targets), CPU)
    for outputs, targets in batches:
        metric.update(outputs, targets)
    return metric.value()


def in_batches(outputs: Tensor, targets: Tensor, sizes: list[int]) -> list[tuple[Tensor, Tensor]]:
    """Outputs and targets cut alike."""
    return list(zip(outputs.split(sizes), targets.split(sizes), strict=True))


def random_scores(seed: int, count: int, width: int) -> tuple[Tensor, torch.Generator]:
    """Scores (count, width) of which no two are equal, and the generator to draw on from."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count * width, generator=generator).reshape(count, width)
    return (order + 0.25) / (count * width) * 8 - 4, generator
