"""What the trainer costs beside a bare loop that runs the same network with the same kernels, per step.

    python benchmarks/trainer_cost.py --data-dir DIR --pairs 7

Both train the network of `configs/cnn.yaml` on MNIST in batches of 64, in one process, in turn: the bare loop takes normalised
pictures out of memory and calls network, loss and torch's fused Adam; dlcli's does what `dlcli train` does in an epoch, with
its observers looking on.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from dlcli.app.experiments import open_experiment
from dlcli.app.train import build_trainer
from dlcli.cli.progress_display import PlainDisplay
from dlcli.models.kernels import flushed_denormals
from dlcli.runtime.memory import keep_freed_memory
from dlcli.training.observers import Observers, TextLog
from dlcli.training.trainer import Trainer

CONFIG = Path(__file__).parents[1] / "configs" / "cnn.yaml"
STEPS = 100


def bare_seconds(trainer: Trainer, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer) -> float:
    """Of a step of the bare loop."""
    batches = torch.randperm(len(images)).split(64)[:STEPS]
    began = time.perf_counter()
    for batch in batches:
        optimizer.zero_grad(set_to_none=True)
        cross_entropy(trainer.network(images[batch]), labels[batch]).backward()
        optimizer.step()
    return (time.perf_counter() - began) / STEPS


def trainer_seconds(trainer: Trainer, observers: Observers) -> float:
    """Of a step of the trainer, data and observers included."""
    trainer.progress.step_in_epoch = 0
    groups = trainer.groups()
    began = time.perf_counter()
    for group in islice(groups, STEPS):
        observers.stepped(trainer.progress, trainer.step(group))
    return (time.perf_counter() - began) / STEPS


def main() -> None:
    """Prints a line for each pair and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    keep_freed_memory()
    experiment, dataset = open_experiment(CONFIG, ("train.batch_size=64",), arguments.data_dir, print, downloads=False)
    trainer = build_trainer(experiment, dataset, torch.device("cpu"))
    assert isinstance(dataset.train.inputs, Tensor)
    assert isinstance(dataset.train.targets, Tensor)
    images = ((dataset.train.inputs.permute(0, 3, 1, 2).float() / 255 - 0.1307) / 0.3081).contiguous()
    optimizer = torch.optim.Adam(trainer.network.parameters(), fused=True)
    costs, shares = [], []
    with tempfile.TemporaryDirectory() as folder, flushed_denormals():
        observers = Observers([TextLog(Path(folder) / "train.log"), PlainDisplay()])
        trainer_seconds(trainer, observers)
        for pair in range(1, arguments.pairs + 1):
            bare = bare_seconds(trainer, images, dataset.train.targets, optimizer)
            ours = trainer_seconds(trainer, observers)
            costs.append(1e6 * (ours - bare))
            shares.append(ours / bare - 1)
            print(
                f"pair {pair}: bare {1e6 * bare:,.0f} us a step, dlcli {1e6 * ours:,.0f} us, more: {costs[-1]:+,.0f} us",
                flush=True,
            )
    spread = f"from {min(costs):+.0f} to {max(costs):+.0f}"
    print(
        f"the trainer costs {statistics.median(costs):+.0f} us a step in the median ({spread}), {statistics.median(shares):+.1%}"
    )


if __name__ == "__main__":
    main()
