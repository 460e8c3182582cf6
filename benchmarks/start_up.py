"""What it takes until dlcli does something, in seconds of whole processes.

    python benchmarks/start_up.py --data-dir DIR --rounds 5

The first step of a training is timed from the begin of its process to the end of its step, beside a process that imports torch
and unpacks the same four files of MNIST.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CNN = str(ROOT / "configs" / "cnn.yaml")
READ = """
import gzip, sys, torch
from pathlib import Path
for path in sorted(Path(sys.argv[1]).rglob("*-ubyte*")):
    content = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    torch.frombuffer(bytearray(content), dtype=torch.uint8)
"""
FIRST_STEP = """
import os, sys
from dlcli.training.trainer import Trainer
step = Trainer.step
def first(*arguments):
    step(*arguments)
    os._exit(0)
Trainer.step = first
from dlcli.cli.main import run
run(sys.argv[1:])
"""


def seconds(command: list[str]) -> float:
    """Of the process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Prints the median of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    script = str(Path(sys.executable).with_name("dlcli"))
    with tempfile.TemporaryDirectory() as runs:
        training = ["train", CNN, "--data-dir", str(arguments.data_dir), "--runs-dir", runs]
        commands = {
            "dlcli --help": [script, "--help"],
            "dlcli validate": [script, "validate", CNN],
            "first step of configs/cnn.yaml": [sys.executable, "-c", FIRST_STEP, *training],
            "import torch, and reading the data": [sys.executable, "-c", READ, str(arguments.data_dir / "mnist")],
        }
        found = {name: [seconds(command) for _ in range(arguments.rounds)] for name, command in commands.items()}
    medians = {name: statistics.median(values) for name, values in found.items()}
    for name, values in found.items():
        print(f"{name}: {medians[name]:.2f} s (from {min(values):.2f} to {max(values):.2f})")
    _, _, first, bare = medians.values()
    print(f"the first step takes {first / bare:.2f} times importing torch and reading the data")


if __name__ == "__main__":
    main()
