"""Sequences of different lengths in one batch: each layer gives every one of them what it gives it alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.shapes import Image, Sequence, Shape, ShapeError, Time, Vector, holds_tokens
from dlcli.models.builders import BUILDERS
from dlcli.models.valid_steps import is_valid, put_back, select_valid
from tests.unit.models.layer_cases import (
    CASES,
    PROFILE,
    Fields,
    adaptive_pools,
    avg_pools,
    channel_norms,
    convolutions,
    epsilons,
    few,
    max_pools,
    nothing,
    random_input,
    read_spec,
    some,
    transposed_convolutions,
)

ACROSS_STEPS: dict[str, st.SearchStrategy[Fields]] = {
    "conv1d": convolutions(1),
    "conv_transpose1d": transposed_convolutions(1),
    "max_pool1d": max_pools(1),
    "avg_pool1d": avg_pools(1),
    "adaptive_max_pool1d": adaptive_pools(1),
    "adaptive_avg_pool1d": adaptive_pools(1),
    "global_avg_pool": nothing,
    "global_max_pool": nothing,
    "last_step": nothing,
    "instance_norm": channel_norms,
    "group_norm": some({"num_groups": few}, eps=epsilons, affine=st.booleans()),
    "softmax": st.just({"dim": 1}),
    "log_softmax": st.just({"dim": 1}),
}
"""Layers whose calculation crosses steps, but for the recurrent ones and `batch_norm1d`, which mixes samples too."""
OF_ANY_ITEMS = ("last_step", "softmax", "log_softmax")

items = st.builds(Vector, st.sampled_from([1, 2, 4, 6]))
lengths_of_batches = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@dataclass(frozen=True)
class Batch:
    """Sequences of different lengths, and what is asked of a layer for them.

    Attributes:
        module: the layer, in float64.
        sequences: each of its own length, (1, steps, ...).
        padding: what stands behind them at least, in steps.
        lengths_after: of the outputs; None where all are equal.
    """

    module: nn.Module
    sequences: list[Tensor]
    padding: int
    lengths_after: list[int] | None

    @property
    def lengths(self) -> Tensor:
        return torch.tensor([sequence.shape[1] for sequence in self.sequences])

    def padded(self, filling: float) -> Tensor:
        """(batch, time, ...), with `filling` behind each sequence."""
        time = int(self.lengths.max()) + self.padding
        batch = self.sequences[0].new_full((len(self.sequences), time, *self.sequences[0].shape[2:]), filling)
        for row, sequence in zip(batch, self.sequences, strict=True):
            row[: sequence.shape[1]] = sequence[0]
        return batch

    def valid_outputs(self, outputs: Tensor) -> list[Tensor]:
        """What the layer gave for each sequence, (1, ...)."""
        steps = self.lengths_after
        return [outputs[i : i + 1] if steps is None else outputs[i : i + 1, : steps[i]] for i in range(len(outputs))]


def _fits(spec: LayerSpec, shape: Shape) -> bool:
    try:
        sizes = spec.output_shape(shape).sizes
    except ShapeError:
        return False
    return all(isinstance(size, Time) or size >= 1 for size in sizes)


def _is_single(fields: Fields, steps: int, item: Shape) -> bool:
    """Whether a group of `group_norm` holds one value, which torch refuses where the batch has no other sample."""
    return (steps, fields.get("num_groups")) == (1, *item.sizes)


def _batch(kind: str, fields: Fields, item: Shape, lengths: list[int], padding: int) -> Batch | None:
    """Random sequences of those lengths that the layer reads alone; None where it reads none of them."""
    spec, shape = read_spec(kind, fields), Sequence(Time(), item)
    lengths = [steps for steps in lengths if _fits(spec, Sequence(steps, item)) and not _is_single(fields, steps, item)]
    if not lengths or not _fits(spec, shape):
        return None
    torch.manual_seed(len(lengths))
    module = BUILDERS[type(spec)](spec, (shape,)).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    sequences = [torch.randn(1, steps, *item.sizes, dtype=torch.float64) for steps in lengths]
    output = spec.output_shape(shape)
    time = output.time if isinstance(output, Sequence) else None
    return Batch(module, sequences, padding, [time.at(steps) for steps in lengths] if isinstance(time, Time) else None)


def _drawn(kind: str, data: st.DataObject) -> Batch:
    item = data.draw(st.one_of(items, st.just(Image(2, 1, 3))) if kind in OF_ANY_ITEMS else items)
    drawn = data.draw(ACROSS_STEPS[kind]), item, data.draw(lengths_of_batches), data.draw(st.integers(0, 3))
    batch = _batch(kind, *drawn)
    assume(batch is not None)
    assert batch is not None
    return batch


def _gradients(outputs: list[Tensor], sources: list[Tensor]) -> tuple[Tensor, ...]:
    """Of a loss that tells the outputs' values apart."""
    torch.manual_seed(0)
    loss = torch.stack([(output * torch.randn(output.shape, dtype=output.dtype)).sum() for output in outputs]).sum()
    if not loss.requires_grad:
        return tuple(map(torch.zeros_like, sources))
    return torch.autograd.grad(loss, sources, allow_unused=True, materialize_grads=True)


def _assert_equal(ours: Any, theirs: Any) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ACROSS_STEPS)
@PROFILE
@given(data=st.data())
def test_a_padded_batch_gives_what_each_sequence_gives_alone(kind: str, training: bool, data: st.DataObject) -> None:
    """Outputs, gradients of the inputs and gradients of the parameters, to 1e-12; and padding has no gradient."""
    batch = _drawn(kind, data)
    batch.module.train(training)
    alone = copy.deepcopy(batch.module)
    parameters = list(batch.module.parameters())
    padded = batch.padded(0.5).requires_grad_()

    ours = batch.valid_outputs(batch.module(padded, batch.lengths))
    of_inputs, *of_parameters = _gradients(ours, [padded, *parameters])

    sequences = [sequence.clone().requires_grad_() for sequence in batch.sequences]
    theirs = [alone(sequence) for sequence in sequences]
    gradients = _gradients(theirs, [*sequences, *alone.parameters()])
    _assert_equal(ours, theirs)
    _assert_equal([row[None, :steps] for row, steps in zip(of_inputs, batch.lengths, strict=True)], list(gradients[: len(ours)]))
    _assert_equal(of_parameters, list(gradients[len(ours) :]))
    assert not of_inputs[~is_valid(batch.lengths, padded.shape[1])].any()


@pytest.mark.parametrize("filling", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("kind", [*ACROSS_STEPS, "batch_norm1d"])
@PROFILE
@given(data=st.data())
def test_what_is_in_the_padding_never_matters(kind: str, filling: float, data: st.DataObject) -> None:
    """NaN or infinity there: the same outputs and gradients to the last bit, and finite ones behind the lengths too."""
    batch = _batch_norm(data) if kind == "batch_norm1d" else _drawn(kind, data)
    results = []
    for value in (0.5, filling):
        module = copy.deepcopy(batch.module)
        padded = batch.padded(value).requires_grad_()
        outputs = module(padded, batch.lengths)
        results.append((outputs.detach(), *_gradients([outputs], [padded, *module.parameters()]), *module.buffers()))
        assert outputs.isfinite().all()
        with torch.no_grad():
            assert torch.equal(copy.deepcopy(batch.module)(padded, batch.lengths), outputs)
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("kind", [*ACROSS_STEPS, "batch_norm1d"])
@PROFILE
@given(data=st.data())
def test_lengths_that_are_all_full_change_nothing(kind: str, data: st.DataObject) -> None:
    """Without padding, lengths say what torch assumes anyway; the statistics that a layer keeps are those of torch, too."""
    batch = _batch_norm(data) if kind == "batch_norm1d" else _drawn(kind, data)
    plain = copy.deepcopy(batch.module)
    full = torch.cat([batch.sequences[0], 2 * batch.sequences[0] + 1])
    _assert_equal(batch.module(full, torch.full((2,), full.shape[1])), plain(full))
    _assert_equal(list(batch.module.buffers()), list(plain.buffers()))


def _batch_norm(data: st.DataObject) -> Batch:
    fields, item, lengths = data.draw(channel_norms), data.draw(items), data.draw(lengths_of_batches)
    batch = _batch("batch_norm1d", fields, item, [*lengths, 2], data.draw(st.integers(0, 3)))
    assert batch is not None
    return batch


@PROFILE
@given(data=st.data())
def test_batch_norm_is_that_of_all_valid_steps_one_behind_the_other(data: st.DataObject) -> None:
    """Values, gradients and running statistics of `nn.BatchNorm1d` on vectors, in training and then in evaluation."""
    batch = _batch_norm(data)
    ours = batch.module
    assert isinstance(ours, nn.BatchNorm1d)
    theirs = nn.BatchNorm1d(
        ours.num_features, ours.eps, ours.momentum, affine=ours.affine, track_running_stats=ours.track_running_stats
    ).double()
    theirs.load_state_dict(ours.state_dict())
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        padded = batch.padded(0.5).requires_grad_()
        together = torch.cat(batch.sequences, dim=1)[0].requires_grad_()
        outputs = torch.cat(batch.valid_outputs(ours(padded, batch.lengths)), dim=1)[0]
        of_inputs, *of_parameters = _gradients([outputs], [padded, *ours.parameters()])
        expected = theirs(together)
        of_together, *of_their_parameters = _gradients([expected], [together, *theirs.parameters()])
        _assert_equal(outputs, expected)
        _assert_equal(of_inputs[is_valid(batch.lengths, padded.shape[1])], of_together)
        _assert_equal(of_parameters, of_their_parameters)
        _assert_equal(dict(ours.state_dict()), dict(theirs.state_dict()))


@PROFILE
@given(data=st.data())
def test_running_statistics_of_instance_norm_are_the_means_of_those_of_each_sequence(data: st.DataObject) -> None:
    """As torch takes them over the samples of a batch, each with as many values as it has valid steps."""
    fields = data.draw(channel_norms) | {"track_running_stats": True}
    batch = _batch("instance_norm", fields, data.draw(items), data.draw(lengths_of_batches), 2)
    assume(batch is not None)
    assert batch is not None
    alone = [copy.deepcopy(batch.module) for _ in batch.sequences]
    for module, sequence in zip(alone, batch.sequences, strict=True):
        module(sequence)
    batch.module(batch.padded(torch.nan), batch.lengths)
    for name in ("running_mean", "running_var"):
        _assert_equal(batch.module.get_buffer(name), torch.stack([module.get_buffer(name) for module in alone]).mean(0))


@pytest.mark.parametrize("mode", ["reflect", "circular"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_sequence_shorter_than_its_padding_goes_on_as_in_numpy(mode: str, steps: int) -> None:
    """Torch refuses to reflect or wrap three steps by four; in a batch with longer ones they continue."""
    spec = read_spec("conv1d", {"out_channels": 1, "kernel_size": 9, "padding": 4, "padding_mode": mode, "bias": False})
    module = BUILDERS[type(spec)](spec, (Sequence(Time(), Vector(1)),)).double()
    with torch.no_grad():
        module.get_parameter("weight").copy_(10.0 ** torch.arange(8, -1, -1))  # the digits of an output are what it read
    padded = torch.tensor([[*range(1, steps + 1), *[9] * (5 - steps)], [1, 2, 3, 4, 5]], dtype=torch.float64)[..., None]
    read = np.pad(np.arange(1, steps + 1), 4, mode={"reflect": "reflect", "circular": "wrap"}[mode])
    outputs = module(padded, torch.tensor([steps, 5]))[0, :steps, 0]
    assert [f"{output:.0f}" for output in outputs.tolist()] == ["".join(map(str, read[i : i + 9])) for i in range(steps)]


@pytest.mark.parametrize("kind", sorted(kind for kind, spec in LAYERS.items() if spec in BUILDERS and not spec.joins))
@PROFILE
@given(data=st.data())
def test_a_layer_that_reads_no_lengths_treats_each_step_by_itself(kind: str, data: st.DataObject) -> None:
    """Whatever crosses steps must ask for the lengths: else padding would leak into valid steps."""
    (shape, *_), fields = data.draw(CASES[kind].examples)
    if not isinstance(shape, Sequence) or shape.time == 1:
        return
    spec, symbolic = read_spec(kind, fields), Sequence(Time(), shape.item)
    if not _fits(spec, shape) or not _fits(spec, symbolic):
        return
    module = BUILDERS[type(spec)](spec, (symbolic,)).eval()
    if getattr(module, "reads_lengths", False):
        return
    before, other = random_input(shape).detach(), random_input(shape).detach()
    after = torch.cat([before[:, :-1], other[:, -1:]], dim=1)
    assert torch.equal(module(before)[:, :-1], module(after)[:, :-1])
    assert holds_tokens(shape) or module(before).shape[1] == shape.time


@PROFILE
@given(data=st.data(), p=st.sampled_from([0.2, 0.5]))
def test_variational_dropout_drops_the_same_values_at_all_steps(data: st.DataObject, p: float) -> None:
    """Each sequence of a batch has a mask of its own; what stays is scaled by 1 / (1 - p), and evaluation changes nothing."""
    item = data.draw(st.sampled_from([Vector(40), Image(2, 4, 5)]))
    spec = read_spec("dropout", {"p": p, "variational": True})
    module = BUILDERS[type(spec)](spec, (Sequence(Time(), item),))
    sequence = torch.rand(8, 5, *item.sizes) + 1
    torch.manual_seed(0)
    scales = module(sequence) / sequence
    torch.testing.assert_close(scales, scales[:, :1].expand_as(scales))
    assert torch.unique(scales[:, 0].flatten(1), dim=0).shape[0] == 8
    torch.testing.assert_close(torch.unique(scales.round(decimals=4)), torch.tensor([0, 1 / (1 - p)]).round(decimals=4))
    assert (scales == 0).float().mean().item() == pytest.approx(p, abs=0.1)
    assert torch.equal(module.eval()(sequence), sequence)


@pytest.mark.parametrize(("kind", "fields"), [("dropout", {"variational": True}), ("last_step", {})])
@pytest.mark.parametrize("shape", [Vector(3), Image(1, 4, 4)])
def test_what_needs_steps_refuses_an_input_without(kind: str, fields: Fields, shape: Shape) -> None:
    """A picture's rows or a vector's features are no steps unless the config says so."""
    with pytest.raises(ShapeError, match="reads a sequence, and its input is an? "):
        read_spec(kind, fields).output_shape(shape)


def test_valid_steps_are_taken_out_and_put_back() -> None:
    """One behind the other, in the samples' order; the padding is 0 when they return."""
    sequence = torch.arange(12.0).view(2, 3, 2)
    valid = select_valid(sequence, torch.tensor([1, 3]))
    assert valid.tolist() == [[0, 1], [6, 7], [8, 9], [10, 11]]
    back = put_back(valid, torch.tensor([1, 3]), 3)
    assert back.tolist() == [[[0, 1], [0, 0], [0, 0]], [[6, 7], [8, 9], [10, 11]]]


links = st.lists(st.tuples(st.integers(1, 4), st.integers(-9, 9), st.integers(1, 4)), max_size=4)


@PROFILE
@given(links=links)
def test_a_symbolic_size_of_lengths_is_that_of_each(links: list[tuple[int, int, int]]) -> None:
    """On a tensor, divisions round down as they do on ints, below 0 too."""
    time = Time(tuple(links))
    lengths = torch.arange(12)
    after = time.at(lengths)
    assert after.dtype == torch.int64
    assert after.tolist() == [time.at(steps) for steps in lengths.tolist()]
