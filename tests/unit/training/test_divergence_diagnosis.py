"""A training that diverges says where NaN or infinity came from, and the line of that layer."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.shapes import Image, Sequence, Shape, Time, Vector
from dlcli.data.batches import Batch
from dlcli.errors import DivergedError
from dlcli.models.network import Network, build_network
from dlcli.training.divergence import LOWER_THE_RATE, MEND_THE_DATA, bad_weight, first_bad
from tests.unit.models.graphs import read_layers
from tests.unit.training.trainings import make_trainer, train_spec, vectors

NESTED = """\
- sequential:
    name: trunk
    layers:
      - conv2d: {out_channels: 3, kernel_size: 3, name: first}
      - relu
- flatten
- dropout: 0.5
- linear: {out_features: 4, name: head}
- tanh
- linear: 2
"""

PER_FRAME = """\
- time_distributed:
    - linear: 3
    - tanh
- gru: {hidden_size: 4, return: last}
- linear: 2
"""


def built(text: str, shape: Shape | Mapping[str, Shape]) -> Network:
    """A network from its layers."""
    torch.manual_seed(0)
    network = build_network(read_layers(text, shape), None)
    assert isinstance(network, Network)
    return network


def pictures() -> Batch:
    """Five of 6 x 6."""
    return Batch(torch.ones(5, 1, 6, 6), torch.zeros(5, dtype=torch.int64), 5)


def told(network: nn.Module, *group: Batch) -> tuple[str, str]:
    """What is said of a step with these batches."""
    return first_bad(network, group, lambda batch: batch.through(network))


def spoil(network: nn.Module, name: str, value: float) -> None:
    """Puts a number into one weight."""
    with torch.no_grad():
        network.get_parameter(name).view(-1)[0] = value


@pytest.mark.parametrize(("value", "kind"), [(math.nan, "NaN"), (math.inf, "infinity"), (-math.inf, "infinity")])
def test_bad_data_is_named_first(value: float, kind: str) -> None:
    """With the sample, also where weights are bad by then: whatever trains on such data comes to that."""
    network, batch = built(NESTED, Image(1, 6, 6)), pictures()
    assert isinstance(batch.inputs, Tensor)
    batch.inputs[3, 0, 2, 2] = value
    spoil(network, "head.bias", math.nan)
    assert told(network, batch) == (f"the input of sample 3 in the batch holds {kind}", MEND_THE_DATA)


def test_bad_answers_are_named_too() -> None:
    """Values to predict, and one of several inputs by its name; the second batch of a group."""
    inputs = {"left": torch.ones(2, 3), "right": torch.ones(2, 3)}
    good = Batch(inputs, torch.zeros(2, 1), 2)
    bad = Batch(inputs, torch.tensor([[0.0], [math.nan]]), 2)
    assert told(nn.Identity(), good, bad)[0] == "the target of sample 1 in the batch holds NaN"
    worse = Batch(inputs | {"right": torch.full((2, 3), math.inf)}, torch.zeros(2, 1), 2)
    assert told(nn.Identity(), good, worse)[0] == "the input `right` of sample 0 in the batch holds infinity"


def test_what_lies_in_the_padding_is_no_bad_data() -> None:
    """Behind the end of a sequence anything may stand."""
    network = built("[lstm: {hidden_size: 2, return: last}, linear: 2]", Sequence(Time(), Vector(3)))
    inputs = torch.ones(2, 4, 3)
    inputs[0, 2:] = math.nan
    batch = Batch(inputs, torch.zeros(2, dtype=torch.int64), 2, lengths=torch.tensor([2, 4]))
    assert told(network, batch)[0] == "every layer gives finite numbers, and the loss of them is not"
    inputs[1, 3, 0] = math.nan
    assert told(network, batch)[0] == "the input of sample 1 in the batch holds NaN"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("head.weight", "`head.weight` of `head` (linear, layers.yaml:8) holds infinity since the update before"),
        ("trunk.first.bias", "`trunk.first.bias` of `first` (conv2d, layers.yaml:4) holds infinity since the update before"),
        ("linear_2.weight", "`linear_2.weight` of `linear_2` (layers.yaml:10) holds infinity since the update before"),
    ],
)
def test_a_ruined_weight_is_named_with_its_layer_and_line(name: str, words: str) -> None:
    """The innermost layer that it belongs to; what kind of layer where its name does not say so."""
    network = built(NESTED, Image(1, 6, 6))
    spoil(network, name, math.inf)
    assert told(network, pictures()) == (words, LOWER_THE_RATE)


def test_of_several_ruined_weights_the_last_layer_is_named() -> None:
    """Gradients reach it first."""
    network = built(NESTED, Image(1, 6, 6))
    for name in ("trunk.first.weight", "head.weight", "head.bias"):
        spoil(network, name, math.nan)
    assert (bad_weight(network) or "").startswith("`head.weight` of `head`")


@pytest.mark.parametrize("training", [True, False])
def test_the_first_layer_that_overflows_is_named(training: bool) -> None:
    """All weights are finite, and their products are not: with dropout drawing or not."""
    network = built(NESTED, Image(1, 6, 6)).train(training)
    with torch.no_grad():
        network.get_parameter("head.weight").fill_(3e38)
        network.get_parameter("trunk.first.bias").fill_(10)
    what, help = told(network, pictures())
    assert what == "`head` (linear, layers.yaml:8) gives infinity, and what it reads is finite"
    assert help == LOWER_THE_RATE


def test_a_layer_inside_of_another_is_named() -> None:
    """Of layers over time too, and recurrent ones, which give more than one tensor."""
    network = built(PER_FRAME, Sequence(5, Vector(3)))
    batch = Batch(torch.full((2, 5, 3), 1e38), torch.zeros(2, dtype=torch.int64), 2)
    with torch.no_grad():
        network.get_parameter("time_distributed_1.linear_1.weight").fill_(100)
    assert told(network, batch)[0] == "`linear_1` (layers.yaml:2) gives infinity, and what it reads is finite"


def test_a_network_that_is_no_graph_has_names_of_modules() -> None:
    """As with a network that somebody built in Python."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    with torch.no_grad():
        network[0].weight.fill_(3e38)
    batch = Batch(torch.full((1, 2), 10.0), torch.zeros(1), 1)
    assert told(network, batch)[0] == "`0` gives infinity, and what it reads is finite"


def test_looking_leaves_no_hooks_behind() -> None:
    """The network is as it was."""
    network = built(NESTED, Image(1, 6, 6))
    told(network, pictures())
    assert not any(module._forward_hooks for module in network.modules())


def test_a_training_tells_it_all_in_one_line() -> None:
    """Step, epoch, rate, the layer; the weights are those before the step, and nothing was updated."""
    trainer = make_trainer(train_spec(batch_size=13))
    for group in trainer.groups():
        trainer.step(group)
        break
    with torch.no_grad():
        trainer.network.get_parameter("2.weight").fill_(3e38)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    bad = next(iter(trainer.groups()))
    with pytest.raises(DivergedError) as caught:
        trainer.step(bad)
    assert caught.value.message.startswith("the loss is nan at step 2 (epoch 1, learning rate 0.1): `2` gives ")
    assert all(torch.equal(value, before[name]) for name, value in trainer.network.state_dict().items())


def test_a_bad_batch_in_a_group_is_found() -> None:
    """Of three that make one step together the second is bad."""
    dataset = vectors(train=24)
    assert isinstance(dataset.train.inputs, Tensor)
    dataset.train.inputs[5] = math.nan
    trainer = make_trainer(train_spec(batch_size=8, accumulate=3), dataset)
    with pytest.raises(
        DivergedError, match=r"the loss is nan at step 1 .*: the input of sample \d in the batch holds NaN"
    ) as caught:
        trainer.step(next(iter(trainer.groups())))
    assert caught.value.help == MEND_THE_DATA
