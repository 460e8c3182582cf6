"""What `kernels.c` does, for tensors: float32, contiguous and on the CPU.

The package is built with the library where there is a C compiler, for x86-64 processors with AVX2 or AVX-512 under Linux.
Everything that uses it has another way, in torch's calls.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

_LEVELS: Final = {"AVX512": ("v4", "v3"), "AVX2": ("v3",)}
"""The levels of x86-64 that a processor runs, the fastest first, by what torch calls it."""

_PLAIN: Final = (Tensor, torch.nn.Parameter)

_ARGUMENTS: Final[Mapping[str, Sequence[Any]]] = {
    "gru_forward": (*[c_int64] * 3, *[c_void_p] * 6),
    "gru_backward": (*[c_int64] * 3, *[c_void_p] * 3, *[c_int64] * 2, *[c_void_p] * 5),
    "rnn_forward": (*[c_int64] * 4, *[c_void_p] * 4),
    "rnn_backward": (*[c_int64] * 4, *[c_void_p] * 3, *[c_int64] * 2, *[c_void_p] * 2),
    "lstm_forward": (*[c_int64] * 3, *[c_void_p] * 5),
    "lstm_backward": (*[c_int64] * 3, *[c_void_p] * 3, *[c_int64] * 2, *[c_void_p] * 4),
    "pool_forward": (*[c_int64] * 6, *[c_void_p] * 3),
    "pool_backward": (*[c_int64] * 6, *[c_void_p] * 3),
    "convolve_forward": (c_void_p, c_int64, *[c_void_p] * 5),
    "convolve_backward": (c_void_p, c_int64, *[c_void_p] * 3, c_int64, c_void_p),
}


def library() -> ctypes.CDLL | None:
    """The library; None where it was not built, or not for this processor."""
    found = _loaded()
    return found[1] if found else None


def level() -> str | None:
    """What the library was built for, `x86-64-v4` for example; None where there is none."""
    found = _loaded()
    return found[0] if found else None


@cache
def _loaded() -> tuple[str, ctypes.CDLL] | None:
    for level in _LEVELS.get(torch.backends.cpu.get_cpu_capability(), ()):
        try:
            library = ctypes.CDLL(str(Path(__file__).with_name(f"kernels-x86-64-{level}.so")))
        except OSError:
            continue
        if not _is_of_this_source(library):
            continue
        for name, arguments in _ARGUMENTS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, None
        library.flush_denormals.argtypes, library.flush_denormals.restype = (c_int,), c_int
        return f"x86-64-{level}", library
    return None


def _is_of_this_source(library: ctypes.CDLL) -> bool:
    """Whether a library was built from the `kernels.c` beside this: one from before a change would read what is not there."""
    try:
        library.source.restype = ctypes.c_char_p
        built_from: bytes = library.source()
    except AttributeError:
        return False
    return built_from.decode() == hashlib.sha256(Path(__file__).with_name("kernels.c").read_bytes()).hexdigest()


def library_for(*tensors: Tensor) -> ctypes.CDLL | None:
    """The library, if it is there and takes such tensors."""
    taken = all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors)
    return library() if taken else None


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Takes numbers below 1.2e-38 for 0, on all threads, until the end of the block: processors are slow with them.

    Weights that a training makes small, and what an optimiser remembers of gradients, come to that.
    """
    found = library()
    before = found.flush_denormals(1) if found is not None else 0
    try:
        yield
    finally:
        if found is not None:
            found.flush_denormals(before)


def are_plain(*tensors: Tensor) -> bool:
    """Whether tensors are no more than numbers in memory: traced, compiled, transformed or cast, torch needs its own calls."""
    rewritten = torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
    transformed = torch._C._functorch.peek_interpreter_stack() is not None or torch.is_autocast_enabled("cpu")
    return not rewritten and not transformed and all(type(tensor) in _PLAIN for tensor in tensors)


def refuse_second_derivative() -> None:
    """Raises RuntimeError where a gradient is to have a gradient, which the functions of this package do not give."""
    if torch.is_grad_enabled():
        raise RuntimeError("a gradient through this layer has none of its own: use torch.nn's layer for second derivatives")
