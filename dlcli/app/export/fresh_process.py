"""Torch's exporters in a process of their own: what one export leaves behind in a process makes the next one wrong.

The process is Python's own interpreter, the one that runs dlcli, and looks for modules where this one does. It is given the
network in a folder of its own, and leaves the file there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from dlcli.app.export.facts import Facts
from dlcli.app.export.safetensors import write_safetensors
from dlcli.app.export.subject import Subject
from dlcli.errors import CheckpointError, ResourceError, UsageError
from dlcli.plugins import installed

_START: Final = "import sys; sys.path[:] = sys.argv[2:]; from dlcli.app.export.child import main; main(sys.argv[1])"
REQUEST: Final = "request.json"
WEIGHTS: Final = "network.safetensors"
FAILURE: Final = "failure.json"
_LOG: Final = "log.txt"
_KINDS: Final = {kind.__name__: kind for kind in (ResourceError, UsageError)}
_MOST_OF_LOG: Final = 4096
_HELP: Final = "export again; if that does not help, please report it with the config"


def write_in_fresh_process(subject: Subject, facts: Facts, file: Path) -> None:
    """Has a file written by a process that has done nothing else.

    Args:
        subject: what is exported.
        facts: of the same.
        file: in a folder that is there for this alone; its ending says what it is to be.

    Raises:
        CheckpointError: torch can't export the network, or the process fails otherwise.
        UsageError: the code of a plug-in fails.
        ResourceError: there is not enough memory.
    """
    place = file.parent
    write_safetensors(subject, facts, place / WEIGHTS)
    plugins = [origin for origin in installed() if Path(origin).is_absolute()]
    (place / REQUEST).write_text(json.dumps({"file": file.name, "plugins": plugins}), encoding="utf-8")
    code = _run(place)
    _raise_failure(place, code)
    if not file.is_file():
        raise CheckpointError("the process that exports has left no file", help=_HELP)


def _run(place: Path) -> int:
    """Runs the process to its end, or ends it where this one is to end; gives its exit code."""
    command = [sys.executable, "-I", "-c", _START, str(place), *sys.path]
    with (place / _LOG).open("wb") as log:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603  # Python itself
        except OSError as error:
            what = f"Python can't be started once more: {error.strerror or error}"
            raise ResourceError(what, help=f"see that {sys.executable} can be run") from error
        with process:
            try:
                return process.wait()
            finally:
                process.kill()


def _raise_failure(place: Path, code: int) -> None:
    """Raises what the process says, or what its exit code does."""
    failure = place / FAILURE
    if failure.is_file():
        told: dict[str, Any] = json.loads(failure.read_bytes())
        raise _KINDS.get(told["kind"], CheckpointError)(told["message"], help=told["help"])
    if code == -signal.SIGKILL:
        what = "the process that exports was killed, as happens where memory runs out"
        raise ResourceError(what, help="close other programs, and export again")
    if code < 0:
        raise CheckpointError(f"the process that exports was ended: {signal.strsignal(-code) or -code}", help=_HELP)
    if code > 0:
        raise CheckpointError(f"the process that exports fails: {_last_line(place / _LOG)}", help=_HELP)


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_OF_LOG))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it says nothing")
