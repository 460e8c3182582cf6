"""A training done again, killed on its way and taken up again: whether that gives what a run recorded, bit for bit."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from dlcli.app.experiments import open_experiment, recorded_data_dir
from dlcli.app.resume import check_same_data, differences
from dlcli.app.runs import read_checked_record
from dlcli.app.train import TrainRequest, train
from dlcli.errors import CheckpointError, DataError, DlcliError, UsageError
from dlcli.plugins import load_plugins, plugin_errors
from dlcli.runtime.device import choose_device
from dlcli.runtime.memory import memory_errors
from dlcli.training.checkpoint import Checkpoint
from dlcli.training.checkpoint_folder import load_newest
from dlcli.training.progress import Progress
from dlcli.training.run_folder import RunFolder

_CLOCKED: Final = ("train_seconds", "samples_per_second")
"""What a line of metrics.jsonl has from the clock."""

_WITHOUT_LIMITS: Final = ("train.max_time=null", "train.early_stopping=null")
"""What a run that goes on may be given anew, and what ends it elsewhere where it holds from the begin."""

_CHECKPOINTS: Final = 20
"""About how many checkpoints the replay writes within the time of the run."""


@dataclass(frozen=True)
class Replay:
    """What came of it.

    Attributes:
        steps: of the training, up to the run's newest checkpoint.
        killed_after: the step after which its process was killed.
        went_on_after: the step of the checkpoint from which the next process went on; 0 where there was none yet.
        differing: the tensors and lines that are not equal; empty where all are.
        seconds: that it took.
    """

    steps: int
    killed_after: int
    went_on_after: int
    differing: tuple[str, ...]
    seconds: float

    @property
    def equal(self) -> bool:
        return not self.differing


class _SignalAt:
    """Sends a signal to its own process. An observer, which looks at a training and changes nothing of it.

    Args:
        number: the signal's.
        step: after which it is sent.
        ends_epoch: whether that waits until the epoch which the step ends is closed.
    """

    def __init__(self, number: int, step: int, *, ends_epoch: bool = False) -> None:
        self._number = number
        self._step = step
        self._ends_epoch = ends_epoch

    def started(self, progress: Progress, *, epochs: int, steps_per_epoch: int, total_steps: int, monitored: str) -> None:
        """The begin is not of interest."""

    def stepped(self, progress: Progress, loss: Tensor) -> None:  # noqa: ARG002 - as an observer has it
        if progress.step == self._step and not self._ends_epoch:
            os.kill(os.getpid(), self._number)

    def epoch_ended(self, record: dict[str, Any], *, is_best: bool) -> None:  # noqa: ARG002 - as an observer has it
        if record["step"] == self._step and self._ends_epoch:
            os.kill(os.getpid(), self._number)

    def notice(self, text: str) -> None:
        """What is to be known of the training, its own run has told."""


def replay(
    folder: RunFolder, data_dir: Path | None, on_notice: Callable[[str], None], *, chosen: random.Random | None = None
) -> Replay:
    """Trains a run's config again to a random step, kills it there, lets it go on, and compares.

    Args:
        folder: the run's, of which nothing is changed.
        data_dir: where data is looked for first; else where it was.
        on_notice: takes a line about what is going on.
        chosen: chooses the step; else the system's randomness does.

    Raises:
        UsageError: the run is of another machine, changed its course or is too short, so that it can't be repeated.
        DataError: its data is not there, or has changed.
        CheckpointError: it has no checkpoint.
        DlcliError: a training failed.
    """
    record = read_checked_record(folder)
    _check_repeatable(record)
    recorded = load_newest(folder.checkpoints, on_notice)
    if recorded is None:
        raise CheckpointError(f"{folder.path} has no checkpoint to compare with")
    progress = Progress.from_json(recorded.state["progress"])
    if progress.step < 2:
        raise UsageError(f"{folder.path} has {progress.step} step, too few to kill it in between")
    data_dir = recorded_data_dir(folder, data_dir)
    _check_data(folder, record, data_dir)
    killed_after = (chosen or random.SystemRandom()).randint(1, progress.step - 1)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="dlcli-replay-") as runs:
        again = RunFolder(Path(runs) / "replay")
        beginning, further = _requests(folder, again, recorded, record["device"], data_dir, killed_after=killed_after)
        on_notice(f"training again up to step {killed_after} of {progress.step}, to be killed there")
        _train_elsewhere(beginning, record["plugins"], expected=-signal.SIGKILL)
        on_notice(f"going on up to step {progress.step}")
        _train_elsewhere(further, record["plugins"], expected=0)
        result = load_newest(again.checkpoints, on_notice)
        assert result is not None, "a training that has ended has a checkpoint"
        epochs = Progress.from_json(result.state["progress"]).epoch
        differing = (*_differing_tensors(recorded, result), *_differing_lines(folder, again, epochs))
        went_on_after = again.read_record()["resumed"][0]["step"]
    return Replay(progress.step, killed_after, went_on_after, differing, time.perf_counter() - began)


def _check_repeatable(record: dict[str, Any]) -> None:
    """Raises UsageError where the run can't be repeated bit for bit."""
    found = differences(record, choose_device(record["device"]), deterministic=True)
    for resumed in record["resumed"]:
        found += resumed["differences"]
        found += [f"{change['setting']} was changed on the way" for change in resumed["changes"] if not change["is_harmless"]]
    if found:
        raise UsageError(f"it can't be trained again bit for bit: {'; '.join(found)}", help="leave out --replay")


def _check_data(folder: RunFolder, record: dict[str, Any], data_dir: Path | None) -> None:
    """Raises DataError where the run's data is not there or has changed: that would look as if the run were another."""
    with plugin_errors(), memory_errors():
        _, dataset = open_experiment(folder.resolved_config, (), data_dir, lambda _: None, downloads=False)
    try:
        check_same_data(record, dataset)
    except DataError as error:
        help = "the run itself is as it was written; give the folder with the data as it was: --data-dir"
        raise DataError(error.message, help=help) from error


def _requests(
    folder: RunFolder, again: RunFolder, recorded: Checkpoint, device: str, data_dir: Path | None, *, killed_after: int
) -> tuple[TrainRequest, TrainRequest]:
    """What two processes are to do: train up to the step at which the first is killed, and go on to where the run had come."""
    progress, is_cut = Progress.from_json(recorded.state["progress"]), recorded.state.get("before_cut") is not None
    beginning = TrainRequest(
        folder.resolved_config,
        overrides=(
            f"train.save_every={max(0.01, progress.elapsed_seconds / _CHECKPOINTS)}",
            *_WITHOUT_LIMITS,
            "train.loggers=[]",
        ),
        name=again.path.name,
        runs=again.path.parent,
        device=device,
        data_dir=data_dir,
        downloads=False,
        report=False,
        observers=(_SignalAt(signal.SIGKILL, killed_after),),
    )
    ends_by_itself = progress.finished in ("epochs", "max_steps")
    end = _SignalAt(signal.SIGTERM, progress.step, ends_epoch=progress.step_in_epoch == 0 and not is_cut)
    observers = () if ends_by_itself else (end,)
    further = TrainRequest(None, runs=again.path.parent, device=device, resume=again.path.name, report=False, observers=observers)
    return beginning, further


def _train_elsewhere(request: TrainRequest, plugins: list[str], *, expected: int) -> None:
    """Trains in a process of its own, that can be killed.

    Raises:
        UsageError: the training failed.
        CheckpointError: the process ended otherwise than expected.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_train, args=(request, plugins, torch.get_num_threads(), sender))
    process.start()
    sender.close()
    try:
        process.join()
    finally:
        process.kill()
        process.join()
    try:
        message, help = receiver.recv()
    except EOFError:
        if process.exitcode != expected:
            raise CheckpointError(f"training again ended with {process.exitcode}, not with {expected}") from None
        return
    raise UsageError(f"training again failed: {message}", help=help)


def _train(request: TrainRequest, plugins: list[str], threads: int, sender: Connection) -> None:
    """What that process does."""
    torch.set_num_threads(threads)
    try:
        load_plugins(Path(plugin) for plugin in plugins if Path(plugin).is_file())
        train(request)
    except DlcliError as error:
        sender.send((error.message, error.help))


def _differing_tensors(expected: Checkpoint, found: Checkpoint) -> list[str]:
    names = {(part, name) for checkpoint in (expected, found) for part, values in checkpoint.tensors.items() for name in values}
    return [
        f"{part}/{name}"
        for part, name in sorted(names)
        if not _same_bits(expected.tensors.get(part, {}).get(name), found.tensors.get(part, {}).get(name))
    ]


def _same_bits(first: Tensor | None, second: Tensor | None) -> bool:
    if first is None or second is None or first.dtype != second.dtype or first.shape != second.shape:
        return False
    return torch.equal(first.reshape(-1).view(torch.uint8), second.reshape(-1).view(torch.uint8))


def _differing_lines(expected: RunFolder, found: RunFolder, epochs: int) -> list[str]:
    """Those of the first epochs that one log lacks, or in which the two differ by more than what a clock says."""
    first, second = ({event["epoch"]: _without_clock(event) for event in folder.metrics.read()} for folder in (expected, found))
    return [f"metrics of epoch {epoch}" for epoch in range(1, epochs + 1) if first.get(epoch) != second.get(epoch)]


def _without_clock(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in _CLOCKED}
