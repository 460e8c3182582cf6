"""The loops over time of a GRU, an LSTM and Elman's network, a step at a time, against their formulas, written out in float64.

Compiled, sigmoid and tanh are within 1.5e-7 of their value, that is 2 units in the last place, and below -87, where sigmoid is next
to nothing, within 2e-38. What a step makes of them is within 3e-7 of the largest term that it is made of; of a product of a state
and the weights that term is the sum of all magnitudes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dlcli.models.time_loops import CompiledLoops, TimeLoops, TorchLoops
from tests.unit.models.compiled import LEVELS, WAYS, library_of

OF_A_FUNCTION = 1.5e-7
OF_A_STEP = 3e-7
NEXT_TO_NOTHING = 2e-38
SIZES = [(1, 1), (3, 7), (1, 33), (5, 128), (19, 64)]
SCALES = [0.01, 1.0, 30.0]
ROW = 64
"""Functions are looked at in rows of so many values."""


@pytest.fixture(params=WAYS)
def loops(request: pytest.FixtureRequest) -> TimeLoops:
    """Each level's compiled loops, and torch's."""
    return TorchLoops() if request.param == "torch" else CompiledLoops(library_of(request.param))


@pytest.fixture(params=LEVELS)
def compiled(request: pytest.FixtureRequest) -> TimeLoops:
    """Each level's compiled loops."""
    return CompiledLoops(library_of(request.param))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def _threads_put_back() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def _from_100_below_to_100_above() -> Tensor:
    """Evenly and, around 0, down to the smallest numbers there are; in rows."""
    small = torch.logspace(-44, 2, 4001, dtype=torch.float64).float()
    values = torch.cat((torch.linspace(-100, 100, 20_001), small, -small, torch.zeros(1)))
    return values[: len(values) // ROW * ROW].view(-1, ROW)


def _room(batch: int, hidden: int, count: int = 1) -> Tensor:
    """NaN, so that what is not written shows."""
    return torch.full((batch, count * hidden), torch.nan)


def _random(batch: int, hidden: int, count: int = 1) -> Tensor:
    return torch.randn(batch, count * hidden)


def _states(first: Tensor) -> Tensor:
    """The first state and room for that after it."""
    return torch.stack((first, _room(*first.shape)))


def _product(state: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """What comes from the state, in float64, and the sum of magnitudes that it is rounded in."""
    return state.double() @ weight.double().t(), state.abs().double() @ weight.abs().double().t()


def _assert_within(relative: float, found: Tensor, exact: Tensor, *terms: Tensor) -> None:
    """Each value by itself, relative to the exact one or to the largest of the terms that it is made of."""
    largest = torch.stack([term.abs() for term in terms or (exact,)]).amax(0)
    bound = relative * largest + NEXT_TO_NOTHING
    error = (found.double() - exact).abs()
    assert (error <= bound).all(), f"{(error / bound).max()} times the bound"


def test_sigmoid_and_tanh_of_a_gru_are_within_2_units_in_the_last_place(compiled: TimeLoops) -> None:
    """For inputs from -100 to 100 and around 0, where nothing comes from the state."""
    x = _from_100_below_to_100_above()
    gates, shares = x.repeat(1, 3)[None], torch.zeros(1, *x.shape)
    compiled.gru_forward(torch.zeros(3 * ROW, ROW), torch.zeros(ROW), _states(torch.zeros_like(x)), gates, shares)
    reset, update, new = gates[0].chunk(3, dim=1)
    _assert_within(OF_A_FUNCTION, reset, torch.sigmoid(x.double()))
    _assert_within(OF_A_FUNCTION, update, torch.sigmoid(x.double()))
    _assert_within(OF_A_FUNCTION, new, torch.tanh(x.double()))


def test_sigmoid_and_tanh_of_an_lstm_are_within_2_units_in_the_last_place(compiled: TimeLoops) -> None:
    """The same where all comes from the state."""
    x = _from_100_below_to_100_above()
    gates = torch.zeros(1, len(x), 4 * ROW)
    compiled.lstm_forward(torch.eye(ROW).repeat(4, 1), _states(x), _states(torch.zeros_like(x)), gates)
    put_in, forget, new, output = gates[0].chunk(4, dim=1)
    for gate in (put_in, forget, output):
        _assert_within(OF_A_FUNCTION, gate, torch.sigmoid(x.double()))
    _assert_within(OF_A_FUNCTION, new, torch.tanh(x.double()))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_a_gru_is_its_formula(loops: TimeLoops, batch: int, hidden: int, scale: float) -> None:
    """Gates, the new gate's share and the state that follows, for any size."""
    from_input, weight, bias = scale * _random(batch, hidden, 3), scale * _random(3 * hidden, hidden), scale * torch.randn(hidden)
    states, gates, shares = _states(_random(batch, hidden)), from_input.clone()[None], _room(batch, hidden)[None]
    loops.gru_forward(weight, bias, states, gates, shares)

    state, following = states
    x_reset, x_update, x_new = from_input.double().chunk(3, dim=1)
    from_state, sums = _product(state, weight)
    h_reset, h_update, h_new = from_state.chunk(3, dim=1)
    reset, update, share = torch.sigmoid(x_reset + h_reset), torch.sigmoid(x_update + h_update), h_new + bias.double()
    new = torch.tanh(x_new + reset * share)
    one, sum_reset, sum_update, sum_new = torch.ones_like(state), *sums.chunk(3, dim=1)
    found_reset, found_update, found_new = gates[0].chunk(3, dim=1)
    of_share = (sum_new, bias.expand_as(h_new))
    of_new = (one, x_new, sum_reset * share.abs(), *of_share)
    _assert_within(OF_A_STEP, found_reset, reset, one, x_reset, sum_reset)
    _assert_within(OF_A_STEP, found_update, update, one, x_update, sum_update)
    _assert_within(OF_A_STEP, shares[0], share, *of_share)
    _assert_within(OF_A_STEP, found_new, new, *of_new)
    _assert_within(OF_A_STEP, following, (1 - update) * new + update * state.double(), state, sum_update * (state - new), *of_new)


@pytest.mark.parametrize("rows", ["each its own", "one for all"])
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_a_gru_back_is_its_formula(loops: TimeLoops, batch: int, hidden: int, rows: str) -> None:
    """Gradients of the gates, the share and the state before, from those of the state that follows, which come in two parts."""
    grad, more, weight = _random(batch, hidden), _more(rows, batch, hidden), _random(3 * hidden, hidden)
    opened, new, share = torch.rand(batch, 2 * hidden), 2 * torch.rand(batch, hidden) - 1, _random(batch, hidden)
    gates, state = torch.cat((opened, new), dim=1), _random(batch, hidden)
    found, grad_gates = grad.clone(), _room(batch, hidden, 4)
    loops.gru_backward(weight, found, more[None], gates[None], share[None], _states(state), grad_gates[None])

    reset, update, new = gates.double().chunk(3, dim=1)
    both, terms = grad.double() + more.double(), (grad.double(), more.double())
    of_new = both * (1 - update) * (1 - new**2)
    of_share, of_reset = of_new * reset, of_new * share * reset * (1 - reset)
    of_update = both * (state.double() - new) * update * (1 - update)
    for of_gate, exact in zip(grad_gates.chunk(4, dim=1), (of_new, of_reset, of_update, of_share), strict=True):
        _assert_within(OF_A_STEP, of_gate, exact, *terms)
    through, sums = _product(torch.cat((of_reset, of_update, of_share), dim=1), weight.t())
    _assert_within(OF_A_STEP, found, through + both * update, sums + sum(term.abs() for term in terms) * _reach(weight))


@pytest.mark.parametrize("relu", [False, True], ids=["tanh", "relu"])
@pytest.mark.parametrize("rows", ["each its own", "one for all"])
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_an_elman_network_is_its_formula(loops: TimeLoops, batch: int, hidden: int, rows: str, relu: bool) -> None:
    """Forward and back, with tanh and with ReLU."""
    from_input, weight, states = _random(batch, hidden), _random(hidden, hidden), _states(_random(batch, hidden))
    loops.rnn_forward(weight, from_input[None], states, relu=relu)
    state, following = states
    from_state, sums = _product(state, weight)
    summed = from_input.double() + from_state
    _assert_within(OF_A_STEP, following, summed.relu() if relu else summed.tanh(), from_input, sums)

    grad, more, grad_sum = _random(batch, hidden), _more(rows, batch, hidden), _room(batch, hidden)
    found = grad.clone()
    loops.rnn_backward(weight, found, more[None], states, grad_sum[None], relu=relu)
    both, shown = grad.double() + more.double(), following.double()
    of_sum = both * (shown > 0) if relu else both * (1 - shown**2)
    _assert_within(OF_A_STEP, grad_sum, of_sum, grad, more)
    through, sums = _product(of_sum, weight.t())
    _assert_within(OF_A_STEP, found, through, sums + (grad.abs() + more.abs()) * _reach(weight))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_an_lstm_is_its_formula(loops: TimeLoops, batch: int, hidden: int, scale: float) -> None:
    """Gates, the cell and the hidden state that follow, for any size."""
    from_input, weight = scale * _random(batch, hidden, 4), scale * _random(4 * hidden, hidden)
    states, cells, gates = _states(_random(batch, hidden)), _states(_random(batch, hidden)), from_input.clone()[None]
    loops.lstm_forward(weight, states, cells, gates)

    (state, following), (cell, following_cell) = states, cells
    from_state, sums = _product(state, weight)
    put_in, forget, new, output = (from_input.double() + from_state).chunk(4, dim=1)
    put_in, forget, new, output = torch.sigmoid(put_in), torch.sigmoid(forget), torch.tanh(new), torch.sigmoid(output)
    exact_cell = forget * cell.double() + put_in * new
    one, parts = torch.ones_like(cell), torch.maximum(from_input.abs().double(), sums).chunk(4, dim=1)
    for found, exact, part in zip(gates[0].chunk(4, dim=1), (put_in, forget, new, output), parts, strict=True):
        _assert_within(OF_A_STEP, found, exact, one, part)
    of_cell = (one, cell, parts[0], parts[1] * cell, parts[2])
    _assert_within(OF_A_STEP, following_cell, exact_cell, *of_cell)
    _assert_within(OF_A_STEP, following, output * torch.tanh(exact_cell), *of_cell, parts[3])


@pytest.mark.parametrize("rows", ["each its own", "one for all"])
@pytest.mark.parametrize(("batch", "hidden"), SIZES)
def test_a_step_of_an_lstm_back_is_its_formula(loops: TimeLoops, batch: int, hidden: int, rows: str) -> None:
    """Gradients of the gates and, in the place of those of the state and the cell that follow, of the ones before."""
    grad, more, weight = _random(batch, hidden), _more(rows, batch, hidden), _random(4 * hidden, hidden)
    opened, new, shown = torch.rand(batch, 2 * hidden), 2 * torch.rand(batch, hidden) - 1, torch.rand(batch, hidden)
    gates, cells = torch.cat((opened, new, shown), dim=1), torch.stack((_random(batch, hidden), _random(batch, hidden)))
    before, grad_gates = _random(batch, hidden), _room(batch, hidden, 4)
    found, grad_cell = grad.clone(), before.clone()
    loops.lstm_backward(weight, found, more[None], gates[None], cells, grad_gates[None], grad_cell)

    put_in, forget, new, output = gates.double().chunk(4, dim=1)
    both, shown = grad.double() + more.double(), torch.tanh(cells[1].double())
    of_cell = before.double() + both * output * (1 - shown**2)
    of_in, of_forget = of_cell * new * put_in * (1 - put_in), of_cell * cells[0].double() * forget * (1 - forget)
    of_new, of_output = of_cell * put_in * (1 - new**2), both * shown * output * (1 - output)
    of_gates = (of_in, of_forget, of_new, of_output)
    for of_gate, exact in zip(grad_gates.chunk(4, dim=1), of_gates, strict=True):
        _assert_within(OF_A_STEP, of_gate, exact, before, both)
    _assert_within(OF_A_STEP, grad_cell, of_cell * forget, before, both)
    through, sums = _product(torch.cat(of_gates, dim=1), weight.t())
    _assert_within(OF_A_STEP, found, through, sums + (before.abs() + both.abs()) * _reach(weight))


def _more(rows: str, batch: int, hidden: int) -> Tensor:
    """A gradient of each sample's output, or the same for all, as a sum hands it back."""
    return _random(batch, hidden) if rows == "each its own" else _random(1, hidden).expand(batch, hidden)


def _reach(weight: Tensor) -> Tensor:
    """How much a gradient of 1 in each gate comes to, for each unit: what rounding of the gates' gradients is multiplied by."""
    return weight.abs().double().sum(0)


@pytest.mark.usefixtures("_threads_put_back")
def test_threads_and_other_samples_change_no_bit(compiled: TimeLoops) -> None:
    """Rows are shared out, and what happens in a row depends on no other; also where there are fewer than threads."""
    weight = _random(4 * 33, 33)
    for batch in (1, 5, 23):
        from_inputs, state, cell = torch.randn(3, batch, 4 * 33), _random(batch, 33), _random(batch, 33)
        results = []
        for threads, samples in ((1, batch), (2, batch), (3, batch), (1, (batch + 1) // 2)):
            torch.set_num_threads(threads)
            gates, states, cells = from_inputs[:, :samples].clone(), torch.zeros(4, samples, 33), torch.zeros(4, samples, 33)
            states[0], cells[0] = state[:samples], cell[:samples]
            compiled.lstm_forward(weight, states, cells, gates)
            results.append(torch.cat((gates, states[1:], cells[1:]), dim=2))
        first, *others = results
        assert all(torch.equal(first[:, : other.shape[1]], other) for other in others)


def test_nothing_is_written_beside_the_arrays(compiled: TimeLoops) -> None:
    """A last register that is not full ends where its row ends, and the last rows where the batch ends."""
    batch, hidden = 2, 7
    gates, shares, states = torch.full((3, batch, 3 * hidden), 8.0), *torch.full((2, 4, batch, hidden), 8.0)
    states[1] = _random(batch, hidden)
    compiled.gru_forward(_random(3 * hidden, hidden), torch.zeros(hidden), states[1:3], gates[1:2], shares[1:2])
    assert (gates[[0, 2]] == 8).all()
    assert (shares[[0, 2, 3]] == 8).all()
    assert (states[[0, 3]] == 8).all()
    assert not any((written == 8).any() for written in (gates[1], shares[1], states[2]))
