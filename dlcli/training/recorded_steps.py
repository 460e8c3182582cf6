"""Training steps that are recorded once and then replayed as a whole, as CUDA has it (CUDA graphs).

A step of a small network is some hundred operations that take a GPU less time each than the CPU needs to ask for it. Recorded,
all of them are asked for at once. What is replayed reads and writes the same memory each time: batches are copied to where the
recording read them, and what changes from step to step, such as the learning rate, has to be a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from dlcli.data.batches import Batch
from dlcli.data.dataset import Tensors
from dlcli.data.named import each

Results = tuple[Tensor, ...]
Step = Callable[[list[Batch]], Results]
Record = Callable[[Callable[[], Results]], tuple[Callable[[], None], Results]]
"""Takes a function down without running it; gives what runs it, and the tensors that then hold its results."""

_WARM_UP: Final = 3
"""Steps before the recording: libraries choose their algorithms and optimisers make room for what they remember."""


def cuda_graph(function: Callable[[], Results]) -> tuple[Callable[[], None], Results]:
    """Records what a function has the current GPU do.

    Raises:
        RuntimeError: it waits for the GPU or does something else that can't be recorded; nothing of it has been done.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = function()
    return graph.replay, results


class RecordedSteps:
    """Runs the steps of a training: the first ones and those of another size as they are, all others by a recording.

    Args:
        step: what a step does to the weights; it is given the batches whose gradients are put together.
        record: how it is recorded.
        notice: takes a line that says why steps are not recorded, should it come to that.
    """

    def __init__(self, step: Step, record: Record, notice: Callable[[str], None]) -> None:
        self._step = step
        self._record: Record | None = record
        self._notice = notice
        self._sizes: list[object] = []
        self._warm_up = _WARM_UP
        self._read: list[Batch] = []
        self._replay: Callable[[], None] | None = None
        self._results: Results = ()

    def __call__(self, group: list[Batch]) -> Results:
        """Takes a step; results are tensors of their own."""
        if self._replay is None:
            if self._record is None or not self._is_warm(group) or not self._recorded(group, self._record):
                return self._step(group)
        elif _sizes(group) != self._sizes:
            return self._step(group)
        for read, batch in zip(self._read, group, strict=True):
            _copy(read.inputs, batch.inputs)
            _copy(read.targets, batch.targets)
        assert self._replay is not None
        self._replay()
        return tuple(result.clone() for result in self._results)

    def _is_warm(self, group: list[Batch]) -> bool:
        """Whether there were enough steps of the size of the first one, and this is one of them."""
        sizes = _sizes(group)
        self._sizes = self._sizes or sizes
        if sizes != self._sizes:
            return False
        self._warm_up -= 1
        return self._warm_up < 0

    def _recorded(self, group: list[Batch], record: Record) -> bool:
        """Records a step, or gives it up for good."""
        read = [
            replace(batch, inputs=each(batch.inputs, Tensor.clone), targets=each(batch.targets, Tensor.clone)) for batch in group
        ]
        try:
            self._replay, self._results = record(lambda: self._step(read))
        except RuntimeError as error:
            self._record = None
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            self._notice(f"steps are run one operation at a time, since recording them failed: {reason}")
            return False
        self._read = read
        return True


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
