"""Recorded steps on a CUDA GPU beside steps that are not, and how long 99 % of MNIST takes; without a GPU it says so and ends.

    python benchmarks/cuda.py --data-dir DIR --rounds 5

`configs/mnist_fast.yaml` is trained in processes of their own, with and without `train.cuda_graph`, in turn; the seconds are
those of the training alone, without imports and data. The rates are those of `dlcli bench` in batches of 64.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

CONFIGS = Path(__file__).parents[1] / "configs"
WAYS = {"recorded": "train.cuda_graph=true", "one by one": "train.cuda_graph=false"}
WORKS = ("cnn", "lstm", "gru", "rnn")


def asked(command: str, config: str, data_dir: Path, *settings: str) -> Any:
    """What a command says of a config, as JSON."""
    with tempfile.TemporaryDirectory() as runs:
        options = ["--runs-dir", runs] if command == "train" else []
        options += [option for setting in settings for option in ("--set", setting)]
        line = [sys.executable, "-m", "dlcli", command, str(CONFIGS / f"{config}.yaml"), "--device", "cuda", "--json", *options]
        done = subprocess.run([*line, "--data-dir", str(data_dir)], check=True, capture_output=True, text=True)
        if "not recorded" in done.stderr:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout)


def main() -> None:
    """Prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("there is no CUDA GPU here: nothing was measured")
        return
    print(torch.cuda.get_device_name(), "\n\n| steps | training, s | test accuracy |\n|---|---:|---:|")
    runs: dict[str, list[Any]] = {way: [] for way in WAYS}
    for number in range(arguments.rounds):
        for way, setting in WAYS.items():
            runs[way].append(asked("train", "mnist_fast", arguments.data_dir, setting, f"train.seed={number}"))
    for way, found in runs.items():
        seconds = statistics.median(run["train_seconds"] for run in found)
        print(f"| {way} | {seconds:.2f} | {statistics.mean(run['test']['accuracy'] for run in found):.4f} |")
    print("\n| work | one by one, samples/s | recorded | ratio |\n|---|---:|---:|---:|")
    for work in WORKS:
        rates = {}
        for way, setting in WAYS.items():
            found = [asked("bench", work, arguments.data_dir, setting, "train.batch_size=64") for _ in range(arguments.rounds)]
            rates[way] = statistics.median(float(measured["samples_per_second"]) for measured in found)
        ratio = rates["recorded"] / rates["one by one"]
        print(f"| {work} | {rates['one by one']:,.0f} | {rates['recorded']:,.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
