"""A trained network put to use: loaded, judged, asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.app.configs import Config, read_experiment
from dlcli.app.experiments import open_experiment, recorded_data_dir
from dlcli.app.runs import Run, open_run, recorded_experiment
from dlcli.config.experiment import Experiment
from dlcli.config.losses import LossSpec
from dlcli.config.objectives import Loss
from dlcli.data.dataset import Tensors
from dlcli.data.named import each, first
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import CheckpointError, DataError, UsageError
from dlcli.models.network import build_network
from dlcli.plugins import plugin_errors
from dlcli.runtime.device import choose_device
from dlcli.runtime.memory import keep_freed_memory, memory_errors
from dlcli.runtime.seed import seeded
from dlcli.training.checkpoint import Checkpoint, best_checkpoint, checkpoint_of_step, list_checkpoints, load_checkpoint
from dlcli.training.evaluation import evaluate as judge
from dlcli.training.evaluation import evaluation_batch_size, evaluation_batches
from dlcli.training.objectives import build_objective
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import load_weights


@dataclass(frozen=True)
class Judgement:
    """What `dlcli eval` found.

    Attributes:
        run: the run's folder.
        checkpoint: the name of the checkpoint that was judged.
        split: train, valid or test.
        metrics: loss and metrics by name.
        samples: how many samples the split has.
    """

    run: Path
    checkpoint: str
    split: str
    metrics: dict[str, float]
    samples: int

    def as_json(self) -> dict[str, Any]:
        """What `eval --json` prints."""
        return {**self.__dict__, "run": str(self.run)}


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
    return _network(recorded_experiment(folder), found).to(choose_device(device)).eval()


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
        network = _network(experiment, found).to(chosen)
        preprocessing = Preprocessing(dataset.spec, dataset.facts, seed=experiment.train.seed).to(chosen)
        batches = evaluation_batches(dataset.to(chosen), split, preprocessing, experiment.train)
        train, scales = experiment.train, dataset.spec.normalize_targets
        objective = build_objective(train, dataset.facts, experiment.graph.outputs, chosen, scales)
        with seeded(experiment.train.seed, deterministic=experiment.train.deterministic):
            metrics = judge(network, batches, objective)
    return Judgement(folder.path, found.path.name, split, metrics, batches.num_samples)


def predict(run: Run | str | Path | None, inputs: Any, *, device: str = "auto", runs: Path = Path("runs")) -> Tensors:
    """What a run's network says of new samples.

    Args:
        run: as for `load`.
        inputs: an array or tensor as the data source holds them: pictures (N, H, W) or (N, H, W, C) of 8-bit values,
            series (N, T, features), vectors (N, features); of several inputs a dict with each by its name.
        device: as for `--device`.
        runs: the folder of all runs.

    Returns:
        On the CPU: the probability of each class (N, classes), of each label (N, labels), or values (N, targets); with an
        answer for each step (N, T, ...). Of several outputs a dict with each by its name.

    Raises:
        DlcliError: the run is not there, or the inputs don't fit it.
    """
    chosen = choose_device(device)
    folder = open_run(run, runs).folder
    experiment = recorded_experiment(folder)
    network = _network(experiment, find_checkpoint(folder, "best")).to(chosen).eval()
    preprocessing = Preprocessing(experiment.data, experiment.facts, seed=experiment.train.seed).to(chosen)
    given = {str(name): _tensor(array) for name, array in inputs.items()} if isinstance(inputs, Mapping) else _tensor(inputs)
    samples = each(preprocessing.checked(given), lambda tensor: tensor.to(chosen))
    size = evaluation_batch_size(experiment.train)
    with torch.inference_mode(), plugin_errors(), memory_errors():
        parts = [network(preprocessing(part)) for part in _split(samples, size)]
        return _answers(_joined(parts), experiment.train.loss)


def _split(samples: Tensors, size: int) -> Iterator[Tensors]:
    """Batches; one that is empty where there are no samples."""
    for start in range(0, max(len(first(samples)), 1), size):
        yield each(samples, itemgetter(slice(start, start + size)))


def _joined(parts: list[Tensors]) -> Tensors:
    if isinstance(parts[0], Tensor):
        return torch.cat([part for part in parts if isinstance(part, Tensor)])
    return {name: torch.cat([part[name] for part in parts if isinstance(part, dict)]) for name in parts[0]}


def _answers(outputs: Tensors, loss: Loss) -> Tensors:
    """Probabilities where the loss is that of a classification, else the values themselves; on the CPU."""
    if isinstance(outputs, dict):
        assert isinstance(loss, dict)
        return {name: _answer(output, loss[name].loss) for name, output in outputs.items()}
    assert isinstance(loss, LossSpec)
    return _answer(outputs, loss)


def _answer(output: Tensor, loss: LossSpec) -> Tensor:
    if loss.judges == "classes":
        return output.softmax(dim=-1).cpu()
    return (output.sigmoid() if loss.judges == "labels" else output).cpu()


def _tensor(inputs: Any) -> Tensor:
    try:
        return torch.as_tensor(inputs)
    except (TypeError, ValueError, RuntimeError) as error:
        help = "give numbers: an array or a tensor with the samples along its first axis"
        raise DataError(f"{type(inputs).__name__} can't be read as samples: {error}", help=help) from error


def find_checkpoint(folder: RunFolder, which: str) -> Checkpoint:
    """A checkpoint of a run, verified.

    Args:
        folder: the run's.
        which: best, last or the number of a step.

    Raises:
        UsageError: there is none of that number.
        CheckpointError: it does not verify, or the run has none.
    """
    paths = list_checkpoints(folder.checkpoints)
    if not paths:
        raise CheckpointError(f"{folder.path} has no checkpoint", help="train it: dlcli train --resume " + str(folder.path))
    if which == "last":
        return load_checkpoint(paths[-1])
    if which == "best":
        best = best_checkpoint(folder.checkpoints, _ignore)
        if best is None:
            raise CheckpointError(f"{folder.path} has no best checkpoint yet", help="judge the last one: --checkpoint last")
        return load_checkpoint(best)
    path = checkpoint_of_step(folder.checkpoints, int(which)) if which.isdecimal() and len(which) < 12 else None
    if path is None:
        help = "best, last, or the step of one of these: " + ", ".join(path.name for path in paths)
        raise UsageError(f"{folder.path} has no checkpoint `{which}`", help=help)
    return load_checkpoint(path)


def _network(experiment: Experiment, checkpoint: Checkpoint) -> nn.Module:
    network = build_network(experiment.graph, experiment.model.init)
    load_weights(network, checkpoint, checkpoint.weights)
    return network


def _ignore(text: str) -> None:
    """For notices that matter to a training alone."""
