"""What a training needs of the machine: cores, memory, room on the disk, a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dlcli.app.finding import Finding
from dlcli.data.directories import user_cache
from dlcli.runtime.cores import available_cores
from dlcli.runtime.durable_files import size_text

_LITTLE_MEMORY: Final = (256 << 20, 1 << 30)
_LITTLE_DISK: Final = (20 * 10**6, 10**9)
"""Bytes below which it is a fault, and below which it is worth a warning."""


def threads() -> Iterator[Finding]:
    """Whether torch computes with the cores that there are."""
    import torch  # noqa: PLC0415  # what is looked at

    used, cores = torch.get_num_threads(), available_cores()
    what = f"torch computes with {used} thread{'' if used == 1 else 's'}, and there {_are(cores, 'core')} for this process"
    if used > cores:
        help = f"threads that wait for each other cost time: export OMP_NUM_THREADS={cores}"
        yield Finding("threads", "warning", what, help)
    elif used < cores and "OMP_NUM_THREADS" in os.environ:
        help = f"for a training that has the machine to itself: export OMP_NUM_THREADS={cores}"
        yield Finding("threads", "warning", f"{what}: OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}", help)
    else:
        yield Finding("threads", "ok", what)


def memory() -> Iterator[Finding]:
    """Whether there is memory for a training."""
    import torch  # noqa: PLC0415  # what it would be for

    from dlcli.runtime.memory import available_memory  # noqa: PLC0415  # imports torch

    free = available_memory(torch.device("cpu"))
    if free is None:
        yield Finding("memory", "ok", "how much is free is not known here")
        return
    help = "end other programs, or give the container more"
    yield _measured("memory", free, f"{size_text(free)} are free", _LITTLE_MEMORY, help)


def runs_folder(runs: Path) -> Iterator[Finding]:
    """Whether runs can be kept."""
    yield _writable("runs", runs, "give another folder with --runs-dir")


def cache_folder(data_dir: Path | None) -> Iterator[Finding]:
    """Whether data can be downloaded."""
    given = data_dir or os.environ.get("DLCLI_DATA")
    folder = Path(given).expanduser() if given else user_cache()
    yield _writable("cache", folder, "give another folder with --data-dir or DLCLI_DATA")


def terminal() -> Iterator[Finding]:
    """Whether what dlcli prints can be shown."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    if encoding.lower().replace("-", "").replace("_", "") == "utf8":
        yield Finding("terminal", "ok", "text is UTF-8")
    else:
        what = f"text is {encoding}, not UTF-8: names and curves may be shown by the codes of their characters"
        yield Finding("terminal", "warning", what, "export PYTHONUTF8=1, if the terminal shows UTF-8")


def _writable(check: str, folder: Path, elsewhere: str) -> Finding:
    """Whether files can be written to a folder, or to where it would be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"\0")
            file.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        what = f"{folder} can't be written: {error.strerror or error}"
        return Finding(check, "fault", what, f"see that you may write there, or {elsewhere}")
    made = "" if there == folder else ", made when it is needed"
    return _measured(check, free, f"{folder}{made}: {size_text(free)} are free", _LITTLE_DISK, f"free some space, or {elsewhere}")


def _measured(check: str, free: int, what: str, little: tuple[int, int], help: str) -> Finding:
    fault, warning = little
    if free >= warning:
        return Finding(check, "ok", what)
    return Finding(check, "fault" if free < fault else "warning", what, help)


def _are(count: int, one: str) -> str:
    return f"is 1 {one}" if count == 1 else f"are {count} {one}s"
