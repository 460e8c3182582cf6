"""Whole networks on sequences of different lengths: a padded batch gives what each sequence gives alone, whatever the padding is."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlcli.config.facts import DataFacts, Target
from dlcli.config.losses import CrossEntropy, Huber
from dlcli.config.objectives import Objective as ObjectiveSpec
from dlcli.config.shapes import Image, Sequence, Shape, Time, Token, Vector
from dlcli.config.training import TrainSpec
from dlcli.data.batches import Batch
from dlcli.models.network import Network, build_network
from dlcli.training.objectives import Objective, build_objective
from tests.unit.models.graphs import read_layers

CPU = torch.device("cpu")
LENGTHS = (7, 12, 4, 9, 12)
SERIES, TOKENS, CLIPS = (Sequence(Time(), item) for item in (Vector(3), Token(11), Image(1, 5, 4)))

LAST = {
    "convolution, pool, LSTM, norm, GRU": (
        SERIES,
        """
        - conv1d: {out_channels: 6, kernel_size: 3, stride: 2, padding: 1}
        - relu
        - max_pool1d: {kernel_size: 2, stride: 1}
        - lstm: {hidden_size: 4, num_layers: 2, bidirectional: true}
        - layer_norm
        - gru: {hidden_size: 5, return: last}
        - linear: 3
        """,
    ),
    "same padding with a stride, projected LSTM": (
        SERIES,
        """
        - conv1d: {out_channels: 6, kernel_size: 4, stride: 2, padding: same}
        - avg_pool1d: {kernel_size: 3, stride: 2, padding: 1}
        - lstm: {hidden_size: 6, proj_size: 3, num_layers: 3, bidirectional: true, return: last}
        - linear: 3
        """,
    ),
    "mean and largest value over time": (
        TOKENS,
        """
        - embedding: 5
        - rnn: {hidden_size: 4, bidirectional: true, name: read}
        - global_avg_pool: {name: mean}
        - global_max_pool: {from: read, name: largest}
        - last_step: {from: read, name: end}
        - concat: [mean, largest, end]
        - linear: 3
        """,
    ),
    "pictures in a sequence": (
        CLIPS,
        """
        - time_distributed:
            - conv2d: {out_channels: 3, kernel_size: 3}
            - relu
            - group_norm: 3
            - global_avg_pool
        - lstm: {hidden_size: 4, bidirectional: true, return: last}
        - linear: 3
        """,
    ),
    "transposed convolution and norms over time": (
        SERIES,
        """
        - conv_transpose1d: {out_channels: 4, kernel_size: 3, stride: 2}
        - instance_norm: {affine: true}
        - group_norm: 2
        - adaptive_avg_pool1d: 3
        - flatten
        - linear: 3
        """,
    ),
}
"""Networks with one answer for each sample."""

PER_STEP = {
    "residual stack": (
        SERIES,
        """
        - linear: {out_features: 4, name: start}
        - gru: {hidden_size: 4, name: first}
        - add: {from: [start, first], name: once}
        - gru: {hidden_size: 4, name: second}
        - add: [once, second]
        - linear: 3
        """,
    ),
    "nested and shared": (
        TOKENS,
        """
        - embedding: 4
        - sequential:
            name: block
            layers:
              - conv1d: {out_channels: 4, kernel_size: 3, padding: same}
              - sequential: [lstm: {hidden_size: 2, bidirectional: true}, tanh]
        - gru: {hidden_size: 4, name: reader}
        - share: {layer: reader, from: block, name: again}
        - share: {layer: block, from: reader, name: block_again}
        - add: [again, block_again]
        - time_distributed: [linear: 5, relu, linear: 3]
        """,
    ),
    "nested after a stride": (
        SERIES,
        """
        - conv_transpose1d: {out_channels: 4, kernel_size: 2, stride: 2}
        - sequential:
            - conv1d: {out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
            - sequential: [rnn: {hidden_size: 3, nonlinearity: relu, bidirectional: true}]
            - time_distributed: [linear: 4, tanh]
        - softmax: 1
        - linear: 3
        """,
    ),
    "dilated convolutions": (
        SERIES,
        """
        - conv1d: {out_channels: 4, kernel_size: 3, dilation: 2, padding: same, name: wide}
        - conv1d: {out_channels: 4, kernel_size: 3, padding: 1, padding_mode: replicate}
        - multiply: [wide, conv1d_2]
        - linear: 3
        """,
    ),
}
"""Networks with an answer for each step of the input."""

NETWORKS = {**LAST, **PER_STEP}
FILLINGS = (float("nan"), float("inf"), -float("inf"), 1e30)


@dataclass(frozen=True)
class Samples:
    """Sequences, an answer for each step of each, and what a batch of them is.

    Attributes:
        sequences: (1, steps, ...) each.
        answers: classes int64 (steps,) each; that of the first step is the sample's where it has one.
        per_step: whether the network has an answer for each step.
    """

    sequences: list[Tensor]
    answers: list[Tensor]
    per_step: bool

    def batch(self, filling: float) -> Batch:
        """All of them padded; the padding of tokens holds some token."""
        time, first = max(LENGTHS) + 2, self.sequences[0]
        filler = filling if first.is_floating_point() else 10
        inputs = first.new_full((len(LENGTHS), time, *first.shape[2:]), filler)
        for row, sequence in zip(inputs, self.sequences, strict=True):
            row[: sequence.shape[1]] = sequence[0]
        steps = (torch.arange(time) < torch.tensor(LENGTHS)[:, None]).flatten().nonzero()[:, 0]
        targets = torch.cat(self.answers) if self.per_step else torch.stack([answer[0] for answer in self.answers])
        return Batch(inputs, targets, len(LENGTHS), torch.tensor(LENGTHS), steps)


def _samples(shape: Shape, *, per_step: bool) -> Samples:
    generator = torch.Generator().manual_seed(0)
    sequences, answers = [], []
    for steps in LENGTHS:
        if shape == TOKENS:
            sequences.append(torch.randint(0, 11, (1, steps), generator=generator))
        else:
            assert isinstance(shape, Sequence)
            sequences.append(torch.randn(1, steps, *shape.item.sizes, generator=generator, dtype=torch.float64))
        answers.append(torch.randint(0, 3, (steps,), generator=generator))
    return Samples(sequences, answers, per_step)


def _network(name: str) -> tuple[Network, Samples, Objective]:
    shape, layers = NETWORKS[name]
    torch.manual_seed(1)
    network = build_network(read_layers(layers, shape), None).double()
    per_step = name in PER_STEP
    facts = DataFacts.of(shape, num_classes=3, per_step=per_step)
    return network, _samples(shape, per_step=per_step), build_objective(TrainSpec(), facts, network.graph.outputs, CPU)


def _gradients(network: nn.Module) -> dict[str, Tensor]:
    found = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert all(gradient is not None for gradient in found.values())
    return {name: gradient for name, gradient in found.items() if gradient is not None}


def _assert_equal(ours: object, theirs: object) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_padded_batch_gives_what_each_sequence_gives_alone(name: str) -> None:
    """Outputs at valid steps, the loss over all of them and the gradients of all parameters, to 1e-12 in float64."""
    network, samples, objective = _network(name)
    batch, alone = samples.batch(0.7), copy.deepcopy(network)
    outputs = batch.through(network)
    assert isinstance(outputs, Tensor)
    loss = objective(outputs, batch.targets, batch.steps)
    loss.backward()

    each = [alone(sequence)[0] for sequence in samples.sequences]
    for row, output in zip(outputs, each, strict=True):
        _assert_equal(row[: len(output)] if samples.per_step else row, output)
    assert isinstance(batch.targets, Tensor)
    expected = functional.cross_entropy(torch.cat(each) if samples.per_step else torch.stack(each), batch.targets)
    expected.backward()
    _assert_equal(loss, expected)
    _assert_equal(_gradients(network), _gradients(alone))


@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_in_the_padding_never_matters(name: str, filling: float) -> None:
    """NaN, infinity, huge numbers, other tokens: the same outputs and gradients to the last bit, all of them finite."""
    network, samples, objective = _network(name)
    found = []
    for value in (0.0, filling):
        own = copy.deepcopy(network)
        batch = samples.batch(value)
        outputs = batch.through(own)
        assert isinstance(outputs, Tensor)
        objective(outputs, batch.targets, batch.steps).backward()
        found.append({"outputs": outputs.detach(), **_gradients(own)})
        assert all(value.isfinite().all() for value in found[-1].values())
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


@pytest.mark.parametrize("name", [name for name, (shape, _) in NETWORKS.items() if shape != TOKENS])
def test_gradients_of_the_inputs_are_those_of_each_sequence(name: str) -> None:
    """What lies in the padding has none."""
    network, samples, _ = _network(name)
    batch = samples.batch(float("nan"))
    assert isinstance(batch.inputs, Tensor)
    batch.inputs.requires_grad_()
    outputs = batch.through(network)
    assert isinstance(outputs, Tensor)
    kept = outputs.flatten(0, 1)[batch.steps] if samples.per_step else outputs
    kept.square().sum().backward()
    assert batch.inputs.grad is not None
    for row, sequence in zip(batch.inputs.grad, samples.sequences, strict=True):
        own = sequence.clone().requires_grad_()
        network(own).square().sum().backward()
        assert own.grad is not None
        _assert_equal(row[: sequence.shape[1]], own.grad[0])
        assert not row[sequence.shape[1] :].any()


def test_batch_norm_over_time_takes_valid_steps_alone() -> None:
    """Its values, running statistics and gradients are torch's on all steps of all sequences side by side."""
    torch.manual_seed(0)
    layers = "- linear: 4\n- batch_norm1d\n- linear: 3"
    network = build_network(read_layers(layers, SERIES), None).double()
    plain = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)).double()
    plain.load_state_dict(dict(zip(plain.state_dict(), network.state_dict().values(), strict=True)))
    samples = _samples(SERIES, per_step=True)
    batch = samples.batch(float("nan"))
    outputs = batch.through(network)
    assert isinstance(outputs, Tensor)
    expected = plain(torch.cat(samples.sequences, dim=1)[0])
    _assert_equal(outputs.flatten(0, 1)[batch.steps], expected)
    outputs.flatten(0, 1)[batch.steps].square().sum().backward()
    expected.square().sum().backward()
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        _assert_equal(ours.grad, theirs.grad)
    _assert_equal(list(network.buffers()), list(plain.buffers()))
    network.eval()
    alone = torch.cat([network(sequence) for sequence in samples.sequences], dim=1)[0]
    outputs = batch.through(network)
    assert isinstance(outputs, Tensor)
    _assert_equal(outputs.flatten(0, 1)[batch.steps], alone)


def test_variational_dropout_is_one_mask_over_the_steps_that_are_there() -> None:
    """Each value of a sequence is dropped at all its steps or at none, and what is in the padding stays outside."""
    network = Network(read_layers("- dropout: {p: 0.5, variational: true}", SERIES)).double()
    torch.manual_seed(0)
    batch = _samples(SERIES, per_step=True).batch(float("nan"))
    outputs = batch.through(network)
    assert isinstance(outputs, Tensor)
    assert outputs.isfinite().all()
    dropped = torch.stack([(row[:steps] == 0).double().mean(0) for row, steps in zip(outputs, LENGTHS, strict=True)])
    assert set(dropped.flatten().tolist()) == {0.0, 1.0}


def test_several_outputs_of_several_inputs() -> None:
    """A ragged series and a picture of one size, an answer for each step and one for each sample: as each sample alone."""
    layers = """
        - lstm: {hidden_size: 4, from: series, name: states}
        - linear: {out_features: 3, name: tag}
        - flatten: {from: picture, name: pixels}
        - global_avg_pool: {from: states, name: mean}
        - concat: [mean, pixels]
        - linear: {out_features: 2, name: size}
        """
    series, pictures = _samples(SERIES, per_step=True), torch.randn(len(LENGTHS), 1, 2, 2, dtype=torch.float64)
    shapes: dict[str, Shape] = {"series": SERIES, "picture": Image(1, 2, 2)}
    torch.manual_seed(2)
    network = build_network(replace(read_layers(layers, shapes), outputs=("tag", "size")), None).double()
    alone = copy.deepcopy(network)
    batch = series.batch(float("nan"))
    sizes = torch.randn(len(LENGTHS), 2, dtype=torch.float64)
    facts = DataFacts(shapes, {"tag": Target(num_classes=3, per_step=True), "size": Target(num_targets=2)})
    losses = {"tag": ObjectiveSpec(loss=CrossEntropy(), weight=0.3), "size": ObjectiveSpec(loss=Huber(), weight=2.0)}
    objective = build_objective(TrainSpec(loss=losses), facts, network.graph.outputs, CPU)

    assert isinstance(batch.inputs, Tensor)
    outputs = network({"series": batch.inputs, "picture": pictures}, batch.lengths)
    assert isinstance(batch.targets, Tensor)
    loss = objective(outputs, {"tag": batch.targets, "size": sizes}, batch.steps)
    loss.backward()
    each = [
        alone({"series": sequence, "picture": picture[None]})
        for sequence, picture in zip(series.sequences, pictures, strict=True)
    ]
    tags, values = torch.cat([output["tag"][0] for output in each]), torch.cat([output["size"] for output in each])
    expected = 0.3 * functional.cross_entropy(tags, batch.targets) + 2.0 * functional.huber_loss(values, sizes)
    expected.backward()
    _assert_equal(loss, expected)
    _assert_equal(_gradients(network), _gradients(alone))
