"""The fast ways through a network change no training: the loss stays what it is in plain torch, step by step."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.config.shapes import Image, Sequence, Shape, Vector
from dlcli.models.network import Network
from tests.unit.models.compiled import WAYS, take
from tests.unit.models.graphs import read_layers

CLASSES = 4
STEPS = 200
BATCH = 16
ROUNDING = 1e-5


class LastOutput(nn.Module):
    """Of one of torch's recurrent layers."""

    def __init__(self, layer: nn.RNNBase) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, sequence: Tensor) -> Tensor:
        outputs: Tensor = self.layer(sequence)[0]
        return outputs[:, -1]


Case = tuple[str, Shape, Callable[[], nn.Module]]
CASES: dict[str, Case] = {
    "cnn": (
        "[conv2d: {out_channels: 32, kernel_size: 3}, relu, max_pool2d: 2, flatten, linear: 32, relu, linear: 4]",
        Image(1, 12, 12),
        lambda: nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(800, 32), nn.ReLU(), nn.Linear(32, 4)
        ),
    ),
    "two convolutions": (
        "[conv2d: {out_channels: 16, kernel_size: 3, padding: 1}, max_pool2d: 2, relu, "
        "conv2d: {out_channels: 16, kernel_size: 3}, relu, max_pool2d: 2, flatten, linear: 4]",
        Image(1, 12, 12),
        lambda: nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Conv2d(16, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 4)),
        ),
    ),
    "gru": (
        "[gru: {hidden_size: 32, return: last}, linear: 4]",
        Sequence(12, Vector(12)),
        lambda: nn.Sequential(LastOutput(nn.GRU(12, 32, batch_first=True)), nn.Linear(32, 4)),
    ),
    "lstm": (
        "[lstm: {hidden_size: 32, return: last}, linear: 4]",
        Sequence(12, Vector(12)),
        lambda: nn.Sequential(LastOutput(nn.LSTM(12, 32, batch_first=True)), nn.Linear(32, 4)),
    ),
    "rnn": (
        "[rnn: {hidden_size: 32, return: last}, linear: 4]",
        Sequence(12, Vector(12)),
        lambda: nn.Sequential(LastOutput(nn.RNN(12, 32, batch_first=True)), nn.Linear(32, 4)),
    ),
}


def _losses(network: nn.Module, samples: Tensor, labels: Tensor) -> Tensor:
    """Of each step of SGD with momentum."""
    optimiser, losses = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9), []
    for step in range(STEPS):
        rows = slice(step % 8 * BATCH, (step % 8 + 1) * BATCH)
        loss = F.cross_entropy(network(samples[rows]), labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def _made_up(shape: Shape) -> tuple[Tensor, Tensor]:
    """Noise with a stripe whose place is the class, and the classes."""
    torch.manual_seed(0)
    labels = torch.randint(CLASSES, (8 * BATCH,))
    samples = 1.5 * torch.randn(8 * BATCH, *shape.sizes)
    for sample, label in zip(samples, labels.tolist(), strict=True):
        sample[..., 3 * label : 3 * label + 3] += 1
    return samples, labels


@cache
def _plain(case: str) -> tuple[dict[str, Tensor], Tensor]:
    """Weights to start from, and the losses of plain torch, which learns the classes."""
    _, shape, build = CASES[case]
    data, network = _made_up(shape), build()
    start = copy.deepcopy(network.state_dict())
    losses = _losses(network, *data)
    assert losses[:8].mean() > 0.8
    assert losses[-8:].mean() < 0.1
    return start, losses


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_the_loss_is_that_of_plain_torch_at_every_step(case: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same weights, with each level's kernels and with none."""
    take(way, monkeypatch)
    layers, shape, _ = CASES[case]
    (start, expected), network = _plain(case), Network(read_layers(layers, shape))
    network.load_state_dict(dict(zip(network.state_dict(), start.values(), strict=True)))
    torch.testing.assert_close(_losses(network, *_made_up(shape)), expected, rtol=0, atol=ROUNDING)
