"""`dlcli` commands in processes of their own, to be killed, signalled, held and watched.

A fork server has torch imported: a command starts in the time of a fork, and is a process like any other from then on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Final, Protocol

from tests.integration.conftest import Outcome

PROCESSES: Final = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["dlcli.app.train", "dlcli.cli.main", "dlcli.cli.progress_display", "pytest", "torch._dynamo"])
"""Torch imports the last of them when it makes an optimiser."""

PATIENCE: Final = 120.0
"""Seconds after which a command that has not ended is given up: far more than any takes."""


class Disturbance(Protocol):
    """Something that is done to a command from inside its process."""

    def install(self) -> None:
        """Prepares it, before the command begins."""


class Started:
    """A command under way.

    Args:
        arguments: what stands behind `dlcli`.
        folder: where it runs; what it prints and what was counted goes to files in there.
        disturbance: done to it from inside.
    """

    def __init__(self, *arguments: object, folder: Path, disturbance: Disturbance | None = None) -> None:
        self._printed = folder / "stdout.txt", folder / "stderr.txt"
        texts = [str(argument) for argument in arguments]
        self._process = PROCESSES.Process(target=_command, args=(texts, folder, self._printed, disturbance), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Also the number of its process group, which it leads."""
        pid = self._process.pid
        assert pid is not None
        return pid

    def has_ended_after(self, seconds: float) -> bool:
        """Whether the process ends within so many seconds."""
        self._process.join(seconds)
        return self._process.exitcode is not None

    def kill(self) -> bool:
        """Sends SIGKILL; whether the process was still there to be killed."""
        self._process.kill()
        self._process.join()
        return self._process.exitcode == -signal.SIGKILL

    def outcome(self, within: float = PATIENCE) -> Outcome:
        """How it ended; a process that a signal ended has that signal's number, negative, as its code."""
        if not self.has_ended_after(within):
            self.kill()
            raise AssertionError(f"still running after {within:.0f} s:\n{self._printed[1].read_text()}")
        code = self._process.exitcode
        assert code is not None
        return Outcome(code, *(path.read_text() if path.exists() else "" for path in self._printed))


def dlcli(*arguments: object, folder: Path, disturbance: Disturbance | None = None) -> Outcome:
    """Runs a command to its end."""
    return Started(*arguments, folder=folder, disturbance=disturbance).outcome()


def _command(arguments: list[str], folder: Path, printed: tuple[Path, Path], disturbance: Disturbance | None) -> None:
    """The process: `dlcli` as a shell would start it, the leader of its own process group."""
    import torch

    from dlcli.app.report import page
    from dlcli.cli.main import main

    page.write_report = lambda _: None  # type: ignore[assignment] # it takes longer than the training
    os.setsid()
    for stream, path in zip((1, 2), printed, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.chdir(folder)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    os.environ.pop("DLCLI_DATA", None)
    torch.set_num_threads(1)
    sys.argv = ["dlcli", *arguments]
    if disturbance is not None:
        disturbance.install()
    main()


Phase = str

DATA: Final = "data loading"
STEP: Final = "a step"
EVALUATION: Final = "evaluation"
SAVE: Final = "a save"
ANY_FILE: Final = "a file operation"


@dataclass(frozen=True)
class SignalWithin:
    """Signals that the process gets in a phase, at one of the moments that `count_moments` counts.

    A moment is a call or a return of any function; of saves, and of file operations in the run's folder, one of these.

    Attributes:
        phase: one of those above.
        moment: counted from 0 over the whole command.
        signals: sent then and at the moments that follow.
        sent: a file that takes the time of the first of them, by the clock that all processes share.
    """

    phase: Phase
    moment: int
    signals: tuple[int, ...]
    sent: Path | None = None

    def install(self) -> None:
        passed = -1

        def pass_moment() -> None:
            nonlocal passed
            passed += 1
            if self.sent is not None and passed == self.moment:
                self.sent.write_text(str(time.monotonic()))
            if 0 <= passed - self.moment < len(self.signals):
                os.kill(os.getpid(), self.signals[passed - self.moment])

        _watch(self.phase, pass_moment)


@dataclass(frozen=True)
class CountMoments:
    """Writes down how many moments of a phase there are, each as it passes: a dot."""

    phase: Phase
    path: Path

    def install(self) -> None:
        counted = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        _watch(self.phase, lambda: os.write(counted, b"."))


@dataclass(frozen=True)
class NotePhase:
    """Writes down the phase that the process is in, for whoever kills it and wants to know."""

    path: Path

    def install(self) -> None:
        noted = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

        def note(phase: Phase) -> None:
            os.pwrite(noted, phase.ljust(20).encode(), 0)

        def noting(phase: Phase, real: Callable[..., Any]) -> Callable[..., Any]:
            def watched(*arguments: Any, **options: Any) -> Any:
                note(phase)
                try:
                    return real(*arguments, **options)
                finally:
                    note("")

            return watched

        for phase, (owner, name) in _places().items():
            setattr(owner, name, noting(phase, getattr(owner, name)))

    def noted(self) -> Phase:
        """The phase that the process was in when it ended; nothing between two of them."""
        return self.path.read_text().strip() if self.path.exists() else ""


@dataclass(frozen=True)
class HoldAfterStep:
    """Holds a training after one of its steps.

    Attributes:
        step: after which it waits.
        reached: set then.
        go_on: waited for.
    """

    step: int
    reached: Event
    go_on: Event

    def install(self) -> None:
        from dlcli.training.trainer import Trainer

        take_step = Trainer.step

        def step(trainer: Trainer, *arguments: Any) -> Any:
            loss = take_step(trainer, *arguments)
            if trainer.progress.step == self.step:
                self.reached.set()
                self.go_on.wait(PATIENCE)
            return loss

        Trainer.step = step  # type: ignore[assignment, method-assign] # to hold it


@dataclass(frozen=True)
class HoldSave:
    """Holds a save for good, and tells when the training has heard of a signal.

    Attributes:
        moment: of those in saves, counted from 0, before which the save waits.
        reached: set then.
        heard: set when a handler of a signal has returned.
    """

    moment: int
    reached: Event
    heard: Event

    def install(self) -> None:
        passed, set_handler = -1, signal.signal

        def pass_moment() -> None:
            nonlocal passed
            passed += 1
            if passed == self.moment:
                self.reached.set()
                threading.Event().wait()

        def set_telling(number: int, handler: Any) -> Any:
            def telling(*arguments: Any) -> None:
                handler(*arguments)
                self.heard.set()

            return set_handler(number, telling if callable(handler) else handler)

        signal.signal = set_telling  # type: ignore[assignment] # to hear of it
        _watch(SAVE, pass_moment)


@dataclass(frozen=True)
class Together:
    """Several things that are done to one command."""

    disturbances: tuple[Disturbance, ...]

    def install(self) -> None:
        for disturbance in self.disturbances:
            disturbance.install()


def count_moments(phase: Phase, *arguments: object, folder: Path) -> int:
    """How many moments of a phase an undisturbed command has; it has to succeed."""
    path = folder / "moments"
    outcome = dlcli(*arguments, folder=folder, disturbance=CountMoments(phase, path))
    assert outcome.code == 0, outcome.err
    return path.stat().st_size


def _places() -> dict[Phase, tuple[Any, str]]:
    """Who has the function that is a phase, and its name."""
    import dlcli.app.train
    from dlcli.training.trainer import Trainer

    return {DATA: (dlcli.app.train, "open_experiment"), STEP: (Trainer, "step"), EVALUATION: (Trainer, "evaluate")}


def _watch(phase: Phase, pass_moment: Callable[[], Any]) -> None:
    if phase in (SAVE, ANY_FILE):
        _watch_files("checkpoints" if phase == SAVE else "runs", pass_moment)
    else:
        _watch_calls(*_places()[phase], pass_moment)


def _watch_calls(owner: Any, name: str, pass_moment: Callable[[], Any]) -> None:
    """All calls and returns, of Python's and of C's functions, while a function runs."""
    real = getattr(owner, name)

    def watched(*arguments: Any, **options: Any) -> Any:
        sys.setprofile(lambda *_: pass_moment())
        try:
            return real(*arguments, **options)
        finally:
            sys.setprofile(None)

    setattr(owner, name, watched)


_CHANGES: Final = {"os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "shutil.rmtree"}


def _watch_files(below: str, pass_moment: Callable[[], Any]) -> None:
    """Each operation that changes something in a folder of that name, in any thread, just before it happens."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in _CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if changes and any(below in Path(os.fsdecode(path)).parts for path in arguments if isinstance(path, str | bytes | Path)):
            pass_moment()

    sys.addaudithook(hook)
