"""What shows only once a config and its data are put together: whether a training can learn from them at all."""

from __future__ import annotations

from itertools import count

from torch import Tensor

from dlcli.config.experiment import Experiment
from dlcli.config.graph import Graph, LayerNode, all_nodes
from dlcli.config.heads import needing_larger_batches
from dlcli.config.layers.normalisation import InstanceNorm
from dlcli.config.shapes import Sequence, Time, has_any_time
from dlcli.data.dataset import Dataset, Split
from dlcli.errors import DataError


def check_trainable(experiment: Experiment, dataset: Dataset) -> None:
    """Whether batches and sequences are large enough for the network, and answers are what the losses compare with.

    Raises:
        DataError: they are not.
    """
    _check_batches(experiment, dataset)
    _check_streams(experiment, dataset)
    _check_lengths(experiment, dataset)
    for output in sorted(experiment.label_targets()):
        for name, split in dataset.splits().items():
            if split is not None:
                _check_labels(output, name, split, dataset.origin)


def _check_batches(experiment: Experiment, dataset: Dataset) -> None:
    """A lone sample is a batch of its own only where an epoch has no other: else the batch before takes it in."""
    if len(dataset.train) * dataset.spec.repeat > 1:
        return
    node = needing_larger_batches(experiment.graph)
    if node is not None:
        what = f"the train split has 1 sample, and `{node.name}` ({node.spec.kind}) can't learn from one value of each channel"
        raise DataError(what, help="train on more samples, for example with a larger data.limit, or use `layer_norm`")


def _check_streams(experiment: Experiment, dataset: Dataset) -> None:
    """Streams need at least one sample for each row of a batch."""
    train = experiment.train
    if train.stateful and len(dataset.train) < train.batch_size:
        what = f"the train split has {len(dataset.train)} samples, too few for {train.batch_size} streams of them"
        raise DataError(what, help=f"use smaller batches: --set train.batch_size={len(dataset.train)}, or a shorter data.window")


def _check_lengths(experiment: Experiment, dataset: Dataset) -> None:
    """Every sequence must be as long as the windows of the network reach."""
    if not any(map(has_any_time, experiment.facts.inputs.values())):
        return
    for name, split in dataset.splits().items():
        if split is None:
            continue
        row, shortest = _shortest(experiment, split)
        found = too_short(experiment.graph, shortest)
        if found is not None:
            node, needed = found
            what = f"sample {row} of the {name} split of {dataset.origin} has {shortest} step{'s'[: shortest > 1]}"
            where = f"`{node.spec.kind}` (line {node.place.line}) needs at least {needed}"
            raise DataError(f"{what}, and {where}", help="use smaller windows or more padding, or leave short sequences out")


def _shortest(experiment: Experiment, split: Split) -> tuple[int, int]:
    """The number and the steps of the shortest sample."""
    if split.lengths is not None:
        row = int(split.lengths.argmin())
        return row, int(split.lengths[row])
    inputs = split.inputs if isinstance(split.inputs, dict) else dict.fromkeys(experiment.facts.inputs, split.inputs)
    return 0, next(inputs[name].shape[1] for name, shape in experiment.facts.inputs.items() if has_any_time(shape))


def too_short(graph: Graph, steps: int) -> tuple[LayerNode, int] | None:
    """The first layer that can do nothing with a sequence of so many steps, and how many it needs; None where there is none."""
    for node, _ in all_nodes(graph, unknown=1):
        shape, least = node.output_shape, 2 if isinstance(node.spec, InstanceNorm) else 1
        if isinstance(shape, Sequence) and isinstance(shape.time, Time) and shape.time.at(steps) < least:
            return node, next(longer for longer in count(steps) if shape.time.at(longer) >= least)
    return None


def _check_labels(output: str, split_name: str, split: Split, origin: str) -> None:
    labels = split.targets if isinstance(split.targets, Tensor) else split.targets[output]
    wrong = ((labels != 0) & (labels != 1)).nonzero()
    if len(wrong):
        row = int(wrong[0, 0])
        value = labels[tuple(wrong[0])].item()
        what = f"row {row} of the {split_name} split of {origin} holds {value:g}, and a yes-or-no label is 0 or 1"
        raise DataError(what, help="write labels as 0 and 1; for values to predict use the loss mse")
