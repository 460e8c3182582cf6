"""Saving behind the training: it waits for a copy in memory, and a thread takes that to the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from dlcli.errors import ResourceError
from dlcli.runtime.durable_files import disk_errors
from dlcli.training.checkpoint import save_checkpoint
from dlcli.training.checkpoint_folder import (
    checkpoint_of_step,
    free_name,
    point_at,
    prune,
    read_hint,
    remove_half_done,
    write_hint,
)
from dlcli.training.run_folder import RunFolder
from dlcli.training.snapshot import Snapshot

_PAUSES: Final = (0.1, 1.0)
"""Seconds between the tries of a save: a network drive may be back by then."""

_MOST_FAILURES: Final = 3
"""Saves that may fail one after the other; the last of them ends the run."""

_Result = TypeVar("_Result")


class CheckpointWriter:
    """Writes what a run leaves while it goes on, at most one save at a time.

    A save is a line for metrics.jsonl, where an epoch has ended, then the checkpoint, then the hints, then the removal of
    checkpoints that nobody needs any more. A kill between any two of these costs nothing that a resume does not mend.

    The begin of the block removes what processes that were killed left half done in the folder of checkpoints.
    Its end waits for the save under way, but for a second Ctrl-C, which leaves at once.

    Args:
        folder: of the run.
        on_notice: takes a line about a save that failed; called on the training's thread.
        clock: gives seconds, for `seconds_since_save`.
        pauses: seconds between the tries of a save.
    """

    def __init__(
        self,
        folder: RunFolder,
        on_notice: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.perf_counter,
        pauses: tuple[float, ...] = _PAUSES,
    ) -> None:
        self._folder = folder
        self._on_notice = on_notice
        self._clock = clock
        self._pauses = pauses
        self._events: list[dict[str, Any]] = []
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._failures = 0
        self._saved_at = clock()

    @property
    def seconds_since_save(self) -> float:
        """Since the last save began; before the first, since the writer was made."""
        return self._clock() - self._saved_at

    def save(self, take: Callable[[], Snapshot], event: dict[str, Any] | None = None) -> None:
        """Begins to save.

        Args:
            take: gives the snapshot; called once the save before has ended, so that both can use the same memory.
            event: a line for metrics.jsonl. Lines that could not be written are tried again with the next.

        Raises:
            ResourceError: this was the last failure that a run is allowed.
        """
        self.wait()
        snapshot = take()
        if event is not None:
            self._events.append(event)
        self._saved_at = self._clock()
        self._thread = threading.Thread(target=self._work, args=(snapshot,), name="checkpoint", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Waits for the save under way.

        Raises:
            ResourceError: it was the last failure that a run is allowed.
        """
        failure = self._ended()
        if failure is None:
            return
        if self._failures >= _MOST_FAILURES:
            raise failure
        self._on_notice(f"not saved: {failure.message}; going on, the next save may work")

    def _ended(self) -> ResourceError | None:
        """Waits for the save under way, and gives its failure if that is the disk's; any other is raised."""
        if self._thread is None:
            return None
        self._thread.join()
        self._thread = None
        failure, self._failure = self._failure, None
        if failure is None:
            self._failures = 0
            return None
        if not isinstance(failure, ResourceError):
            raise failure
        self._failures += 1
        return failure

    def _work(self, snapshot: Snapshot) -> None:
        try:
            target = self._tried(lambda: free_name(self._folder.checkpoints, snapshot.step))
            self._tried(lambda: self._write(snapshot, target))
        except BaseException as error:  # told on the training's thread
            self._failure = error

    def _tried(self, part: Callable[[], _Result]) -> _Result:
        """Does a part of a save, again where the disk fails."""
        for pause in self._pauses:
            try:
                with disk_errors(self._folder.path):
                    return part()
            except ResourceError:
                time.sleep(pause)
        with disk_errors(self._folder.path):
            return part()

    def _write(self, snapshot: Snapshot, target: Path) -> None:
        if self._events:
            self._folder.metrics.append(self._events)
            self._events.clear()
        self._folder.metrics.write_table()
        checkpoints = self._folder.checkpoints
        if not target.exists():  # a try before this one can have come so far
            save_checkpoint(target, snapshot.tensors, snapshot.state)
        write_hint(checkpoints, "last", target, snapshot.step)
        if snapshot.best_steps:
            point_at(checkpoints, "best", snapshot.best_steps[0])
        hinted = read_hint(checkpoints, "best")  # an older one where the disk did not take the best
        kept = [hinted, *(checkpoint_of_step(checkpoints, step) for step in snapshot.best_steps)]
        prune(checkpoints, [path for path in kept if path])

    def __enter__(self) -> Self:
        remove_half_done(self._folder.checkpoints)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            return
        failure = self._ended()
        if failure is not None and error is None:
            where = f"go on from what was saved before: dlcli train --resume {self._folder.path}"
            raise ResourceError(f"the end of the training is not saved: {failure.message}", help=f"{failure.help}; then {where}")
