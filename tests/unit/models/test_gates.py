"""The steps of a GRU and an LSTM against their formulas, written out in float64.

Compiled, sigmoid and tanh are within 1.5e-7 of their value, that is 2 units in the last place, and below -87, where sigmoid is next
to nothing, within 2e-38. What a step makes of them is within 3e-7 of the largest term that it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dlcli.models.gates import CompiledSteps, Steps, TorchSteps
from tests.unit.models.compiled import LEVELS, WAYS, library_of

OF_A_FUNCTION = 1.5e-7
OF_A_STEP = 3e-7
NEXT_TO_NOTHING = 2e-38
SIZES = [(1, 1), (3, 7), (1, 33), (5, 128)]
SCALES = [0.01, 1.0, 30.0]


@pytest.fixture(params=WAYS)
def steps(request: pytest.FixtureRequest) -> Steps:
    """Each level's compiled steps, and torch's."""
    return TorchSteps() if request.param == "torch" else CompiledSteps(library_of(request.param))


@pytest.fixture(params=LEVELS)
def compiled(request: pytest.FixtureRequest) -> Steps:
    """Each level's compiled steps."""
    return CompiledSteps(library_of(request.param))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def _threads_put_back() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def _from_100_below_to_100_above() -> Tensor:
    """Evenly and, around 0, down to the smallest numbers there are."""
    small = torch.logspace(-44, 2, 4001, dtype=torch.float64).float()
    return torch.cat((torch.linspace(-100, 100, 20_001), small, -small, torch.zeros(1)))


def _room(batch: int, hidden: int, count: int = 1) -> Tensor:
    """NaN, so that what is not written shows."""
    return torch.full((batch, count * hidden), torch.nan)


def _random(batch: int, hidden: int, count: int = 1) -> Tensor:
    return torch.randn(batch, count * hidden)


def _assert_within(relative: float, found: Tensor, exact: Tensor, *terms: Tensor) -> None:
    """Each value by itself, relative to the exact one or to the largest of the terms that it is made of."""
    largest = torch.stack([term.abs() for term in terms or (exact,)]).amax(0)
    bound = relative * largest + NEXT_TO_NOTHING
    error = (found.double() - exact).abs()
    assert (error <= bound).all(), f"{(error / bound).max()} times the bound"


def test_sigmoid_and_tanh_of_a_gru_are_within_2_units_in_the_last_place(compiled: Steps) -> None:
    """For inputs from -100 to 100 and around 0, where nothing is added to them."""
    x = _from_100_below_to_100_above()
    hidden = len(x)
    gates, nothing = x.repeat(1, 3), torch.zeros(1, 3 * hidden)
    compiled.gru_forward(gates, nothing, torch.zeros(hidden), torch.zeros(1, hidden), _room(1, hidden), _room(1, hidden))
    reset, update, new = gates[0].chunk(3)
    _assert_within(OF_A_FUNCTION, reset, torch.sigmoid(x.double()))
    _assert_within(OF_A_FUNCTION, update, torch.sigmoid(x.double()))
    _assert_within(OF_A_FUNCTION, new, torch.tanh(x.double()))


def test_sigmoid_and_tanh_of_an_lstm_are_within_2_units_in_the_last_place(compiled: Steps) -> None:
    """The same where they come from the state."""
    x = _from_100_below_to_100_above()
    hidden = len(x)
    gates = torch.zeros(1, 4 * hidden)
    compiled.lstm_forward(gates, x.repeat(1, 4), torch.zeros(1, hidden), _room(1, hidden), _room(1, hidden))
    put_in, forget, new, output = gates[0].chunk(4)
    for gate in (put_in, forget, output):
        _assert_within(OF_A_FUNCTION, gate, torch.sigmoid(x.double()))
    _assert_within(OF_A_FUNCTION, new, torch.tanh(x.double()))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_a_gru_is_its_formula(steps: Steps, batch: int, hidden: int, scale: float) -> None:
    """Gates, the new gate's share and the state that follows, for any size."""
    from_input, from_state = scale * _random(batch, hidden, 3), scale * _random(batch, hidden, 3)
    bias, state = scale * torch.randn(hidden), _random(batch, hidden)
    gates, found_share, following = from_input.clone(), _room(batch, hidden), _room(batch, hidden)
    steps.gru_forward(gates, from_state, bias, state, found_share, following)

    x_reset, x_update, x_new = from_input.double().chunk(3, dim=1)
    h_reset, h_update, h_new = from_state.double().chunk(3, dim=1)
    reset, update, share = torch.sigmoid(x_reset + h_reset), torch.sigmoid(x_update + h_update), h_new + bias.double()
    new = torch.tanh(x_new + reset * share)
    one = torch.ones_like(state)
    found_reset, found_update, found_new = gates.chunk(3, dim=1)
    _assert_within(OF_A_STEP, found_reset, reset, one)
    _assert_within(OF_A_STEP, found_update, update, one)
    _assert_within(OF_A_STEP, found_share, share, h_new, bias.expand_as(h_new))
    _assert_within(OF_A_STEP, found_new, new, one, x_new, share)
    _assert_within(OF_A_STEP, following, (1 - update) * new + update * state.double(), one, state, x_new, share)


@pytest.mark.parametrize("rows", ["each its own", "one for all"])
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_a_gru_back_is_its_formula(steps: Steps, batch: int, hidden: int, rows: str) -> None:
    """Gradients of the gates, the share and the state, from those of the state that follows, which come in three parts."""
    grad, more = _random(batch, hidden), _random(1 if rows == "one for all" else batch, hidden)
    opened, new, share = torch.rand(batch, 2 * hidden), 2 * torch.rand(batch, hidden) - 1, _random(batch, hidden)
    gates, state = torch.cat((opened, new), dim=1), _random(batch, hidden)
    grad_gates, kept = _room(batch, hidden, 4), _random(batch, hidden)
    past = kept.double()
    steps.gru_backward(grad, more, gates, share, state, grad_gates, kept)

    reset, update, new = gates.double().chunk(3, dim=1)
    both, terms = grad.double() + more.double() + past, (grad.double(), more.double().expand_as(past), past)
    of_new = both * (1 - update) * (1 - new**2)
    of_share, of_reset = of_new * reset, of_new * share * reset * (1 - reset)
    of_update = both * (state.double() - new) * update * (1 - update)
    for found, exact in zip(grad_gates.chunk(4, dim=1), (of_new, of_reset, of_update, of_share), strict=True):
        _assert_within(OF_A_STEP, found, exact, *terms)
    _assert_within(OF_A_STEP, kept, both * update, *terms)


@pytest.mark.parametrize("relu", [False, True], ids=["tanh", "relu"])
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_an_elman_network_is_its_formula(steps: Steps, batch: int, hidden: int, relu: bool) -> None:
    """Forward and back, with tanh and with ReLU."""
    from_input, from_state, following = _random(batch, hidden), _random(batch, hidden), _room(batch, hidden)
    steps.rnn_forward(from_input, from_state, following, relu=relu)
    summed = from_input.double() + from_state.double()
    _assert_within(OF_A_STEP, following, summed.relu() if relu else summed.tanh(), summed)

    grad, more, grad_sum = _random(batch, hidden), _random(batch, hidden), _room(batch, hidden)
    steps.rnn_backward(grad, more, following, grad_sum, relu=relu)
    both, state = grad.double() + more.double(), following.double()
    _assert_within(OF_A_STEP, grad_sum, both * (state > 0) if relu else both * (1 - state**2), grad, more)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_an_lstm_is_its_formula(steps: Steps, batch: int, hidden: int, scale: float) -> None:
    """Gates, the cell and the hidden state that follow, for any size."""
    from_input, from_state, cell = scale * _random(batch, hidden, 4), scale * _random(batch, hidden, 4), _random(batch, hidden)
    gates, following_cell, following = from_input.clone(), _room(batch, hidden), _room(batch, hidden)
    steps.lstm_forward(gates, from_state, cell, following_cell, following)

    put_in, forget, new, output = (from_input.double() + from_state.double()).chunk(4, dim=1)
    put_in, forget, new, output = torch.sigmoid(put_in), torch.sigmoid(forget), torch.tanh(new), torch.sigmoid(output)
    exact_cell = forget * cell.double() + put_in * new
    one = torch.ones_like(cell)
    for found, exact in zip(gates.chunk(4, dim=1), (put_in, forget, new, output), strict=True):
        _assert_within(OF_A_STEP, found, exact, one)
    _assert_within(OF_A_STEP, following_cell, exact_cell, one, cell)
    _assert_within(OF_A_STEP, following, output * torch.tanh(exact_cell), one, cell)


@pytest.mark.parametrize("rows", ["each its own", "one for all"])
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_an_lstm_back_is_its_formula(steps: Steps, batch: int, hidden: int, rows: str) -> None:
    """Gradients of the gates and, in the place of that of the cell that follows, of the cell."""
    grad, more = _random(batch, hidden), _random(1 if rows == "one for all" else batch, hidden)
    opened, new, shown = torch.rand(batch, 2 * hidden), 2 * torch.rand(batch, hidden) - 1, torch.rand(batch, hidden)
    gates, cell, following_cell = torch.cat((opened, new, shown), dim=1), _random(batch, hidden), _random(batch, hidden)
    before, grad_gates = _random(batch, hidden), _room(batch, hidden, 4)
    grad_cell = before.clone()
    steps.lstm_backward(grad, more, gates, cell, following_cell, grad_gates, grad_cell)

    put_in, forget, new, output = gates.double().chunk(4, dim=1)
    both, shown = grad.double() + more.double(), torch.tanh(following_cell.double())
    of_cell = before.double() + both * output * (1 - shown**2)
    of_in, of_forget = of_cell * new * put_in * (1 - put_in), of_cell * cell.double() * forget * (1 - forget)
    of_new, of_output = of_cell * put_in * (1 - new**2), both * shown * output * (1 - output)
    for found, exact in zip(grad_gates.chunk(4, dim=1), (of_in, of_forget, of_new, of_output), strict=True):
        _assert_within(OF_A_STEP, found, exact, before, both)
    _assert_within(OF_A_STEP, grad_cell, of_cell * forget, before, both)


@pytest.mark.usefixtures("_threads_put_back")
def test_threads_change_no_bit(compiled: Steps) -> None:
    """Rows are shared out, and what happens in a row does not depend on who has it; also where there are fewer than threads."""
    for batch in (1, 5):
        from_input, from_state, cell = _random(batch, 33, 4), _random(batch, 33, 4), _random(batch, 33)
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            gates, following_cell, following = from_input.clone(), _room(batch, 33), _room(batch, 33)
            compiled.lstm_forward(gates, from_state, cell, following_cell, following)
            results.append(torch.cat((gates, following_cell, following), dim=1))
        assert torch.equal(results[0], results[1])
        assert torch.equal(results[0], results[2])


def test_nothing_is_written_beside_the_arrays(compiled: Steps) -> None:
    """A last register that is not full ends where its row ends."""
    batch, hidden = 2, 7
    gates, share, following = (torch.full((batch + 2, count * hidden), 8.0) for count in (3, 1, 1))
    state, from_state = _random(batch, hidden), _random(batch, hidden, 3)
    compiled.gru_forward(gates[1:-1], from_state, torch.zeros(hidden), state, share[1:-1], following[1:-1])
    for rows in (gates, share, following):
        assert (rows[[0, -1]] == 8).all()
        assert (rows[1:-1] != 8).all()
