"""What a start on a folder of pictures takes: the first, which decodes them, and the next ones, which read what it has kept.

    python benchmarks/second_start.py --pictures 20000 --rounds 3

The pictures are made up, in a temporary folder, which holds the cache too. Each start is a process of its own; what is timed in
it is the reading of the data, from the names of the files to arrays, without the imports.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

KINDS = {
    "PNG, grey, 28x28": (28, 28, 1, "png"),
    "PNG, colour, 64x64": (64, 64, 3, "png"),
    "JPEG, colour, 400x300 to 64x64": (300, 400, 3, "jpg"),
}
READ = """
import sys, time
from pathlib import Path
from dlcli.config.data import ImageFolder
from dlcli.data.directories import Directories
from dlcli.data.sources import image_folder
began, used = time.perf_counter(), time.process_time()
spec = ImageFolder(path=sys.argv[1], resize=(64, 64) if sys.argv[2] == "jpg" else None)
image_folder.read(spec, Directories((), Path()), False)
print(time.perf_counter() - began, time.process_time() - used)
"""


def make(folder: Path, count: int, kind: tuple[int, int, int, str]) -> None:
    """Smooth pictures with a little noise, in ten classes."""
    height, width, channels, suffix = kind
    rng = np.random.default_rng(0)
    for number in range(count):
        path = folder / str(number % 10) / f"{number:06}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (height // 4, width // 4, channels), dtype=np.uint8).squeeze()
        smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
        noisy = smooth + rng.integers(-4, 5, smooth.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)


def start(folder: Path, suffix: str, cache: Path) -> tuple[float, float]:
    """Seconds, and seconds of the processor, of a reading in a process of its own."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", READ, str(folder), suffix]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    wall, used = map(float, done.stdout.split())
    return wall, used


def main() -> None:
    """Prints the medians for each kind of picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for title, kind in KINDS.items():
        with tempfile.TemporaryDirectory() as place:
            folder, cache = Path(place, "pictures"), Path(place, "cache")
            make(folder, arguments.pictures, kind)
            found: dict[str, list[tuple[float, float]]] = {"first": [], "next": []}
            for _ in range(arguments.rounds):
                shutil.rmtree(cache, ignore_errors=True)
                for starts in found.values():
                    starts.append(start(folder, kind[-1], cache))
                    if not any(cache.rglob("*.npy")):
                        parser.error("so few pictures are decoded so soon that nothing is kept: give more with --pictures")
        medians = {which: [statistics.median(values) for values in zip(*starts, strict=True)] for which, starts in found.items()}
        shown = "; ".join(f"{which} start {wall:.2f} s, {used:.2f} s of the processor" for which, (wall, used) in medians.items())
        print(
            f"{arguments.pictures:,} x {title}: {shown}; 1/{medians['first'][0] / medians['next'][0]:.1f} of the time", flush=True
        )


if __name__ == "__main__":
    main()
