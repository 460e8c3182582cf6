"""Checkpoints to write, and what is compared of those that are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlcli.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from dlcli.training.checkpoint_folder import free_name
from dlcli.training.snapshot import TensorCopies

TensorFiles = dict[str, dict[str, Tensor]]


def contents(step: int) -> TensorFiles:
    """Weights, an optimiser's state and a random state that belong to a step and to no other."""
    generator = torch.Generator().manual_seed(step)
    return {
        "model": {"linear.weight": torch.randn(3, 2, generator=generator), "linear.bias": torch.randn(3, generator=generator)},
        "optimizer": {"linear.weight/step": torch.tensor(float(step))},
        "random": {"cpu": torch.randint(0, 256, (64,), dtype=torch.uint8, generator=generator)},
    }


def write(folder: Path, step: int) -> Path:
    """Writes the checkpoint of a step."""
    return saved(folder, step, contents(step), {"progress": {"step": step}})


def saved(folder: Path, step: int, tensors: TensorFiles, state: dict[str, Any]) -> Path:
    """Writes a checkpoint with these contents as a training does, from copies, and gives its folder."""
    target = free_name(folder, step)
    save_checkpoint(target, TensorCopies().of(tensors), state)
    return target


def assert_is_of_step(checkpoint: Checkpoint, step: int) -> None:
    """All that the checkpoint of this step was given is in it, bit for bit."""
    assert checkpoint.state == {"progress": {"step": step}}
    assert_same_bits(checkpoint.tensors, contents(step))


def steps_that_load(paths: list[Path]) -> list[int]:
    """The steps of checkpoints, each of which must verify and be whole."""
    steps = []
    for path in paths:
        checkpoint = load_checkpoint(path)
        steps.append(checkpoint.state["progress"]["step"])
        assert_is_of_step(checkpoint, steps[-1])
    return steps


def assert_same_bits(found: object, expected: object) -> None:
    """Mappings of mappings of tensors with equal names, types, shapes and bits; NaN equals NaN."""
    if isinstance(expected, Tensor):
        assert isinstance(found, Tensor)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert bits(found) == bits(expected)
        return
    assert isinstance(found, dict)
    assert isinstance(expected, dict)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert_same_bits(found[name], value)


def bits(tensor: Tensor) -> bytes:
    """The values of a tensor as they are in memory, in order."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
