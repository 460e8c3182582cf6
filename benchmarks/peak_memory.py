"""How much memory `dlcli train configs/cnn.yaml` takes at most, beside the bare loop of bare_loop.py over the same samples.

    python benchmarks/peak_memory.py --data-dir DIR --pairs 3

Each runs two epochs in a process of its own, in turn; what counts is the peak of its resident memory, as the kernel has it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bare_loop import CONFIG, EPOCHS


def peak_mebibytes(command: list[str]) -> float:
    """Of the process.

    Raises:
        CalledProcessError: it failed.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_maxrss / 1024


def main() -> None:
    """Prints one line a pair and the median of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
    data_dir = ["--data-dir", str(arguments.data_dir)]
    bare_loop = [sys.executable, str(Path(__file__).with_name("bare_loop.py")), "--bare", *data_dir]
    ratios = []
    for pair in range(1, arguments.pairs + 1):
        bare = peak_mebibytes(bare_loop)
        with tempfile.TemporaryDirectory() as runs:
            training = ["train", str(CONFIG), *data_dir, "--runs-dir", runs, "--set", f"train.epochs={EPOCHS}"]
            ours = peak_mebibytes([sys.executable, "-m", "dlcli", *training])
        ratios.append(ours / bare)
        print(f"pair {pair}: dlcli {ours:,.0f} MiB, bare loop {bare:,.0f} MiB, ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
