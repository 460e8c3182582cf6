"""Starts weights from the distribution that a config names; biases keep the start that torch gave them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from dlcli.config.initialisation import InitSpec, KaimingNormal, KaimingUniform, Orthogonal, XavierNormal, XavierUniform
from dlcli.models.recurrent import Recurrent

_GATES: Final[Mapping[str, int]] = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}

_FILLS: Final[Mapping[type[InitSpec], Callable[[Any, Tensor], Tensor]]] = {
    XavierUniform: lambda spec, weight: nn.init.xavier_uniform_(weight, spec.gain),
    XavierNormal: lambda spec, weight: nn.init.xavier_normal_(weight, spec.gain),
    KaimingUniform: lambda spec, weight: nn.init.kaiming_uniform_(weight, mode=spec.mode, nonlinearity=spec.nonlinearity),
    KaimingNormal: lambda spec, weight: nn.init.kaiming_normal_(weight, mode=spec.mode, nonlinearity=spec.nonlinearity),
    Orthogonal: lambda spec, weight: nn.init.orthogonal_(weight, spec.gain),
}


def initialise(layer: nn.Module, spec: InitSpec) -> None:
    """Draws the weights of a layer anew, but those of a recurrent one that its `recurrent_init` has drawn.

    Args:
        layer: a linear, convolutional or recurrent layer.
        spec: the distribution.
    """
    _draw(_matrices(layer), spec)


def initialise_recurrent(layer: Recurrent, spec: InitSpec) -> None:
    """Draws the hidden-to-hidden weights of a recurrent layer anew; `initialise` leaves them from then on."""
    _draw(_gates(layer, "weight_hh"), spec)
    layer.recurrent_init = spec


@torch.no_grad()
def _draw(matrices: Iterable[Tensor], spec: InitSpec) -> None:
    fill = _FILLS[type(spec)]
    for weight in matrices:
        weight.copy_(fill(spec, torch.empty_like(weight, memory_format=torch.contiguous_format)))


def _matrices(layer: nn.Module) -> Iterator[Tensor]:
    """Views of the weights in which the first axis counts outputs and the second inputs, as torch.nn.init takes them."""
    if isinstance(layer, nn.RNNBase):
        drawn_apart = isinstance(layer, Recurrent) and layer.recurrent_init is not None
        yield from _gates(layer, "weight_ih", "weight_hr") if drawn_apart else _gates(layer, "weight")
    elif isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d):
        for group in layer.weight.chunk(layer.groups):  # torch keeps (inputs, outputs / groups, ...)
            yield group.transpose(0, 1)
    else:
        assert isinstance(layer.weight, Tensor)
        yield layer.weight


def _gates(layer: nn.RNNBase, *stems: str) -> Iterator[Tensor]:
    """The weights whose names begin so, each gate a matrix of its own; a projection has no gates."""
    for name, parameter in layer.named_parameters():
        if name.startswith(stems):
            yield from parameter.chunk(1 if name.startswith("weight_hr") else _GATES[layer.mode])
