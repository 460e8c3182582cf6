"""What happens when there is no memory left."""

from __future__ import annotations

import ctypes
import sys

import pytest
import torch

from dlcli.errors import ResourceError
from dlcli.runtime.memory import keep_freed_memory, memory_errors


def test_an_allocation_that_torch_refuses_says_what_to_do() -> None:
    """Torch's own refusal on the CPU becomes an error (exit code 6) with the reason and a smaller batch as help."""
    with pytest.raises(ResourceError) as caught, memory_errors():
        torch.empty(2**60)
    assert caught.value.message.startswith("there is not enough memory: ")
    assert "can't allocate memory" in caught.value.message
    assert "train.batch_size" in (caught.value.help or "")
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 9 TiB for an array"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=str,
)
def test_every_way_of_saying_it_is_understood(error: Exception) -> None:
    """Python, NumPy, torch, CUDA, its libraries and mps each have their own words."""
    with pytest.raises(ResourceError, match="there is not enough memory") as caught, memory_errors():
        raise error
    assert caught.value.__cause__ is error


def test_a_reason_is_one_short_line() -> None:
    """Torch's messages run over many lines; the person gets the beginning."""
    with pytest.raises(ResourceError) as caught, memory_errors():
        raise torch.OutOfMemoryError("CUDA out of memory.\n  Tried " + "x" * 1000)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RecursionError("deep"), ValueError("no")], ids=str
)
def test_other_errors_pass_untouched(error: Exception) -> None:
    """A bug stays what it is."""
    with pytest.raises(type(error)) as caught, memory_errors():
        raise error
    assert caught.value is error


def test_nothing_happens_where_there_is_memory() -> None:
    """The block's result is left alone."""
    with memory_errors():
        total = int(torch.ones(10).sum())
    assert total == 10


def test_freed_memory_is_kept_on_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both thresholds are set, by the numbers that malloc.h gives them."""
    calls: list[tuple[int, int]] = []

    class Library:
        @staticmethod
        def mallopt(parameter: int, value: int) -> int:
            calls.append((parameter, value))
            return 1

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library)
    assert keep_freed_memory()
    assert dict(calls) == {-3: 2**31 - 1, -1: 2**31 - 1}


@pytest.mark.parametrize("missing", ["library", "function", "platform"])
def test_other_systems_are_left_alone(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library is not glibc the call says so and breaks nothing."""

    def library(name: None) -> object:
        if missing == "library":
            raise OSError("no library")
        return object()

    monkeypatch.setattr(sys, "platform", "win32" if missing == "platform" else "linux")
    monkeypatch.setattr(ctypes, "CDLL", library)
    assert not keep_freed_memory()
