"""A config tried in seconds: trained a little, saved, read back and judged."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from dlcli.app.train import TrainRequest, train
from dlcli.app.use import evaluate
from dlcli.errors import EXIT_OK, CheckpointError, DivergedError, DlcliError

_SMALL: Final = ("data.limit=256", "data.repeat=1", "train.epochs=2", "train.max_steps=6")


@dataclass(frozen=True)
class SmokeResult:
    """How a config fared. What was not reached is None; `data` was read, and `asked` is what the config asks for."""

    config: Path
    ok: bool
    exit_code: int
    seconds: float
    error: str | None = None
    data: str | None = None
    asked: str | None = None
    parameters: int | None = None
    steps: int | None = None
    test: dict[str, float] | None = None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "config": str(self.config)}


def smoke(config: Path, *, device: str = "auto", data_dir: Path | None = None) -> SmokeResult:
    """Tries one config in a folder that is removed again; nothing is downloaded.

    At most two epochs, six steps and 256 samples of each split; a checkpoint after each epoch; the best one read back and
    judged anew, which must give what the training recorded, to the last digit.
    """
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="dlcli-smoke-") as folder:
        runs = Path(folder)
        request = TrainRequest(
            config, overrides=_SMALL, runs=runs, device=device, data_dir=data_dir, downloads=False, report=False
        )
        try:
            run = train(request)
            if run.exit_code != EXIT_OK:
                return SmokeResult(config, False, run.exit_code, time.perf_counter() - start, "interrupted")
            if run.record["test"] is not None:
                _check(run.record, evaluate(run, device=device, data_dir=data_dir).metrics)
        except DlcliError as error:
            text = error.message if error.help is None else f"{error.message}\nhelp: {error.help}"
            return SmokeResult(config, False, error.exit_code, time.perf_counter() - start, text)
    record = run.record
    seconds = time.perf_counter() - start
    used, asked = record["data"]["used"], record["data"]["asked"]
    parameters, steps, test = record["parameters"], record["step"], record["test"]
    return SmokeResult(config, True, EXIT_OK, seconds, None, used, asked, parameters, steps, test)


def _check(record: dict[str, Any], again: dict[str, float]) -> None:
    """Raises an error where the network that was read back is not the one that was saved, or gives no numbers."""
    if not all(math.isfinite(value) for value in again.values()):
        raise DivergedError(f"the network gives NaN or infinity: {again}")
    if again != record["test"]:
        raise CheckpointError(f"read back, the network gives {again}, and the training recorded {record['test']}")
