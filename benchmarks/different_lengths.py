"""How fast sequences of different lengths are trained on, beside sequences of one length and beside torch's packed ones.

Three trainings of an LSTM over as many real steps take turns in one process, and the script prints the real steps a second
of each and the median of their ratios:

- dlcli on lengths drawn log-uniformly from 8 to 256, in batches by length;
- dlcli on sequences of one length, the mean of those: nothing is padding;
- a loop in plain torch on the first data, shuffled, with `pack_padded_sequence`.

    python benchmarks/different_lengths.py --rounds 5 --threads 2
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence

from dlcli.config import compose, experiment
from dlcli.config.data import Arrays
from dlcli.config.facts import DataFacts
from dlcli.config.normalisation import NoNormalize
from dlcli.config.shapes import Sequence, Size, Time, Vector
from dlcli.data.dataset import Dataset, Split
from dlcli.data.preprocessing import Preprocessing
from dlcli.models.network import build_network
from dlcli.training.trainer import Trainer

SHORTEST, LONGEST = 8, 256
FEATURES, HIDDEN, CLASSES, BATCH_SIZE = 16, 128, 10, 64
CPU = torch.device("cpu")


def log_uniform_lengths(count: int) -> torch.Tensor:
    """Lengths from SHORTEST to LONGEST whose logarithms are uniform, (count,)."""
    ratio = torch.tensor(LONGEST / SHORTEST)
    return (SHORTEST * ratio ** torch.rand(count)).round().long()


def trainer(inputs: torch.Tensor, targets: torch.Tensor, lengths: torch.Tensor) -> Trainer:
    """dlcli's, on series (samples, time, FEATURES) of these lengths and their classes."""
    fixed = bool((lengths == lengths[0]).all())
    time_: Size = int(lengths[0]) if fixed else Time()
    facts = DataFacts.of(Sequence(time_, Vector(FEATURES)), num_classes=CLASSES)
    layers = [{"lstm": {"hidden_size": HIDDEN, "return": "last"}}, {"linear": CLASSES}]
    train = {"batch_size": BATCH_SIZE, "optimizer": {"name": "adam", "lr": 1e-3}}
    config = {"data": {"name": "arrays", "path": "x.npz"}, "model": {"layers": layers}, "train": train}
    found = experiment.resolve(compose.load(config, ()), lambda _: facts)
    split = Split(inputs, targets, None if fixed else lengths)
    spec = Arrays(path="x.npz", normalize=NoNormalize())
    dataset = Dataset(spec, "arrays", "arrays", None, facts, split, None, split, None, "random numbers")
    network = build_network(found.graph, found.model.init)
    return Trainer(network, dataset, Preprocessing(spec, facts), found.train, CPU, outputs=found.graph.outputs)


def epoch_of(training: Trainer) -> Callable[[], None]:
    """Goes once over the samples."""

    def run() -> None:
        training.network.train()
        for group in training.groups():
            training.step(group)
        training.end_epoch(0.0, 0.0)

    return run


class Packed(nn.Module):
    """The same network in plain torch, on packed sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, HIDDEN, batch_first=True)
        self.linear = nn.Linear(HIDDEN, CLASSES)

    def forward(self, padded: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
        scores: torch.Tensor = self.linear(self.lstm(packed)[1][0][-1])
        return scores


def packed_epoch(inputs: torch.Tensor, targets: torch.Tensor, lengths: torch.Tensor) -> Callable[[], None]:
    """Goes once over the samples, as a script does that was written with torch's documentation at hand."""
    network = Packed()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)

    def run() -> None:
        for chosen in torch.randperm(len(inputs)).split(BATCH_SIZE):
            steps = lengths[chosen]
            optimizer.zero_grad(set_to_none=True)
            outputs = network(inputs[chosen, : int(steps.max())], steps)
            cross_entropy(outputs, targets[chosen]).backward()
            optimizer.step()

    return run


def main() -> None:
    """Takes turns and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=6400)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    lengths = log_uniform_lengths(options.samples)
    mean = int(lengths.float().mean().round())
    inputs, targets = torch.randn(len(lengths), LONGEST, FEATURES), torch.randint(CLASSES, (len(lengths),))
    different = trainer(inputs, targets, lengths)
    equal = trainer(inputs[:, :mean].contiguous(), targets, torch.full_like(lengths, mean))
    works = {
        "dlcli, lengths 8 to 256": (epoch_of(different), int(lengths.sum())),
        "dlcli, one length": (epoch_of(equal), len(lengths) * mean),
        "torch, packed": (packed_epoch(inputs, targets, lengths), int(lengths.sum())),
    }
    for run, _ in works.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(options.rounds):
        for name, (run, steps) in works.items():
            start = time.perf_counter()
            run()
            rates[name].append(steps / (time.perf_counter() - start))
    first, *others = works
    print(f"padding {different.batches.padding(0):.1%}, {options.threads} threads, {options.rounds} rounds")
    for name, found in rates.items():
        print(f"{name:<26} {statistics.median(found):>10,.0f} real steps a second")
    for other in others:
        ratios = [own / beside for own, beside in zip(rates[first], rates[other], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{first} / {other}: {statistics.median(ratios):.2f} ({spread})")


if __name__ == "__main__":
    main()
