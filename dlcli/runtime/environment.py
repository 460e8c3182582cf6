"""What a run ran on, for its record. Nothing is executed to find out."""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch

from dlcli.runtime.shared_cores import waiting_threads_sleep

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BRANCH: Final = re.compile(r"refs(?:/(?!\.)[^/\0]+)+")
"""The name of what points at a commit: no part of it is hidden or leads out of its folder."""
_LARGEST: Final = 16 * 2**20
"""Bytes that are read of a file of git's, or of what Linux says of its processors."""
_CPU_FILE: Final = Path("/proc/cpuinfo")


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, machine and device as plain values."""
    return {
        "dlcli": _version("dlcli"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": _version("torchvision"),
        "numpy": _version("numpy"),
        "platform": _platform(),
        "threads": torch.get_num_threads(),
        "waiting_threads_sleep": waiting_threads_sleep(),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "command": sys.argv,
    }


def git_commit() -> str | None:
    """The commit that is checked out in the working folder or a folder above; None outside a repository.

    Read from git's own files: `git` runs programs that the settings of a repository name. Whether files differ from the
    commit is not known.
    """
    own = _repository()
    if own is None:
        return None
    head = _first_line(own / "HEAD")
    if not head.startswith("ref:"):
        return _commit(head)
    branch = head.removeprefix("ref:").strip()
    if not _BRANCH.fullmatch(branch):
        return None
    shared = own / (_first_line(own / "commondir") or ".")
    return _commit(_first_line(own / branch)) or _commit(_first_line(shared / branch)) or _packed(shared / "packed-refs", branch)


def _repository() -> Path | None:
    """The folder that `.git` is, or, in a second working folder, that it names."""
    try:
        here = Path.cwd()
        marker = next((folder / ".git" for folder in (here, *here.parents) if (folder / ".git").exists()), None)
    except OSError:
        return None
    if marker is None or marker.is_dir():
        return marker
    line = _first_line(marker)
    return marker.parent / line.removeprefix("gitdir:").strip() if line.startswith("gitdir:") else None


def _packed(path: Path, branch: str) -> str | None:
    """The commit that a file with many names has for one."""
    for line in _text(path).splitlines():
        commit, _, name = line.partition(" ")
        if name == branch:
            return _commit(commit)
    return None


def _commit(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None


def _platform() -> str:
    """As `platform.platform()` has it, which starts `uname` to ask for the processor."""
    libc = "".join(platform.libc_ver())
    return f"{platform.system()}-{platform.release()}-{platform.machine()}" + (f"-with-{libc}" if libc else "")


def _cpu_name() -> str:
    names = (line.partition(":")[2].strip() for line in _text(_CPU_FILE).splitlines() if line.startswith("model name"))
    return next(names, "") or platform.machine()


def _first_line(path: Path) -> str:
    return next(iter(_text(path).splitlines()), "").strip()


def _text(path: Path) -> str:
    """The text of a file; of what is none, a pipe for example, nothing."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_LARGEST).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
