"""A trained network put to use: loaded, judged, asked."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlcli.app.baseline import repeat_last
from dlcli.app.configs import Config, read_experiment
from dlcli.app.experiments import open_experiment, recorded_data_dir
from dlcli.app.inference import infer
from dlcli.app.resume import check_same_classes, has_other_values
from dlcli.app.runs import Run, open_run, read_checked_record, recorded_experiment
from dlcli.config.experiment import Experiment
from dlcli.data.dataset import Tensors
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import CheckpointError, DataError, DlcliError, UsageError
from dlcli.models.kernels import flushed_denormals
from dlcli.models.network import build_network
from dlcli.plugins import plugin_errors
from dlcli.runtime.device import choose_device
from dlcli.runtime.memory import keep_freed_memory, memory_errors
from dlcli.runtime.seed import determinism_errors, seeded
from dlcli.training.checkpoint import Checkpoint, load_checkpoint, load_weights
from dlcli.training.checkpoint_folder import RESTORE, best_checkpoint, checkpoint_of_step, list_checkpoints, step_of
from dlcli.training.evaluation import evaluate as judge
from dlcli.training.evaluation import evaluation_batches
from dlcli.training.objectives import build_objective
from dlcli.training.run_folder import RunFolder


@dataclass(frozen=True)
class Judgement:
    """What `dlcli eval` found.

    Attributes:
        run: the run's folder.
        checkpoint: the name of the checkpoint that was judged.
        split: train, valid or test.
        metrics: loss and metrics by name.
        samples: how many samples the split has.
        baseline: of a forecast, the same figures for repeating the last value of each window.
        notice: what a person should know of it.
    """

    run: Path
    checkpoint: str
    split: str
    metrics: dict[str, float]
    samples: int
    baseline: dict[str, float] | None = None
    notice: str | None = None

    def as_json(self) -> dict[str, Any]:
        """What `eval --json` prints."""
        found = {**self.__dict__, "run": str(self.run)}
        return {key: value for key, value in found.items() if value is not None}


def build(config: Config, overrides: tuple[str, ...] = (), data_dir: Path | None = None) -> nn.Module:
    """The network of a config, with the weights it would start from.

    Raises:
        DlcliError: the config can't be read, has mistakes, or nothing can be known of its data.
    """
    experiment = read_experiment(config, overrides, data_dir)
    torch.manual_seed(experiment.train.seed)
    return build_network(experiment.graph, experiment.model.init)


def load(
    run: Run | str | Path | None = None,
    *,
    checkpoint: str = "best",
    device: str = "cpu",
    runs: Path = Path("runs"),
) -> nn.Module:
    """The trained network of a run, an ordinary `nn.Module` in eval mode.

    Args:
        run: a run, its folder, its name, or None for the newest.
        checkpoint: best, last or the number of a step.
        device: where to put it.
        runs: the folder of all runs.

    Raises:
        UsageError: there is no such run or checkpoint.
        CheckpointError: it does not verify.
    """
    folder = open_run(run, runs).folder
    found = find_checkpoint(folder, checkpoint)
    return restored(recorded_experiment(folder), found).to(choose_device(device)).eval()


def evaluate(
    run: Run | str | Path | None = None,
    *,
    split: str = "test",
    checkpoint: str = "best",
    device: str = "auto",
    runs: Path = Path("runs"),
    data_dir: Path | None = None,
) -> Judgement:
    """Judges a run's network on a split of its data.

    Args:
        run: a run, its folder, its name, or None for the newest.
        split: train, valid or test.
        checkpoint: best, last or the number of a step.
        device: as for `--device`.
        runs: the folder of all runs.
        data_dir: where data is looked for first; without it, where it was when the run was trained.

    Raises:
        DlcliError: run, checkpoint, split or data is not there.
    """
    chosen = choose_device(device)
    keep_freed_memory()
    folder = open_run(run, runs).folder
    found = find_checkpoint(folder, checkpoint)
    with plugin_errors(), memory_errors():
        experiment, dataset = open_experiment(folder.resolved_config, (), recorded_data_dir(folder, data_dir), _ignore)
        record = read_checked_record(folder)
        check_same_classes(record, dataset)
        changed = f"{dataset.origin} has other values than when the run began" if has_other_values(record, dataset) else None
        network = restored(experiment, found).to(chosen)
        preprocessing = Preprocessing(dataset.spec, dataset.facts, seed=experiment.train.seed).to(chosen)
        there = dataset.to(chosen)
        batches = evaluation_batches(there, split, preprocessing, experiment.train)
        train, scales = experiment.train, dataset.spec.normalize_targets
        objective = build_objective(train, dataset.facts, experiment.graph.outputs, chosen, scales)
        seeding = seeded(experiment.train.seed, deterministic=experiment.train.deterministic)
        with seeding, determinism_errors(), flushed_denormals():
            metrics = judge(network, batches, objective)
        baseline = repeat_last(there, split, objective)
    return Judgement(folder.path, found.path.name, split, metrics, batches.num_samples, baseline, changed)


def predict(
    run: Run | str | Path | None, inputs: Any, *, lengths: Any = None, device: str = "auto", runs: Path = Path("runs")
) -> Tensors:
    """What a run's network says of new samples.

    Args:
        run: as for `load`.
        inputs: an array or tensor as the data source holds them: pictures (N, H, W) or (N, H, W, C) of 8-bit values,
            series (N, T, features), vectors (N, features), tokens (N, T); of several inputs a dict with each by its name.
        lengths: steps of each sample, (N,), where sequences of different lengths are padded to T. Without it all have T.
        device: as for `--device`.
        runs: the folder of all runs.

    Returns:
        On the CPU: the probability of each class (N, classes), of each label (N, labels), or values (N, targets) in the
        units of the data; with an answer for each step (N, T, ...), and 0 in the padding. Of several outputs a dict with
        each by its name.

    Raises:
        DlcliError: the run is not there, or the inputs don't fit it.
    """
    chosen = choose_device(device)
    folder = open_run(run, runs).folder
    experiment = recorded_experiment(folder)
    network = restored(experiment, find_checkpoint(folder, "best")).to(chosen).eval()
    given = {str(name): _tensor(array) for name, array in inputs.items()} if isinstance(inputs, Mapping) else _tensor(inputs)
    return infer(network, experiment, given, None if lengths is None else _tensor(lengths), chosen)


def _tensor(inputs: Any) -> Tensor:
    try:
        return torch.as_tensor(np.require(inputs, requirements="W") if isinstance(inputs, np.ndarray) else inputs)
    except (TypeError, ValueError, RuntimeError) as error:
        help = "give numbers: an array or a tensor with the samples along its first axis"
        if isinstance(inputs, str | Path):
            help = f"files are read by the command: dlcli predict RUN {inputs}"
        raise DataError(f"{type(inputs).__name__} can't be read as samples: {error}", help=help) from error


def find_checkpoint(folder: RunFolder, which: str) -> Checkpoint:
    """A checkpoint of a run, verified. The run may go on meanwhile, and then need it no more: it is looked for anew.

    Args:
        folder: the run's.
        which: best, last or the number of a step.

    Raises:
        UsageError: there is none of that number.
        CheckpointError: it does not verify, or the run has none.
    """
    while True:
        path = _path_of(folder, which)
        try:
            return load_checkpoint(path)
        except CheckpointError as error:
            if path.exists():
                error.help = error.help or _another(folder)
                raise


def _another(folder: RunFolder) -> str:
    """What to do where a checkpoint is damaged: the newest that verifies may do in its place."""
    for step in sorted({step_of(path) for path in list_checkpoints(folder.checkpoints)}, reverse=True):
        path = checkpoint_of_step(folder.checkpoints, step)
        with suppress(DlcliError):
            if path is not None and load_checkpoint(path):
                return f"take another one: --checkpoint {step}"
    return RESTORE


def _path_of(folder: RunFolder, which: str) -> Path:
    paths = list_checkpoints(folder.checkpoints)
    if not paths:
        raise CheckpointError(f"{folder.path} has no checkpoint", help="train it: dlcli train --resume " + str(folder.path))
    if which == "last":
        return paths[-1]
    if which == "best":
        best = best_checkpoint(folder.checkpoints, _ignore)
        if best is None:
            raise CheckpointError(f"{folder.path} has no best checkpoint yet", help="take the last one: --checkpoint last")
        return best
    path = checkpoint_of_step(folder.checkpoints, int(which)) if which.isdecimal() and len(which) < 12 else None
    if path is None:
        help = "best, last, or one of these steps: " + ", ".join(map(str, sorted({step_of(path) for path in paths})))
        raise UsageError(f"{folder.path} has no checkpoint `{which}`", help=help)
    return path


def restored(experiment: Experiment, checkpoint: Checkpoint) -> nn.Module:
    """The network of an experiment with the weights of a checkpoint, those that are judged."""
    network = build_network(experiment.graph, experiment.model.init)
    load_weights(network, checkpoint, checkpoint.weights)
    return network


def _ignore(text: str) -> None:
    """For notices that matter to a training alone."""
