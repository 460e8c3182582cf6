"""Mutation testing: small faults are put into a copy of the code, one after the other, and the tests have to notice.

    python .ci/mutants.py FOLDER [MUTANT...]

FOLDER is made anew and is left for a look: `mutmut show NAME` and `mutmut browse` work in it. MUTANT is a pattern of names,
for example `dlcli.config.tree.*`. Which modules are mutated, and which tests judge them, is in `pyproject.toml`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
MUTMUT: Final = Path(sys.executable).with_name("mutmut")
LEAST: Final = 85
"""Percent of the mutants that have to be found."""
FAILED: Final = (1, 3)
"""Exit codes of a mutant's tests where one of them failed."""
ENDLESS: Final = (-9, -24)
"""The same where they ran out of time: many times what they take without the mutant."""
NOT_STARTED: Final = 255
"""The same where pytest did not find the tests by their names, which says nothing of the mutant."""


def main(folder: Path, patterns: list[str]) -> int:
    """Mutates, prints a row for each module and the names of what survived; 1 where too much did."""
    _copy(folder)
    children = os.environ.get("MUTANTS_AT_ONCE", "2")
    subprocess.run([MUTMUT, "run", "--max-children", children, *patterns], cwd=folder, check=True)
    codes = dict(_codes(folder))
    lost = [name for name, code in codes.items() if code == NOT_STARTED]
    if lost:
        print(f"error: the tests of {len(lost)} mutants were not started, {lost[0]} is one", file=sys.stderr)
        print("help: parameters that are no plain text need `ids`", file=sys.stderr)
        return 1
    found = {name: code in (*FAILED, *ENDLESS) for name, code in codes.items()}
    (folder / "survivors.txt").write_text("".join(f"{name}\n" for name in found if not found[name]))
    print("\n".join(_table(found)))
    print(f"\nmutmut {version('mutmut')}, Python {sys.version.split()[0]}; {folder / 'survivors.txt'} names what survived")
    return int(_score(Counter(found.values())) < LEAST)


def _copy(folder: Path) -> None:
    """Copies what git knows or would add, so that the working tree may go on changing."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True)
    shutil.rmtree(folder, ignore_errors=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _codes(folder: Path) -> Iterable[tuple[str, int]]:
    """Each mutant that was tried and how its tests ended."""
    for file in sorted(folder.glob("mutants/dlcli/**/*.meta")):
        codes = json.loads(file.read_text())["exit_code_by_key"]
        yield from ((name, code) for name, code in codes.items() if code is not None)


def _table(found: Mapping[str, bool]) -> Iterable[str]:
    """A row for each module and one for all, in Markdown."""
    by_module: dict[str, Counter[bool]] = {}
    for name, is_found in found.items():
        by_module.setdefault(name.partition(".x")[0], Counter())[is_found] += 1
    yield "| module | mutants | found | survived | score |"
    yield "|---|---:|---:|---:|---:|"
    for module, counts in [*sorted(by_module.items()), ("all", sum(by_module.values(), Counter[bool]()))]:
        yield f"| `{module}` | {counts.total()} | {counts[True]} | {counts[False]} | {_score(counts):.1f} % |"


def _score(counts: Counter[bool]) -> float:
    """Percent that were found."""
    return 100 * counts[True] / counts.total()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
