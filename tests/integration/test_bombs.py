"""Texts made to exhaust memory, time or trust: refused with the line, within seconds and little memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest

MAX_CPU_SECONDS: Final = 2.0
"""Of the whole command, the interpreter's start included; several times what a quiet machine needs."""
MAX_MEMORY: Final = 200 * 2**20

_MODEL: Final = "data: digits\nmodel:\n  layers:\n    - flatten\n    - linear: 10\n"


def _doubling(first: str, line: str) -> str:
    """Eleven lines, each made of the one above it."""
    return "".join([first, *(line.format(this=number, last=number - 1) for number in range(1, 12))])


def _nested(kind: str, depth: int) -> str:
    layers = "[relu]"
    for _ in range(depth):
        layers = f"[{{{kind}: {layers}}}]"
    return f"data: digits\nmodel:\n  layers: {layers}\n"


def _blocks() -> str:
    """Ten blocks, each ten times the one before: 10^10 layers."""
    blocks = _doubling("    b0: [relu]\n", "    b{this}: [{{b{last}: {{repeat: 10}}}}]\n")
    return f"data: digits\nmodel:\n  blocks:\n{blocks}  layers: [b11, flatten, linear: 10]\n"


def _repeats() -> str:
    entry = "relu"
    for _ in range(10):
        entry = f"{{sequential: {{layers: [{entry}], repeat: 10}}}}"
    return f"data: digits\nmodel:\n  layers: [{entry}, flatten, linear: 10]\n"


_TRANSPOSED: Final = "    - conv_transpose2d: {out_channels: 6, kernel_size: 65536, stride: 65536, repeat: 4000}\n"

BOMBS: Final = {
    "aliases": _doubling("a0: &a0 [x, x]\n", "a{this}: &a{this} [*a{last}, *a{last}, *a{last}, *a{last}, *a{last}]\n"),
    "merge keys": _doubling("a0: &a0 {k: 1}\n", "a{this}: &a{this} {{<<: [*a{last}, *a{last}, *a{last}, *a{last}]}}\n"),
    "100,000 brackets": "data: " + "[" * 100_000,
    "100,000 dashes": "- " * 100_000,
    "5,000 digits": _MODEL + f"train: {{epochs: {'9' * 5000}}}\n",
    "5,000 digits of an exponent": _MODEL + f"train: {{epochs: 1e{'9' * 5000}}}\n",
    "Python": _MODEL + "train: !!python/object/apply:os.system ['touch was-here']\n",
    "10 MB": "# " + "x" * 10_000_000 + "\n" + _MODEL,
    "10 MB of lines": "a: 1\n" * 2_000_000,
    "a name of 900,000 characters": _MODEL + f"train: {{optimizer: {'k' * 900_000}}}\n",
    "20,000 unknown keys": _MODEL + "train:\n" + "".join(f"  epoch{number}: 1\n" for number in range(20_000)),
    "20,000 equal keys": _MODEL + "train:\n" + "  epochs: 1\n" * 20_000,
    "a layer of 10^12 units": _MODEL.replace("10", "1000000000000"),
    "blocks of blocks": _blocks(),
    "repetitions of repetitions": _repeats(),
    "nested time_distributed": _nested("time_distributed", 40),
    "15 time_distributed": _nested("time_distributed", 15),
    "100,000 parentheses": _MODEL.replace("10", "${" + "(" * 100_000 + "1" + ")" * 100_000 + "}"),
    "100,000 references": _MODEL.replace("10", "'" + "${1}" * 100_000 + "'"),
    "texts of texts": "vars:\n" + _doubling("  a0: xxxxxxxxxx\n", "  a{this}: '" + "${{vars.a{last}}}" * 10 + "'\n") + _MODEL,
    "lists of lists": "vars:\n"
    + _doubling("  a0: [1, 1]\n", "  a{this}: [" + "'${{vars.a{last}}}', " * 10 + "1]\n")
    + _MODEL.replace("10", "${vars.a11}"),
    "a name of a file that is none": _MODEL.replace("digits", f"{{name: csv, path: {'x' * 5000}}}"),
    "an endless file": _MODEL.replace("digits", "{name: csv, path: /dev/zero}"),
    "files of files": f"extends: [{'bomb.yaml, ' * 20}]\n",
    "an LSTM of 10^17 layers": _MODEL.replace("flatten", "lstm: {hidden_size: 1, num_layers: 100000000000000000}"),
    "giant strides": "data: digits\nmodel:\n  layers:\n" + _TRANSPOSED + "    - flatten\n    - linear: 10\n",
}


_MEASURED: Final = """
import json, resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "dlcli", "validate", "bomb.yaml"], stdout=subprocess.DEVNULL).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""
"""The command as the child of a small process: a child starts with the memory of its parent, and that of the tests is large."""


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_at_once(text: str, tmp_path: Path) -> None:
    """Exit code 2, the place of the mistake, no traceback; neither time, memory nor output runs away, and no code runs."""
    (tmp_path / "bomb.yaml").write_text(text)
    started = time.perf_counter()
    child = subprocess.run([sys.executable, "-c", _MEASURED], cwd=tmp_path, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - started
    code, cpu, maxrss = json.loads(child.stdout)
    memory = maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"\n{wall:.2f} s of wall time, {cpu:.2f} s of CPU time, {memory / 2**20:.0f} MiB")
    assert code == 2, child.stderr[:2000]
    assert re.search(r"bomb\.yaml:\d+:\d+", child.stderr), child.stderr[:2000]
    assert "Traceback" not in child.stderr
    assert len(child.stderr) < 100_000
    assert not (tmp_path / "was-here").exists()
    assert cpu < MAX_CPU_SECONDS
    assert memory < MAX_MEMORY
