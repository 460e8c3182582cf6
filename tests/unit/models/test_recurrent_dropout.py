"""`recurrent_dropout`: weights between states that are dropped in training (DropConnect)."""

from __future__ import annotations

import torch
from torch import Tensor

from dlcli.models.recurrent import Recurrent
from tests.unit.models.recurrent_cells import cell, random_sequences

HIDDEN = 6


def _powers(module: Recurrent, steps: int) -> list[Tensor]:
    """The transposed matrix between states that the layer uses at each step.

    A ReLU network with positive weights is linear: with row i of the batch set to the unit vector i by its first input, and
    all further inputs 0, its outputs are the product of all matrices so far.
    """
    inputs = torch.zeros(HIDDEN, steps + 1, HIDDEN, dtype=torch.float64)
    inputs[:, 0] = torch.eye(HIDDEN)
    outputs: Tensor = module(inputs)
    return [torch.linalg.solve(before, after) for before, after in zip(outputs.unbind(1), outputs.unbind(1)[1:], strict=False)]


def _linear(p: float) -> Recurrent:
    """Its matrix from input to state is 1, so that its first state is its first input."""
    module = cell("rnn-relu", hidden_size=HIDDEN, bias=False, recurrent_dropout=p)
    with torch.no_grad():
        module.weight_ih_l0 = torch.nn.Parameter(torch.eye(HIDDEN, dtype=torch.float64))
        module.weight_hh_l0.uniform_(0.5, 1.5).add_(5 * torch.eye(HIDDEN))
    return module


def test_a_mask_is_one_for_all_steps_and_samples() -> None:
    """In one call all use the same matrix: some of its values 0, all others those of the weight divided by 1 - p."""
    module = _linear(0.25)
    torch.manual_seed(0)
    first, *later = _powers(module, 3)
    scaled = module.weight_hh_l0.detach().T / 0.75
    kept = first.abs() > 1e-9
    assert 0 < kept.sum() < kept.numel()
    torch.testing.assert_close(first.detach(), torch.where(kept, scaled, 0.0))
    for matrix in later:
        torch.testing.assert_close(matrix, first, rtol=0, atol=1e-9)


def test_the_mean_over_masks_is_the_weight() -> None:
    """A share p of the values is dropped, and the mean of all draws is the matrix itself."""
    module = _linear(0.25)
    torch.manual_seed(0)
    draws = torch.stack([_powers(module, 1)[0].detach() for _ in range(2000)])
    assert abs((draws.abs() < 1e-9).double().mean() - 0.25) < 0.01
    weight = module.weight_hh_l0.detach().T
    torch.testing.assert_close(draws.mean(0) / weight, torch.ones_like(weight), rtol=0, atol=0.06)


def test_masks_come_from_the_seed() -> None:
    """The same seed drops the same weights, and the next call others."""
    module, sequences = cell("gru", recurrent_dropout=0.5), random_sequences(2, 5)
    torch.manual_seed(1)
    first, second = module(sequences), module(sequences)
    torch.manual_seed(1)
    assert torch.equal(module(sequences), first)
    assert not torch.equal(second, first)


def test_nothing_is_dropped_in_evaluation() -> None:
    """There the layer is the one without dropout."""
    module, sequences = cell("lstm", num_layers=2, recurrent_dropout=0.5), random_sequences(2, 5)
    plain = cell("lstm", num_layers=2)
    plain.load_state_dict(module.state_dict())
    assert torch.equal(module.eval()(sequences), plain(sequences))
    assert not torch.equal(module.train()(sequences), plain(sequences))
