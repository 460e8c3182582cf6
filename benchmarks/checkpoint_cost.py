"""What saving costs the training of `configs/cnn.yaml`.

A training with a save every half second shows how long the training's own thread waits for each. Then trainings
that save after every epoch, as always, and trainings that do not save at all take turns in one process, and the script
prints what share of the first's time the saves took on that thread, and the median of the ratios of the whole times.

    python benchmarks/checkpoint_cost.py --data-dir DIR --pairs 5

DIR holds MNIST's four files, packed or not, itself or in a folder `mnist`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlcli.app.train import TrainRequest, train
from dlcli.training.checkpoint_writer import CheckpointWriter
from dlcli.training.snapshot import Snapshot

CONFIG = Path(__file__).parents[1] / "configs" / "cnn.yaml"


class Stalls:
    """Seconds that the training's thread spent in each call of `save`, and in waiting at the end."""

    def __init__(self, *, saves: bool = True) -> None:
        self.seconds: list[float] = []
        self.at_the_end = 0.0
        save, leave = CheckpointWriter.save, CheckpointWriter.__exit__

        def timed_save(writer: CheckpointWriter, take: Callable[[], Snapshot], event: dict[str, Any] | None = None) -> None:
            start = time.perf_counter()
            if saves:
                save(writer, take, event)
            self.seconds.append(time.perf_counter() - start)

        def timed_leave(writer: CheckpointWriter, *error: Any) -> None:
            start = time.perf_counter()
            leave(writer, *error)
            self.at_the_end = time.perf_counter() - start

        self._before, self._instead = (save, leave), (timed_save, timed_leave)

    def __enter__(self) -> Stalls:
        self._set(self._instead)
        return self

    def __exit__(self, *_: object) -> None:
        self._set(self._before)

    @staticmethod
    def _set(methods: tuple[Callable[..., None], Callable[..., None]]) -> None:
        CheckpointWriter.save, CheckpointWriter.__exit__ = methods  # type: ignore[method-assign] # to look on


def trained(data_dir: Path, overrides: tuple[str, ...], *, saves: bool = True) -> tuple[Stalls, float]:
    """The stalls of a training, and its seconds from the first step to the last save, as `max_time` counts them."""
    with tempfile.TemporaryDirectory() as runs, Stalls(saves=saves) as stalls:
        start = time.perf_counter()
        train(TrainRequest(CONFIG, ("train.seed=0", "data.split.test=0", *overrides), runs=Path(runs), data_dir=data_dir))
        return stalls, time.perf_counter() - start


def main() -> None:
    """Prints the median stall, then a line a pair and the medians of shares and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    stalls, _ = trained(arguments.data_dir, ("train.save_every=0.5",))
    milliseconds = sorted(1000 * seconds for seconds in stalls.seconds)
    print(
        f"{len(milliseconds)} saves: the training waits {statistics.median(milliseconds):.2f} ms in the median, "
        f"{milliseconds[len(milliseconds) * 9 // 10]:.2f} ms in nine of ten, {milliseconds[-1]:.2f} ms at most",
        flush=True,
    )
    shares, ratios = [], []
    for pair in range(1, arguments.pairs + 1):
        _, without = trained(arguments.data_dir, (), saves=False)
        stalls, seconds = trained(arguments.data_dir, ())
        shares.append((sum(stalls.seconds) + stalls.at_the_end) / seconds)
        ratios.append(seconds / without)
        print(f"pair {pair}: {seconds:.2f} s, {without:.2f} s without saves, {100 * shares[-1]:.2f} % in saves", flush=True)
    print(
        f"a save after every epoch takes {100 * statistics.median(shares):.2f} % of the run's time in the median "
        f"(from {100 * min(shares):.2f} to {100 * max(shares):.2f}); the whole times are as "
        f"{statistics.median(ratios):.3f} to 1 (from {min(ratios):.3f} to {max(ratios):.3f})"
    )


if __name__ == "__main__":
    main()
