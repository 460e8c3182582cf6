"""What a forecast has to be better than: that everything stays as it is."""

from __future__ import annotations

import torch
from torch import Tensor

from dlcli.config.data import Csv
from dlcli.config.normalisation import FixedNormalize
from dlcli.data.dataset import Dataset
from dlcli.training.objectives import Objective, SingleObjective
from dlcli.training.target_scale import TargetScale

_WINDOWS_AT_ONCE = 1024


def repeat_last(dataset: Dataset, split: str, objective: Objective) -> dict[str, float] | None:
    """Loss and metrics of the forecast that repeats the last value of each window at all steps to come.

    Args:
        dataset: on the device of the objective.
        split: train, valid or test.
        objective: of the network that the forecast is compared with.

    Returns:
        As `evaluate`; None where the data is no forecast of columns that the network reads, the answers are yes-or-no labels,
        or the network has several outputs.
    """
    spec, samples = dataset.spec, dataset.splits()[split]
    if not isinstance(spec, Csv) or spec.window is None or samples is None:
        return None
    if not isinstance(objective, SingleObjective) or objective.judges != "values":
        return None
    targets, features = spec.target or (), spec.features or ()
    if not set(targets) <= set(features):
        return None
    assert isinstance(samples.inputs, Tensor)
    assert isinstance(samples.targets, Tensor)
    columns = torch.tensor([features.index(name) for name in targets], device=samples.device)
    scale = spec.normalize_targets
    in_scale = TargetScale(scale, samples.device).standardised if isinstance(scale, FixedNormalize) else None
    tally = objective.tally()
    for windows, answers in zip(samples.inputs.split(_WINDOWS_AT_ONCE), samples.targets.split(_WINDOWS_AT_ONCE), strict=True):
        repeated = windows[:, -1].index_select(1, columns).repeat(1, spec.horizon)
        tally.update(repeated if in_scale is None else in_scale(repeated), answers)
    return tally.figures()
