"""Sequences of different lengths in one batch: what recurrent layers make of each is what they make of it alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from dlcli.models.recurrent import in_one_piece
from tests.unit.models.recurrent_cells import CELLS, FEATURES, cell, random_sequences

LENGTHS = torch.tensor([6, 1, 9, 4, 9, 2])
"""Unsorted; the shortest possible among them, and two that fill the batch."""

every_cell = pytest.mark.parametrize("name", CELLS)
every_stack = pytest.mark.parametrize("num_layers", [1, 2, 3])
every_way = pytest.mark.parametrize("bidirectional", [False, True])
every_return = pytest.mark.parametrize("returned", ["last", "sequence"])


def _padded(filling: float) -> Tensor:
    sequences = random_sequences(len(LENGTHS), int(LENGTHS.max()))
    for row, length in zip(sequences, LENGTHS.tolist(), strict=True):
        row[length:] = filling
    return sequences


def _results(run: Callable[[Tensor, Tensor], Tensor], module: nn.Module, sequences: Tensor) -> list[Tensor]:
    """The outputs at valid steps, a loss of them, and its gradients by inputs and all parameters."""
    sequences = sequences.clone().requires_grad_()
    output = run(sequences, LENGTHS)
    outputs = list(output) if output.dim() == 2 else [row[:length] for row, length in zip(output, LENGTHS, strict=True)]
    loss = torch.stack([_loss(row) for row in outputs]).mean()
    gradients = torch.autograd.grad(loss, [sequences, *module.parameters()])
    return [*(row.detach() for row in outputs), loss.detach(), *gradients]


def _loss(output: Tensor) -> Tensor:
    """Of one sample; each of its values counts differently."""
    weights = torch.linspace(-1, 2, output.numel(), dtype=output.dtype).view_as(output)
    return (weights * output + output**2).sum()


def _one_by_one(module: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """Each sequence alone, without lengths; together again with zeros behind them."""

    def run(sequences: Tensor, lengths: Tensor) -> Tensor:
        alone = [module(sequences[row : row + 1, :length])[0] for row, length in enumerate(lengths.tolist())]
        return nn.utils.rnn.pad_sequence(alone, batch_first=True) if alone[0].dim() == 2 else torch.stack(alone)

    return run


@every_cell
@every_stack
@every_way
@every_return
@pytest.mark.parametrize("filling", [0.0, math.nan, math.inf])
def test_a_padded_batch_is_each_sequence_alone(
    name: str, num_layers: int, bidirectional: bool, returned: str, filling: float
) -> None:
    """Outputs, loss and gradients to 1e-12, whatever is in the padding; no gradient reaches it."""
    module = cell(name, num_layers=num_layers, bidirectional=bidirectional, **{"return": returned})
    sequences = _padded(filling)
    together = _results(module, module, sequences)
    alone = _results(_one_by_one(module), module, sequences)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@every_cell
@every_stack
@every_way
@every_return
def test_a_padded_batch_is_that_of_torch_packed(name: str, num_layers: int, bidirectional: bool, returned: str) -> None:
    """The same weights in `torch.nn`'s layer on a packed sequence: outputs, loss and gradients."""
    module = cell(name, num_layers=num_layers, bidirectional=bidirectional, **{"return": returned})
    sizes = {"batch_first": True, "num_layers": num_layers, "bidirectional": bidirectional}
    options = {"nonlinearity": name.removeprefix("rnn-")} if name.startswith("rnn") else {"proj_size": module.proj_size}
    layers = {"RNN_TANH": nn.RNN, "RNN_RELU": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
    plain = layers[module.mode](FEATURES, 4, **sizes, **(options if module.mode != "GRU" else {})).double()
    plain.load_state_dict(module.state_dict())

    def packed(sequences: Tensor, lengths: Tensor) -> Tensor:
        outputs, states = plain(pack_padded_sequence(sequences, lengths, batch_first=True, enforce_sorted=False))
        if returned == "sequence":
            return pad_packed_sequence(outputs, batch_first=True)[0]
        final = states[0] if module.mode == "LSTM" else states
        return torch.cat((final[-2], final[-1]), dim=1) if bidirectional else final[-1]

    sequences = _padded(0.0)
    torch.testing.assert_close(_results(module, module, sequences), _results(packed, plain, sequences), rtol=0, atol=1e-12)


@every_cell
@every_way
def test_outputs_in_the_padding_are_finite(name: str, bidirectional: bool) -> None:
    """What a later layer reads there, it may replace, but never has to fear."""
    module = cell(name, num_layers=2, bidirectional=bidirectional)
    assert module(_padded(math.nan), LENGTHS).isfinite().all()


@every_cell
@every_return
def test_single_precision_takes_other_ways_through_torch_and_agrees(name: str, returned: str) -> None:
    """In float32 the LSTM runs through oneDNN."""
    module = cell(name, num_layers=2, bidirectional=True, **{"return": returned}).float()
    sequences = _padded(math.nan).float()
    together = _results(module, module, sequences)
    torch.testing.assert_close(together, _results(_one_by_one(module), module, sequences), rtol=1e-4, atol=1e-5)


@every_cell
@every_way
def test_equal_lengths_are_no_lengths(name: str, bidirectional: bool) -> None:
    """Between the layers the same values are dropped, and the same weights inside them."""
    module = cell(name, num_layers=3, bidirectional=bidirectional, dropout=0.4, recurrent_dropout=0.4)
    sequences = random_sequences(4, 7)
    torch.manual_seed(0)
    without = module(sequences)
    torch.manual_seed(0)
    torch.testing.assert_close(module(sequences, torch.full((4,), 7)), without, rtol=0, atol=1e-12)


def test_weights_in_one_piece_are_the_same_weights() -> None:
    """One block of memory, matrices before biases; values and gradients stay."""
    weights = [parameter.detach().requires_grad_() for parameter in cell("lstm-projected").parameters()]
    joined = in_one_piece([*weights])
    torch.testing.assert_close(joined, [weight.detach() for weight in weights], rtol=0, atol=0)
    assert len({weight.untyped_storage().data_ptr() for weight in joined}) == 1
    places = [weight.storage_offset() for weight in sorted(joined, key=lambda weight: -weight.dim())]
    assert places == sorted(places)
    gradients = torch.autograd.grad(sum((weight * weight).sum() for weight in joined), weights)
    torch.testing.assert_close(list(gradients), [2 * weight.detach() for weight in weights])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@every_cell
@every_way
def test_a_gpu_gives_the_same_without_warning(name: str, bidirectional: bool) -> None:
    """Neither the weights of single directions nor dropped ones make cuDNN complain."""
    module = cell(name, num_layers=2, bidirectional=bidirectional, recurrent_dropout=0.5).eval()
    sequences = _padded(0.0)
    expected = module(sequences, LENGTHS)
    module.cuda().train()(sequences.cuda(), LENGTHS.cuda()).sum().backward()
    found = module.eval()(sequences.cuda(), LENGTHS.cuda()).cpu()
    for row, other, length in zip(found, expected, LENGTHS.tolist(), strict=True):
        torch.testing.assert_close(row[:length], other[:length])


def test_a_projection_gives_no_warning() -> None:
    """Which of its ways torch takes is nothing that a person could mend."""
    torch.set_warn_always(True)
    try:
        cell("lstm-projected").float()(torch.zeros(1, 2, FEATURES))
    finally:
        torch.set_warn_always(False)
