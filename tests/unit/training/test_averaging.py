"""The moving average of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dlcli.training.averaging import WeightAverage


def small_network() -> nn.Sequential:
    """A network with weights, fractional buffers (mean and variance) and a whole-numbered one (batches seen)."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()


def change(network: nn.Module, seed: int) -> None:
    """Moves all that an optimiser and a forward pass would move."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype))
            else:
                tensor.add_(1)


@pytest.mark.parametrize("decay", [0.1, 0.5, 0.999])
def test_the_average_in_closed_form(decay: float) -> None:
    """After T steps: the sum over t of (1 - d_t) times all later d's times the weights of step t, and a rest of the start."""
    network = small_network()
    average = WeightAverage(network, decay)
    history = [{name: tensor.clone() for name, tensor in network.state_dict().items()}]
    decays = [min(decay, (1 + step) / (10 + step)) for step in range(30)]
    for step in range(30):
        change(network, seed=step)
        average.update(step)
        history.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
    shares = [1.0] + [1 - d for d in decays]
    for later, d in enumerate(decays, start=1):
        shares[:later] = [share * d for share in shares[:later]]
    assert sum(shares) == pytest.approx(1.0)
    for name, tensor in average.network.state_dict().items():
        if tensor.is_floating_point():
            expected = sum(share * weights[name] for share, weights in zip(shares, history, strict=True))
            torch.testing.assert_close(tensor, expected, rtol=1e-10, atol=1e-12)


def test_the_first_step_almost_replaces_the_start() -> None:
    """At step 0 the decay is 1/10 however large it is later: weights at random don't linger."""
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
        average = WeightAverage(network, 0.999)
        network.weight.fill_(1.0)
    average.update(0)
    assert float(average.network.get_parameter("weight")) == pytest.approx(0.9)


def test_whole_numbers_are_copied() -> None:
    """The number of batches seen has no meaningful mean."""
    network = small_network()
    average = WeightAverage(network, 0.999)
    for step in range(4):
        change(network, seed=step)
        average.update(step)
    assert int(average.network.get_buffer("1.num_batches_tracked")) == 4


def test_running_statistics_are_averaged() -> None:
    """Mean and variance of batch normalisation follow as slowly as the weights that they belong to."""
    network = small_network()
    average = WeightAverage(network, 0.5)
    old, decay = network.get_buffer("1.running_mean").clone(), min(0.5, 21 / 30)
    change(network, seed=1)
    average.update(20)
    expected = decay * old + (1 - decay) * network.get_buffer("1.running_mean")
    torch.testing.assert_close(average.network.get_buffer("1.running_mean"), expected)


def test_the_average_is_never_trained() -> None:
    """Neither at the start nor after an update does it ask for gradients, and it is always in eval mode."""
    network = small_network()
    average = WeightAverage(network, 0.9)
    network(torch.ones(5, 3, dtype=torch.float64)).sum().backward()
    average.update(0)
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert all(parameter.grad is None for parameter in average.network.parameters())
    assert not any(module.training for module in average.network.modules())
    assert not average.network(torch.ones(2, 3, dtype=torch.float64)).requires_grad


def test_the_network_is_left_alone() -> None:
    """The weights that train are their own: an update changes the average only."""
    network = small_network()
    average = WeightAverage(network, 0.9)
    change(network, seed=3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    average.update(0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert network.training


def test_tied_weights_stay_tied() -> None:
    """Two layers that share their weights share them in the average, and it moves once a step."""
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    network[1].weight = network[0].weight
    average = WeightAverage(network, 0.5)
    old = network[0].weight.detach().clone()
    with torch.no_grad():
        network[0].weight += 1
    average.update(100)
    parameters = list(average.network.parameters())
    assert len(parameters) == 1
    torch.testing.assert_close(parameters[0], old + 0.5)
