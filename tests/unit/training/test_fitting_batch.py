"""What is said of a batch that does not find room."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.shapes import Sequence, Time, Vector
from dlcli.config.training import EmaSpec
from dlcli.errors import ResourceError
from dlcli.models.network import build_network
from dlcli.runtime.memory import memory_errors
from dlcli.training.fitting_batch import memory_notice, smaller_batches
from dlcli.training.trainer import Trainer
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
        (32, 64, 1, "16 samples fit at a time: --set train.batch_size=16 --set train.accumulate=4"),
        (31, 64, 2, "8 samples fit at a time: --set train.batch_size=8 --set train.accumulate=16"),
        (1000, 50, 1, "25 samples fit at a time: --set train.batch_size=25 --set train.accumulate=2"),
        (26, 50, 1, "12 samples fit at a time: --set train.batch_size=12"),
        (26, 13, 1, "6 samples fit at a time: --set train.batch_size=6"),
    ],
)
def test_the_largest_that_fits_is_said(room: int, batch_size: int, accumulate: int, words: str) -> None:
    """With as many to spare; what a step learns from stays the same where that can be divided."""
    network = Small(room)
    trainer = make_trainer(train_spec(batch_size=batch_size, accumulate=accumulate), vectors(train=300), network)
    assert smaller_batches(trainer) == words
    assert network.sizes[-4:-2] == network.sizes[-2:], "what is said to fit was to be tried twice"


@pytest.mark.parametrize("room", [0, 1])
def test_where_nothing_fits_no_size_is_said(room: int) -> None:
    """Not even one sample, with one to spare: then a batch size is no advice."""
    trainer = make_trainer(train_spec(batch_size=8), vectors(), Small(room))
    assert smaller_batches(trainer) == "not even 1 sample fits with room to spare: use smaller layers or smaller inputs"


def test_an_evaluation_has_to_fit_as_well() -> None:
    """Of small batches it takes up to eight times as many: a step of 8 would fit here, an evaluation of 64 does not."""
    told = smaller_batches(make_trainer(train_spec(batch_size=16), vectors(train=300), Small(16)))
    assert told == "4 samples fit at a time: --set train.batch_size=4 --set train.accumulate=4"


def test_where_only_an_evaluation_does_not_fit_that_is_said() -> None:
    """A step of one sample would fit here, an evaluation of eight does not."""
    told = smaller_batches(make_trainer(train_spec(batch_size=2), vectors(train=300), Small(2)))
    assert told.startswith("no smaller batch helps, since an evaluation takes 8 samples at a time")


def test_one_sample_is_not_advised_where_it_teaches_nothing() -> None:
    """A config with `batch_norm1d` and batches of 1 is refused: it would have no spread."""
    network = build_network(read_layers("[linear: 3, batch_norm1d, linear: 3]", Vector(4)), None)

    def lacks_room(_: nn.Module, read: tuple[Tensor]) -> None:
        if torch.is_grad_enabled() and len(read[0]) > 2:
            raise torch.OutOfMemoryError

    network.register_forward_pre_hook(lacks_room)
    trainer = make_trainer(train_spec(batch_size=8), vectors(train=300), network)
    assert smaller_batches(trainer) == "not even 2 samples fit with room to spare: use smaller layers or smaller inputs"


def test_a_mistake_that_shows_while_sizes_are_tried_is_no_lack_of_memory() -> None:
    """It is not taken for a size that does not fit."""

    def breaks(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    network = linear_network()
    network.register_forward_pre_hook(breaks)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        smaller_batches(make_trainer(train_spec(batch_size=8), vectors(), network))


@pytest.mark.parametrize(
    ("device", "steps", "ema", "values"),
    [("meta", 0, False, 2), ("meta", 1, False, 0), ("cpu", 0, False, 9), ("cpu", 1, False, 7), ("cpu", 1, True, 8)],
)
def test_there_has_to_be_room_for_updates_and_saves(
    device: str, steps: int, ema: bool, values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many values for each of the 43 weights: before the first update the two that Adam keeps, afterwards none.

    On the CPU a save takes three more to copy the weight and those two, with a moving average four, and a file of the two
    is in memory twice.
    """
    spec = train_spec(batch_size=8, ema=EmaSpec() if ema else None)
    trainer, taken, empty = make_trainer(spec, vectors()), [], torch.empty
    trainer.progress.step, trainer.device = steps, torch.device(device)

    def counted(size: int, **options: Any) -> Tensor:
        taken.append(size)
        return empty(size, **options)

    monkeypatch.setattr(torch, "empty", counted)
    smaller_batches(trainer)
    assert set(taken) == {values * 4 * 43}


def test_an_accelerator_needs_less_room_to_spare() -> None:
    """Its memory lies in fewer pieces: half as many samples again."""
    network = Small(24)
    trainer = make_trainer(train_spec(batch_size=64), vectors(train=300), network)
    trainer.device = torch.device("meta")
    trainer.progress.step = 1
    assert smaller_batches(trainer) == "16 samples fit at a time: --set train.batch_size=16 --set train.accumulate=4"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_lack_of_memory_on_cuda() -> None:
    """Half of what is free holds 220 samples, not the batch of 512; what is said to fit does, and an evaluation of it."""
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(min(1.0, free / total / 2))
    try:
        wide = free // 2 // 4 // 220
        network = nn.Sequential(nn.Linear(4, 8), Widening(wide), nn.Linear(8, 3)).cuda()
        trainer = Trainer(
            network,
            vectors(train=600).to(torch.device("cuda")),
            make_trainer(train_spec()).preprocessing,
            train_spec(batch_size=512),
            torch.device("cuda"),
            outputs=("output",),
        )
        with pytest.raises(ResourceError, match="out of memory") as caught, memory_errors(lambda: smaller_batches(trainer)):
            trainer.step(next(iter(trainer.groups())))
        assert re.match(r"(32|64) samples fit at a time", caught.value.help or "")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


class Widening(nn.Module):
    """Takes memory for so many values for each sample, and gives its input."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.wide = wide

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + inputs.new_empty(len(inputs), self.wide)[:, :1].zero_()


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
    assert seen[0] == list(range(33, 41))


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
    assert caught.value.help == "use smaller layers, smaller batches (train.batch_size) or less data (data.limit)"


@pytest.mark.parametrize(
    ("samples", "available", "is_told"), [(4096, 2**30, True), (4096, 2 * 2**30, False), (26, 2**30, False), (4096, None, False)]
)
def test_a_step_that_will_lack_memory_is_told_before(
    samples: int, available: int | None, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4,096 samples of 100,000 values take 1.5 GB, and 26 little; where nothing is known of the memory, nothing is said."""
    graph = read_layers("[linear: {out_features: 100000, bias: false}, linear: {out_features: 3, bias: false}]", Vector(4))
    monkeypatch.setattr("dlcli.training.fitting_batch.available_memory", lambda _: available)
    trainer = make_trainer(train_spec(batch_size=4096), vectors(train=samples), build_network(graph, None))
    assert memory_notice(trainer) == (
        "a step needs about 1.5 GB, and 1.0 GB of memory are free: if it ends for lack of memory, use a smaller train.batch_size"
        if is_told
        else None
    )
