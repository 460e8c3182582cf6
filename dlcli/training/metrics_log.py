"""The log of a run's metrics: metrics.jsonl, the source of truth, and metrics.csv, made from it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.runtime.durable_files import append_durably, write_durably


@dataclass(frozen=True)
class MetricsLog:
    """What was measured in each epoch.

    Attributes:
        folder: the run's.
    """

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def table(self) -> Path:
        return self.folder / "metrics.csv"

    def append(self, events: Iterable[dict[str, Any]]) -> None:
        """Adds a line for each event: all of them, or none.

        Raises:
            ResourceError: the disk does not take them.
        """
        append_durably(self.path, _lines(events))

    def read(self) -> list[dict[str, Any]]:
        """The events; a last line cut off by a crash does not count."""
        if not self.path.exists():
            return []
        events = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                break
            if not isinstance(event, dict):
                break
            events.append(event)
        return events

    def forget_after(self, epoch: int) -> None:
        """Drops what was logged after the last epoch that a run goes on from: it will be logged again.

        Raises:
            ResourceError: the disk does not take what is left.
        """
        if self.path.exists():
            kept = [event for event in self.read() if event.get("epoch", 0) <= epoch]
            write_durably(self.path, _lines(kept))
            self.write_table()

    def write_table(self) -> None:
        """Makes metrics.csv of metrics.jsonl, one row an epoch, if there is any.

        Raises:
            ResourceError: the disk does not take it.
        """
        if not self.path.exists():
            return
        epochs = [{key: value for key, value in event.items() if key != "event"} for event in self.read() if _is_epoch(event)]
        text = io.StringIO()
        if epochs:
            writer = csv.DictWriter(text, fieldnames=list(epochs[0]), restval="", extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(epochs)
        write_durably(self.table, text.getvalue().encode())


def _is_epoch(event: dict[str, Any]) -> bool:
    return event.get("event") == "epoch"


def _lines(events: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(event) + "\n" for event in events).encode()
