"""The networks of `configs/zoo`, written out in plain torch as their papers describe them, for those that torchvision doesn't have."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def lenet5() -> nn.Module:
    """LeCun et al., 1998, figure 2, on 28x28 pictures padded to 32x32, with plain averages and a linear output."""
    return nn.Sequential(
        nn.ZeroPad2d(2),
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
    )


def _double(inputs: int, outputs: int) -> nn.Module:
    first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


class UNet(nn.Module):
    """Ronneberger et al., 2015, figure 1, with padded convolutions."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        widths = [channels * 2**level for level in range(5)]
        self.down = nn.ModuleList(_double(*sizes) for sizes in pairwise([1, *widths]))
        self.up = nn.ModuleList()
        for narrow, wide in reversed(list(pairwise(widths))):
            self.up.append(nn.ConvTranspose2d(wide, narrow, 2, stride=2))
            self.up.append(_double(wide, narrow))
        self.last = nn.Conv2d(channels, classes, 1)

    def maps(self, x: Tensor) -> Tensor:
        """(batch, 1, H, W) -> (batch, classes, H, W)."""
        passed = []
        for double in self.down:
            x = double(nn.functional.max_pool2d(x, 2) if passed else x)
            passed.append(x)
        passed.pop()
        for raise_, double in zip(self.up[::2], self.up[1::2], strict=True):
            x = double(torch.cat([passed.pop(), raise_(x)], dim=1))
        return self.last(x)

    def forward(self, x: Tensor) -> Tensor:
        """The mean of each map."""
        return self.maps(x).mean((2, 3))


class Tagger(nn.Module):
    """A linear layer on the outputs of a bidirectional LSTM of two layers, at every step."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(1000, 100)
        self.lstm = nn.LSTM(100, 100, num_layers=2, bidirectional=True, dropout=0.3, batch_first=True)
        self.tags = nn.Linear(200, 17)

    def forward(self, words: Tensor) -> Tensor:
        """(batch, time) -> (batch, time, tags)."""
        return self.tags(self.lstm(self.words(words))[0])


class CnnLstm(nn.Module):
    """Donahue et al., 2014, figure 3: a CNN on each picture, an LSTM over them, and an answer at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.lstm = nn.LSTM(32, 64)
        self.last = nn.Linear(64, 5)

    def forward(self, clips: Tensor) -> Tensor:
        """(batch, time, 3, H, W) -> (batch, 5), one picture at a time."""
        seen = torch.stack([self.see(pictures) for pictures in clips.unbind(1)])
        return self.last(self.lstm(seen)[0][-1])

    def see(self, pictures: Tensor) -> Tensor:
        """(batch, 3, H, W) -> (batch, 32)."""
        half = nn.functional.max_pool2d(self.first(pictures).relu(), 2)
        return self.second(half).relu().mean((2, 3))


class TwoInputs(nn.Module):
    """A CNN on a picture and a GRU on its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.filters, self.dense = nn.Conv2d(1, 16, 3), nn.Linear(16 * 13 * 13, 64)
        self.gru = nn.GRU(28, 64, batch_first=True)
        self.last = nn.Linear(128, 10)

    def forward(self, image: Tensor, rows: Tensor) -> Tensor:
        """(batch, 1, 28, 28) and (batch, 28, 28) -> (batch, 10)."""
        pooled = nn.functional.max_pool2d(self.filters(image).relu(), 2)
        seen = self.dense(pooled.flatten(1)).relu()
        return self.last(torch.cat([seen, self.gru(rows)[1][0]], dim=1))


class TwoHeads(nn.Module):
    """A CNN that also answers from its middle."""

    def __init__(self) -> None:
        super().__init__()
        self.lower, self.auxiliary = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16 * 14 * 14, 10)
        self.upper, self.dense = nn.Conv2d(16, 32, 3, padding=1), nn.Linear(32 * 7 * 7, 64)
        self.main = nn.Linear(64, 10)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """(batch, 1, 28, 28) -> two times (batch, 10)."""
        trunk = nn.functional.max_pool2d(self.lower(image).relu(), 2)
        top = nn.functional.max_pool2d(self.upper(trunk).relu(), 2)
        main = self.main(self.dense(top.flatten(1)).relu())
        return {"main": main, "auxiliary": self.auxiliary(trunk.flatten(1))}
