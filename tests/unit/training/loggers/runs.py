"""Runs for loggers to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dlcli.config import experiment
from dlcli.config.compose import load
from dlcli.config.facts import DataFacts
from dlcli.data.dataset import Dataset
from dlcli.data.preprocessing import Preprocessing
from dlcli.models.network import build_network
from dlcli.training.loggers import LoggedRun
from dlcli.training.trainer import Trainer
from tests.unit.training.trainings import pictures, train_spec

LAYERS: list[Any] = [
    {"conv2d": {"out_channels": 4, "kernel_size": 3}},
    "batch_norm2d",
    "relu",
    "flatten",
    {"dropout": 0.5},
    {"linear": 3},
]


def logged_run(
    folder: Path, dataset: Dataset | None = None, layers: list[Any] | None = None, **train: Any
) -> tuple[LoggedRun, Trainer]:
    """A training about to begin, and its trainer."""
    dataset = dataset or pictures()
    config = {"data": "digits", "model": {"layers": layers or LAYERS}, "train": {"epochs": 2, "optimizer": "sgd"}}
    facts: DataFacts = dataset.facts
    found = experiment.resolve(load(config), lambda _: facts)
    torch.manual_seed(0)
    network = build_network(found.graph, found.model.init)
    preprocessing = Preprocessing(dataset.spec, dataset.facts, seed=3)
    trainer = Trainer(network, dataset, preprocessing, train_spec(**train), torch.device("cpu"), outputs=found.graph.outputs)
    return LoggedRun(trainer, found.graph, found.resolved(), folder), trainer
