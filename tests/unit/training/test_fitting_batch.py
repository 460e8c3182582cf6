"""What is said of a batch that does not find room."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.shapes import Sequence, Time, Vector
from dlcli.errors import ResourceError
from dlcli.models.network import build_network
from dlcli.runtime.memory import memory_errors
from dlcli.training.fitting_batch import smaller_batches
from tests.unit.models.graphs import read_layers
from tests.unit.training.trainings import linear_network, make_trainer, text, text_network, train_spec, vectors


class Small(nn.Module):
    """A network on a device with room for the gradients of so many samples, and for five times as many without."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.layers = linear_network()
        self.room = room
        self.sizes: list[int] = []

    def forward(self, inputs: Tensor) -> Tensor:
        self.sizes.append(len(inputs))
        if len(inputs) > self.room * (1 if torch.is_grad_enabled() else 5):
            raise torch.OutOfMemoryError("CUDA out of memory")
        outputs = self.layers(inputs)
        assert isinstance(outputs, Tensor)
        return outputs


@pytest.mark.parametrize(
    ("room", "batch_size", "accumulate", "words"),
    [
        (24, 64, 1, "16 samples fit at a time: --set train.batch_size=16 --set train.accumulate=4"),
        (23, 64, 2, "8 samples fit at a time: --set train.batch_size=8 --set train.accumulate=16"),
        (1000, 50, 1, "25 samples fit at a time: --set train.batch_size=25 --set train.accumulate=2"),
        (20, 50, 1, "12 samples fit at a time: --set train.batch_size=12"),
        (20, 13, 1, "6 samples fit at a time: --set train.batch_size=6"),
    ],
)
def test_the_largest_that_fits_is_said(room: int, batch_size: int, accumulate: int, words: str) -> None:
    """With half as many to spare; what a step learns from stays the same where that can be divided."""
    trainer = make_trainer(train_spec(batch_size=batch_size, accumulate=accumulate), vectors(train=300), Small(room))
    assert smaller_batches(trainer) == words


@pytest.mark.parametrize("room", [0, 1])
def test_where_nothing_fits_nothing_is_said(room: int) -> None:
    """Not even one sample, with one to spare."""
    assert smaller_batches(make_trainer(train_spec(batch_size=8), vectors(), Small(room))) is None


def test_an_evaluation_has_to_fit_as_well() -> None:
    """It goes through 64 samples at least: a step of 8 would fit here, an evaluation does not."""
    assert smaller_batches(make_trainer(train_spec(batch_size=16), vectors(train=300), Small(18))) is None


def test_no_gradients_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was tried does not fill the memory."""
    trainer = make_trainer(train_spec(batch_size=8), vectors())
    assert smaller_batches(trainer) is not None
    assert all(parameter.grad is None for parameter in trainer.network.parameters())


def test_the_longest_sequences_are_tried() -> None:
    """Of different lengths: what fits has to fit them."""
    network = build_network(read_layers("[gru: {hidden_size: 3, return: last}, linear: 3]", Sequence(Time(), Vector(4))), None)
    dataset = vectors(train=40)
    lengths = torch.arange(1, 41)
    facts = dataset.facts.__class__.of(Sequence(Time(), Vector(4)), num_classes=3)
    split = dataset.train.__class__(torch.randn(40, 40, 4), dataset.train.targets, lengths)
    trainer = make_trainer(
        train_spec(batch_size=8), dataset.__class__(**{**vars(dataset), "facts": facts, "train": split}), network
    )
    seen: list[list[int]] = []
    network.register_forward_pre_hook(lambda _, read: seen.append(sorted(read[1].tolist())))
    assert smaller_batches(trainer) == "4 samples fit at a time: --set train.batch_size=4 --set train.accumulate=2"
    assert seen[0] == [35, 36, 37, 38, 39, 40]


def test_streams_keep_their_number_of_samples_in_a_step() -> None:
    """Of one long text each row of a batch is a stream: batches put together would be another training."""
    trainer = make_trainer(train_spec(batch_size=4, stateful=True), text(), text_network())
    assert smaller_batches(trainer) == "2 samples fit at a time: --set train.batch_size=2"


def test_what_filled_the_memory_is_let_go_before_anything_is_tried() -> None:
    """The frames of the error hold it no more; without a better answer the general one is given."""

    class Tracked:
        alive = 0

        def __init__(self) -> None:
            Tracked.alive += 1

        def __del__(self) -> None:
            Tracked.alive -= 1

    def fill() -> None:
        held = Tracked()
        assert held.alive == 1
        raise torch.OutOfMemoryError("out of memory")

    found: list[int] = []

    def mend() -> None:
        found.append(Tracked.alive)

    with pytest.raises(ResourceError) as caught, memory_errors(mend):
        fill()
    assert found == [0]
    assert "train.batch_size=16" in (caught.value.help or "")
