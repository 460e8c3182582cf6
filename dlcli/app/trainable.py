"""What shows only once a config and its data are put together: whether a training can learn from them at all."""

from __future__ import annotations

from torch import Tensor

from dlcli.config.experiment import Experiment
from dlcli.config.heads import needing_larger_batches
from dlcli.config.losses import LossSpec
from dlcli.data.dataset import Dataset, Split
from dlcli.errors import DataError


def check_trainable(experiment: Experiment, dataset: Dataset) -> None:
    """Whether batches are large enough for the network, and answers are what the losses compare with.

    Raises:
        DataError: they are not.
    """
    _check_batches(experiment, dataset)
    splits = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}
    for output in _outputs_of_labels(experiment):
        for name, split in splits.items():
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


def _outputs_of_labels(experiment: Experiment) -> list[str]:
    """The outputs whose loss compares them with yes-or-no labels."""
    loss = experiment.train.loss
    if isinstance(loss, LossSpec):
        return list(experiment.graph.outputs) if loss.judges == "labels" else []
    return [output for output, objective in loss.items() if objective.loss.judges == "labels"]


def _check_labels(output: str, split_name: str, split: Split, origin: str) -> None:
    labels = split.targets if isinstance(split.targets, Tensor) else split.targets[output]
    wrong = ((labels != 0) & (labels != 1)).nonzero()
    if len(wrong):
        row = int(wrong[0, 0])
        value = labels[tuple(wrong[0])].item()
        what = f"row {row} of the {split_name} split of {origin} holds {value:g}, and a yes-or-no label is 0 or 1"
        raise DataError(what, help="write labels as 0 and 1; for values to predict use the loss mse")
