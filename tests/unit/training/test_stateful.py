"""A training that carries its state: batch after batch goes on where the one before ended, an epoch starts anew."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlcli.config.optimizers import Sgd
from dlcli.config.shapes import Sequence, Token
from dlcli.config.training import TrainSpec
from dlcli.models.carried_state import state_of
from dlcli.models.network import Network, build_network
from tests.unit.models.graphs import read_layers
from tests.unit.training.trainings import fitted, make_trainer, text, text_network, train_spec


class PlainLanguageModel(nn.Module):
    """Plain torch: (batch, time) and a state -> scores (batch, time, 5) and a state."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm, self.linear = nn.Embedding(5, 4), nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 5)

    def forward(self, tokens: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        outputs, state = self.lstm(self.embedding(tokens), state)
        return self.linear(outputs), state


def _pair() -> tuple[Network, PlainLanguageModel]:
    """The same weights in float64."""
    torch.manual_seed(0)
    network = build_network(read_layers("[embedding: 4, lstm: 6, linear: 5]", Sequence(6, Token(5))), None).double()
    plain = PlainLanguageModel().double()
    plain.load_state_dict(dict(zip(plain.state_dict(), network.state_dict().values(), strict=True)))
    return network, plain


def _spec(**fields: object) -> TrainSpec:
    return train_spec(**{"batch_size": 4, "epochs": 2, "optimizer": Sgd(lr=0.3), "stateful": True, **fields})


def test_it_is_truncated_backpropagation_through_time(tmp_path: Path) -> None:
    """Loss by loss and weight by weight a plain loop that detaches its state after each window and forgets it each epoch."""
    network, plain = _pair()
    dataset = text(train=20)
    tokens, answers = (cast("Tensor", values).reshape(4, 5, 6) for values in (dataset.train.inputs, dataset.train.targets))
    optimizer, losses = torch.optim.SGD(plain.parameters(), lr=0.3), []
    for _ in range(2):
        state = None
        for window in range(5):
            outputs, state = plain(tokens[:, window], state)
            state = (state[0].detach(), state[1].detach())
            loss = functional.cross_entropy(outputs.flatten(0, 1), answers[:, window].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    found = fitted(make_trainer(_spec(), dataset, network), tmp_path)
    assert found.losses == pytest.approx(losses, abs=1e-12)
    for ours, theirs in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_an_evaluation_reads_each_stream_from_its_begin_to_its_end() -> None:
    """All samples of the split, in consecutive streams: here one window a stream more than there are rows would be."""
    network, plain = _pair()
    dataset = text(valid=70)
    found = make_trainer(_spec(), dataset, network).evaluate("valid")
    assert dataset.valid is not None
    tokens, answers = (cast("Tensor", values) for values in (dataset.valid.inputs, dataset.valid.targets))
    bounds = [*range(0, 18, 3), *range(18, 71, 2)]  # 32 streams: six of three windows and 26 of two
    outputs = [plain(tokens[first:after].reshape(1, -1), None)[0] for first, after in itertools.pairwise(bounds)]
    scores = torch.cat(outputs, dim=1)[0]
    assert found["loss"] == pytest.approx(float(functional.cross_entropy(scores, answers.flatten()).detach()), abs=1e-12)
    assert found["accuracy"] == pytest.approx(float((scores.argmax(1) == answers.flatten()).double().mean()))


@pytest.mark.parametrize("stateful", [True, False])
def test_an_evaluation_in_the_middle_of_an_epoch_changes_nothing(stateful: bool) -> None:
    """The losses after it, and the state, to the last bit; without `stateful` there is no state."""

    def losses(evaluate_after: int | None) -> tuple[list[Tensor], dict[str, Tensor]]:
        torch.manual_seed(3)
        trainer, found = make_trainer(_spec(stateful=stateful), text(), text_network()), []
        for step, group in enumerate(trainer.groups()):
            found.append(trainer.step(group))
            if step == evaluate_after:
                trainer.evaluate("valid")
        return found, state_of(trainer.network)

    (plain, state), (disturbed, other) = losses(None), losses(1)
    assert plain == disturbed
    assert state.keys() == other.keys()
    assert bool(state) == stateful
    assert all(torch.equal(state[name], other[name]) for name in state)
