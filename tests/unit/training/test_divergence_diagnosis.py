"""A training that diverges says where NaN or infinity came from, and the line of that layer."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.losses import MeanSquaredError
from dlcli.config.optimizers import Sgd
from dlcli.config.shapes import Image, Sequence, Shape, Time, Token, Vector
from dlcli.config.training import ClipSpec
from dlcli.data.batches import Batch
from dlcli.errors import DivergedError
from dlcli.models.network import Network, build_network
from dlcli.training.divergence import LOOK_AT_THE_SCALES, MEND_THE_DATA, bad_weight, first_bad, what_to_change
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


SPEC = train_spec()
LOWER_THE_RATE = "lower the learning rate: --set train.optimizer.lr=0.01, or bound the gradients: --set train.clip_gradients=1"


def told(network: nn.Module, *group: Batch, updates: int = 411) -> tuple[str, str]:
    """What is said of the step after so many updates with these batches, whose loss is the mean of squares."""

    def run(batch: Batch) -> Tensor:
        outputs = batch.through(network)
        return torch.stack(
            [output.square().mean() for output in (outputs.values() if isinstance(outputs, dict) else [outputs])]
        ).sum()

    return first_bad(network, group, run, SPEC, updates=updates)


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
    assert told(network, batch) == (f"the input holds {kind} for sample 3 of the batch", MEND_THE_DATA)


def test_bad_answers_are_named_too() -> None:
    """Values to predict, and one of several inputs by its name; the second batch of a group."""
    inputs = {"left": torch.ones(2, 3), "right": torch.ones(2, 3)}
    good = Batch(inputs, torch.zeros(2, 1), 2)
    bad = Batch(inputs, torch.tensor([[0.0], [math.nan]]), 2)
    assert told(nn.Identity(), good, bad)[0] == "the target holds NaN for sample 1 of batch 2 of 2"
    worse = Batch(inputs | {"right": torch.full((2, 3), math.inf)}, torch.zeros(2, 1), 2)
    assert told(nn.Identity(), good, worse)[0] == "the input `right` holds infinity for all 2 samples of batch 2 of 2"


def test_what_lies_in_the_padding_is_no_bad_data() -> None:
    """Behind the end of a sequence anything may stand."""
    network = built("[lstm: {hidden_size: 2, return: last}, linear: 2]", Sequence(Time(), Vector(3)))
    inputs = torch.ones(2, 4, 3)
    inputs[0, 2:] = math.nan
    batch = Batch(inputs, torch.zeros(2, dtype=torch.int64), 2, lengths=torch.tensor([2, 4]))
    assert told(network, batch)[0] == "16 more passes over the same samples give finite losses"
    inputs[1, 3, 0] = math.nan
    assert told(network, batch)[0] == "the input holds NaN for sample 1 of the batch"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("head.weight", "`head.weight` of `head` (linear, layers.yaml:8) holds infinity after the update of step 411"),
        ("trunk.first.bias", "`trunk.first.bias` of `first` (conv2d, layers.yaml:4) holds infinity after the update of step 411"),
        ("linear_2.weight", "`linear_2.weight` of `linear_2` (layers.yaml:10) holds infinity after the update of step 411"),
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
    given = "`head` (linear, layers.yaml:8) gives infinity for all 5 samples of the batch, and what it reads is finite, from "
    assert what.startswith(given)
    assert what.endswith("; its largest weight is 3e+38")
    assert help == LOWER_THE_RATE


def test_a_layer_inside_of_another_is_named() -> None:
    """Of layers over time too, and recurrent ones, which give more than one tensor."""
    network = built(PER_FRAME, Sequence(5, Vector(3)))
    batch = Batch(torch.full((2, 5, 3), 1e38), torch.zeros(2, dtype=torch.int64), 2)
    with torch.no_grad():
        network.get_parameter("time_distributed_1.linear_1.weight").fill_(100)
    assert told(network, batch)[0] == (
        "`linear_1` (layers.yaml:2) gives infinity in the batch, and what it reads is finite, from 1e+38 to 1e+38; "
        "its largest weight is 100"
    )


def test_a_network_that_is_no_graph_has_names_of_modules() -> None:
    """As with a network that somebody built in Python."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    with torch.no_grad():
        network[0].weight.fill_(3e38)
    batch = Batch(torch.full((1, 2), 10.0), torch.zeros(1), 1)
    assert told(network, batch)[0] == (
        "`0` gives infinity for sample 0 of the batch, and what it reads is finite, from 10 to 10; its largest weight is 3e+38"
    )


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
        DivergedError, match=r"the loss is nan at step 1 .*: the input holds NaN for sample \d of batch \d of 3"
    ) as caught:
        trainer.step(next(iter(trainer.groups())))
    assert caught.value.help == MEND_THE_DATA


def test_running_statistics_are_not_blamed() -> None:
    """The step's own pass has put infinity into those of a layer behind the one that overflowed."""
    network = built("[linear: {out_features: 4, name: wide}, batch_norm1d, linear: 2]", Vector(3))
    with torch.no_grad():
        network.get_parameter("wide.weight").fill_(3e38)
    batch = Batch(torch.full((6, 3), 10.0), torch.zeros(6, dtype=torch.int64), 6)
    batch.through(network)
    assert not torch.isfinite(network.get_buffer("batch_norm1d_1.running_mean")).all()
    assert told(network, batch)[0].startswith("`wide` (linear, layers.yaml:1) gives infinity for all 6 samples of the batch")


def test_before_the_first_update_the_learning_rate_is_not_blamed() -> None:
    """No weight has changed: neither an update nor its rate can be the reason."""
    network = built("[linear: 2]", Vector(3))
    batch = Batch(torch.full((2, 3), 1e38), torch.zeros(2, 2), 2)
    spoil(network, "linear_1.weight", math.nan)
    what, help = told(network, batch, updates=0)
    assert what == "`linear_1.weight` of `linear_1` (layers.yaml:1) holds NaN before the first update"
    assert help == LOOK_AT_THE_SCALES


@pytest.mark.parametrize("clipped", [True, False])
def test_bounding_gradients_is_advised_only_where_they_have_no_bound(clipped: bool) -> None:
    """A tenth of the rate in any case."""
    help = what_to_change(train_spec(clip_gradients=ClipSpec(max_norm=1) if clipped else None), updates=3)
    assert help.startswith("lower the learning rate: --set train.optimizer.lr=0.01")
    assert ("clip_gradients" in help) is not clipped


def test_a_loss_that_overflows_says_how_large_outputs_and_targets_are() -> None:
    """Every layer gives finite numbers; their square is infinite. Of several outputs the largest is told, with its targets."""
    network = built("[linear: {out_features: 1, bias: false}]", Vector(1))
    with torch.no_grad():
        network.get_parameter("linear_1.weight").fill_(2)
    one = Batch(torch.tensor([[1e30], [-3e30]]), torch.tensor([[0.5], [1.5]]), 2)
    words = "every layer gives finite numbers, and the loss of them is inf: "
    assert told(network, one)[0] == words + "the output goes from -6e+30 to 2e+30, its targets from 0.5 to 1.5"

    class Two(nn.Module):
        def forward(self, inputs: Tensor) -> dict[str, Tensor]:
            return {"small": inputs, "large": inputs * 1e30}

    two = Batch(torch.tensor([[1.0], [2.0]]), {"small": torch.zeros(2, 1), "large": torch.ones(2, 1)}, 2)
    assert told(Two(), two)[0] == words + "the output `large` goes from 1e+30 to 2e+30, its targets from 1 to 1"


def test_dropout_that_hides_the_layer_is_drawn_again() -> None:
    """A unit overflows only where it is kept: one more pass would show it half of the time."""
    network = built("[linear: {out_features: 2, name: wide}, dropout: 0.5, linear: {out_features: 1, name: out}]", Vector(2))
    with torch.no_grad():
        network.get_parameter("wide.weight").zero_()[0] = 1e19
        network.get_parameter("out.weight").fill_(1e19)
    batch = Batch(torch.full((1, 2), 4.0), torch.zeros(1, 1), 1)
    for seed in range(20):
        torch.manual_seed(seed)
        assert told(network.train(), batch)[0].startswith(
            "`out` (linear, layers.yaml:1) gives infinity for sample 0 of the batch"
        )


def test_a_vector_beside_sequences_has_no_padding() -> None:
    """Of several inputs only those with steps end somewhere, also where the others are as long."""
    layers = "[gru: {hidden_size: 4, return: last, from: series, name: steps}, concat: [steps, facts], linear: 2]"
    network = built(layers, {"series": Sequence(Time(), Vector(2)), "facts": Vector(4)})
    facts = torch.zeros(2, 4)
    facts[0, 3] = math.nan
    inputs = {"series": torch.ones(2, 4, 2), "facts": facts}
    batch = Batch(inputs, torch.zeros(2, dtype=torch.int64), 2, lengths=torch.tensor([2, 4]))
    assert told(network, batch)[0] == "the input `facts` holds NaN for sample 0 of the batch"


def test_an_answer_of_a_step_is_told_with_its_sample() -> None:
    """Of sequences of different lengths the answers stand one behind the other: the sixth is the second sample's."""
    network = built("[gru: 4, linear: 1]", Sequence(Time(), Vector(2)))
    targets = torch.zeros(6, 1)
    targets[5] = math.nan
    steps = torch.tensor([0, 1, 4, 5, 6, 7])
    batch = Batch(torch.ones(2, 4, 2), targets, 2, lengths=torch.tensor([2, 4]), steps=steps)
    assert told(network, batch)[0] == "the target holds NaN for sample 1 of the batch"


def test_a_recurrent_layer_over_sequences_of_different_lengths_is_named() -> None:
    """Its steps in the padding count for nothing: what is told is the sample whose own steps overflow."""
    network = built("[rnn: {hidden_size: 2, nonlinearity: relu, name: cell}, linear: 2]", Sequence(Time(), Vector(1)))
    with torch.no_grad():
        network.get_parameter("cell.weight_ih_l0").fill_(1)
        network.get_parameter("cell.weight_hh_l0").fill_(1e15)
    batch = Batch(torch.ones(3, 4, 1), torch.zeros(9, dtype=torch.int64), 3, lengths=torch.tensor([2, 4, 3]))
    what, _ = told(network, batch)
    assert what == (
        "`cell` (rnn, layers.yaml:1) gives infinity for sample 1 of the batch, and what it reads is finite, from 1 to 1; "
        "its largest weight is 1e+15"
    )


def test_tokens_have_no_range() -> None:
    """What an embedding reads are numbers of words."""
    network = built("[embedding: 3, flatten, linear: 2]", Sequence(2, Token(5)))
    handle = network.get_submodule("embedding_1").register_forward_hook(lambda *_: torch.full((1, 2, 3), math.inf))
    what, _ = told(network, Batch(torch.tensor([[1, 4]]), torch.zeros(1, dtype=torch.int64), 1))
    handle.remove()
    assert what.startswith(
        "`embedding_1` (layers.yaml:1) gives infinity for sample 0 of the batch, and what it reads is finite; "
    )


def test_a_training_at_far_too_large_a_rate_is_told_whole() -> None:
    """From the trainer's own step: the rate, the loss, the layer or the weight, and a tenth of the rate."""
    trainer = make_trainer(train_spec(optimizer=Sgd(lr=1e25), loss=MeanSquaredError(), metrics=()), vectors(targets=3))
    with pytest.raises(DivergedError) as caught:
        list(map(trainer.step, trainer.groups()))
    assert caught.value.message.startswith("the loss is inf at step 2 (epoch 1, learning rate 1e+25): ")
    assert "the loss of them is inf: the output goes from " in caught.value.message
    assert (caught.value.help or "").startswith("lower the learning rate: --set train.optimizer.lr=1e+24, or bound")


def test_a_nesting_that_ruins_what_its_layers_read_is_named() -> None:
    """The layer inside gives NaN first, because it reads NaN: such values are infinitely far from their mean."""
    network = built("[reversible_norm: {layers: [linear: 2, linear: 2], name: norm}]", Sequence(3, Vector(2)))
    series = torch.tensor([3e38, -3e38, -3e38])[None, :, None].expand(2, 3, 2)
    batch = Batch(series, torch.zeros(2, 3, 2), 2)
    what, _ = told(network, batch)
    assert what.startswith("`norm` (reversible_norm, layers.yaml:1) gives NaN for all 2 samples of the batch, and what it reads")


def test_a_layer_that_only_reads_what_is_not_finite_says_so() -> None:
    """Where no layer made it, but what runs between layers of a network that is no graph."""

    class Between(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 1)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(inputs * 1e30)

    batch = Batch(torch.full((2, 2), 1e30), torch.zeros(2, 1), 2)
    assert told(Between(), batch)[0].endswith("for all 2 samples of the batch, and what it reads is not finite either")


def test_shared_weights_are_told_where_they_stand() -> None:
    """A layer that runs twice is one module: its first place."""
    layers = "[linear: {out_features: 3, name: one, bias: false}, tanh, share: one, linear: 2]"
    network = built(layers, Vector(3))
    spoil(network, "one.weight", math.inf)
    batch = Batch(torch.ones(2, 3), torch.zeros(2, dtype=torch.int64), 2)
    assert told(network, batch)[0].startswith("`one.weight` of `one` (linear, layers.yaml:1) holds infinity")


def test_outputs_and_what_is_read_can_be_several_tensors() -> None:
    """A layer of a plug-in may give a mapping or a list; what is no tensor counts for nothing."""

    class Several(nn.Module):
        def forward(self, inputs: Tensor) -> dict[str, object]:
            return {"list": [inputs.log(), None], "count": 3}

    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.several = Several()

        def forward(self, inputs: Tensor) -> Tensor:
            given = self.several(inputs)
            return given["list"][0].sum(dim=1, keepdim=True)

    batch = Batch(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.zeros(2, 1), 2)
    assert (
        told(Sums(), batch)[0] == "`several` gives infinity for sample 1 of the batch, and what it reads is finite, from 0 to 3"
    )
