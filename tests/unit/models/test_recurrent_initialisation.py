"""How recurrent layers start: `recurrent_init` for the weights between states, `chrono` for the biases of gates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.initialisation import InitSpec, Orthogonal, XavierUniform
from dlcli.config.shapes import Sequence, Vector
from dlcli.models.network import build_network
from tests.unit.models.graphs import read_layers

SERIES = Sequence(4, Vector(5))
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
PLAIN = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def _parameters(layer: str, init: InitSpec | None = None) -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = build_network(read_layers(f"- {layer}", SERIES), init)
    return {name: value.detach() for name, value in next(network.children()).named_parameters()}


@pytest.mark.parametrize("init", [None, XavierUniform(gain=0.01)])
@pytest.mark.parametrize("kind", GATES)
def test_recurrent_init_is_for_weights_between_states(kind: str, init: InitSpec | None) -> None:
    """Each gate's matrix is orthogonal, in all layers and directions; all else starts as without, by `init` or as in torch."""
    fields = "hidden_size: 6, num_layers: 2, bidirectional: true"
    given = _parameters(f"{kind}: {{{fields}, recurrent_init: {{name: orthogonal, gain: 2.0}}}}", init)
    hidden = [name for name in given if name.startswith("weight_hh")]
    assert len(hidden) == 4
    for name in hidden:
        for gate in given[name].chunk(GATES[kind]):
            torch.testing.assert_close(gate @ gate.T, 4 * torch.eye(6), atol=1e-5, rtol=0)
    torch.manual_seed(0)
    plain = dict(PLAIN[kind](5, 6, num_layers=2, bidirectional=True).named_parameters())
    for name in given.keys() - set(hidden):
        if init is not None and name.startswith("weight"):
            assert 0 < given[name].abs().max() < 0.02
        else:
            assert torch.equal(given[name], plain[name].detach())


def test_recurrent_init_goes_before_the_layers_own_init() -> None:
    """`init` is for all weights of the layer, `recurrent_init` for some."""
    given = _parameters("gru: {hidden_size: 6, init: {name: xavier_uniform, gain: 0.01}, recurrent_init: orthogonal}")
    assert given["weight_ih_l0"].abs().max() < 0.02
    for gate in given["weight_hh_l0"].chunk(3):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)


def test_a_projection_is_one_matrix() -> None:
    """It has no gates: orthogonal as a whole, and not part of the weights between states."""
    whole = _parameters("lstm: {hidden_size: 8, proj_size: 4}", Orthogonal())
    torch.testing.assert_close(whole["weight_hr_l0"] @ whole["weight_hr_l0"].T, torch.eye(4), atol=1e-5, rtol=0)
    apart = _parameters("lstm: {hidden_size: 8, proj_size: 4, recurrent_init: orthogonal}")
    torch.manual_seed(0)
    assert torch.equal(apart["weight_hr_l0"], nn.LSTM(5, 8, proj_size=4).weight_hr_l0.detach())
    for gate in apart["weight_hh_l0"].chunk(4):
        torch.testing.assert_close(gate.T @ gate, torch.eye(4), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("kind", "memory"), [("lstm", 1), ("gru", 1)])
def test_chrono_spreads_memory_evenly_over_the_steps(kind: str, memory: int) -> None:
    """exp of the memory gate's bias is uniform in [1, T - 1], in each layer and direction by itself."""
    hidden, steps = 500, 101
    given = _parameters(f"{kind}: {{hidden_size: {hidden}, num_layers: 2, bidirectional: true, chrono: {steps}}}")
    draws = [given[name].chunk(GATES[kind])[memory].exp() for name in given if name.startswith("bias_ih")]
    assert len({tuple(draw.tolist()) for draw in draws}) == 4
    together = torch.cat(draws)
    assert 1 <= together.min() < 2
    assert steps - 2 < together.max() <= steps - 1 + 1e-3
    quarters = torch.histc(together, bins=4, min=1, max=steps - 1) / len(together)
    torch.testing.assert_close(quarters, torch.full((4,), 0.25), atol=0.04, rtol=0)


def test_chrono_closes_the_input_gate_of_an_lstm_as_far_as_its_memory_lasts() -> None:
    """The input gate's bias is the forget gate's negative; torch's second biases of both are 0, and all else is as without."""
    given, default = _parameters("lstm: {hidden_size: 7, chrono: 50}"), _parameters("lstm: 7")
    write, keep, *_ = given["bias_ih_l0"].chunk(4)
    assert torch.equal(write, -keep)
    assert given["bias_hh_l0"][:14].tolist() == [0.0] * 14
    for name, value in given.items():
        start = 14 if name.startswith("bias") else 0
        assert torch.equal(value[start:], default[name][start:])


def test_chrono_touches_the_update_gate_alone_in_a_gru() -> None:
    """Reset gate, new values and weights are as without."""
    given, default = _parameters("gru: {hidden_size: 7, chrono: 50}"), _parameters("gru: 7")
    for name, value in given.items():
        gates = zip(value.chunk(3), default[name].chunk(3), strict=True)
        same = [torch.equal(ours, theirs) for ours, theirs in gates]
        assert same == ([True, False, True] if name.startswith("bias") else [True] * 3)
    assert given["bias_hh_l0"].chunk(3)[1].tolist() == [0.0] * 7


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_memory_of_a_chrono_layer_fades_over_the_steps_that_were_drawn(kind: str) -> None:
    """With all weights 0 each unit keeps 1 - 1 / (1 + u) of its memory at a step, for the u that its bias is the log of."""
    parameters = _parameters(f"{kind}: {{hidden_size: 9, chrono: 30}}")
    layer = PLAIN[kind](5, 9)
    layer.load_state_dict(parameters)
    with torch.no_grad():
        layer.weight_ih_l0.zero_()
        layer.weight_hh_l0.zero_()
        for bias in (layer.bias_ih_l0, layer.bias_hh_l0):
            bias[18:27] = 0.0  # new values, of either kind
    spans = parameters["bias_ih_l0"][9:18].exp()
    ones, nothing = torch.ones(1, 2, 9), torch.zeros(4, 2, 5)
    if kind == "lstm":
        _, (_, left) = layer(nothing, (ones, ones))
    else:
        _, left = layer(nothing, ones)
    torch.testing.assert_close(left[0, 0].detach(), (1 - 1 / (1 + spans)) ** 4)
