"""Which device to compute on."""

from __future__ import annotations

import re
from typing import Final

import torch

from dlcli.errors import UsageError

DEVICE_NAMES: Final = "auto, cpu, cuda, cuda:0, mps"


def choose_device(name: str) -> torch.device:
    """The device that `--device` asks for.

    Args:
        name: `auto` takes the best there is; any other is taken or refused, never swapped for another.

    Raises:
        UsageError: there is no such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    match = re.fullmatch(r"(cpu|mps|cuda)(?::(\d+))?", name)
    if match is None or (match[2] and match[1] != "cuda"):
        raise UsageError(f"there is no device `{name}`", help=f"known: {DEVICE_NAMES}")
    if match[1] == "mps" and not torch.backends.mps.is_available():
        raise UsageError("there is no mps device here", help="leave out --device, or write --device cpu")
    if match[1] == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = int(match[2] or 0)
        if index >= count:
            found = f"the CUDA devices here are 0 to {count - 1}" if count else "there is no CUDA device here"
            raise UsageError(f"`--device {name}`: {found}", help="leave out --device, or write --device cpu")
        return torch.device("cuda", index)
    return torch.device(match[1])


def device_title(device: torch.device) -> str:
    """The device with its product name, for people."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({_threads()})" if device.type == "cpu" else str(device)


def _threads() -> str:
    count = torch.get_num_threads()
    return f"{count} thread{'' if count == 1 else 's'}"
