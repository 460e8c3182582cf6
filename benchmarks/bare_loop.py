"""How fast `dlcli train configs/cnn.yaml` is beside a bare tensor loop over the same network and samples.

The two take turns, each in a process of its own, and the script prints each pair's samples a second and the median of
their ratios. The bare loop holds normalised float tensors in memory, takes batches by index and uses fused Adam: what is
left of a training when everything around it is gone.

    python benchmarks/bare_loop.py --data-dir DIR --pairs 3

DIR holds MNIST's four files, packed or not, itself or in a folder `mnist`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH_SIZE = 64
EPOCHS = 2
CONFIG = Path(__file__).parents[1] / "configs" / "cnn.yaml"


def bare_samples_per_second(data_dir: Path) -> float:
    """Of the last of a few epochs of the bare loop."""
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy

    from dlcli.config.data import Mnist
    from dlcli.data.catalogue import SOURCES
    from dlcli.data.directories import search_directories

    raw = SOURCES[Mnist].read(Mnist(), search_directories(data_dir, None), False).train
    images = ((torch.from_numpy(raw.inputs).float() / 255 - 0.1307) / 0.3081).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(raw.targets)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5408, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    rate = 0.0
    for _ in range(EPOCHS):
        start = time.perf_counter()
        for batch in torch.randperm(len(images)).split(BATCH_SIZE):
            optimizer.zero_grad(set_to_none=True)
            cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
        rate = len(images) / (time.perf_counter() - start)
    return rate


def dlcli_samples_per_second(data_dir: Path) -> float:
    """Of the last epoch, as the run's metrics.jsonl has it."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "dlcli", "train", str(CONFIG), "--data-dir", str(data_dir), "--runs-dir", runs]
        subprocess.run([*command, "--name", "bench", "--set", f"train.epochs={EPOCHS}"], check=True, capture_output=True)
        lines = (Path(runs) / "bench" / "metrics.jsonl").read_text().splitlines()
    return float(json.loads(lines[-1])["samples_per_second"])


def main() -> None:
    """Prints one line a pair and the median of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        print(bare_samples_per_second(arguments.data_dir))
        return
    ratios = []
    for pair in range(1, arguments.pairs + 1):
        command = [sys.executable, __file__, "--bare", "--data-dir", str(arguments.data_dir)]
        bare = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ours = dlcli_samples_per_second(arguments.data_dir)
        ratios.append(ours / bare)
        print(f"pair {pair}: dlcli {ours:,.0f} samples/s, bare loop {bare:,.0f} samples/s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
