"""What a shell offers where Tab is pressed: the names of runs and of configs.

What it is given becomes part of a command, in some shells by way of `eval`: names with other characters than letters,
digits, `_`, `.`, `/`, `+` and `-` are left out. Where nothing is offered, a shell offers files.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

import typer

_RUN: Final = re.compile(r"\w[\w.+-]*", re.ASCII)
_PATH: Final = re.compile(r"[\w./][\w./+-]*", re.ASCII)
_MOST: Final = 1_000


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """The names of the runs in `--runs-dir` that begin so, and `latest`."""
    from dlcli.training.run_folder import LATEST, is_run  # not needed for a page of help

    runs, names = Path(context.params.get("runs_dir") or "runs"), []
    with suppress(OSError):
        names = sorted((path.name for path in runs.iterdir() if path.name.startswith(incomplete) and is_run(path)), reverse=True)
    return [name for name in [LATEST, *names] if name.startswith(incomplete) and _RUN.fullmatch(name)][:_MOST]


def complete_config(incomplete: str) -> list[str]:
    """The YAML files whose paths begin so."""
    folder, _, begin = incomplete.rpartition("/")
    found: list[str] = []
    with suppress(OSError, ValueError):
        paths = sorted(Path(f"{folder}/" if "/" in incomplete else ".").iterdir())
        found = [path.name for path in paths if path.name.startswith(begin) and path.suffix in (".yaml", ".yml")]
    written = [f"{folder}/{name}" if "/" in incomplete else name for name in found]
    return [path for path in written if _PATH.fullmatch(path)][:_MOST]


def complete_run_or_config(context: typer.Context, incomplete: str) -> list[str]:
    """Both."""
    return [*complete_run(context, incomplete), *complete_config(incomplete)]


def complete_data(incomplete: str) -> list[str]:
    """Configs, and the names of data sources."""
    from dlcli.config.data import SOURCES

    return [*complete_config(incomplete), *(name for name in SOURCES if name.startswith(incomplete))]


def complete_public_data(incomplete: str) -> list[str]:
    """The names of data sets that can be downloaded."""
    from dlcli.data.sources.published import PUBLISHED

    return [name for name in PUBLISHED if name.startswith(incomplete)]
