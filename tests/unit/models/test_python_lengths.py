"""Written networks on sequences of different lengths: a padded batch gives what each sequence gives alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.shapes import Sequence, Shape, Time, Vector, at_steps, holds_tokens
from dlcli.models.network import Network
from dlcli.models.python_lengths import steps_text
from dlcli.models.python_module import python_module
from tests.unit.models.graphs import read_layers
from tests.unit.models.layer_cases import random_input
from tests.unit.models.lengths_of_layers import ALONE, SERIES
from tests.unit.models.test_network_lengths import LAST, PER_STEP

NETWORKS = {**ALONE, **LAST, **PER_STEP}
LENGTHS = (17, 12, 23, 16)


def _both(shape: Shape, layers: str) -> tuple[Network, nn.Module, Time | None]:
    """Dlcli's network and the written one, with the same weights; what becomes of a number of steps."""
    torch.manual_seed(0)
    graph = read_layers(layers, shape)
    ours = Network(graph)
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(python_module(graph, "A network."), namespace)  # noqa: S102  # that it runs is what is tested
    theirs = namespace["Network"]()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    given = graph.output_shape
    time = given.time if isinstance(given, Sequence) and isinstance(given.time, Time) else None
    return ours, theirs, time


def _sequences(shape: Shape) -> list[Tensor]:
    return [random_input(at_steps(shape, length), 1).detach() for length in LENGTHS]


def _padded(sequences: list[Tensor], steps: int = 25) -> Tensor:
    """In one batch; behind their ends stands NaN, or a token that there is not."""
    first = sequences[0]
    batch = first.new_full((len(sequences), steps, *first.shape[2:]), math.nan if first.is_floating_point() else -1)
    for row, sequence in zip(batch, sequences, strict=True):
        row[: sequence.shape[1]] = sequence[0]
    return batch


@pytest.mark.parametrize("name", NETWORKS)
def test_a_padded_batch_gives_what_each_sequence_gives_alone(name: str) -> None:
    """Whatever the padding is; behind the end of an answer for each step stands 0."""
    shape, layers = NETWORKS[name]
    _, network, time = _both(shape, layers)
    network.eval()
    sequences = _sequences(shape)
    together = network(_padded(sequences), torch.tensor(LENGTHS))
    for row, (length, sequence) in enumerate(zip(LENGTHS, sequences, strict=True)):
        alone = network(sequence)[0]
        end = time.at(length) if time is not None else len(alone)
        torch.testing.assert_close(together[row, :end], alone, rtol=1e-5, atol=1e-6)
        assert time is None or not together[row, end:].any()


@pytest.mark.parametrize("name", NETWORKS)
def test_values_and_gradients_are_those_of_dlcli(name: str) -> None:
    """In evaluation, where nothing is random; gradients of what is read and of all weights."""
    shape, layers = NETWORKS[name]
    ours, theirs, time = _both(shape, layers)
    read = torch.nan_to_num(_padded(_sequences(shape)))
    read = read.clamp(min=0) if holds_tokens(shape) else read
    lengths, found = torch.tensor(LENGTHS), []
    for network in (ours.eval(), theirs.eval()):
        inputs = read.clone().requires_grad_(read.is_floating_point())
        output = network(inputs, lengths)
        if time is not None:
            steps = torch.arange(output.shape[1]) < time.at(lengths)[:, None]
            output = output.masked_fill(~steps[(...,) + (None,) * (output.dim() - 2)], 0)
        weights = [weight for weight in network.parameters() if weight.requires_grad]
        sources = [*([inputs] if inputs.requires_grad else []), *weights]
        loss = (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum()
        grads = torch.autograd.grad(loss, sources, allow_unused=True, materialize_grads=True) if sources else ()
        found.append([output.detach(), *grads])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", ["batch_norm1d", "instance_norm: {track_running_stats: true}"])
def test_statistics_of_a_training_are_those_of_valid_steps(layer: str) -> None:
    """The running mean and variance after a batch are dlcli's."""
    ours, theirs, _ = _both(SERIES, f"- {layer}")
    read, lengths = torch.nan_to_num(_padded(_sequences(SERIES)), nan=1e6), torch.tensor(LENGTHS)
    torch.testing.assert_close(theirs(read, lengths), ours(read, lengths), rtol=1e-5, atol=1e-6)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(theirs.state_dict()[name], value, rtol=1e-6, atol=1e-6)


def test_weights_between_states_are_dropped_where_sequences_differ() -> None:
    """In training alone, and the same at all steps: two halves of a batch that are equal stay so."""
    _, network, _ = _both(SERIES, "- gru: {hidden_size: 16, recurrent_dropout: 0.5}")
    read, lengths = torch.randn(1, 9, 4).expand(2, -1, -1), torch.tensor([9, 9])
    first, second = network(read, lengths), network(read, lengths)
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("links", "text"),
    [
        ((), "lengths"),
        (((1, -1, 1),), "lengths - 1"),
        (((1, 0, 2),), "lengths // 2"),
        (((1, 1, 2),), "(lengths + 1) // 2"),
        (((2, 1, 1),), "2 * lengths + 1"),
        (((1, -1, 2), (3, -2, 4)), "(3 * ((lengths - 1) // 2) - 2) // 4"),
    ],
)
def test_numbers_of_steps_are_written_as_they_are_counted(links: tuple[tuple[int, int, int], ...], text: str) -> None:
    """What Python makes of the text is what the shape says, for every number."""
    time = Time(links)
    assert steps_text(time) == text
    for lengths in range(4, 40):
        assert eval(text, {"lengths": lengths}) == time.at(lengths)  # noqa: S307  # our own text


def test_layers_called_as_what_the_code_uses_make_way() -> None:
    """An input and layers with the names of the argument and of the functions."""
    layers = """
        - lstm: {hidden_size: 4, name: recur}
        - conv1d: {out_channels: 4, kernel_size: 3, padding: same, name: masked, from: lengths}
        - add: {from: [recur, masked], name: lengths_of}
        - global_avg_pool: {name: mean_over_time}
    """
    graph = read_layers(layers.replace("name: recur}", "name: recur, from: lengths}"), {"lengths": SERIES})
    ours, namespace = Network(graph).eval(), {"__name__": "exported"}
    exec(python_module(graph, "A network."), namespace)  # noqa: S102  # that it runs is what is tested
    theirs: Any = namespace["Network"]()
    theirs.load_state_dict(ours.state_dict())
    read, lengths = torch.randn(3, 8, 4), torch.tensor([8, 3, 5])
    torch.testing.assert_close(theirs.eval()(read, lengths), ours(read, lengths), rtol=1e-5, atol=1e-6)


def test_a_network_of_fixed_steps_takes_no_lengths() -> None:
    """Its code is as short as ever."""
    text = python_module(read_layers("- gru: {hidden_size: 3, return: last}", Sequence(5, Vector(3))), "A network.")
    assert "lengths" not in text
