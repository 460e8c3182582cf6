"""A training that torch compiles, from the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.integration.conftest import Cli


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)  # torch's own, while it compiles
def test_a_compiled_training_is_the_same_up_to_rounding(cli: Cli, quick: Path) -> None:
    """Through the command, with a smaller last batch; the cost is told."""
    outcomes = [cli("train", quick, "--json", *options) for options in ((), ("--set", "train.compile=true"))]
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes[1].err
    plain, made = (outcome.json for outcome in outcomes)
    assert made["test"]["loss"] == pytest.approx(plain["test"]["loss"], rel=0.02)
    assert "torch.compile: the first step took" in outcomes[1].err
    assert "torch.compile" not in outcomes[0].err
    torch.compiler.reset()
