"""Runs commands in one process and notes what Python's audit hooks tell of it: a program, not a module of tests.

Standard input has a JSON list of commands, each a list of arguments; standard output gets a JSON list with what was noted of
each: the exit code and the events, as [name, subject, the file of the code that caused it].
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

Event = list[str]

_SUBJECTS = (
    "compile",
    "exec",
    "import",
    "open",
    "os.",
    "pickle.find_class",
    "pty.",
    "shutil.",
    "socket.",
    "subprocess.",
    "urllib.",
)
"""Of what these begin with all is noted."""
_NOT_NOTED = ("os.listdir", "os.scandir", "os.walk", "os.getxattr", "os.listxattr", "os.putenv", "os.unsetenv", "socket.__new__")
"""What only looks around inside this process or this machine."""

_events: list[Event] = []


def _subject(name: str, arguments: tuple[Any, ...]) -> str | None:
    """What an event is about; None where it does not matter."""
    if name == "open":
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        path, _, flags = arguments
        return _absolute(path) if flags & writes and not isinstance(path, int) else None
    if name == "exec":
        return str(arguments[0].co_filename)
    if name == "compile":
        source, filename = arguments
        return f"{filename}: {source[:200]!r}" if isinstance(source, str | bytes) else str(filename)
    if name in ("os.remove", "os.rmdir") and arguments[-1] != -1:
        return None  # within a folder that `shutil.rmtree` has opened, which is noted itself
    if name in ("os.rename", "os.link", "os.symlink"):
        return _absolute(arguments[1])
    if name.startswith(("os.", "shutil.")) and arguments and isinstance(arguments[0], str | bytes | os.PathLike):
        return _absolute(arguments[0])
    return str(arguments[0] if arguments else "")


def _absolute(path: str | bytes | os.PathLike[str]) -> str:
    return str(Path(os.fsdecode(path)).absolute())


def _note(name: str, arguments: tuple[Any, ...]) -> None:
    if name.startswith(_SUBJECTS) and name not in _NOT_NOTED:
        subject = _subject(name, arguments)
        if subject is not None:
            _events.append([name, subject, sys._getframe(1).f_code.co_filename])


def _run(arguments: list[str]) -> dict[str, Any]:
    _events.clear()
    from dlcli.cli.main import run

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        code = run(arguments)
    return {"code": code, "text": text.getvalue(), "events": list(_events)}


if __name__ == "__main__":
    commands = json.load(sys.stdin)
    sys.path[0] = ""  # as `python -c` has it: whatever lies in the working folder could be imported
    sys.addaudithook(_note)
    json.dump([*map(_run, commands)], sys.stdout)
