"""Commands in processes of their own, measured: how they end, what they say, how much memory they take and what they leave."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FORKING: Final = """
import json, os, resource, sys
import torch
torch.set_num_threads(1)
import dlcli.app.predictions, dlcli.app.train, dlcli.app.export, PIL.Image, safetensors.torch
from dlcli.cli.main import run

for line in sys.stdin:
    folder, arguments = json.loads(line)
    child = os.fork()
    if child == 0:
        try:
            os.chdir(folder)
            output = os.open(os.path.join(folder, "..", "output"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))  # a machine is not to suffer from a test that fails
            code = run(arguments)
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException as error:
            os.write(2, repr(error).encode())
            code = 99
        os._exit(code)
    _, status, usage = os.wait4(child, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss]), flush=True)
"""
"""A process that has everything imported, and forks for each command: in each a dlcli that has done nothing yet."""


@dataclass(frozen=True)
class Ending:
    """How a command ended.

    Attributes:
        code: its exit code.
        text: what it printed.
        memory: the most that it took, in bytes, Python and torch included.
    """

    code: int
    text: str
    memory: int


class Commands:
    """Runs one command after the other, each in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", _FORKING]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, folder: Path, *arguments: object) -> Ending:
        """Runs a command in a folder.

        Args:
            folder: the working folder; the one above takes a file `output`.
            arguments: what stands behind `dlcli`.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(folder), [str(argument) for argument in arguments]]) + "\n")
        self._process.stdin.flush()
        code, memory = json.loads(self._process.stdout.readline())
        output = folder.parent / "output"
        text = output.read_text()
        output.unlink()
        return Ending(code, text, memory * (1 if sys.platform == "darwin" else 1024))

    def close(self) -> None:
        """Ends the process that waits for commands."""
        self._process.communicate()


def everything(folder: Path) -> dict[str, str]:
    """What is in a folder: by its place what it is, and of a file what it holds."""
    return {str(path.relative_to(folder)): _told(path) for path in sorted(folder.rglob("*"))}


def _told(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_file():
        return f"file of {path.stat().st_size} bytes written at {path.stat().st_mtime_ns}"
    return "folder" if path.is_dir() else "other"
