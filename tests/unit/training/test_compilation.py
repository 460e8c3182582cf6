"""`train.compile`: torch's compiler around the network of a training, and around nothing else."""

from __future__ import annotations

import pytest
from torch import nn

from dlcli.errors import UsageError
from dlcli.training.compilation import compilation_errors, compiled
from tests.unit.training.trainings import make_trainer, train_spec


class BackendError(RuntimeError):
    """As torch's compiler has some, by its module."""


BackendError.__module__ = "torch._inductor.exc"


def test_a_compiled_network_shares_its_weights() -> None:
    """What is saved, judged and exported is the network itself."""
    network = nn.Linear(3, 2)
    made = compiled(network)
    assert [parameter.data_ptr() for parameter in made.parameters()] == [
        parameter.data_ptr() for parameter in network.parameters()
    ]
    trainer = make_trainer(train_spec(compile=True))
    assert trainer._trained is not trainer.network
    assert trainer.judged_network is trainer.network
    plain = make_trainer(train_spec())
    assert plain._trained is plain.network


def test_what_the_compiler_raises_says_what_to_do() -> None:
    """Without a C++ compiler on the machine, for example; what others raise is theirs."""
    with (
        pytest.raises(UsageError, match=r"torch\.compile can't do this here: no working C\+\+ compiler$") as found,
        compilation_errors(),
    ):
        raise BackendError("no working C++ compiler\nand a page about it")
    assert found.value.help == "leave train.compile out"
    with pytest.raises(ValueError, match="of another"), compilation_errors():
        raise ValueError("of another")
