"""What the system is asked to do when something is saved, and in which order: from a trace of its calls."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_SAVE = """
import sys
from pathlib import Path
import torch
from dlcli.runtime.durable_files import write_durably
from dlcli.training.checkpoint import save_checkpoint
folder = Path(sys.argv[1])
save_checkpoint(folder / "step-00000001", {"model": {"weight": torch.ones(3)}, "random": {"cpu": torch.zeros(2)}}, {"progress": {}})
write_durably(folder / "best.json", b"{}")
"""
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_CALLS = "trace=write,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat"


@pytest.fixture
def calls(tmp_path: Path) -> list[tuple[str, str]]:
    """What was done to which file of the folder, in order; a write more than once in a row counts once."""
    strace, trace, folder = shutil.which("strace"), tmp_path / "trace", tmp_path / "folder"
    if strace is None:
        pytest.skip("needs strace, which shows the calls of the system")
    folder.mkdir()
    command = [strace, "-f", "-y", "-s", "4096", "-e", _CALLS, "-o", str(trace), sys.executable, "-c", _SAVE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr and not trace.stat().st_size:
        pytest.skip(f"strace may not look at processes here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    found: list[tuple[str, str]] = []
    for line in trace.read_text().splitlines():
        match = _CALL.search(line)
        if match is None or str(folder) not in match[2]:
            continue
        assert int(match[3]) >= 0, line
        paths = re.findall(rf"{re.escape(str(folder))}[^\s\"<>,)]*", match[2])
        call = (match[1].removesuffix("2").removesuffix("at"), str(Path(paths[0]).relative_to(folder)))
        if not found or found[-1] != call:
            found.append(call)
    return found


def _of(calls: list[tuple[str, str]], name: str) -> list[str]:
    return [what for what, path in calls if path == name]


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(calls: list[tuple[str, str]]) -> None:
    """Every file written and synced, the manifest last; the folder synced, renamed, and the folder above it synced."""
    (temporary,) = {path for what, path in calls if what == "mkdir"}
    assert re.fullmatch(r"\.step-00000001\.\d+\.tmp", temporary)
    files = [f"{temporary}/{name}" for name in ("model.safetensors", "random.safetensors", "state.json", "MANIFEST.json")]
    expected = [("mkdir", temporary)]
    for file in files:
        expected += [("write", file), ("fsync", file)]
    expected += [("fsync", temporary), ("rename", temporary), ("fsync", ".")]
    assert calls[: len(expected)] == expected


def test_a_file_is_on_the_disk_before_it_has_its_name(calls: list[tuple[str, str]]) -> None:
    """Written, synced, renamed, and the folder synced."""
    temporary = next(path for _, path in calls if path.startswith(".best.json."))
    assert _of(calls, temporary) == ["write", "fsync", "rename"]
    assert calls[-2:] == [("rename", temporary), ("fsync", ".")]
