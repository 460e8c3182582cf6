"""A network compiled by `torch.compile`, where a config asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch
from torch import nn

from dlcli.errors import UsageError

_COMPILERS: Final = ("torch._dynamo.", "torch._inductor.")


def compiled(network: nn.Module) -> nn.Module:
    """The same network, with the same weights, that torch compiles when it is first called, and again for other sizes."""
    made = torch.compile(network)
    assert isinstance(made, nn.Module)
    return made


@contextmanager
def compilation_errors() -> Iterator[None]:
    """Turns what torch's compiler raises, for example without a C++ compiler on the machine, into an error that says what to do.

    Raises:
        UsageError: instead of torch's error.
    """
    try:
        yield
    except Exception as error:
        if not any(f"{kind.__module__}.".startswith(_COMPILERS) for kind in type(error).__mro__):
            raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UsageError(f"torch.compile can't do this here: {reason}", help="leave train.compile out") from error
