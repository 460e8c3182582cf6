"""What a source hands over: arrays as they were read, before splits, resizing and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from dlcli.data.named import each, first
from dlcli.errors import DataError

if TYPE_CHECKING:  # who asks only what is known of the data, as `validate` and `summary` do, needs no numpy
    import numpy as np
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[Any]"


class DataUnavailableError(DataError):
    """Data can't be had here: it is not on disk, and it can't be downloaded. The one error that a `fallback` answers.

    Args:
        what: the source or the path.
        reason: why not, a clause without a full stop.
        help: what would mend it.
    """

    def __init__(self, what: str, reason: str, *, help: str | None) -> None:
        super().__init__(f"{what} can't be had here: {reason}", help=help)
        self.reason = reason


@dataclass(frozen=True)
class RawSplit:
    """Samples and their answers; where there are several inputs or answers, each by its name.

    Attributes:
        inputs: the channels or features last: images uint8 or float32 (N, H, W, C), series float32 (N, T, F), vectors
            float32 (N, F), tokens int64 (N, T), clips (N, T, H, W, C), volumes (N, D, H, W, C).
        targets: classes int64 (N,), or values float32 (N, K); for each step of a sequence (N, T), or (N, T, K).
        lengths: steps of each sample, int64 (N,), at least 1, where they differ; T is the largest. What inputs, and targets of
            each step, hold behind them is padding and never looked at.
    """

    inputs: Array | dict[str, Array]
    targets: Array | dict[str, Array]
    lengths: Array | None = None

    def __len__(self) -> int:
        return len(first(self.targets))

    def chosen(self, indices: NDArray[np.int64]) -> RawSplit:
        """The samples at these places, copied."""

        def taken(array: Array) -> Array:
            return array[indices]

        lengths = None if self.lengths is None else taken(self.lengths)
        return RawSplit(each(self.inputs, taken), each(self.targets, taken), lengths)


@dataclass(frozen=True)
class RawData:
    """All that a source has.

    Attributes:
        train: the training samples, from which the splits are taken that the source does not have.
        valid: the source's own validation samples.
        test: the source's own test samples.
        class_names: what each class is called, where anything is known but its number.
        origin: where the samples came from: a path, or "inside the package".
        notices: what a person should know before a training, a line each.
        found: fields of the source's spec that the reading settled, such as a vocabulary: reading again takes them from there.
        measured: rows (R, F) and answers (R, K) that normalisation is measured on in place of the training samples, where
            these are windows that overlap.
    """

    train: RawSplit
    valid: RawSplit | None
    test: RawSplit | None
    class_names: tuple[str, ...] | None
    origin: str
    notices: tuple[str, ...] = ()
    found: Mapping[str, object] = field(default_factory=dict)
    measured: RawSplit | None = None


@dataclass(frozen=True)
class NewSamples:
    """Samples without answers, from a file that somebody wants predictions for.

    Attributes:
        inputs: as in `RawSplit`.
        lengths: as in `RawSplit`.
        names: what each sample is called in a table of predictions: its line, its text, its time.
        steps: what the steps of a forecast are called: the time column continued.
        notices: what a person should know of them, a line each.
    """

    inputs: Array | dict[str, Array]
    lengths: Array | None
    names: tuple[str, ...]
    steps: tuple[str, ...] | None = None
    notices: tuple[str, ...] = ()
