"""How fast `dlcli train` is beside its peers, on the same samples and the same networks, on the CPU.

    python benchmarks/peers.py --data-dir DIR --work cnn64 --work lstm --peer bare --peer keras-tensorflow --pairs 5

Peer and dlcli take turns, each in a process of its own, on one .npz file. Compared are the samples a second of the last epoch,
of the training alone: dlcli's stand in the last line of metrics.jsonl. What each peer does is told in peer_loops.py; those
that dlcli's own Python lacks are installed into build/peers, unless `--peers-python` names a Python that has them. DIR holds
MNIST's four files, packed or not, itself or in a folder `mnist`. The language model reads the first .txt in DIR/text; without
one, a made-up text.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from peer_loops import PEERS

ROOT: Final = Path(__file__).absolute().parents[1]
IN_OWN_PYTHON: Final = {"naive", "bare"}
PACKAGES: Final = ("tensorflow-cpu", "keras", "lightning", "torch")
"""What the other peers need."""
WINDOW: Final = 64
SHORTEST, LONGEST, FEATURES = 8, 256, 16

Arrays = dict[str, NDArray[Any]]


def digits(data_dir: Path, count: int) -> Arrays:
    """The first training samples of MNIST, (count, 28, 28, 1)."""
    from dlcli.config.data import Mnist
    from dlcli.data.catalogue import SOURCES
    from dlcli.data.directories import search_directories

    raw = SOURCES[Mnist].read(Mnist(), search_directories(data_dir, None), False).train
    return {"x_train": np.asarray(raw.inputs)[:count], "y_train": np.asarray(raw.targets)[:count]}


def large_digits(data_dir: Path, count: int) -> Arrays:
    """The same in the size of CIFAR-10's pictures, (count, 32, 32, 3)."""
    arrays = digits(data_dir, count)
    padded = np.pad(arrays["x_train"], ((0, 0), (2, 2), (2, 2), (0, 0)))
    return arrays | {"x_train": padded.repeat(3, axis=-1)}


def series(_: Path, count: int) -> Arrays:
    """Made-up ones with log-uniform lengths and zeros behind their ends, (count, LONGEST, FEATURES)."""
    random = np.random.default_rng(0)
    lengths = np.round(SHORTEST * (LONGEST / SHORTEST) ** random.random(count)).astype(np.int64)
    values = random.standard_normal((count, LONGEST, FEATURES), np.float32)
    values[np.arange(LONGEST) >= lengths[:, None]] = 0
    return {"x_train": values, "y_train": random.integers(10, size=count), "lengths_train": lengths}


def windows(data_dir: Path, count: int) -> Arrays:
    """Windows of a text and at each character the next one, (count, WINDOW)."""
    files = sorted((data_dir / "text").glob("*.txt"))
    letters = np.random.default_rng(0).choice(list("etaoin shrdlu,.\n"), count * WINDOW + 1)
    text = list(files[0].read_text(encoding="utf-8")) if files else letters
    count = min(count, (len(text) - 1) // WINDOW)
    tokens = np.unique(text[: count * WINDOW + 1], return_inverse=True)[1]
    return {"x_train": tokens[:-1].reshape(count, WINDOW), "y_train": tokens[1:].reshape(count, WINDOW)}


CNN: Final = """
  layers:
    - conv2d: {out_channels: 32, kernel_size: 3}
    - relu
    - max_pool2d: 2
    - flatten
    - linear: 64
    - relu"""
RESNET: Final = """
  blocks:
    residual:
      params: {channels: , stride: 1}
      layers:
        - conv2d: {out_channels: "${channels}", kernel_size: 3, stride: "${stride}", padding: 1, bias: false}
        - batch_norm2d
        - relu
        - conv2d: {out_channels: "${channels}", kernel_size: 3, padding: 1, bias: false}
        - batch_norm2d: {name: body}
        - conv2d: {out_channels: "${channels}", kernel_size: 1, stride: "${stride}", bias: false, from: input, name: skip}
        - add: [body, skip]
        - relu
  layers:
    - residual: {channels: 16, repeat: 2}
    - residual: {channels: 32, stride: 2}
    - residual: {channels: 64, stride: 2}
    - global_avg_pool"""
RECURRENT: Final = "\n  layers:\n    - {}: {{hidden_size: {}, return: last}}"
LANGUAGE_MODEL: Final = "\n  layers:\n    - embedding: 64\n    - lstm: {hidden_size: 128, num_layers: 2}"


@dataclass(frozen=True)
class Work:
    """What is trained.

    Attributes:
        batch_size: of both sides.
        samples: of an epoch, unless `--samples` says otherwise.
        arrays: makes them, from the folder of the data and their number.
        model: in dlcli's config, up to the last layer. peer_loops.py has the same in torch and in Keras.
        data: in dlcli's config, beside the file.
        left_out: peers that can't do it.
    """

    batch_size: int
    samples: int
    arrays: Callable[[Path, int], Arrays]
    model: str
    data: str = ""
    left_out: tuple[str, ...] = ()

    def prepare(self, folder: Path, options: argparse.Namespace) -> None:
        """Writes the samples, and dlcli's config. It holds none back: all are for training, as on the other side."""
        arrays = self.arrays(options.data_dir, options.samples or self.samples)
        np.savez(folder / "samples.npz", allow_pickle=False, **arrays)
        config = (
            f"data: {{name: arrays, path: samples.npz, split: {{valid: 0, test: 0}}{self.data}}}\n"
            f"model:{self.model}\n    - linear: ${{data.num_classes}}\n"
            f"train: {{epochs: {options.epochs}, batch_size: {self.batch_size}, optimizer: adam, loss: cross_entropy}}\n"
        )
        (folder / "config.yaml").write_text(config, encoding="utf-8")


WORKS: Final = {
    "cnn64": Work(64, 60_000, digits, CNN),
    "cnn512": Work(512, 60_000, digits, CNN),
    "lstm": Work(128, 60_000, digits, RECURRENT.format("lstm", 128), ", view: rows"),
    "gru": Work(128, 60_000, digits, RECURRENT.format("gru", 128), ", view: rows"),
    "rnn": Work(128, 60_000, digits, RECURRENT.format("rnn", 128), ", view: rows"),
    "resnet": Work(64, 4096, large_digits, RESNET),
    "ragged": Work(64, 4096, series, RECURRENT.format("lstm", 64), ", normalize: none", left_out=("naive",)),
    "char_lm": Work(64, 2048, windows, LANGUAGE_MODEL, ", layout: tokens", left_out=("naive",)),
}


def output_of(command: list[str], folder: Path) -> str:
    """What a command prints that runs in that folder and sees no GPU."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "KERAS_HOME": str(folder)}
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder, env=environment).stdout


def dlcli_rate(folder: Path) -> float:
    """Samples a second of the last epoch, as the run's metrics.jsonl has it."""
    with tempfile.TemporaryDirectory(dir=folder) as runs:
        command = [sys.executable, "-m", "dlcli", "train", "config.yaml", "--data-dir", ".", "--runs-dir", runs]
        output_of([*command, "--name", "bench", "--device", "cpu"], folder)
        lines = (Path(runs) / "bench" / "metrics.jsonl").read_text().splitlines()
    return float(json.loads(lines[-1])["samples_per_second"])


@dataclass(frozen=True)
class Row:
    """Of the table: samples a second in each turn, and the versions of what the peer used."""

    work: str
    peer: str
    peer_rates: list[float]
    dlcli_rates: list[float]
    versions: dict[str, str]

    def markdown(self) -> str:
        """Medians, and the spread of the ratios."""
        ratios = [own / other for own, other in zip(self.dlcli_rates, self.peer_rates, strict=True)]
        rates = f"{statistics.median(self.peer_rates):,.0f} | {statistics.median(self.dlcli_rates):,.0f}"
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        return f"| {self.work} | {self.peer} | {rates} | {spread} |"


def turns(work: str, peer: str, python: Path, options: argparse.Namespace, folder: Path) -> Row:
    """Peer and dlcli one after the other, pair by pair."""
    row = Row(work, peer, [], [], {})
    command = [str(python), str(ROOT / "benchmarks" / "peer_loops.py"), peer, work, "samples.npz"]
    command += ["--batch-size", str(WORKS[work].batch_size), "--epochs", str(options.epochs)]
    for pair in range(1, options.pairs + 1):
        last = json.loads(output_of(command, folder).splitlines()[-1])
        row.versions.update(last["versions"])
        row.peer_rates.append(last["samples_per_second"])
        row.dlcli_rates.append(dlcli_rate(folder))
        other, own = row.peer_rates[-1], row.dlcli_rates[-1]
        print(f"{work}, pair {pair}: {peer} {other:,.0f} samples/s, dlcli {own:,.0f}, ratio {own / other:.2f}", flush=True)
    return row


def python_of_peers(options: argparse.Namespace) -> Path:
    """The one that was named, or the one of build/peers, which then has what its peers need."""
    if options.peers_python is not None:
        return Path(options.peers_python).absolute()
    python = ROOT / "build" / "peers" / "bin" / "python"
    if set(options.peer or PEERS) - IN_OWN_PYTHON:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def compare(options: argparse.Namespace) -> tuple[list[Row], int]:
    """All rows, and how many are missing: what a process that failed has said is shown, and the rest goes on."""
    python = python_of_peers(options)
    rows, failed = [], 0
    for name in options.work or WORKS:
        with tempfile.TemporaryDirectory() as folder:
            WORKS[name].prepare(Path(folder), options)
            for peer in [peer for peer in options.peer or PEERS if peer not in WORKS[name].left_out]:
                try:
                    its_python = Path(sys.executable) if peer in IN_OWN_PYTHON else python
                    rows.append(turns(name, peer, its_python, options, Path(folder)))
                except subprocess.CalledProcessError as error:
                    failed += 1
                    print(f"{name}, {peer}: {error}\n{error.stderr[-2000:]}", file=sys.stderr)
    return rows, failed


def main() -> None:
    """Prints a line for each pair and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--work", action="append", choices=WORKS, help="can be given several times; without it, all")
    parser.add_argument("--peer", action="append", choices=PEERS, help="the same")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2, help="the last one counts; at least 2, since the first warms up")
    parser.add_argument("--samples", type=int, help="of an epoch; a few hundred for a quick look")
    parser.add_argument("--peers-python", type=Path, metavar="PATH")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write each turn's figures")
    options = parser.parse_args()
    if options.epochs < 2 or options.pairs < 1:
        parser.error("--epochs is at least 2, and --pairs at least 1")
    if options.peers_python is not None and not options.peers_python.is_file():
        parser.error(f"--peers-python: there is no {options.peers_python}")
    rows, failed = compare(options)
    versions = {row.peer: row.versions for row in rows} | {"dlcli": {name: version(name) for name in ("dlcli", "torch")}}
    print("\n| work | peer | peer, samples/s | dlcli, samples/s | ratio |\n|---|---|---:|---:|---:|")
    print("\n".join(row.markdown() for row in rows), "", *(f"{name}: {used}" for name, used in versions.items()), sep="\n")
    if options.json is not None:
        options.json.write_text(json.dumps({"versions": versions, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
