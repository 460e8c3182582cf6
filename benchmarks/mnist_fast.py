"""`dlcli train configs/mnist_fast.yaml` beside Keras with the network of its own example, to 99 % of MNIST's test pictures.

    python benchmarks/mnist_fast.py --data-dir DIR --seeds 5 --peers-python build/peers/bin/python

Whole processes, cold, in turn, each with the same seeds: how many epochs Keras takes hangs on its seed. Keras trains on
TensorFlow, with the network and the batches of its MNIST example (two convolutions of 32 and 64 filters, dropout, Adam, 128
samples), until an epoch ends with 99 % or 15 are over.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "configs" / "mnist_fast.yaml"
KERAS = """
import gzip, sys
import numpy as np
import keras
from keras import layers
def read(name, skip, *sizes):
    return np.frombuffer(gzip.open(f"{sys.argv[1]}/mnist/{name}-ubyte.gz").read(), np.uint8, offset=skip).reshape(-1, *sizes)
images = {part: read(f"{part}-images-idx3", 16, 28, 28, 1).astype("float32") / 255 for part in ("train", "t10k")}
labels = {part: read(f"{part}-labels-idx1", 8) for part in ("train", "t10k")}
keras.utils.set_random_seed(int(sys.argv[2]))
network = keras.Sequential([keras.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
    layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2), layers.Flatten(), layers.Dropout(0.5), layers.Dense(10)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
network.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
for epoch in range(1, 16):
    network.fit(images["train"], labels["train"], batch_size=128, epochs=1, verbose=0)
    accuracy = network.evaluate(images["t10k"], labels["t10k"], batch_size=1000, verbose=0)[1]
    if accuracy >= 0.99:
        break
print(epoch, accuracy)
"""


def dlcli(seed: int, data_dir: Path) -> tuple[float, float]:
    """Seconds of the process, and the test accuracy."""
    with tempfile.TemporaryDirectory() as runs:
        options = ["--data-dir", str(data_dir), "--runs-dir", runs, "--seed", str(seed), "--json"]
        began = time.perf_counter()
        command = [sys.executable, "-m", "dlcli", "train", str(CONFIG), *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return time.perf_counter() - began, float(json.loads(done.stdout)["test"]["accuracy"])


def keras(seed: int, python: Path, data_dir: Path) -> tuple[float, float, int]:
    """Seconds of the process, the test accuracy, and the epochs to it."""
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    began = time.perf_counter()
    command = [str(python), "-c", KERAS, str(data_dir), str(seed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    epochs, reached = done.stdout.split()[-2:]
    return time.perf_counter() - began, float(reached), int(epochs)


def main() -> None:
    """Prints a line for each process, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers-python", type=Path, required=True)
    arguments = parser.parse_args()
    ours, theirs, accuracies = [], [], []
    for seed in range(arguments.seeds):
        seconds, accuracy = dlcli(seed, arguments.data_dir)
        ours.append(seconds)
        accuracies.append(accuracy)
        print(f"dlcli, seed {seed}: {accuracy:.4f} in {seconds:.1f} s", flush=True)
        seconds, accuracy, epochs = keras(seed, arguments.peers_python, arguments.data_dir)
        theirs.append(seconds)
        print(f"Keras on TensorFlow, seed {seed}: {accuracy:.4f} after {epochs} epochs in {seconds:.1f} s", flush=True)
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"dlcli: {statistics.mean(accuracies):.4f} in the mean; medians {mine:.1f} s and {other:.1f} s, 1/{other / mine:.1f}")


if __name__ == "__main__":
    main()
