"""Small trainings: data, networks and trainers that fit each other, and observers that remember."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.config import augmentation
from dlcli.config.data import Arrays, DataSpec, Digits, Text
from dlcli.config.facts import DataFacts
from dlcli.config.metrics import Accuracy
from dlcli.config.normalisation import FixedNormalize, NoNormalize
from dlcli.config.optimizers import Sgd
from dlcli.config.shapes import Image, Sequence, Token, Vector
from dlcli.config.training import TrainSpec
from dlcli.data.dataset import Dataset, Split
from dlcli.data.preprocessing import Preprocessing
from dlcli.models.network import build_network
from dlcli.runtime.signals import StopRequest
from dlcli.training.checkpoint_folder import load_newest
from dlcli.training.loop import fit
from dlcli.training.progress import Progress
from dlcli.training.run_folder import RunFolder
from dlcli.training.trainer import Trainer
from tests.unit.models.graphs import read_layers

CPU = torch.device("cpu")

MakeTrainer = Callable[[], Trainer]


def vectors(train: int = 26, valid: int = 9, *, dtype: torch.dtype = torch.float32, targets: int | None = None) -> Dataset:
    """Random vectors (N, 4) of three classes or, with `targets`, with so many values to predict."""
    generator = torch.Generator().manual_seed(1)

    def split(count: int) -> Split:
        inputs = torch.randn(count, 4, generator=generator, dtype=torch.float64)
        classes = (inputs @ torch.randn(4, 3, generator=generator, dtype=torch.float64)).argmax(dim=1)
        values = inputs[:, : targets or 1] * 2 - 1
        return Split(inputs.to(dtype), classes if targets is None else values.to(dtype))

    facts = DataFacts.of(Vector(4), num_classes=3) if targets is None else DataFacts.of(Vector(4), num_targets=targets)
    spec = Arrays(path="nowhere.npz", normalize=NoNormalize())
    return _dataset(spec, facts, split(train), split(valid) if valid else None, split(7))


def pictures(train: int = 26, valid: int = 9) -> Dataset:
    """Random 8-bit pictures (N, 8, 8, 1) of three classes, shifted and erased at random for training."""
    generator = torch.Generator().manual_seed(2)

    def split(count: int) -> Split:
        inputs = torch.randint(0, 256, (count, 8, 8, 1), generator=generator, dtype=torch.uint8)
        return Split(inputs, inputs.flatten(1).long().sum(dim=1) % 3)

    spec = Digits(
        normalize=FixedNormalize(mean=(0.5,), std=(0.3,)),
        augment=(augmentation.Shift(), augmentation.Erase(p=0.5)),
    )
    facts = DataFacts.of(Image(1, 8, 8), num_classes=3)
    return _dataset(spec, facts, split(train), split(valid) if valid else None, split(7))


def text(train: int = 14, valid: int = 5) -> Dataset:
    """A random text of five letters in windows (N, 6); the answer at each step is the letter after it."""
    generator = torch.Generator().manual_seed(6)

    def split(count: int) -> Split:
        letters = torch.randint(0, 5, (count * 6 + 1,), generator=generator)
        return Split(letters[:-1].reshape(count, 6), letters[1:].reshape(count, 6))

    facts = DataFacts.of(Sequence(6, Token(5)), num_classes=5, per_step=True)
    return _dataset(Text(path="nowhere.txt"), facts, split(train), split(valid) if valid else None, split(3))


def _dataset(spec: DataSpec, facts: DataFacts, train: Split, valid: Split | None, test: Split) -> Dataset:
    return Dataset(spec, spec.kind, spec.kind, None, facts, train, valid, test, None, "a test")


def linear_network(seed: int = 0, *, dtype: torch.dtype = torch.float32, outputs: int = 3) -> nn.Module:
    """(batch, 4) -> (batch, outputs) by two layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 5, dtype=dtype), nn.Tanh(), nn.Linear(5, outputs, dtype=dtype))


def picture_network(seed: int = 0) -> nn.Module:
    """(batch, 1, 8, 8) -> (batch, 3), with dropout and batch normalisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(4 * 36, 3)
        )


def text_network(seed: int = 0) -> nn.Module:
    """(batch, time) -> (batch, time, 5), with an LSTM of two layers and a GRU."""
    layers = "[embedding: 4, lstm: {hidden_size: 4, num_layers: 2, dropout: 0.2}, gru: 3, linear: 5]"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(read_layers(layers, Sequence(6, Token(5))), None)


def make_trainer(
    spec: TrainSpec, dataset: Dataset | None = None, network: nn.Module | None = None, outputs: tuple[str, ...] = ("output",)
) -> Trainer:
    """A trainer on the CPU, by default of the linear network on vectors."""
    dataset = dataset or vectors()
    preprocessing = Preprocessing(dataset.spec, dataset.facts, seed=spec.seed)
    return Trainer(network or linear_network(), dataset, preprocessing, spec, CPU, outputs=outputs)


def train_spec(**fields: Any) -> TrainSpec:
    """A `train` section: small batches and plain SGD unless said otherwise."""
    defaults: dict[str, Any] = {"epochs": 3, "batch_size": 8, "optimizer": Sgd(lr=0.1), "metrics": (Accuracy(),)}
    return TrainSpec(**{**defaults, **fields})


class Watcher:
    """An observer that remembers what it saw, and can ask for the end after some steps.

    Attributes:
        losses: of each step.
        records: of each epoch.
        best: whether each epoch was the best so far.
        starts: the step at which the loop began, and what it said of its length and of what it monitors.
        stop: goes to the loop with the observer.
    """

    def __init__(self, stop_after: Iterable[int] = ()) -> None:
        self.losses: list[float] = []
        self.records: list[dict[str, Any]] = []
        self.best: list[bool] = []
        self.starts: list[dict[str, Any]] = []
        self.stop = StopRequest()
        self._stop_after = set(stop_after)

    def started(self, progress: Progress, **sizes: Any) -> None:
        self.starts.append({"step": progress.step, **sizes})

    def stepped(self, progress: Progress, loss: Tensor) -> None:
        self.losses.append(float(loss))
        if progress.step in self._stop_after:
            self.stop.signal = signal.SIGTERM

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:
        self.records.append(record)
        self.best.append(is_best)

    def notice(self, text: str) -> None:
        raise AssertionError(text)


def run_folder(path: Path) -> RunFolder:
    """An empty run folder."""
    (path / "checkpoints").mkdir(parents=True, exist_ok=True)
    return RunFolder(path)


def fitted(trainer: Trainer, path: Path, stop_after: Iterable[int] = ()) -> Watcher:
    """Trains from where the trainer stands, and gives what was seen."""
    watcher = Watcher(stop_after)
    fit(trainer, run_folder(path), watcher, watcher.stop)
    return watcher


def resumed(make: MakeTrainer, path: Path, stop_after: Iterable[int] = ()) -> Trainer:
    """A new trainer that goes on from the newest checkpoint of a folder, or from the start where there is none."""
    trainer, notices = make(), list[str]()
    checkpoint = load_newest(path / "checkpoints", notices.append)
    if checkpoint is not None:
        trainer.restore(checkpoint)
    fitted(trainer, path, stop_after)
    return trainer


def without_times(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The log of metrics but for what a clock says."""
    return [{key: value for key, value in event.items() if "second" not in key} for event in events]
