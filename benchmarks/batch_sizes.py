"""How many samples a second `dlcli bench` finds for each size of batch.

    python benchmarks/batch_sizes.py --data-dir DIR --rounds 3

Batches of 32 to 2,048 of `configs/cnn.yaml`, each in a process of its own, all of them in turn; printed is the median of the
rounds, and how it stands to that of the batch of half the size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "configs" / "cnn.yaml"
SIZES = (32, 64, 128, 256, 512, 1024, 2048)


def samples_per_second(size: int, data_dir: Path) -> float:
    """Of a training in batches of this size."""
    command = [sys.executable, "-m", "dlcli", "bench", str(CONFIG), "--json", "--data-dir", str(data_dir)]
    done = subprocess.run([*command, "--set", f"train.batch_size={size}"], check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["samples_per_second"])


def main() -> None:
    """Prints a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rounds = [[samples_per_second(size, arguments.data_dir) for size in SIZES] for _ in range(arguments.rounds)]
    medians = [statistics.median(rates) for rates in zip(*rounds, strict=True)]
    print("| batch | samples/s | to the one before |\n|---:|---:|---:|")
    for size, rate, before in zip(SIZES, medians, [None, *medians], strict=False):
        print(f"| {size} | {rate:,.0f} | {'' if before is None else f'{rate / before:.2f}'} |")


if __name__ == "__main__":
    main()
