"""Networks as they start, put together with their data as an explanation reads them: no training, no run on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from dlcli.app.configs import read_experiment
from dlcli.app.explain.samples import Sample
from dlcli.app.explain.shown import Shown
from dlcli.app.explain.subject import Subject
from dlcli.app.runs import Run
from dlcli.models.network import build_network


def subject_of(data: str, layers: str, *, classes: list[str] | None = None, **rest: Any) -> Subject:
    """A network with the weights of seed 0.

    Args:
        data: the config's `data`, as YAML.
        layers: the same of `model.layers`.
        classes: the names that the record of the run has.
        rest: more of the config: `train`, `outputs`.
    """
    model = {"layers": yaml.safe_load(layers), **({"outputs": rest["outputs"]} if "outputs" in rest else {})}
    config = {"data": yaml.safe_load(data), "model": model, "train": {"epochs": 1, **rest.get("train", {})}}
    experiment = read_experiment(config, (), None)
    torch.manual_seed(0)
    network = build_network(experiment.graph, experiment.model.init).eval()
    run = Run(Path("runs/none"), {"data": {"classes": classes}})
    return Subject(run, "step-00000001", network, experiment, torch.device("cpu"))


def sample_with(
    subject: Subject, raw: torch.Tensor | dict[str, torch.Tensor], targets: dict[str, torch.Tensor] | None = None
) -> Sample:
    """A sample, a batch of 1."""
    return Sample("0", 0, raw, subject.prepared(raw), targets or {})


def shown_with(subject: Subject, raw: torch.Tensor | dict[str, torch.Tensor], *, in_depth: bool = False) -> Shown:
    """The same on a page."""
    return Shown(subject, sample_with(subject, raw), place=1, in_depth=in_depth)
