"""Windows over rows in the order of time: what is read, the answer that follows it, and the split that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dlcli.data.raw import Array, RawSplit


@dataclass(frozen=True)
class Windows:
    """How windows are cut.

    Attributes:
        length: rows of a window.
        horizon: rows from the end of a window to the end of its answer.
        stride: rows from the beginning of a window to that of the next.
        answers: what is predicted of each row: classes int64 (rows,), of which an answer is one, the last of the horizon; or
            values float32 (rows, K), of which it is all in the horizon.
    """

    length: int
    horizon: int
    stride: int
    answers: Array

    @property
    def rows_of_answer(self) -> int:
        """How many rows an answer takes."""
        return self.horizon if self.answers.ndim == 2 else 1

    def starts(self, rows: range) -> range:
        """The first rows of the windows whose whole answer lies in `rows`; they may begin before."""
        to_answer = self.length + self.horizon - self.rows_of_answer
        return range(max(0, rows.start - to_answer), rows.stop - self.length - self.horizon + 1, self.stride)

    def cut(self, inputs: NDArray[np.float32], rows: range) -> RawSplit:
        """Those windows of `inputs` (rows, F) and their answers, as views: no row is copied."""
        starts = self.starts(rows)
        chosen = slice(starts.start, starts.stop, starts.step)
        windows = np.moveaxis(sliding_window_view(inputs, self.length, axis=0, writeable=True), -1, 1)[chosen]
        if self.answers.ndim == 1:
            return RawSplit(windows, self.answers[self.length + self.horizon - 1 :][chosen])
        width = self.answers.shape[1]
        after = self.answers[self.length :].reshape(-1)
        flat = sliding_window_view(after, self.horizon * width, writeable=True)
        return RawSplit(windows, flat[::width][chosen])

    def measured(self, inputs: NDArray[np.float32], rows: range) -> RawSplit:
        """These rows once each, with the answers (rows, horizon * K) that each step of the horizon has of its own."""
        part = slice(rows.start, rows.stop)
        answers = self.answers[part]
        return RawSplit(inputs[part], np.tile(answers, (1, self.horizon)) if answers.ndim == 2 else answers)
