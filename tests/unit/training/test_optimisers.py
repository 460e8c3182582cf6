"""Optimisers against torch's own, built by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlcli.config import optimizers as specs
from dlcli.errors import UsageError
from dlcli.training.optimisers import build_optimisers
from tests.unit.training.small import OPTIMIZER_SPECS, fresh_network, gradients_of_step

RATES = (0.05, 0.02, 0.01, 0.03, 0.005)

Build = Callable[[list[Any]], torch.optim.Optimizer]


def by_dlcli(spec: specs.OptimizerSpec, network: nn.Module) -> nn.Module:
    """The network after steps at RATES."""
    optimisers = build_optimisers(spec, network)
    for step, rate in enumerate(RATES):
        optimisers.zero_grad()
        gradients_of_step(network, step)
        optimisers.set_rate(rate)
        optimisers.step()
    return network


def by_hand(optimizers: list[torch.optim.Optimizer], network: nn.Module) -> nn.Module:
    """The same with torch alone."""
    for step, rate in enumerate(RATES):
        network.zero_grad()
        gradients_of_step(network, step)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
    return network


def assert_same_weights(found: nn.Module, expected: nn.Module) -> None:
    """All weights equal but for rounding: dlcli may use torch's fused kernels."""
    for (name, tensor), other in zip(found.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(tensor, other, rtol=1e-9, atol=1e-11, msg=lambda text, name=name: f"{name}: {text}")


PLAIN: list[tuple[specs.OptimizerSpec, Build]] = [
    (specs.Sgd(), lambda p: torch.optim.SGD(p, foreach=False)),
    (
        specs.Sgd(momentum=0.9, dampening=0.1, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, momentum=0.9, dampening=0.1, weight_decay=0.01, foreach=False),
    ),
    (specs.Sgd(momentum=0.8, nesterov=True), lambda p: torch.optim.SGD(p, momentum=0.8, nesterov=True, foreach=False)),
    (specs.Adam(), lambda p: torch.optim.Adam(p, foreach=False)),
    (
        specs.Adam(betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, amsgrad=True),
        lambda p: torch.optim.Adam(p, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, amsgrad=True, foreach=False),
    ),
    (specs.AdamW(), lambda p: torch.optim.AdamW(p, weight_decay=1e-2, foreach=False)),
    (
        specs.AdamW(betas=(0.7, 0.95), eps=1e-5, weight_decay=0.5, amsgrad=True),
        lambda p: torch.optim.AdamW(p, betas=(0.7, 0.95), eps=1e-5, weight_decay=0.5, amsgrad=True, foreach=False),
    ),
    (specs.RmsProp(), lambda p: torch.optim.RMSprop(p, foreach=False)),
    (
        specs.RmsProp(alpha=0.8, eps=1e-3, momentum=0.5, centered=True, weight_decay=0.1),
        lambda p: torch.optim.RMSprop(p, alpha=0.8, eps=1e-3, momentum=0.5, centered=True, weight_decay=0.1, foreach=False),
    ),
    (specs.Adagrad(), lambda p: torch.optim.Adagrad(p, foreach=False)),
    (
        specs.Adagrad(lr_decay=0.1, eps=1e-3, weight_decay=0.1),
        lambda p: torch.optim.Adagrad(p, lr_decay=0.1, eps=1e-3, weight_decay=0.1, foreach=False),
    ),
    (specs.Adadelta(), lambda p: torch.optim.Adadelta(p, foreach=False)),
    (
        specs.Adadelta(rho=0.5, eps=1e-3, weight_decay=0.1),
        lambda p: torch.optim.Adadelta(p, rho=0.5, eps=1e-3, weight_decay=0.1, foreach=False),
    ),
    (specs.NAdam(), lambda p: torch.optim.NAdam(p, foreach=False)),
    (
        specs.NAdam(betas=(0.8, 0.9), eps=1e-4, momentum_decay=0.1, weight_decay=0.1),
        lambda p: torch.optim.NAdam(p, betas=(0.8, 0.9), eps=1e-4, momentum_decay=0.1, weight_decay=0.1, foreach=False),
    ),
    (specs.RAdam(), lambda p: torch.optim.RAdam(p, foreach=False)),
    (
        specs.RAdam(betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1),
        lambda p: torch.optim.RAdam(p, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.1, foreach=False),
    ),
]


def test_every_optimiser_is_tested() -> None:
    """The cases cover every name that a config can write."""
    tested = {spec.kind for spec, _ in PLAIN} | {"muon"}
    assert tested == set(specs.OPTIMIZERS) == {spec.kind for spec in OPTIMIZER_SPECS}


@pytest.mark.parametrize("spec_class", specs.OPTIMIZERS.values(), ids=lambda spec_class: spec_class.kind)
def test_every_name_has_a_builder(spec_class: type[specs.OptimizerSpec]) -> None:
    """Each optimiser of the vocabulary, as it is without fields, changes every weight."""
    network, before = fresh_network(), fresh_network()
    by_dlcli(spec_class(), network)
    pairs = list(zip(network.parameters(), before.parameters(), strict=True))
    assert not any(torch.equal(new, old) for new, old in pairs)


@pytest.mark.parametrize(("spec", "build"), PLAIN, ids=lambda case: str(case) if isinstance(case, specs.OptimizerSpec) else "")
def test_steps_are_torchs(spec: specs.OptimizerSpec, build: Build) -> None:
    """Several steps at changing rates give the weights that torch's optimiser gives."""
    expected = fresh_network(torch.float64)
    by_hand([build(list(expected.parameters()))], expected)
    assert_same_weights(by_dlcli(spec, fresh_network(torch.float64)), expected)


def _spared_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Weights of linear layers decay; biases and all of the normalisation do not."""
    decaying = {"first.weight", "hidden.weight", "last.weight"}
    named = dict(network.named_parameters())
    return [
        {"params": [named[name] for name in named if name in decaying]},
        {"params": [named[name] for name in named if name not in decaying], "weight_decay": 0.0},
    ]


@pytest.mark.parametrize("kind", sorted(set(specs.OPTIMIZERS) - {"muon"}))
def test_biases_and_norms_can_be_spared_from_decay(kind: str) -> None:
    """With decay_biases_and_norms false, weight decay acts on the matrices alone."""
    classes: dict[str, Any] = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
        "adadelta": torch.optim.Adadelta,
        "nadam": torch.optim.NAdam,
        "radam": torch.optim.RAdam,
    }
    spec = specs.OPTIMIZERS[kind](weight_decay=0.3, decay_biases_and_norms=False)
    expected = fresh_network(torch.float64)
    by_hand([classes[kind](_spared_groups(expected), weight_decay=0.3, foreach=False)], expected)
    assert_same_weights(by_dlcli(spec, fresh_network(torch.float64)), expected)


@pytest.mark.parametrize(
    ("layer", "spared"),
    [
        (nn.BatchNorm2d(3), {"weight", "bias"}),
        (nn.LayerNorm(3), {"weight", "bias"}),
        (nn.GroupNorm(1, 3), {"weight", "bias"}),
        (nn.InstanceNorm1d(3, affine=True), {"weight", "bias"}),
        (nn.Conv2d(1, 2, 3), {"bias"}),
        (nn.Embedding(4, 3), set()),
        (nn.LSTM(2, 3, bidirectional=True), {"bias_ih_l0", "bias_hh_l0", "bias_ih_l0_reverse", "bias_hh_l0_reverse"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_is_spared(layer: nn.Module, spared: set[str]) -> None:
    """Every bias, those of recurrent layers too, and scales and shifts of every normalisation; nothing else."""
    network = nn.Sequential(layer)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
        with torch.no_grad():
            parameter.fill_(1.0)
    optimisers = build_optimisers(specs.Sgd(weight_decay=0.5, decay_biases_and_norms=False), network)
    optimisers.set_rate(1.0)
    optimisers.step()
    decayed = {name for name, parameter in layer.named_parameters() if bool((parameter != 1).any())}
    assert decayed == {name for name, _ in layer.named_parameters()} - spared


@pytest.mark.parametrize("spare", [False, True])
def test_muon_takes_hidden_matrices_and_adamw_the_rest(spare: bool) -> None:
    """Of the three matrices only the one in the middle is on Muon; first, last, biases and norms are on AdamW."""
    spec = specs.Muon(weight_decay=0.2, momentum=0.9, ns_steps=4, betas=(0.8, 0.99), decay_biases_and_norms=not spare)
    expected = fresh_network(torch.float64)
    named = dict(expected.named_parameters())
    muon = torch.optim.Muon(
        [named.pop("hidden.weight")], weight_decay=0.2, momentum=0.9, ns_steps=4, adjust_lr_fn="match_rms_adamw"
    )
    matrices = [named.pop(name) for name in ("first.weight", "last.weight")]
    others = {"params": list(named.values()), "weight_decay": 0.0 if spare else 0.2}
    adamw = torch.optim.AdamW([{"params": matrices}, others], betas=(0.8, 0.99), weight_decay=0.2, foreach=False)
    by_hand([muon, adamw], expected)
    assert_same_weights(by_dlcli(spec, fresh_network(torch.float64)), expected)


def test_muon_leaves_kernels_and_stacked_gates_between_matrices_alone() -> None:
    """Convolutions are no matrices: they are on AdamW. A recurrent layer in the middle has two matrices, both on Muon."""
    network = nn.Sequential(nn.Conv1d(2, 3, 3), nn.GRU(3, 4), nn.Linear(4, 2))
    optimisers = build_optimisers(specs.Muon(), network)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimisers.set_rate(0.01)
    optimisers.step()
    on_muon = {name.rpartition("/")[0] for name in optimisers.state() if name.endswith("momentum_buffer")}
    assert on_muon == {"1.weight_ih_l0", "1.weight_hh_l0"}


def test_muon_without_hidden_matrices_is_adamw() -> None:
    """A network of one layer trains all the same."""
    network, expected = nn.Linear(3, 2), nn.Linear(3, 2)
    expected.load_state_dict(network.state_dict())
    for module in (network, expected):
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
    optimisers = build_optimisers(specs.Muon(), network)
    optimisers.set_rate(0.1)
    optimisers.step()
    torch.optim.AdamW(expected.parameters(), lr=0.1, weight_decay=0.1, foreach=False).step()
    torch.testing.assert_close(network.weight, expected.weight)


def test_zero_grad_forgets_gradients() -> None:
    """Gradients are let go, not set to 0: a layer that took no part in a step is not decayed or moved by momentum."""
    network = fresh_network()
    gradients_of_step(network, 0)
    build_optimisers(specs.Sgd(), network).zero_grad()
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_without_weights_is_refused() -> None:
    """There is nothing to train in it: the person hears that and what to add."""
    with pytest.raises(UsageError, match="no weights to train") as caught:
        build_optimisers(specs.Adam(), nn.Sequential(nn.Flatten(), nn.ReLU()))
    assert "linear" in (caught.value.help or "")


def test_tied_weights_move_once_a_step() -> None:
    """A weight that two layers share is one weight to the optimiser."""
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    network[1].weight = network[0].weight
    before: Tensor = network[0].weight.detach().clone()
    network[0].weight.grad = torch.ones(2, 2)
    optimisers = build_optimisers(specs.Sgd(), network)
    optimisers.set_rate(0.5)
    optimisers.step()
    torch.testing.assert_close(network[1].weight.detach(), before - 0.5)
