"""What optimisers remember, kept and taken back."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from dlcli.config import optimizers as specs
from dlcli.errors import CheckpointError
from dlcli.training.optimisers import OptimiserSet, build_optimisers
from tests.unit.training.small import OPTIMIZER_SPECS, fresh_network, gradients_of_step


def trained(spec: specs.OptimizerSpec, network: nn.Module, steps: range) -> OptimiserSet:
    """The optimisers of a network after some steps."""
    optimisers = build_optimisers(spec, network)
    run(optimisers, network, steps)
    return optimisers


def run(optimisers: OptimiserSet, network: nn.Module, steps: range) -> None:
    """Takes these steps."""
    for step in steps:
        optimisers.zero_grad()
        gradients_of_step(network, step)
        optimisers.set_rate(0.01 + 0.001 * step)
        optimisers.step()


def through_a_file(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state as it comes back from a checkpoint."""
    loaded = load(save({name: tensor.clone() for name, tensor in state.items()}))
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("spec", OPTIMIZER_SPECS, ids=str)
def test_a_restored_optimiser_goes_on_identically(spec: specs.OptimizerSpec) -> None:
    """Kept after three steps, read back into a fresh network: three more steps give the same bits as without a break."""
    network, resumed = fresh_network(), fresh_network()
    optimisers = trained(spec, network, range(3))
    state = through_a_file(optimisers.state())
    resumed.load_state_dict(network.state_dict())
    restored = build_optimisers(spec, resumed)
    restored.load_state(state)
    run(optimisers, network, range(3, 6))
    run(restored, resumed, range(3, 6))
    for found, expected in zip(resumed.parameters(), network.parameters(), strict=True):
        assert torch.equal(found, expected)
    assert_same_state(restored.state(), optimisers.state())


@pytest.mark.parametrize("spec", OPTIMIZER_SPECS, ids=str)
def test_a_state_reads_back_as_it_was(spec: specs.OptimizerSpec) -> None:
    """Loaded and asked again, the optimisers give the same names, types and bits."""
    network = fresh_network()
    state = through_a_file(trained(spec, network, range(4)).state())
    restored = build_optimisers(spec, fresh_network())
    restored.load_state(state)
    assert_same_state(restored.state(), state)


@pytest.mark.parametrize("spec", OPTIMIZER_SPECS, ids=str)
def test_a_training_that_has_not_begun_has_a_state_too(spec: specs.OptimizerSpec) -> None:
    """Kept before the first step, it goes on like a fresh one."""
    network, resumed = fresh_network(), fresh_network()
    restored = build_optimisers(spec, resumed)
    restored.load_state(through_a_file(build_optimisers(spec, fresh_network()).state()))
    trained(spec, network, range(3))
    run(restored, resumed, range(3))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), resumed.parameters(), strict=True))


def test_names_are_those_of_the_network() -> None:
    """A person who opens the file finds PARAMETER/NAME."""
    names = set(trained(specs.Adam(), fresh_network(), range(1)).state())
    expected = {f"{name}/{key}" for name, _ in fresh_network().named_parameters() for key in ("step", "exp_avg", "exp_avg_sq")}
    assert names == expected


def test_layers_that_took_no_part_have_no_state() -> None:
    """A frozen layer has nothing to remember, and that round-trips too."""
    network = fresh_network()
    network.get_submodule("first").requires_grad_(requires_grad=False)
    optimisers = trained(specs.Adam(), network, range(2))
    assert not any(name.startswith("first.") for name in optimisers.state())
    restored = build_optimisers(specs.Adam(), fresh_network())
    restored.load_state(through_a_file(optimisers.state()))
    assert_same_state(restored.state(), optimisers.state())


def test_a_state_with_unknown_weights_is_refused() -> None:
    """It names a weight that the network does not have."""
    state = trained(specs.Adam(), fresh_network(), range(1)).state()
    with pytest.raises(CheckpointError, match=r"of another network: it has `first\.") as caught:
        build_optimisers(specs.Adam(), nn.Sequential(nn.Linear(4, 3))).load_state(state)
    assert caught.value.exit_code == 5


def test_a_state_of_other_shapes_is_refused() -> None:
    """Equal names with other sizes: said with the weight and both shapes, before anything is changed."""
    state = trained(specs.Adam(), fresh_network(), range(1)).state()
    state["hidden.weight/exp_avg"] = torch.zeros(5, 7)
    optimisers = build_optimisers(specs.Adam(), fresh_network())
    with pytest.raises(CheckpointError, match=r"`exp_avg` of `hidden.weight` is \(5, 7\), not \(5, 6\)"):
        optimisers.load_state(state)
    assert optimisers.state() == {}


def assert_same_state(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Names, types and bits."""
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.dtype == expected[name].dtype, name
        assert torch.equal(tensor, expected[name]), name
