"""What the mistakes of the corpus are told in: `python -m tests.unit.config.corpus_messages > tests/corpus/messages.txt`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dlcli.app.configs import diagnose
from dlcli.config.diagnostics import Diagnostic

CORPUS: Final = Path(__file__).parents[2] / "corpus"
FILES: Final = sorted(CORPUS.glob("*.yaml"))
_OF_OTHERS: Final = ("did not find expected", "found character that cannot start")
"""How messages begin that are the YAML parser's own, and may be others in its next version."""


def diagnosed(path: Path) -> list[Diagnostic]:
    """All mistakes of a file of the corpus, which is the current folder."""
    lines = path.read_text(encoding="utf-8").splitlines()
    overrides = [line.removeprefix("# set: ") for line in lines if line.startswith("# set: ")]
    return [found for found in diagnose(path.name, overrides, None) if found.severity == "error"]


def told(path: Path) -> Iterator[str]:
    """The file's name, a line for each mistake, and below it one for each other place; none of data, which names folders."""
    yield path.name
    for found in diagnosed(path):
        if found.code != "data" and not found.message.startswith(_OF_OTHERS):
            yield f"  {found.in_one_line()}"
            yield from (f"    {words} ({place})" for words, place in found.related)


def read() -> dict[str, list[str]]:
    """What people have read and found good, by file."""
    by_file: dict[str, list[str]] = {}
    for line in (CORPUS / "messages.txt").read_text(encoding="utf-8").splitlines():
        name = next(reversed(by_file)) if line.startswith(" ") else line
        by_file.setdefault(name, []).append(line)
    return by_file


if __name__ == "__main__":
    os.chdir(CORPUS)
    print("\n".join(line for path in FILES for line in told(path)))
