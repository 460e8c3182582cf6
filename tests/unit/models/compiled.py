"""The compiled kernels as tests ask for them: each level of the processor by itself, or none."""

from __future__ import annotations

from ctypes import CDLL
from unittest import mock

import pytest
import torch

from dlcli.models import kernels

LEVELS = ("AVX2", "AVX512")
"""What torch calls them, the lower first; a processor of the second runs both."""
WAYS = (*LEVELS, "torch")


def library_of(level: str) -> CDLL:
    """The library for processors of this level; skips where this processor, or the installation, has none."""
    own = torch.backends.cpu.get_cpu_capability()
    if own not in LEVELS or LEVELS.index(level) > LEVELS.index(own):
        pytest.skip(f"needs a processor with {level}, and this one is {own} to torch")
    with mock.patch.object(torch.backends.cpu, "get_cpu_capability", return_value=level):
        loaded = kernels._loaded.__wrapped__()
    if loaded is None:
        pytest.skip(f"the kernels for {level} were not built: there was no C compiler")
    return loaded[1]


def take(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes all code run a level's kernels, or none."""
    library = None if way == "torch" else library_of(way)
    monkeypatch.setattr(kernels, "library", lambda: library)
