"""A recurrent layer's passes over time against torch's own layers and against finite differences."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import gradcheck

from dlcli.models import recurrent
from dlcli.models.recurrent import GRU, LSTM, RNN
from dlcli.models.recurrent_passes import has_pass, run_pass
from tests.unit.models.compiled import WAYS, take

KINDS: dict[str, tuple[type[nn.RNNBase], dict[str, Any]]] = {
    "gru": (nn.GRU, {}),
    "lstm": (nn.LSTM, {}),
    "rnn-tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "rnn-relu": (nn.RNN, {"nonlinearity": "relu"}),
}
BOUNDED = ["gru", "lstm", "rnn-tanh"]
LAYERS: dict[str, type[recurrent.Recurrent]] = {"gru": recurrent.GRU, "lstm": recurrent.LSTM, "rnn-tanh": recurrent.RNN}
ROUNDING = 2e-6
"""Of the largest value: some roundings of float32, in sums over all steps."""
FEATURES = 5

Tensors = tuple[Tensor, ...]
Choice = Callable[[Tensor, Tensors], Tensors]
"""Which of the outputs and last states a loss reads."""

Run = Callable[[nn.RNNBase, Tensor, Tensors], tuple[Tensor, Tensors]]
"""From values and the states to start from to outputs and last states."""

READ: dict[str, Choice] = {
    "outputs and last states": lambda outputs, last: (outputs, *last),
    "outputs": lambda outputs, last: (outputs,),
    "last state": lambda outputs, last: last[:1],
    "cell": lambda outputs, last: last[1:],
}


in_every_way = pytest.mark.usefixtures("_way")
"""Once with each level's compiled steps, and once with torch's."""


@pytest.fixture(params=WAYS)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    take(request.param, monkeypatch)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _module(kind: str, hidden: int = 7, **options: Any) -> nn.RNNBase:
    module, own = KINDS[kind]
    return module(FEATURES, hidden, **own, **options)


def _states(module: nn.RNNBase, batch: int) -> Tensors:
    return tuple(torch.randn(batch, module.hidden_size) for _ in range(2 if module.mode == "LSTM" else 1))


def _by_passes(module: nn.RNNBase, values: Tensor, states: Tensors) -> tuple[Tensor, Tensors]:
    weights = module.all_weights[0]
    assert has_pass(values, weights)
    return run_pass(module.mode, values, states, weights)


def _by_torch(module: nn.RNNBase, values: Tensor, states: Tensors) -> tuple[Tensor, Tensors]:
    rows = tuple(state.unsqueeze(0) for state in states)
    outputs, last = module(values, rows if module.mode == "LSTM" else rows[0])
    return outputs, tuple(state[0] for state in (last if module.mode == "LSTM" else (last,)))


def _results(run: Run, module: nn.RNNBase, values: Tensor, states: Tensors, read: Choice, weights: Tensors) -> dict[str, Tensor]:
    """Values that are read, and the gradients of a weighted sum of them."""
    values, states = values.detach().requires_grad_(), tuple(state.detach().requires_grad_() for state in states)
    sources = {"values": values, **dict(zip(("state", "cell"), states, strict=False)), **dict(module.named_parameters())}
    found = read(*run(module, values, states))
    gradients = torch.autograd.grad(found, list(sources.values()), weights, allow_unused=True)
    named = {f"gradient of {name}": gradient for name, gradient in zip(sources, gradients, strict=True) if gradient is not None}
    return {f"result {place}": value.detach() for place, value in enumerate(found)} | named


def _assert_as_torch(
    module: nn.RNNBase,
    values: Tensor,
    states: Tensors,
    *,
    read: str = "outputs and last states",
    rounding: float = ROUNDING,
) -> None:
    """In float32 as torch has it in float64, up to rounding, as a share of the largest value."""
    with torch.no_grad():
        weights = tuple(torch.randn_like(value) for value in READ[read](*_by_torch(module, values, states)))
    ours = _results(_by_passes, module, values, states, READ[read], weights)
    exact, doubles = copy.deepcopy(module).double(), tuple(state.double() for state in states)
    theirs = _results(_by_torch, exact, values.double(), doubles, READ[read], tuple(weight.double() for weight in weights))
    for name, expected in theirs.items():
        found = ours.pop(name)
        error, largest = (found - expected).abs().max(), expected.abs().max()
        assert error <= rounding * largest, f"{name}: {error / largest} of the largest value"
    assert not any(gradient.any() for gradient in ours.values()), "what torch has no gradient for has none but 0"


@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_finite_differences(kind: str, bias: bool) -> None:
    """Of all outputs and last states, by values, states to start from and weights, in float64."""
    module = _module(kind, hidden=4, bias=bias).double()
    values, states = torch.randn(3, 2, FEATURES).double(), tuple(state.double() for state in _states(module, 2))
    count = len(states)

    def run(values: Tensor, *tensors: Tensor) -> Tensors:
        outputs, last = run_pass(module.mode, values, tensors[:count], list(tensors[count:]))
        return outputs, *last

    inputs = [tensor.detach().requires_grad_() for tensor in (values, *states, *module.all_weights[0])]
    assert gradcheck(run, inputs)


@in_every_way
@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
@pytest.mark.parametrize(
    ("hidden", "batch", "time"), [(1, 1, 1), (1, 3, 4), (7, 1, 4), (7, 3, 1), (33, 3, 5), (128, 1, 9), (128, 3, 28)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_those_of_torch(kind: str, hidden: int, batch: int, time: int, bias: bool) -> None:
    """For any size, down to one of each, from states that are not 0."""
    module = _module(kind, hidden, bias=bias)
    _assert_as_torch(module, torch.randn(time, batch, FEATURES), _states(module, batch))


@in_every_way
@pytest.mark.parametrize(("kind", "read"), [("lstm", "cell"), *product(KINDS, ["outputs", "last state"])])
def test_a_loss_may_read_any_of_the_results(kind: str, read: str) -> None:
    """What it does not read has no part in the gradients."""
    module = _module(kind)
    _assert_as_torch(module, torch.randn(4, 3, FEATURES), _states(module, 3), read=read)


@pytest.fixture
def _threads_put_back() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_threads_put_back", "_way")
@pytest.mark.parametrize("batch", [1, 5, 23])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_no_bit_on_the_way_there_and_back(kind: str, batch: int) -> None:
    """Of the outputs, and of the gradient that comes to the first state through all steps."""
    module, values = _module(kind, 33), torch.randn(4, batch, FEATURES)
    states, found = tuple(state.requires_grad_() for state in _states(module, batch)), list[Tensors]()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        outputs, last = _by_passes(module, values, states)
        found.append((outputs, *last, *torch.autograd.grad(outputs.square().sum() + last[-1].sum(), states)))
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


@in_every_way
@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_starts_from_zeros_too(kind: str) -> None:
    """As every sequence does that goes on from none."""
    module = _module(kind)
    _assert_as_torch(module, torch.randn(4, 3, FEATURES), tuple(torch.zeros_like(state) for state in _states(module, 3)))


@in_every_way
@pytest.mark.parametrize("scale", [1e2, 1e4])
@pytest.mark.parametrize("kind", BOUNDED)
def test_saturated_gates_are_those_of_torch(kind: str, scale: float) -> None:
    """Where sigmoid is all but 0 or 1, and tanh all but -1 or 1; what goes in is rounded, to so much larger steps."""
    module = _module(kind)
    values = torch.randn(4, 3, FEATURES)
    values[1:3, :2] *= scale
    _assert_as_torch(module, values, _states(module, 3), rounding=10 * ROUNDING)


LAYOUTS: dict[str, Callable[[], Tensor]] = {
    "batch first": lambda: torch.randn(3, 4, FEATURES).transpose(0, 1),
    "features first": lambda: torch.randn(FEATURES, 4, 3).permute(1, 2, 0),
    "time last": lambda: torch.randn(3, FEATURES, 4).permute(2, 0, 1),
    "every other": lambda: torch.randn(8, 6, 2 * FEATURES)[::2, ::2, ::2],
    "one step again and again": lambda: torch.randn(1, 3, FEATURES).expand(4, 3, FEATURES),
    "one sample again and again": lambda: torch.randn(4, 1, FEATURES).expand(4, 3, FEATURES),
}


@in_every_way
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_values_may_lie_in_memory_in_any_order(kind: str, layout: str) -> None:
    """Read as the numbers they are."""
    module, values = _module(kind), LAYOUTS[layout]()
    assert not values.is_contiguous()
    _assert_as_torch(module, values, _states(module, 3))


@in_every_way
@pytest.mark.parametrize("kind", KINDS)
def test_states_and_gradients_may_lie_in_memory_in_any_order(kind: str) -> None:
    """States as columns, and gradients as a transpose or a sum hands them back."""
    module, values = _module(kind), torch.randn(4, 3, FEATURES)
    states = tuple(state.t().contiguous().t() for state in _states(module, 3))
    _assert_as_torch(module, values, states)
    transposed = torch.randn(7, 3, 4)
    losses: list[Callable[[Tensor, Tensor], Tensor]] = [
        lambda outputs, last: (outputs.permute(2, 1, 0) * transposed).sum() + (last.t() * transposed[..., 0]).sum(),
        lambda outputs, last: outputs.sum() + last.sum(),
    ]
    for loss in losses:
        found = [run(module, values, states) for run in (_by_passes, _by_torch)]
        ours, theirs = (torch.autograd.grad(loss(outputs, last[0]), module.all_weights[0]) for outputs, last in found)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@in_every_way
@pytest.mark.parametrize("kind", LAYERS)
def test_a_stack_of_layers_is_that_of_torch(kind: str) -> None:
    """Two layers in both directions, batch first: outputs and the gradients of all weights."""
    module = _module(kind, num_layers=2, bidirectional=True, batch_first=True)
    layer = LAYERS[kind](FEATURES, 7, num_layers=2, bidirectional=True, last=False)
    layer.load_state_dict(module.state_dict())
    values = torch.randn(3, 4, FEATURES)
    ours, (theirs, _) = layer(values), module(values)
    weights = torch.randn_like(theirs)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    gradients = (torch.autograd.grad(given, list(of.parameters()), weights) for given, of in ((ours, layer), (theirs, module)))
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


@in_every_way
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_add_up_in_memory_of_their_own(kind: str) -> None:
    """Both biases have the same gradient, or parts of it, and what is done to one does not happen to the other."""
    module, values = _module(kind), torch.randn(4, 3, FEATURES)
    states = _states(module, 3)
    for _ in range(2):
        _by_passes(module, values, states)[0].sum().backward()
    outputs, _ = _by_torch(module, values, states)
    once = torch.autograd.grad(outputs.sum(), module.all_weights[0])
    twice = [parameter.grad for parameter in module.parameters()]
    torch.testing.assert_close(twice, [2 * gradient for gradient in once], rtol=1e-5, atol=1e-5)
    module.bias_ih_l0.grad.zero_()
    torch.testing.assert_close(module.bias_hh_l0.grad, 2 * once[3], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_changed_in_place_give_no_wrong_gradient(kind: str) -> None:
    """The way back needs them as they were, and says so."""
    module = _module(kind)
    outputs, _ = _by_passes(module, torch.randn(4, 3, FEATURES), _states(module, 3))
    with pytest.raises(RuntimeError, match="inplace"):
        outputs.mul_(2).sum().backward()


@in_every_way
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode], ids=["no_grad", "inference_mode"])
@pytest.mark.parametrize("kind", KINDS)
def test_values_are_the_same_where_no_gradients_are_recorded(kind: str, mode: type[torch.no_grad]) -> None:
    """Evaluation and prediction see what training sees."""
    module, values = _module(kind), torch.randn(4, 3, FEATURES)
    states = _states(module, 3)
    outputs, last = _by_passes(module, values, states)
    with mode():
        again, last_again = _by_passes(module, values, states)
        assert torch.equal(again, outputs)
        assert all(torch.equal(one, other) for one, other in zip(last_again, last, strict=True))


@in_every_way
@pytest.mark.parametrize("kind", KINDS)
def test_nan_comes_out_from_where_it_goes_in(kind: str) -> None:
    """In its own sample from its step on, in the last states and in the gradients that it reaches in torch, and nowhere else."""
    module, values = _module(kind), torch.randn(5, 3, FEATURES)
    states = _states(module, 3)
    without, _ = _by_passes(module, values, states)
    values[2, 1, 0] = torch.nan
    outputs, last = _by_passes(module, values, states)
    is_hit = torch.zeros(5, 3, dtype=torch.bool)
    is_hit[2:, 1] = True
    assert outputs[is_hit].isnan().all()
    torch.testing.assert_close(outputs[~is_hit], without[~is_hit])
    assert all(state[1].isnan().all() and state[[0, 2]].isfinite().all() for state in last)
    gradients = [
        torch.autograd.grad(run(module, values, states)[0].sum(), module.all_weights[0]) for run in (_by_passes, _by_torch)
    ]
    assert gradients[0][0].isnan().any()
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())


@in_every_way
@pytest.mark.parametrize("kind", BOUNDED)
def test_huge_values_saturate(kind: str) -> None:
    """Gates are open or shut as in torch, states stay within bounds, and nothing becomes NaN on the way there or back."""
    module, values = _module(kind), torch.randn(5, 3, FEATURES) * 1e30
    states = tuple(torch.zeros_like(state) for state in _states(module, 3))
    outputs, last = _by_passes(module, values, states)
    torch.testing.assert_close(outputs, _by_torch(module, values, states)[0], rtol=0, atol=1e-6)
    assert 0.5 < outputs.abs().max() <= 1
    sum(result.sum() for result in (outputs, *last)).backward()
    assert all(parameter.grad.isfinite().all() for parameter in module.parameters())


@in_every_way
@pytest.mark.parametrize("value", [torch.inf, -torch.inf])
@pytest.mark.parametrize("kind", KINDS)
def test_infinity_gives_what_it_gives_in_torch(kind: str, value: float) -> None:
    """Saturated gates, infinity or NaN, each in its place."""
    module, values = _module(kind), torch.randn(5, 3, FEATURES)
    values[2, 1, 0] = value
    states = _states(module, 3)
    ours, theirs = _by_passes(module, values, states), _by_torch(module, values, states)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6, equal_nan=True)


def _record(module: nn.RNNBase, into: list[bool]) -> Callable[[Tensor], Tensor]:
    """A function to trace that notes whether a pass would be taken in there."""

    def run(values: Tensor) -> Tensor:
        into.append(has_pass(values, module.all_weights[0]))
        return values * 2

    return run


@pytest.mark.filterwarnings("ignore:`torch.jit.trace", "ignore:Using len to get tensor shape")  # still what some export by
def test_traced_torch_has_its_own_calls() -> None:
    """A trace holds torch's layer, and gives its values for other sequences than the one it was made with."""
    layer, noted = recurrent.GRU(FEATURES, 7, last=True), list[bool]()
    torch.jit.trace(_record(layer, noted), torch.randn(3, 4, FEATURES), check_trace=False)
    assert noted
    assert not any(noted)
    traced = torch.jit.trace(layer, torch.randn(3, 4, FEATURES), check_trace=False)
    assert "aten::gru" in str(traced.inlined_graph)
    longer = torch.randn(3, 9, FEATURES)
    torch.testing.assert_close(traced(longer), layer(longer))


def test_exported_torch_has_its_own_calls() -> None:
    """`torch.export` sees torch's layer too."""
    layer = recurrent.LSTM(FEATURES, 7, last=True)
    program = torch.export.export(layer, (torch.randn(3, 4, FEATURES),))
    assert any(str(node.target).startswith("aten.lstm") for node in program.graph.nodes)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("kind", LAYERS)
def test_short_numbers_take_the_way_of_torch(kind: str, dtype: torch.dtype) -> None:
    """To the bit: by weights of that type, and by autocast."""
    layer, module = LAYERS[kind](FEATURES, 7, last=False), _module(kind, batch_first=True)
    layer.load_state_dict(module.state_dict())
    values = torch.randn(3, 4, FEATURES)
    with torch.autocast("cpu", dtype):
        assert not has_pass(values, layer.all_weights[0])
        if (kind, dtype) != ("lstm", torch.float16):
            assert torch.equal(layer(values), module(values)[0])
    layer, module, values = layer.to(dtype), module.to(dtype), values.to(dtype)
    assert not has_pass(values, layer.all_weights[0])
    if (kind, dtype) != ("lstm", torch.float16):  # which needs a processor that multiplies them
        assert torch.equal(layer(values), module(values)[0])


def test_few_samples_are_not_worth_reading_many_weights_in_each_step() -> None:
    """From two megabytes on torch's own layer is faster for less than sixteen of them; what comes out is the same."""
    layer, module = recurrent.RNN(FEATURES, 710, last=False), nn.RNN(FEATURES, 710, batch_first=True)
    layer.load_state_dict(module.state_dict())
    few, many = torch.randn(15, 3, FEATURES), torch.randn(16, 3, FEATURES)
    assert not has_pass(few.transpose(0, 1), layer.all_weights[0])
    assert has_pass(many.transpose(0, 1), layer.all_weights[0])
    assert has_pass(few.transpose(0, 1), _module("rnn-tanh", 700).all_weights[0])
    assert torch.equal(layer(few), module(few)[0])
    torch.testing.assert_close(layer(many), module(many)[0], rtol=1e-5, atol=1e-5)


def test_without_numbers_only_torch_has_a_way() -> None:
    """On the meta device there are shapes alone."""
    layer, values = recurrent.GRU(FEATURES, 7, last=False).to("meta"), torch.randn(3, 4, FEATURES, device="meta")
    assert not has_pass(values, layer.all_weights[0])
    assert layer(values).shape == (3, 4, 7)


def test_types_are_not_mixed_silently() -> None:
    """Values of another type than the weights are refused by torch, and never read as if they were of theirs."""
    layer, values = recurrent.GRU(FEATURES, 7, last=False), torch.randn(3, 4, FEATURES).double()
    assert not has_pass(values, layer.all_weights[0])
    with pytest.raises((ValueError, RuntimeError), match=r"dtype|type"):
        layer(values)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")  # said by plain torch
@pytest.mark.parametrize("bias", [True, False], ids=["biases", "no biases"])
def test_projected_lstms_take_the_way_of_torch(bias: bool) -> None:
    """Their third matrix is none of the passes', and is not taken for biases."""
    layer = recurrent.LSTM(FEATURES, 7, proj_size=2, bias=bias, last=False)
    module = nn.LSTM(FEATURES, 7, proj_size=2, bias=bias, batch_first=True)
    layer.load_state_dict(module.state_dict())
    values = torch.randn(3, 4, FEATURES)
    assert not has_pass(values, layer.all_weights[0])
    assert torch.equal(layer(values), module(values)[0])


@pytest.mark.parametrize("kind", ["gru", "lstm", "rnn"])
def test_a_second_derivative_is_refused_and_not_left_out(kind: str) -> None:
    """A penalty on a gradient would else be without effect, and nobody would see it."""
    layers = {"gru": GRU, "lstm": LSTM, "rnn": RNN}
    layer = layers[kind](3, 4, last=True)
    values = torch.randn(2, 5, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="second derivatives"):
        torch.autograd.grad(layer(values).sum(), values, create_graph=True)


def test_transformed_and_fake_tensors_take_the_way_of_torch() -> None:
    """What `torch.func` and `FakeTensorMode` hand over has no numbers in memory."""
    layer = GRU(3, 4, last=True)
    values = torch.randn(2, 5, 3)
    found = torch.func.grad(lambda x: layer(x).sum())(values)
    read = values.clone().requires_grad_()
    layer(read).sum().backward()
    torch.testing.assert_close(found, read.grad)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert not has_pass(mode.from_tensor(values), list(layer.parameters()))
