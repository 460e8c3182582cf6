"""One peer trains one network in a process of its own: what peers.py runs, in the Python where that peer is installed.

    python benchmarks/peer_loops.py PEER WORK FILE.npz --batch-size 64 --epochs 2

It can't import dlcli. FILE has `x_train`, `y_train` and, for sequences of different lengths, `lengths_train`. Each peer goes by
its defaults, but draws no progress bar. The last line printed has the samples a second of the last epoch and the versions of
what was used, as JSON; starting and reading don't count.

- naive: opens and transforms pictures one by one, collates them in a DataLoader, steps with Adam: the loop of many tutorials
- bare: normalised tensors in memory, batches by index, fused Adam: what is left when everything around a training is gone
- keras-tensorflow, keras-torch: `fit` on NumPy arrays in memory
- lightning: a Trainer, with its logger and checkpoints, on a DataLoader over tensors in memory
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

RESIDUALS: Final = [(16, 1), (16, 1), (32, 2), (64, 2)]
"""Channels and stride of each block of `resnet`."""


@dataclass(frozen=True)
class Task:
    """What is trained, and on what.

    Attributes:
        work: its name in peers.py.
        pictures: where there are any, as bytes, (samples, height, width, channels).
        inputs: pictures (samples, height, width, channels), series (samples, time, features) or tokens (samples, time).
        targets: a class for each sample, or for each of its steps.
        lengths: how many steps of each sample count, where not all do.
    """

    work: str
    pictures: NDArray[np.uint8]
    inputs: NDArray[Any]
    targets: NDArray[np.int64]
    lengths: NDArray[np.int64] | None
    batch_size: int
    epochs: int

    @property
    def classes(self) -> int:
        return int(self.targets.max()) + 1

    @property
    def hidden_size(self) -> int:
        return 64 if self.work == "ragged" else 128


def read_task(options: argparse.Namespace) -> Task:
    """Reads the samples; pictures are brought to mean 0 and deviation 1, and are rows for a recurrent network."""
    with np.load(options.file) as arrays:
        pictures, targets, lengths = arrays["x_train"], arrays["y_train"], arrays.get("lengths_train")
    inputs = pictures
    if pictures.dtype == np.uint8:
        inputs = ((pictures - pictures.mean()) / pictures.std()).astype(np.float32)
        inputs = inputs[..., 0] if options.work in ("lstm", "gru", "rnn") else inputs
    return Task(options.work, pictures, inputs, targets.astype(np.int64), lengths, options.batch_size, options.epochs)


def recurrent_network(task: Task) -> torch.nn.Module:
    """In plain torch."""
    from torch import Tensor, nn
    from torch.nn.utils.rnn import pack_padded_sequence

    kinds: dict[str, Callable[..., nn.Module]] = {"gru": nn.GRU, "rnn": nn.RNN}
    reads_text = task.work == "char_lm"

    class Recurrent(nn.Module):
        """Steps, padded or not, to the scores of the last one, or of each in a language model."""

        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(int(task.inputs.max()) + 1, 64) if reads_text else nn.Identity()
            sizes = (64, task.hidden_size, 2) if reads_text else (task.inputs.shape[-1], task.hidden_size, 1)
            self.recurrent = kinds.get(task.work, nn.LSTM)(*sizes, batch_first=True)
            self.linear = nn.Linear(task.hidden_size, task.classes)

        def forward(self, steps: Tensor, lengths: Tensor | None = None) -> Any:
            read: Any = self.embedding(steps)
            if lengths is not None:
                read = pack_padded_sequence(read, lengths, batch_first=True, enforce_sorted=False)
            outputs, state = self.recurrent(read)
            return self.linear(outputs if reads_text else (state[0] if isinstance(state, tuple) else state)[-1])

    return Recurrent()


def residual_network(task: Task) -> torch.nn.Module:
    """In plain torch."""
    from torch import Tensor, nn

    class Residual(nn.Module):
        """Two convolutions, to which what they read is added through a third."""

        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            first = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
            second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.body = nn.Sequential(first, nn.BatchNorm2d(outputs), nn.ReLU(), second, nn.BatchNorm2d(outputs))
            self.skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

        def forward(self, images: Tensor) -> Tensor:
            return nn.functional.relu(self.body(images) + self.skip(images))

    channels = [task.inputs.shape[-1], *(outputs for outputs, _ in RESIDUALS)]
    blocks = [Residual(inputs, *residual) for inputs, residual in zip(channels, RESIDUALS, strict=False)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], task.classes))


def torch_network(task: Task) -> torch.nn.Module:
    """In plain torch, with weights of seed 0."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    if task.inputs.ndim < 4:
        return recurrent_network(task)
    if task.work == "resnet":
        return residual_network(task)
    convolution = (nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(*convolution, nn.Linear(5408, 64), nn.ReLU(), nn.Linear(64, task.classes))


def torch_tensors(task: Task) -> list[torch.Tensor]:
    """Inputs (of pictures the channels first), lengths where there are any, and targets."""
    import torch

    inputs = np.ascontiguousarray(np.moveaxis(task.inputs, -1, 1)) if task.inputs.ndim == 4 else task.inputs
    return [torch.from_numpy(array) for array in (inputs, task.lengths, task.targets) if array is not None]


def torch_loss(network: torch.nn.Module, batch: Iterable[torch.Tensor]) -> torch.Tensor:
    """Mean cross-entropy of a batch."""
    from torch.nn.functional import cross_entropy

    *inputs, targets = batch
    return cross_entropy(network(*inputs).flatten(0, -2), targets.flatten())


def torch_loop(task: Task, batches: Callable[[], Iterable[Iterable[torch.Tensor]]], fused: bool | None = None) -> float:
    """Seconds of the last epoch of a loop written by hand."""
    import torch

    network = torch_network(task)
    optimizer = torch.optim.Adam(network.parameters(), fused=fused)
    start = 0.0
    for _ in range(task.epochs):
        start = time.perf_counter()
        for batch in batches():
            optimizer.zero_grad()
            torch_loss(network, batch).backward()
            optimizer.step()
    return time.perf_counter() - start


def bare(task: Task) -> float:
    """Seconds of the last epoch."""
    import torch

    tensors = torch_tensors(task)

    def batches() -> Iterable[list[torch.Tensor]]:
        for chosen in torch.randperm(len(tensors[0])).split(task.batch_size):
            yield [tensor[chosen] for tensor in tensors]

    return torch_loop(task, batches, fused=True)


def naive(task: Task) -> float:
    """Seconds of the last epoch."""
    from PIL import Image
    from torch import Tensor
    from torch.utils.data import DataLoader, Dataset
    from torchvision import transforms  # type: ignore[import-untyped]

    mean, deviation = task.pictures.mean() / 255, task.pictures.std() / 255
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((mean,), (deviation,))])

    class Pictures(Dataset[tuple[Tensor, int]]):
        """Opens and transforms a picture whenever it is asked for."""

        def __len__(self) -> int:
            return len(task.pictures)

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            picture = transform(Image.fromarray(task.pictures[index].squeeze()))
            return picture.reshape(task.inputs.shape[1:]) if task.inputs.ndim == 3 else picture, int(task.targets[index])

    loader = DataLoader(Pictures(), batch_size=task.batch_size, shuffle=True)
    return torch_loop(task, lambda: loader)


def lightning(task: Task) -> float:
    """Seconds of the last epoch."""
    import lightning  # type: ignore[import-not-found]
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    class Module(lightning.LightningModule):  # type: ignore[misc]
        """The network, its loss and its optimiser."""

        def __init__(self) -> None:
            super().__init__()
            self.network = torch_network(task)

        def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
            loss = torch_loss(self.network, batch)
            self.log("train_loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

        def on_train_epoch_start(self) -> None:
            self.start = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            self.seconds = time.perf_counter() - self.start

    module, dataset = Module(), TensorDataset(*torch_tensors(task))
    trainer = lightning.Trainer(max_epochs=task.epochs, accelerator="cpu", enable_progress_bar=False)
    trainer.fit(module, DataLoader(dataset, batch_size=task.batch_size, shuffle=True))
    return module.seconds


def keras_network(keras: Any, task: Task) -> Any:
    """In Keras, where sequences of different lengths are masked."""
    layers = keras.layers
    inputs = last = keras.Input(task.inputs.shape[1:])
    if task.work == "resnet":
        for channels, stride in RESIDUALS:
            read, three = last, {"kernel_size": 3, "padding": "same", "use_bias": False}
            last = layers.BatchNormalization()(layers.Conv2D(channels, strides=stride, **three)(read))
            last = layers.BatchNormalization()(layers.Conv2D(channels, **three)(layers.ReLU()(last)))
            skip = layers.Conv2D(channels, 1, strides=stride, use_bias=False)(read)
            last = layers.ReLU()(layers.Add()([last, skip]))
        last = layers.GlobalAveragePooling2D()(last)
    elif task.inputs.ndim == 4:
        last = layers.Flatten()(layers.MaxPooling2D(2)(layers.Conv2D(32, 3, activation="relu")(last)))
        last = layers.Dense(64, activation="relu")(last)
    elif task.work == "char_lm":
        last = layers.Embedding(int(task.inputs.max()) + 1, 64)(last)
        for _ in range(2):
            last = layers.LSTM(task.hidden_size, return_sequences=True)(last)
    else:
        last = last if task.lengths is None else layers.Masking(0.0)(last)
        last = {"gru": layers.GRU, "rnn": layers.SimpleRNN}.get(task.work, layers.LSTM)(task.hidden_size)(last)
    return keras.Model(inputs, layers.Dense(task.classes)(last))


def keras(task: Task, backend: str) -> float:
    """Seconds of the last epoch."""
    os.environ["KERAS_BACKEND"] = backend
    import keras  # type: ignore[import-not-found]

    keras.utils.set_random_seed(0)
    network = keras_network(keras, task)
    network.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    times: list[float] = []

    def note_time(*_: Any) -> None:
        times.append(time.perf_counter())

    clock = keras.callbacks.LambdaCallback(on_epoch_begin=note_time, on_epoch_end=note_time)
    network.fit(task.inputs, task.targets, batch_size=task.batch_size, epochs=task.epochs, verbose=0, callbacks=[clock])
    return times[-1] - times[-2]


PEERS: Final[dict[str, Callable[[Task], float]]] = {
    "naive": naive,
    "bare": bare,
    "keras-tensorflow": functools.partial(keras, backend="tensorflow"),
    "keras-torch": functools.partial(keras, backend="torch"),
    "lightning": lightning,
}


def main() -> None:
    """Trains, and prints how fast that was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("work")
    parser.add_argument("file")
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    task = read_task(options)
    rate = len(task.inputs) / PEERS[options.peer](task)
    used = [name for name in ("keras", "lightning", "tensorflow", "torch") if name in sys.modules]
    print(json.dumps({"samples_per_second": rate, "versions": {name: sys.modules[name].__version__ for name in used}}))


if __name__ == "__main__":
    main()
