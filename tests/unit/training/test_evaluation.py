"""A network judged on a split."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from dlcli.config.losses import CrossEntropy, MeanSquaredError
from dlcli.config.metrics import R2, MeanAbsoluteError, RootMeanSquaredError
from dlcli.data.preprocessing import Preprocessing
from dlcli.errors import UsageError
from dlcli.training.evaluation import evaluate, evaluation_batches
from dlcli.training.objectives import build_objective
from tests.unit.training.trainings import CPU, linear_network, picture_network, pictures, train_spec, vectors


def judged(network: nn.Module, split: str, **fields: object) -> dict[str, float]:
    """What dlcli says of a network on vectors."""
    dataset, spec = vectors(train=600, valid=300), train_spec(**fields)
    batches = evaluation_batches(dataset, split, Preprocessing(dataset.spec, dataset.facts), spec)
    return evaluate(network, batches, build_objective(spec, dataset.facts, ("output",), CPU))


@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize("weights", [None, (0.1, 1.0, 5.0)])
def test_figures_are_those_of_all_samples_at_once(split: str, weights: tuple[float, ...] | None) -> None:
    """Loss and accuracy over several batches equal those of one pass over the split."""
    network, dataset = linear_network(), vectors(train=600, valid=300)
    samples = {"train": dataset.train, "valid": dataset.valid, "test": dataset.test}[split]
    assert samples is not None
    outputs = network(samples.inputs).detach().double()
    by_class = torch.tensor(weights, dtype=torch.float64) if weights else None
    found = judged(network, split, loss=CrossEntropy(class_weights=weights))
    assert found["loss"] == pytest.approx(float(functional.cross_entropy(outputs, samples.targets, by_class)), rel=1e-6)
    assert found["accuracy"] == float((outputs.argmax(dim=1) == samples.targets).double().mean())
    assert list(found) == ["loss", "accuracy"]


def test_figures_do_not_depend_on_the_batch_size_of_the_training() -> None:
    """The same weights give the same figures, but for the rounding of a float32 mean, whichever batches they were trained with."""
    network = linear_network()
    assert judged(network, "train", batch_size=1) == pytest.approx(judged(network, "train", batch_size=100), rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_a_network_is_left_as_it_was(training: bool) -> None:
    """Judged in eval mode, without gradients; mode, weights, running statistics and random numbers stay."""
    network, dataset, spec = picture_network().train(training), pictures(), train_spec()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    batches = evaluation_batches(dataset, "valid", Preprocessing(dataset.spec, dataset.facts), spec)
    first = evaluate(network, batches, build_objective(spec, dataset.facts, ("output",), CPU))
    again = evaluate(network, batches, build_objective(spec, dataset.facts, ("output",), CPU))
    assert first == again
    assert all(module.training == training for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_values_are_judged_by_their_errors() -> None:
    """A regression's metrics come with its loss."""
    network, dataset = linear_network(outputs=2), vectors(targets=2)
    spec = train_spec(loss=MeanSquaredError(), metrics=(MeanAbsoluteError(), RootMeanSquaredError(), R2()))
    batches = evaluation_batches(dataset, "test", Preprocessing(dataset.spec, dataset.facts), spec)
    found = evaluate(network, batches, build_objective(spec, dataset.facts, ("output",), CPU))
    errors = network(dataset.test.inputs).detach() - dataset.test.targets
    assert found["loss"] == pytest.approx(float(errors.square().mean()))
    assert found["mae"] == pytest.approx(float(errors.abs().mean()))
    assert found["rmse"] == pytest.approx(found["loss"] ** 0.5)


def test_a_split_that_is_not_there_is_refused() -> None:
    """The help lists those that are; exit code 2."""
    dataset = vectors(valid=0)
    preprocessing = Preprocessing(dataset.spec, dataset.facts)
    for name in ("valid", "holdout"):
        with pytest.raises(UsageError, match=f"no split `{name}`") as caught:
            evaluation_batches(dataset, name, preprocessing, train_spec())
        assert caught.value.help == "there are: train, test"
