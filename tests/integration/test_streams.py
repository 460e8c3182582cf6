"""Streams that take nothing of what a command prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_streams_that_take_nothing_change_no_outcome(quick: Path, tmp_path: Path) -> None:
    """stdout and stderr full or closed: the training's own exit code."""
    for redirect in (">/dev/full", ">/dev/full 2>/dev/full", "2>&-", ">&-"):
        command = f"{sys.executable} -m dlcli train {quick} --json {redirect}"
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, (redirect, done.stderr)
