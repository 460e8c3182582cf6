"""`reversible_norm`: what it takes out of a series, what it puts back, and series of different lengths in one batch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.config.shapes import Sequence, Time, Vector
from dlcli.models.network import Network, build_network
from tests.unit.models.graphs import read_layers

LENGTHS = (5, 1, 9, 2)
FEATURES = 3
BODIES = {
    "a vector": "[{gru: {hidden_size: 4, return: last}}, {linear: 6}]",
    "a series": "[{conv1d: {out_channels: 6, kernel_size: 3, stride: 2, padding: 1}}, tanh]",
    "a nested series": "[{sequential: [{linear: 6}, tanh]}, {reversible_norm: {layers: [{linear: 6}]}}]",
}


def _network(layers: str, time: int | Time, *, affine: bool = False) -> Network:
    """In float64, with a scale and a shift that are not those of the start."""
    torch.manual_seed(0)
    text = f"- conv1d: {{out_channels: {FEATURES}, kernel_size: 3, padding: 1}}\n"
    text += f"- reversible_norm: {{layers: {layers}, affine: {str(affine).lower()}}}"
    network = build_network(read_layers(text, Sequence(time, Vector(2))), None).double()
    for name, parameter in network.named_parameters():
        if name in ("reversible_norm_1.weight", "reversible_norm_1.bias"):
            nn.init.uniform_(parameter, 0.5, 2)
    return network


def _padded(sequences: list[Tensor], filling: float) -> Tensor:
    batch = torch.full((len(sequences), max(LENGTHS) + 2, 2), filling, dtype=torch.float64)
    for row, sequence in zip(batch, sequences, strict=True):
        row[: sequence.shape[1]] = sequence[0]
    return batch


def _loss(outputs: list[Tensor]) -> Tensor:
    """Tells the outputs' values apart."""
    return torch.stack([(output * torch.linspace(-1, 2, output.numel()).view_as(output)).sum() for output in outputs]).sum()


def _gradients(network: nn.Module, outputs: list[Tensor], inputs: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(_loss(outputs), [*inputs, *network.parameters()]))


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("body", BODIES)
def test_a_padded_batch_gives_what_each_series_gives_alone(body: str, affine: bool) -> None:
    """Outputs, gradients of inputs and of parameters to 1e-12, whatever stands in the padding."""
    network = _network(BODIES[body], Time(), affine=affine)
    sequences = [7 + 3 * torch.randn(1, steps, 2, dtype=torch.float64) for steps in LENGTHS]
    alone = [sequence.clone().requires_grad_() for sequence in sequences]
    expected = [network(sequence) for sequence in alone]
    of_alone = _gradients(network, expected, alone)
    for filling in (0.0, torch.nan, torch.inf):
        padded = _padded(sequences, filling).requires_grad_()
        output = network(padded, torch.tensor(LENGTHS))
        assert output.isfinite().all()
        ours = [row[None] if one.dim() == 2 else row[None, : one.shape[1]] for row, one in zip(output, expected, strict=True)]
        of_padded, *of_parameters = _gradients(network, ours, [padded])
        of_inputs = [row[None, :steps] for row, steps in zip(of_padded, LENGTHS, strict=True)]
        torch.testing.assert_close([*ours, *of_inputs, *of_parameters], [*expected, *of_alone], rtol=1e-12, atol=1e-12)
        assert not any(row[steps:].any() for row, steps in zip(of_padded, LENGTHS, strict=True))


@pytest.mark.parametrize("affine", [False, True])
def test_layers_that_change_nothing_give_the_series_back(affine: bool) -> None:
    """What is taken out is put back: a feature's place, its swing, and what is learnt for it."""
    network = _network("[{reshape: [6, 3]}]", 6, affine=affine).get_submodule("reversible_norm_1")
    series = 1000 + 50 * torch.randn(4, 6, FEATURES, dtype=torch.float64)
    torch.testing.assert_close(network(series), series, rtol=1e-9, atol=0)


@pytest.mark.parametrize("layers", ["[relu, {linear: 3}]", "[{gru: {hidden_size: 4, return: last}}, {linear: 6}]"])
def test_a_forecast_follows_a_series_that_is_moved_and_stretched(layers: str) -> None:
    """Each feature in other units: the same forecast in these units, since the layers never see them."""
    network = _network(layers, 6).get_submodule("reversible_norm_1")
    series = torch.randn(4, 6, FEATURES, dtype=torch.float64)
    scale, shift = torch.tensor([2.0, 10.0, 0.5], dtype=torch.float64), torch.tensor([100.0, -7.0, 3.0], dtype=torch.float64)
    before = network(series).reshape(4, -1, FEATURES)
    after = network(series * scale + shift).reshape(4, -1, FEATURES)
    torch.testing.assert_close(after, before * scale + shift, rtol=1e-3, atol=1e-3)  # eps is not scaled


def test_the_layers_read_what_torch_calls_an_instance_norm() -> None:
    """Mean 0 and variance 1 over the steps of each sample, then the learnt scale and shift."""
    network = _network("[{relu: {name: seen}}]", 6, affine=True).get_submodule("reversible_norm_1")
    seen: list[Tensor] = []
    network.get_submodule("seen").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    series = torch.randn(4, 6, FEATURES, dtype=torch.float64)
    network(series)
    weight, bias = network.get_parameter("weight"), network.get_parameter("bias")
    torch.testing.assert_close(seen[0], F.instance_norm(series.transpose(1, 2), None, None, weight, bias).transpose(1, 2))


def test_a_series_that_does_not_move_has_finite_gradients() -> None:
    """A sensor that is stuck has no variance; `eps` keeps the division from breaking the training."""
    network = _network("[{linear: 3}]", 4, affine=True).get_submodule("reversible_norm_1")
    series = torch.full((2, 4, FEATURES), 5.0, dtype=torch.float64, requires_grad=True)
    output = network(series)
    assert all(gradient.isfinite().all() for gradient in _gradients(network, [output], [series]))


def test_weights_stand_beside_those_of_the_layers() -> None:
    """In a state_dict, after a copy, and counted where `affine` asks for them."""
    graph = read_layers("[{reversible_norm: {affine: true, layers: [{linear: 3}]}}]", Sequence(4, Vector(3)))
    network = copy.deepcopy(build_network(graph, None))
    assert set(network.state_dict()) == {
        f"reversible_norm_1.{name}" for name in ("weight", "bias", "linear_1.weight", "linear_1.bias")
    }
    assert graph.parameter_count() == sum(parameter.numel() for parameter in network.parameters()) == 3 * 3 + 3 + 2 * 3
