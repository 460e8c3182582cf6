"""What the system is asked to do when something is saved, and in which order: from a trace of its calls."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_SAVE: Final = """
import sys
from pathlib import Path
import torch
from dlcli.runtime.durable_files import write_durably
from dlcli.training.checkpoint import save_checkpoint
folder = Path(sys.argv[1])
save_checkpoint(folder / "step-00000001", {"model": {"weight": torch.ones(3)}, "random": {"cpu": torch.zeros(2)}}, {"progress": {}})
write_durably(folder / "best.json", b"{}")
"""

_TRACED: Final = "trace=openat,write,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat"
_CALL: Final = re.compile(r"(open|write|fsync|fdatasync|rename|mkdir)(?:at2?)?\((.*)\) += (-?\d+)")
_TAKES_NAMES: Final = {"open", "rename", "mkdir"}

Call = tuple[str, ...]
"""What is done, and to which paths within the folder: `("rename", ".best.json.17.tmp", "best.json")`."""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    """All that makes, writes, syncs or renames something in a folder, in order; of several writes in a row, one."""
    scratch, strace = tmp_path_factory.mktemp("traced").resolve(), shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace, which shows what a process asks of the system")
    trace, folder = scratch / "trace", scratch / "folder"
    folder.mkdir()
    traced = [strace, "-f", "-y", "-e", _TRACED, "-o", str(trace), sys.executable, "-c"]
    tried = subprocess.run([*traced, "pass"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"strace may not look at processes here: {tried.stderr.strip()}")
    done = subprocess.run([*traced, _SAVE, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Call] = []
    for line in trace.read_text().splitlines():
        call = _call(line, folder)
        if call is not None and found[-1:] != [call]:
            found.append(call)
    return found


def _call(line: str, folder: Path) -> Call | None:
    """The call in a line of the trace, if it concerns the folder and does not only open something to read."""
    match = _CALL.search(line)
    if match is None:
        return None
    name, arguments, result = match.groups()
    paths = re.findall(r'"([^"]*)"', arguments) if name in _TAKES_NAMES else re.findall(r"^\d+<([^>]*)>", arguments)
    within = tuple(str(Path(path).relative_to(folder)) for path in paths if Path(path).is_relative_to(folder))
    if not within or (name == "open" and "O_WRONLY" not in arguments):
        return None
    assert int(result) >= 0, line
    return (name, *within)


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(calls: list[Call]) -> None:
    """Each file written and synced, the manifest last; their folder synced, and renamed; the folder above it synced."""
    temporary = calls[0][1]
    assert re.fullmatch(r"\.step-00000001\.\d+\.tmp", temporary)
    expected: list[Call] = [("mkdir", temporary)]
    for name in ("model.safetensors", "random.safetensors", "state.json", "MANIFEST.json"):
        file = f"{temporary}/{name}"
        expected += [("open", file), ("write", file), ("fsync", file)]
    expected += [("fsync", temporary), ("rename", temporary, "step-00000001"), ("fsync", ".")]
    assert calls[: len(expected)] == expected


def test_a_file_is_on_the_disk_before_it_has_its_name(calls: list[Call]) -> None:
    """Written under another name, synced, and renamed; the folder synced. Nothing is written under the name itself."""
    temporary = calls[-2][1]
    assert re.fullmatch(r"\.best\.json\.\d+\.tmp", temporary)
    about = [call for call in calls if any("best.json" in path for path in call[1:])]
    assert about == [("open", temporary), ("write", temporary), ("fsync", temporary), ("rename", temporary, "best.json")]
    assert calls[-2:] == [about[-1], ("fsync", ".")]
