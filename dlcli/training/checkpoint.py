"""A checkpoint: a folder of safetensors and JSON that is whole or not there.

It is written into a temporary sibling: each file with fsync, the manifest with every file's size and SHA-256 last, fsync
of the folder, a rename, fsync of the parent. Reading checks all of it. There is no pickle.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from dlcli.errors import CheckpointError
from dlcli.runtime.durable_files import disk_errors, reading_errors, sync_folder, write_and_sync
from dlcli.training.manifest import MANIFEST, entry_of, manifest_of, read_manifest, read_verified

STATE: Final = "state.json"

_FILE_COPIES: Final = 2
"""Of a file's tensors while safetensors puts it together: one of the tensors, one of the file."""
_HEADER_ROOM: Final = 2**20
"""Bytes for the names and shapes in a file."""

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        path: its folder.
        tensors: file name without ending (`model`, `ema`, `optimizer`, `random`, `carried`) -> name -> tensor, on the CPU.
        state: the progress and whatever else is plain.
    """

    path: Path
    tensors: Mapping[str, dict[str, Tensor]]
    state: dict[str, Any]

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights to judge and to use: the moving average where there is one."""
        return self.tensors.get("ema") or self.tensors["model"]


def save_checkpoint(target: Path, tensors: Mapping[str, Tensors], state: Mapping[str, Any]) -> None:
    """Writes a checkpoint.

    Args:
        target: its folder, which is not there yet.
        tensors: as in `Checkpoint`; each contiguous, on the CPU, and with memory of its own.
        state: plain values.

    Raises:
        ResourceError: it can't be written; nothing of it is left behind.
        RuntimeError: torch's, where there is no memory for it.
    """
    state_content = json.dumps(state, indent=1).encode()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    size = sum(tensor.nbytes for values in tensors.values() for tensor in values.values())
    with disk_errors(target, size), _removed_at_the_end(temporary):
        temporary.mkdir(parents=True)
        entries = {}
        for name, content in _contents(tensors, state_content):
            write_and_sync(temporary / name, content)
            entries[name] = entry_of(content)
        write_and_sync(temporary / MANIFEST, manifest_of(entries))
        sync_folder(temporary)
        temporary.rename(target)
        sync_folder(target.parent)


def _contents(tensors: Mapping[str, Tensors], state: bytes) -> Iterator[tuple[str, bytes]]:
    """The files one after the other, so that no more than one is in memory."""
    for name, values in tensors.items():
        _find_room(sum(tensor.nbytes for tensor in values.values()))
        yield f"{name}.safetensors", save(dict(values))
    yield STATE, state


def _find_room(size: int) -> None:
    """Raises torch's error where a file of so many bytes finds no memory: safetensors would end the process."""
    torch.empty(_FILE_COPIES * size + _HEADER_ROOM, dtype=torch.uint8)


@contextmanager
def _removed_at_the_end(folder: Path) -> Iterator[None]:
    """Removes a folder before, where a killed process with the same number left it, and after, where it still is there."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint and checks every file against the manifest.

    Raises:
        FormatError: a newer version of dlcli wrote it.
        CheckpointError: something is missing, or is not what was written.
        ResourceError: it can't be read for now, which says nothing of what was written.
    """
    with reading_errors(path):
        if path.is_symlink():
            raise CheckpointError(f"{path} is a link, and a checkpoint is a folder")
    contents = {name: read_verified(path / name, entry) for name, entry in read_manifest(path).items()}
    try:
        tensors = {Path(name).stem: load(content) for name, content in contents.items() if name.endswith(".safetensors")}
        state = json.loads(contents[STATE])
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise CheckpointError(f"{path} can't be read: {error}") from error
    if "model" not in tensors or not isinstance(state, dict):
        raise CheckpointError(f"{path} holds no weights")
    return Checkpoint(path, tensors, state)


def load_weights(network: nn.Module, checkpoint: Checkpoint, weights: dict[str, Tensor]) -> None:
    """Puts a checkpoint's weights into a network.

    Raises:
        CheckpointError: names or shapes differ.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = str(error).partition("\n")[2].strip() or str(error)
        raise CheckpointError(
            f"{checkpoint.path} is of another network: {reason}", help="use the config that it was trained with"
        ) from error
