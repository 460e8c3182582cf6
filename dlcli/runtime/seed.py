"""Random numbers: where they start, and their state as tensors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from dlcli.errors import UsageError


@contextmanager
def seeded(seed: int, *, deterministic: bool) -> Iterator[None]:
    """Starts torch's generators on all devices; torch's settings are put back at the end.

    Args:
        seed: of weights and dropout; order and augmentation are functions of it on their own.
        deterministic: whether operations that can give other bits each time are refused; see `determinism_errors`.
    """
    torch.manual_seed(seed)
    with _deterministic() if deterministic else nullcontext():  # even setting what is set imports torch's compiler, in a second
        yield


@contextmanager
def _deterministic() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=warn_only)
        torch.backends.cudnn.benchmark = before[1]


@contextmanager
def determinism_errors() -> Iterator[None]:
    """Turns the refusal of an operation that can give other bits each time into an error that says what to do.

    Raises:
        UsageError: instead of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        if not torch.are_deterministic_algorithms_enabled() or "deterministic" not in str(error):
            raise
        what, refused, _ = str(error).partition(" does not have a deterministic implementation")
        reason = f"{what} has no deterministic form" if refused else what
        help = "leave it out, or use --device cpu"
        raise UsageError(f"`deterministic: true` can't be had here: {reason}", help=help) from error


def random_state(device: torch.device) -> dict[str, Tensor]:
    """The state of the generators that a training on `device` draws from."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Sets the generators back to a state from `random_state`."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    elif device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])
