"""What goes to the terminal. Results go to stdout, all else to stderr; under `--json` stdout is one object."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import sys
from collections.abc import Collection
from typing import Any, TextIO, cast

from dlcli.config.diagnostics import MAX_WIDTH
from dlcli.config.hidden_characters import visible
from dlcli.errors import ResourceError


def is_interactive(stream: TextIO | None) -> bool:
    """Whether a person watches the stream on a terminal that can redraw."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def terminal_width() -> int:
    """The columns of the terminal that stderr is shown on; where it is none, so many as a message takes at most."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (AttributeError, OSError, ValueError):  # closed, redirected or replaced
        return MAX_WIDTH
    return min(columns, MAX_WIDTH) or MAX_WIDTH


def output_width() -> int:
    """The columns of the terminal that stdout is shown on; where it is none, so many as a line takes at most."""
    return shutil.get_terminal_size().columns if is_interactive(sys.stdout) else MAX_WIDTH


def _painted(text: str, code: str) -> str:
    if is_interactive(sys.stderr) and not os.environ.get("NO_COLOR"):
        return f"\033[{code}m{text}\033[0m"
    return text


def print_result(text: str, end: str = "\n") -> None:
    """Text on stdout, and what it ends with. Where nobody reads it any more, that changes nothing of what was done."""
    _print(text, sys.stdout, end)


def print_progress(text: str) -> None:
    """Text on stderr; the same holds."""
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO | None, end: str = "\n") -> None:
    if stream is None:  # closed by whoever started the process
        return
    try:
        try:
            print(text, end=end, file=stream, flush=True)
        except UnicodeEncodeError as error:  # a terminal that is not of UTF-8, or a name that is none
            print(text.encode(error.encoding, "backslashreplace").decode(error.encoding), end=end, file=stream, flush=True)
    except OSError as error:
        _lead_nowhere(stream)
        if stream is sys.stdout and error.errno == errno.ENOSPC:  # else nobody reads it any more
            raise ResourceError("the disk that stdout goes to is full", help="free some space, and repeat the command") from error


def losable(stream: TextIO) -> TextIO:
    """The stream for those who don't expect it to fail: from the first time that it takes nothing on, it leads nowhere."""
    return cast("TextIO", _Losable(stream))


class _Losable:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError:
            _lead_nowhere(self._stream)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _lead_nowhere(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _lead_nowhere(stream: TextIO) -> None:
    """Has a stream take whatever comes: else the interpreter would fail on it once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def print_error(message: str, help: str | None) -> None:
    """`error: ...` and `help: ...` on stderr."""
    print_progress(f"{_painted('error:', '1;31')} {visible(message)}")
    if help:
        print_progress(f"{_painted('help:', '1;36')} {visible(help)}")


def print_notice(text: str) -> None:
    """`note: ...` on stderr."""
    print_progress(f"{_painted('note:', '1;33')} {visible(text)}")


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout. NaN and infinity, which JSON has not, become null."""
    print_result(json.dumps(_finite(value), indent=2))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(rows: list[list[str]], *, right: Collection[int] = ()) -> str:
    """Rows in columns, two spaces apart; the first row is the head.

    Args:
        rows: the cells.
        right: the columns whose cells stand at their right edge.
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        columns = enumerate(zip(row, widths, strict=True))
        cells = (cell.rjust(width) if column in right else cell.ljust(width) for column, (cell, width) in columns)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def data_used(used: str, asked: str) -> str:
    """What a training read: `mnist`, or `digits in place of mnist`."""
    return used if used == asked else f"{used} in place of {asked}"
