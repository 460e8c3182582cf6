"""The devices: whether a step forward and back on each gives what it should."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from dlcli.app.finding import Finding
from dlcli.runtime.device import device_title

_TOLERANCE: Final = 1e-2
"""Of the largest value: TensorFloat-32, which GPUs compute with, has eleven bits."""
_DRIVER_FILES: Final = ("proc/driver/nvidia/version", "dev/nvidia0")


def devices(root: Path = Path("/")) -> Iterator[Finding]:
    """The CPU, every CUDA device and MPS; and a GPU that torch does not see.

    Args:
        root: of Linux's file system.
    """
    yield _tried(torch.device("cpu"))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        has_cuda = torch.cuda.is_available()
    for index in range(torch.cuda.device_count() if has_cuda else 0):
        yield _tried(torch.device("cuda", index))
    if not has_cuda and any((root / file).exists() for file in _DRIVER_FILES):
        yield _unused_gpu(" ".join(str(said[0].message).split()) if said else None)
    if torch.backends.mps.is_available():
        yield _tried(torch.device("mps"))


def _unused_gpu(reason: str | None) -> Finding:
    if torch.version.cuda is None:
        help = "install a torch that is built for CUDA"
        return Finding("cuda", "warning", f"there is an NVIDIA GPU, and torch {torch.__version__} is built without CUDA", help)
    why = reason or "it finds no device, or may not use it"
    help = "update NVIDIA's driver, or install a torch that is built for an older CUDA"
    return Finding(
        "cuda", "warning", f"there is an NVIDIA GPU, and torch for CUDA {torch.version.cuda} can't use it: {why}", help
    )


def _tried(device: torch.device) -> Finding:
    """A step on a device, compared with the same one in float64 on the CPU."""
    elsewhere = "install torch again: pip install --force-reinstall torch"
    if device.type != "cpu":
        elsewhere = "train with --device cpu, and check the device's driver"
    try:
        error = _largest_error(device)
        title = device_title(device)
    except Exception as failure:  # whatever a driver or a library raises
        what = " ".join(str(failure).split())[:200]
        return Finding(str(device), "fault", f"a step on it fails: {type(failure).__name__}: {what}", elsewhere)
    if not error <= _TOLERANCE:
        what = f"{title}: a step forward and back gives wrong values, by up to {error:.1%} of the largest"
        return Finding(str(device), "fault", what, elsewhere)
    return Finding(str(device), "ok", f"{title}: a step forward and back gives what it should")


def _largest_error(device: torch.device) -> float:
    """Of the outputs and gradients of a small convolutional network in float32: as a share of the largest value of each."""
    given = [torch.randn(*sizes, generator=torch.Generator().manual_seed(0)) for sizes in ((4, 3, 8, 8), (6, 3, 3, 3), (5, 216))]
    found = _step([tensor.to(device) for tensor in given])
    expected = _step([tensor.double() for tensor in given])
    errors = [
        (value.double().cpu() - exact).abs().max() / exact.abs().max() for value, exact in zip(found, expected, strict=True)
    ]
    return float(torch.stack(errors).max())


def _step(given: list[Tensor]) -> list[Tensor]:
    """The outputs (4, 5), and the gradients of the mean of their squares."""
    pictures, kernel, weights = (tensor.clone().requires_grad_() for tensor in given)
    outputs = functional.linear(functional.conv2d(pictures, kernel).relu().flatten(1), weights)
    outputs.square().mean().backward()
    gradients = [tensor.grad for tensor in (pictures, kernel, weights) if tensor.grad is not None]
    return [outputs.detach(), *gradients]
