"""The log of a run's metrics: metrics.jsonl, the source of truth, and metrics.csv, made from it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcli.runtime.durable_files import append_durably, reading_errors, write_durably


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

    def append(self, events: Collection[dict[str, Any]]) -> None:
        """Adds a line for each event, in place of what a try before this one left of them.

        Raises:
            ResourceError: the disk does not take them; some may be there, the last of those in part.
        """
        content = self._content() or b""
        kept = _lines(event for event in _events(content) if event not in events)
        if kept != content:
            write_durably(self.path, kept)
        append_durably(self.path, _lines(events))

    def read(self) -> list[dict[str, Any]]:
        """The events; a last line cut off by a crash does not count.

        Raises:
            ResourceError: the file can't be read.
        """
        return _events(self._content() or b"")

    def forget_after(self, epoch: int) -> None:
        """Drops what was logged after the last epoch that a run goes on from: it will be logged again.

        Raises:
            ResourceError: the disk does not take what is left.
        """
        content = self._content()
        if content is not None:
            write_durably(self.path, _lines(event for event in _events(content) if event.get("epoch", 0) <= epoch))
            self.write_table()

    def write_table(self) -> None:
        """Makes metrics.csv of metrics.jsonl, one row an epoch, if there is any; what an epoch was not measured in stays empty.

        Raises:
            ResourceError: the disk does not take it.
        """
        content = self._content()
        if content is None:
            return
        events = [event for event in _events(content) if event.get("event") == "epoch"]
        epochs = [{key: value for key, value in event.items() if key != "event"} for event in events]
        text = io.StringIO()
        if epochs:
            columns = list(dict.fromkeys(key for epoch in epochs for key in epoch))
            writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(epochs)
        write_durably(self.table, text.getvalue().encode())

    def _content(self) -> bytes | None:
        """What is in the file; None where there is none.

        Raises:
            ResourceError: it can't be read.
        """
        with reading_errors(self.path):
            try:
                return self.path.read_bytes()
            except FileNotFoundError:
                return None


def _events(content: bytes) -> list[dict[str, Any]]:
    """The lines up to the first that is none of ours."""
    events = []
    for line in content.decode(errors="replace").splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(event, dict):
            break
        events.append(event)
    return events


def _lines(events: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(event) + "\n" for event in events).encode()
