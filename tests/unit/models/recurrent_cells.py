"""The recurrent cells, built as a config builds them, for tests that hold for each."""

from __future__ import annotations

import torch
from torch import Tensor

from dlcli.config.shapes import Sequence, Vector
from dlcli.models.recurrent import Recurrent
from tests.unit.models.layer_cases import build

FEATURES = 3
CELLS: dict[str, tuple[str, dict[str, object]]] = {
    "rnn-tanh": ("rnn", {"hidden_size": 4}),
    "rnn-relu": ("rnn", {"hidden_size": 4, "nonlinearity": "relu"}),
    "lstm": ("lstm", {"hidden_size": 4}),
    "lstm-projected": ("lstm", {"hidden_size": 4, "proj_size": 2}),
    "gru": ("gru", {"hidden_size": 4}),
}


def cell(name: str, **fields: object) -> Recurrent:
    """A layer in float64 with weights of its own, so that a mistake in the seventh digit shows."""
    kind, own = CELLS[name]
    layer = build(kind, own | fields, (Sequence(5, Vector(FEATURES)),))
    assert layer is not None
    assert isinstance(layer.module, Recurrent)
    return layer.module.double()


def random_sequences(batch: int, time: int) -> Tensor:
    """(batch, time, FEATURES) in float64."""
    return torch.randn(batch, time, FEATURES, dtype=torch.float64)
