"""Checkpoints: folders of safetensors and JSON that are whole or not there.

A checkpoint is written into a temporary sibling: each file with fsync, the manifest with every file's size and SHA-256
last, fsync of the folder, a rename, fsync of the parent. Reading checks all of it. There is no pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dlcli.errors import CheckpointError
from dlcli.runtime.durable_files import disk_errors, sync_folder, write_and_sync, write_durably

FORMAT: Final = 1
MANIFEST: Final = "MANIFEST.json"
STATE: Final = "state.json"

_NAME: Final = re.compile(r"step-(\d{8,})(?:\.(\d+))?")
_LEFTOVER: Final = re.compile(rf"\.{_NAME.pattern}\.\d+\.(?:tmp|old)")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        path: its folder.
        tensors: file name without ending (`model`, `ema`, `optimizer`, `random`) -> name -> tensor, on the CPU.
        state: the progress and whatever else is plain.
    """

    path: Path
    tensors: Mapping[str, dict[str, Tensor]]
    state: dict[str, Any]

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights to judge and to use: the moving average where there is one."""
        return self.tensors.get("ema") or self.tensors["model"]


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensors], state: Mapping[str, Any]) -> Path:
    """Writes a checkpoint.

    Args:
        folder: where the checkpoints of the run are.
        step: how many steps were taken.
        tensors: as in `Checkpoint`.
        state: plain values.

    Returns:
        The checkpoint's folder.

    Raises:
        ResourceError: it can't be written; nothing of it is left behind.
    """
    contents = {
        f"{name}.safetensors": save({key: _plain(value) for key, value in values.items()}) for name, values in tensors.items()
    }
    contents[STATE] = json.dumps(state, indent=1).encode()
    files = {name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in contents.items()}
    contents[MANIFEST] = json.dumps({"format": FORMAT, "files": files}, indent=1).encode()
    target = _free_name(folder, step)
    temporary = folder / f".{target.name}.{os.getpid()}.tmp"
    with disk_errors(target):
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed process that had the same number
        try:
            temporary.mkdir(parents=True)
            for name, content in contents.items():
                write_and_sync(temporary / name, content)
            sync_folder(temporary)
            temporary.rename(target)
            sync_folder(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _plain(tensor: Tensor) -> Tensor:
    """A copy of its own: what shares memory, as tied weights do, safetensors refuses."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _free_name(folder: Path, step: int) -> Path:
    """`step-00000938`; with `.1` and so on behind it where the run was saved at that step before."""
    target, again = folder / f"step-{step:08d}", 0
    while target.exists():
        again += 1
        target = folder / f"step-{step:08d}.{again}"
    return target


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the oldest first."""
    if not folder.is_dir():
        return []
    named = [(match, path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)) and path.is_dir()]
    return [path for match, path in sorted(named, key=lambda pair: (int(pair[0][1]), int(pair[0][2] or 0)))]


def checkpoint_of_step(folder: Path, step: int) -> Path | None:
    """The checkpoint that was written after a step; the last one where there are several."""
    base = f"step-{step:08d}"
    matching = [path for path in list_checkpoints(folder) if path.name == base or path.name.startswith(f"{base}.")]
    return matching[-1] if matching else None


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint and checks every file against the manifest.

    Raises:
        CheckpointError: something is missing, or is not what was written.
    """
    manifest = _read_manifest(path)
    contents = {name: _verified(path / name, entry) for name, entry in manifest.items()}
    try:
        tensors = {Path(name).stem: load(content) for name, content in contents.items() if name.endswith(".safetensors")}
        state = json.loads(contents[STATE])
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} can't be read: {error}") from error
    if "model" not in tensors or not isinstance(state, dict):
        raise CheckpointError(f"{path} holds no weights")
    return Checkpoint(path, tensors, state)


def _read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            message = f"{path} has format {manifest['format']}, and this version of dlcli reads {FORMAT}"
            raise CheckpointError(message, help="use the version of dlcli that wrote it")
        files = manifest["files"]
        safe = all(_FILE_NAME.fullmatch(name) and {"bytes", "sha256"} <= entry.keys() for name, entry in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path / MANIFEST} can't be read: {error}") from error
    if not safe:
        raise CheckpointError(f"{path / MANIFEST} names files that a checkpoint does not have")
    return dict(files)


def _verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    try:
        if path.stat().st_size != entry["bytes"]:
            raise CheckpointError(f"{path} has {path.stat().st_size} bytes, and {entry['bytes']} were written")
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise CheckpointError(f"{path} is damaged: its content is not what was written")
    return content


def load_newest(folder: Path, on_notice: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that verifies; None where there never was one.

    Raises:
        CheckpointError: there are some, and none verifies.
    """
    problems = []
    for path in reversed(list_checkpoints(folder)):
        try:
            checkpoint = load_checkpoint(path)
        except CheckpointError as error:
            problems.append(error.message)
            continue
        for problem in problems:
            on_notice(f"{problem}; going back to {path.name}")
        return checkpoint
    if problems:
        raise CheckpointError(
            "no checkpoint verifies:\n  " + "\n  ".join(problems), help="restore the run from a copy, or train anew"
        )
    return None


def best_checkpoint(folder: Path, on_notice: Callable[[str], None]) -> Path | None:
    """The checkpoint of the best epoch: where the hint points, or else what the newest checkpoint says.

    Raises:
        CheckpointError: there is no hint, and no checkpoint verifies.
    """
    hinted = read_hint(folder, "best")
    if hinted is not None:
        return hinted
    newest = load_newest(folder, on_notice)
    best = newest.state.get("progress", {}).get("best") if newest else None
    return checkpoint_of_step(folder, best["step"]) if best else None


def write_hint(folder: Path, which: str, path: Path, step: int) -> None:
    """Notes which checkpoint is `best` or `last`: a hint, checked wherever it is read."""
    write_durably(folder / f"{which}.json", json.dumps({"checkpoint": path.name, "step": step}).encode())


def read_hint(folder: Path, which: str) -> Path | None:
    """The checkpoint that the hint names, if it is there."""
    try:
        name = json.loads((folder / f"{which}.json").read_bytes())["checkpoint"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    known = {path.name: path for path in list_checkpoints(folder)}
    return known.get(name) if isinstance(name, str) else None


def prune(folder: Path, keep: Iterable[Path], newest: int = 2) -> None:
    """Removes all checkpoints but those to keep and the newest ones, and what killed processes left half done.

    Raises:
        ResourceError: one can't be removed.
    """
    checkpoints = list_checkpoints(folder)
    kept = {*keep, *checkpoints[-newest:]}
    _remove_leftovers(folder)
    for path in checkpoints:
        if path not in kept:
            with disk_errors(path):
                path.rename(folder / f".{path.name}.{os.getpid()}.old")
    _remove_leftovers(folder)


def _remove_leftovers(folder: Path) -> None:
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
