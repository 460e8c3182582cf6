"""State that goes from one batch to the next."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dlcli.config.shapes import Sequence, Token, Vector
from dlcli.errors import CheckpointError, UsageError
from dlcli.models.carried_state import carry_state, reset_state, restore_state, state_of
from dlcli.models.network import Network
from tests.unit.models.graphs import read_layers
from tests.unit.models.recurrent_cells import CELLS, FEATURES, cell, random_sequences

LAYERS = """
    - linear: 4
    - lstm: {hidden_size: 5, num_layers: 2, name: below}
    - sequential: {layers: [gru: {hidden_size: 3, name: above}, tanh], name: inner}
    - linear: 2
"""


def _network() -> Network:
    return Network(read_layers(LAYERS, Sequence(6, Vector(FEATURES)))).double()


def _in_chunks(network: nn.Module, sequences: Tensor, *sizes: int) -> Tensor:
    return torch.cat([network(chunk) for chunk in sequences.split(list(sizes), dim=1)], dim=1)


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_in_pieces_is_the_sequence_at_once(name: str, num_layers: int) -> None:
    """For every cell, down to pieces of one step."""
    module, sequences = cell(name, num_layers=num_layers), random_sequences(2, 9)
    at_once = module(sequences)
    carry_state(module)
    torch.testing.assert_close(_in_chunks(module, sequences, 4, 1, 1, 3), at_once, rtol=0, atol=1e-12)
    reset_state(module)
    torch.testing.assert_close(_in_chunks(module, sequences, 2, 7), at_once, rtol=0, atol=1e-12)


def test_all_layers_of_a_network_carry() -> None:
    """Also those inside others."""
    network, sequences = _network(), random_sequences(3, 9)
    at_once = network(sequences)
    assert isinstance(at_once, Tensor)
    carry_state(network)
    torch.testing.assert_close(_in_chunks(network, sequences, 6, 3), at_once, rtol=0, atol=1e-12)


def test_gradients_end_where_a_piece_begins() -> None:
    """The state is a value like the input: the second piece's loss has no gradient in the first piece's input."""
    module = cell("lstm")
    carry_state(module)
    first, second = random_sequences(1, 3).requires_grad_(), random_sequences(1, 3).requires_grad_()
    module(first)
    (gradient,) = torch.autograd.grad(module(second).sum(), [first], allow_unused=True, retain_graph=True)
    assert gradient is None


def test_without_carry_state_every_call_starts_from_zero() -> None:
    """And a network that does not carry has no state."""
    network, sequences = _network(), random_sequences(2, 6)
    assert torch.equal(network(sequences), network(sequences))
    assert state_of(network) == {}


def test_a_smaller_batch_goes_on_with_the_first_rows_and_a_larger_one_is_refused() -> None:
    """There is nothing that a new row could go on from."""
    module, sequences = cell("gru", num_layers=2), random_sequences(4, 8)
    at_once = module(sequences)
    carry_state(module)
    module(sequences[:, :5])
    torch.testing.assert_close(module(sequences[:2, 5:]), at_once[:2, 5:], rtol=0, atol=1e-12)
    with pytest.raises(AssertionError, match="a batch of 4 can't go on from the state of 2 sequences"):
        module(sequences)


def test_state_goes_through_a_file_into_another_network(tmp_path: Path) -> None:
    """Under the names of the layers; a network of the same weights goes on with it."""
    network, sequences = _network(), random_sequences(2, 9)
    at_once = network(sequences)
    assert isinstance(at_once, Tensor)
    carry_state(network)
    network(sequences[:, :4])
    state = state_of(network)
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert shapes == {"below.hidden": (2, 2, 5), "below.cell": (2, 2, 5), "inner.above.hidden": (1, 2, 3)}
    save_file(state, tmp_path / "state.safetensors")
    other = copy.deepcopy(network)
    reset_state(other)
    restore_state(other, load_file(tmp_path / "state.safetensors"))
    torch.testing.assert_close(other(sequences[:, 4:]), at_once[:, 4:], rtol=0, atol=1e-12)
    restore_state(other, {})
    torch.testing.assert_close(other(sequences), at_once, rtol=0, atol=1e-12)


def test_state_is_no_part_of_the_weights() -> None:
    """A checkpoint of the weights has the keys that it would have without, and no buffers that an average would take in."""
    network = _network()
    keys = list(network.state_dict())
    carry_state(network)
    network(random_sequences(2, 6))
    assert list(network.state_dict()) == keys
    assert list(network.buffers()) == []


def test_a_copy_goes_its_own_way() -> None:
    """A copied network starts with the state that was there, and neither changes the other's."""
    network, sequences = _network(), random_sequences(2, 6)
    carry_state(network)
    network(sequences)
    copied = copy.deepcopy(network)
    torch.testing.assert_close(state_of(copied), state_of(network), rtol=0, atol=0)
    before = state_of(network)
    copied(sequences)
    assert all(torch.equal(state_of(network)[name], value) for name, value in before.items())
    assert not torch.equal(state_of(copied)["below.hidden"], before["below.hidden"])
    reset_state(copied)
    assert state_of(network).keys() == before.keys()


def test_state_goes_where_the_weights_go() -> None:
    """To another type as to another device."""
    network = _network()
    carry_state(network)
    network(random_sequences(2, 6))
    kept = state_of(network)
    network.float()
    assert {value.dtype for value in state_of(network).values()} == {torch.float32}
    network.to("meta")
    assert {value.device.type for value in state_of(network).values()} == {"meta"}
    other = _network().float()
    carry_state(other)
    restore_state(other, kept)
    assert {value.dtype for value in state_of(other).values()} == {torch.float32}


def test_language_models_go_on_token_by_token() -> None:
    """Tokens one by one give what the text at once gives."""
    network = Network(read_layers("[embedding: 4, lstm: 5, linear: 7]", Sequence(6, Token(7)))).double()
    tokens = torch.randint(7, (1, 12))
    at_once = network(tokens)
    carry_state(network)
    one_by_one = torch.cat([network(token) for token in tokens.split(1, dim=1)], dim=1)
    torch.testing.assert_close(one_by_one, at_once, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            "[gru: 4, sequential: {layers: [lstm: {hidden_size: 3, bidirectional: true, name: both}], name: inner}]",
            "`inner.both` is bidirectional, and can't carry its state",
        ),
        (
            "[rnn: {hidden_size: 3, name: first}, tanh, share: {layer: first, name: second}]",
            "`first` is used twice by `share`, and can't carry its state",
        ),
    ],
)
def test_layers_without_one_state_are_named(layers: str, message: str) -> None:
    """And nothing is changed in the others."""
    network = Network(read_layers(layers, Sequence(4, Vector(3))))
    with pytest.raises(UsageError, match=message):
        carry_state(network)
    network(torch.zeros(1, 4, 3))
    assert state_of(network) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("below.cell", None, r"`below.cell` is missing, and its layer has one of \[2, batch, 5\]"),
        ("below.hidden", torch.zeros(2, 2, 4), r"`below.hidden` is of \[2, 2, 4\], and its layer has one of \[2, batch, 5\]"),
        ("below.cell", torch.zeros(2, 3, 5), r"`below.cell` is of \[2, 3, 5\]"),
        ("inner.above.hidden", torch.zeros(()), r"`inner.above.hidden` is of \[\], and its layer has one of \[1, batch, 3\]"),
        ("other.hidden", torch.zeros(1, 2, 3), "has `other.hidden`, and the network no such recurrent layer"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(name: str, value: Tensor | None, message: str) -> None:
    """By the name of the tensor; the state that was there stays."""
    network = _network()
    carry_state(network)
    network(random_sequences(2, 6))
    before = state_of(network)
    given = {key: tensor + 1 for key, tensor in before.items() if key != name}
    with pytest.raises(CheckpointError, match=message):
        restore_state(network, given | ({name: value} if value is not None else {}))
    torch.testing.assert_close(state_of(network), before, rtol=0, atol=0)
