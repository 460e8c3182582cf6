"""A small network and what the tests of training do to it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import torch
from torch import nn

from dlcli.config import optimizers as specs

OPTIMIZER_SPECS: Final[tuple[specs.OptimizerSpec, ...]] = (
    specs.Sgd(),
    specs.Sgd(momentum=0.9, nesterov=True),
    specs.Adam(),
    specs.Adam(amsgrad=True, weight_decay=0.1),
    specs.AdamW(amsgrad=True, decay_biases_and_norms=False),
    specs.RmsProp(),
    specs.RmsProp(momentum=0.9, centered=True),
    specs.Adagrad(lr_decay=0.1),
    specs.Adadelta(),
    specs.NAdam(),
    specs.RAdam(),
    specs.Muon(),
    specs.Muon(decay_biases_and_norms=False),
)
"""Every optimiser, with all that it can remember."""


def fresh_network(dtype: torch.dtype = torch.float32) -> nn.Module:
    """Three linear layers with a normalisation between them, (batch, 4) -> (batch, 3), always with the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return nn.Sequential(
            OrderedDict(
                first=nn.Linear(4, 6, dtype=dtype),
                norm=nn.LayerNorm(6, dtype=dtype),
                hidden=nn.Linear(6, 5, dtype=dtype),
                tanh=nn.Tanh(),
                last=nn.Linear(5, 3, dtype=dtype),
            )
        )


def gradients_of_step(network: nn.Module, step: int) -> None:
    """Gives the network the gradients of a loss over a batch that belongs to the step."""
    dtype = next(network.parameters()).dtype
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(8, 4, generator=generator, dtype=dtype)
    classes = torch.randint(0, 3, (8,), generator=generator)
    nn.functional.cross_entropy(network(inputs), classes).backward()
