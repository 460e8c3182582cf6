"""How fast a training is beside a program that wants a core for itself, to how fast it is alone.

    python benchmarks/busy_machine.py --data-dir DIR --rounds 3

The other program is an endless loop. Measured is `dlcli bench` on a CNN and a GRU: as it is, with threads that spin as long as
OpenMP's library has them by default, and with one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONFIGS = Path(__file__).parents[1] / "configs"
WAYS = {"dlcli": {}, "spinning": {"GOMP_SPINCOUNT": "300000"}, "one thread": {"OMP_NUM_THREADS": "1"}}


@contextmanager
def busy_core(*, wanted: bool) -> Iterator[None]:
    """Another program during the block, if one is wanted."""
    if not wanted:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        yield
        other.kill()


def samples_per_second(config: str, data_dir: Path, setting: dict[str, str]) -> float:
    """Of a training with a setting of the environment."""
    command = [sys.executable, "-m", "dlcli", "bench", str(CONFIGS / f"{config}.yaml"), "--json", "--data-dir", str(data_dir)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **setting})
    return float(json.loads(done.stdout)["samples_per_second"])


def main() -> None:
    """Prints a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print("| config | threads | alone, samples/s | beside another program | ratio |\n|---|---|---:|---:|---:|")
    for config in ("cnn", "gru"):
        for way, setting in WAYS.items():
            rates = []
            for wanted in (False, True):
                with busy_core(wanted=wanted):
                    measured = [samples_per_second(config, arguments.data_dir, setting) for _ in range(arguments.rounds)]
                rates.append(statistics.median(measured))
            alone, beside = rates
            print(f"| {config} | {way} | {alone:,.0f} | {beside:,.0f} | {beside / alone:.2f} |")


if __name__ == "__main__":
    main()
