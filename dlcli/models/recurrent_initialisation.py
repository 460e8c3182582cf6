"""How recurrent layers start, where not as in `torch.nn`: their hidden-to-hidden weights and the biases of their gates."""

from __future__ import annotations

import torch
from torch import Tensor

from dlcli.config.layers.recurrent import Gru, Lstm
from dlcli.config.layers.recurrent import Recurrent as RecurrentSpec
from dlcli.models.initialisation import initialise_recurrent
from dlcli.models.recurrent import Recurrent


def start_recurrent(layer: Recurrent, spec: RecurrentSpec) -> None:
    """Gives a layer, which torch has started, the starts that its spec names."""
    if spec.recurrent_init is not None:
        initialise_recurrent(layer, spec.recurrent_init)
    if isinstance(spec, Lstm) and spec.forget_bias is not None:
        _start_biases(layer, 1, torch.full((_passes(layer), layer.hidden_size), spec.forget_bias))
    if isinstance(spec, Lstm | Gru) and spec.chrono is not None:
        _start_chrono(layer, spec.chrono)


def _start_chrono(layer: Recurrent, steps: int) -> None:
    """Biases with which memory fades over 1 to `steps` steps (Tallec and Ollivier, 2018, arXiv:1804.11188).

    A gate that keeps a share sigmoid(b) of the memory forgets over 1 + exp(b) steps, so b is log(u) with u uniform between 1
    and steps - 1. In torch's LSTM that is the forget gate, and the input gate gets -b; in its GRU the update gate, which keeps
    the old state where it is open.
    """
    memory = torch.empty(_passes(layer), layer.hidden_size).uniform_(1, steps - 1).log()
    _start_biases(layer, 1, memory)
    if layer.mode == "LSTM":
        _start_biases(layer, 0, -memory)


@torch.no_grad()
def _start_biases(layer: Recurrent, gate: int, values: Tensor) -> None:
    """Sets one gate's bias in each layer and direction: torch adds two biases, so one gets the values and the other 0.

    Args:
        layer: has biases.
        gate: its number. LSTM: input, forget, cell, output; GRU: reset, update, new.
        values: (layers * directions, hidden).
    """
    of_gate = slice(gate * layer.hidden_size, (gate + 1) * layer.hidden_size)
    for (_, _, input_bias, hidden_bias, *_), value in zip(layer.all_weights, values, strict=True):
        input_bias[of_gate] = value
        hidden_bias[of_gate] = 0.0


def _passes(layer: Recurrent) -> int:
    """Layers times directions."""
    return len(layer.all_weights)
