"""Training steps that are recorded once and then replayed as a whole, as CUDA has it (CUDA graphs).

A step of a small network is some hundred operations that take a GPU less time each than the CPU needs to ask for it. Recorded,
all of them are asked for at once. What is replayed reads and writes the same memory each time: batches are copied to where the
recording read them, and what changes from step to step, such as the learning rate, has to be a tensor. What Python does in a
step, a counter of a plug-in's layer for example, is done while it is recorded, and not again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

import torch
from torch import Tensor

from dlcli.data.batches import Batch
from dlcli.data.dataset import Tensors
from dlcli.data.named import each
from dlcli.errors import UsageError
from dlcli.runtime.memory import is_out_of_memory

Results = tuple[Tensor, ...]
Run = Callable[[], Results]
Step = Callable[[list[Batch]], Results]

_WARM_UP: Final = 3
"""Steps before the recording: libraries choose their algorithms and optimisers make room for what they remember."""
_WAITING: Final = "called a synchronizing"
"""What torch says of an operation that waits for the GPU, which can't be recorded."""


class Recorder(Protocol):
    """How a function is recorded."""

    def tried(self, function: Run) -> tuple[Results, str | None]:
        """Runs it; gives its results, and why it can't be recorded, if that shows."""

    def recorded(self, function: Run) -> tuple[Callable[[], None], Results]:
        """Takes it down without running it; gives what runs it, and the tensors that then hold its results."""


class CudaGraphs:
    """On the current CUDA GPU."""

    def tried(self, function: Run) -> tuple[Results, str | None]:
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                results = function()
        finally:
            torch.cuda.set_sync_debug_mode(before)
        reasons = []
        for warning in told:
            if _WAITING in str(warning.message):
                reasons.append(f"{warning.filename}:{warning.lineno} waits for the GPU")
            else:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        return results, next(iter(reasons), None)

    def recorded(self, function: Run) -> tuple[Callable[[], None], Results]:
        """As `Recorder`.

        Raises:
            UsageError: torch gave up; what it left behind is not to be relied on.
            RuntimeError: there was no memory left.
        """
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                results = function()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            cause = error.__context__ or error
            reason = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
            raise UsageError(f"a step of this training can't be recorded: {reason}", help="leave train.cuda_graph out") from error
        return graph.replay, results


class RecordedSteps:
    """Runs the steps of a training: the first ones and those of another size as they are, all others by a recording.

    Args:
        step: what a step does to the weights; it is given the batches whose gradients are put together, all of whose samples
            have the same number of steps.
        recorder: how it is recorded.
        notice: takes a line that says why steps are not recorded, should it come to that.
    """

    def __init__(self, step: Step, recorder: Recorder, notice: Callable[[str], None]) -> None:
        self._step = step
        self._recorder: Recorder | None = recorder
        self._notice = notice
        self._sizes: list[object] = []
        self._warm_up = 0
        self._read: list[Batch] = []
        self._replay: Callable[[], None] | None = None
        self._results: Results = ()

    @property
    def is_replayed(self) -> bool:
        """Whether there is a recording."""
        return self._replay is not None

    def __call__(self, group: list[Batch]) -> Results:
        """Takes a step; results are tensors of their own.

        Raises:
            UsageError: it can't be recorded, although nothing in it seemed to wait for the GPU.
        """
        sizes = _sizes(group)
        if self._replay is None and self._recorder is not None:
            self._warm_up = self._warm_up + 1 if sizes == self._sizes else 1
            self._sizes = sizes
            if self._warm_up == _WARM_UP:
                return self._tried(group, self._recorder)
            if self._warm_up > _WARM_UP:
                self._record(group, self._recorder)
        if self._replay is None or sizes != self._sizes:
            return self._step(group)
        for read, batch in zip(self._read, group, strict=True):
            _copy(read.inputs, batch.inputs)
            _copy(read.targets, batch.targets)
        self._replay()
        return tuple(result.clone() for result in self._results)

    def _tried(self, group: list[Batch], recorder: Recorder) -> Results:
        """Takes the last step before the recording, which is given up where that shows that it can't be."""
        results, reason = recorder.tried(lambda: self._step(group))
        if reason is not None:
            self._recorder = None
            self._notice(f"steps are not recorded, but run one operation at a time: {reason}")
        return results

    def _record(self, group: list[Batch], recorder: Recorder) -> None:
        read = []
        for batch in group:
            assert batch.lengths is None
            inputs, targets = each(batch.inputs, Tensor.clone), each(batch.targets, Tensor.clone)
            read.append(replace(batch, inputs=inputs, targets=targets))
        self._replay, self._results = recorder.recorded(lambda: self._step(read))
        self._read = read


def _sizes(group: list[Batch]) -> list[object]:
    """What has to be the same for a recording to hold."""
    return [(each(batch.inputs, _size), each(batch.targets, _size)) for batch in group]


def _size(tensor: Tensor) -> object:
    return tensor.shape, tensor.stride(), tensor.dtype


def _copy(into: Tensors, values: Tensors) -> None:
    if isinstance(into, dict):
        assert isinstance(values, dict)
        for name, tensor in into.items():
            tensor.copy_(values[name])
    else:
        assert isinstance(values, Tensor)
        into.copy_(values)
