"""Gates and states step by step: what they add up to is what the layer gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dlcli.models.gate_values import gate_values
from dlcli.models.recurrent import GRU, LSTM, RNN
from tests.unit.models.recurrent_cells import CELLS, FEATURES, cell, random_sequences

every_cell = pytest.mark.parametrize("name", CELLS)


@every_cell
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_states_are_what_the_layer_gives(name: str, num_layers: int, bidirectional: bool, bias: bool) -> None:
    """Of the top layer, both directions side by side, in float64 to rounding."""
    torch.manual_seed(0)
    layer = cell(name, num_layers=num_layers, bidirectional=bidirectional, bias=bias).eval()
    sequences = random_sequences(3, 7)
    passes = gate_values(layer, sequences)
    directions = 1 + bidirectional
    assert [(one.layer, one.is_reverse) for one in passes] == [
        (number, bool(way)) for number in range(num_layers) for way in range(directions)
    ]
    top = torch.cat([one.values["hidden"] for one in passes[-directions:]], 2)
    torch.testing.assert_close(top, layer(sequences), rtol=0, atol=1e-12)


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
def test_of_a_sequence_alone_they_are_what_a_padded_batch_gives(name: str, bidirectional: bool) -> None:
    """The layer reads three lengths in one batch; each sequence cut to its own length has the same states."""
    torch.manual_seed(1)
    layer = cell(name, num_layers=2, bidirectional=bidirectional).eval()
    lengths = torch.tensor([5, 2, 9])
    sequences = random_sequences(3, 9)
    given = layer(sequences, lengths)
    for row, length in enumerate(lengths.tolist()):
        passes = gate_values(layer, sequences[row : row + 1, :length])
        top = torch.cat([one.values["hidden"] for one in passes[-1 - bidirectional :]], 2)
        torch.testing.assert_close(top[0], given[row, :length], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), [(LSTM, nn.LSTM), (GRU, nn.GRU), (RNN, nn.RNN)])
def test_the_states_are_those_of_plain_torch_in_float32(ours: type[LSTM | GRU | RNN], theirs: type[nn.RNNBase]) -> None:
    """With the same weights, within 1e-5."""
    torch.manual_seed(2)
    layer, plain = ours(4, 16, 2, last=False, bidirectional=True).eval(), theirs(4, 16, 2, batch_first=True, bidirectional=True)
    plain.load_state_dict(layer.state_dict())
    sequences = torch.randn(2, 50, 4)
    top = torch.cat([one.values["hidden"] for one in gate_values(layer, sequences)[-2:]], 2)
    torch.testing.assert_close(top, plain(sequences)[0], rtol=0, atol=1e-5)


def test_cells_are_those_of_a_cell_of_torch_and_gates_make_them() -> None:
    """Step by step against `torch.nn.LSTMCell`; and c = forget * c + input * new, h = output * tanh(c)."""
    torch.manual_seed(3)
    layer, single = cell("lstm").eval(), nn.LSTMCell(FEATURES, 4).double()
    single.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    sequences = random_sequences(2, 6)
    values = gate_values(layer, sequences)[0].values
    states, before = None, torch.zeros(2, 4, dtype=torch.float64)
    for step in range(6):
        states = single(sequences[:, step], states)
        torch.testing.assert_close(values["cell"][:, step], states[1], rtol=0, atol=1e-12)
        made = values["forget"][:, step] * before + values["input"][:, step] * values["new"][:, step]
        torch.testing.assert_close(values["cell"][:, step], made, rtol=0, atol=1e-12)
        shown = values["output"][:, step] * values["cell"][:, step].tanh()
        torch.testing.assert_close(values["hidden"][:, step], shown, rtol=0, atol=1e-12)
        before = states[1]


def test_a_closed_update_gate_takes_the_new_and_an_open_one_keeps_the_old() -> None:
    """What the page says of torch's GRU: a bias of +50 on the update gate holds the state at 0, one of -50 gives the candidate."""
    layer = cell("gru").eval()
    sequences = random_sequences(1, 5)
    update = slice(4, 8)
    with torch.no_grad():
        layer.bias_ih_l0[update] = 50
    kept = gate_values(layer, sequences)[0].values
    assert kept["hidden"].abs().max() < 1e-9
    with torch.no_grad():
        layer.bias_ih_l0[update] = -50
    taken = gate_values(layer, sequences)[0].values
    torch.testing.assert_close(taken["hidden"], taken["new"], rtol=0, atol=1e-9)
