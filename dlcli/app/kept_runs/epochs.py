"""The epochs of a run as its log of metrics has them, read as that of a stranger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from dlcli.app.kept_runs.record import number, whole_at
from dlcli.errors import DlcliError
from dlcli.training.manifest import read_limited
from dlcli.training.run_folder import RunFolder

_MOST_LOG: Final = 64 << 20
"""Bytes of a log: an epoch has some hundred."""
_MOST_EPOCHS: Final = 1_000_000
"""The last epoch that a line may be of: a curve has a place for each up to it."""

Epochs = dict[int, dict[str, Any]]
"""What was measured, by the number of the epoch, which counts from 1."""


def read_epochs(run: Path) -> Epochs:
    """What was measured in each epoch of a run; nothing where its log is not there or can't be read.

    Lines up to the first that is none of dlcli's count; of two of one epoch the last.
    """
    try:
        content = read_limited(RunFolder(run).metrics.path, _MOST_LOG)
    except DlcliError:
        return {}
    epochs: Epochs = {}
    for line in content.decode(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            break
        epoch = whole_at(event, "epoch")
        if epoch is None:
            break
        if 1 <= epoch <= _MOST_EPOCHS and event.get("event") == "epoch":
            epochs[epoch] = event
    return epochs


def curve(epochs: Epochs, key: str, length: int) -> list[float | None]:
    """A value at each epoch from 1 to `length`; None where it was not measured, or is no finite number."""
    return [number(epochs[epoch].get(key)) if epoch in epochs else None for epoch in range(1, length + 1)]
