"""What records of kept things are made of: arrays that are checked when they are read, and their bounds. Needs no torch.

A run folder may be a stranger's: each record says what its arrays have to look like, and refuses others.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

MOST_CLASSES: Final = 512
"""Up to so many a confusion matrix is kept; counts of each class always are."""
MOST_COUNTED: Final = 100_000
"""Classes, labels or values of an output that are counted one by one: a vocabulary may have more."""
MOST_COLUMNS: Final = 10_000
"""Values with a name."""
MOST_VALUES: Final = 4096
"""Of a sample that is kept to be looked at."""
MOST_TOLD: Final = 64
"""Answers of an example."""
MOST_SCATTERED: Final = 1000
"""Samples whose values are kept to be drawn against those that were predicted."""
MOST_ROWS: Final = 100_000
"""Samples whose answers are kept one by one."""
MOST_SAMPLES: Final = 64
"""Samples that are kept to be looked at, in one place."""
MOST_STEPS: Final = 256
"""Of a sequence that is kept to be looked at."""
MOST_SIDE: Final = 96
"""Pixels of a side of a picture that is kept to be looked at."""
MOST_TEXT: Final = 400
"""Characters of what a language model was given to go on with."""
MOST_WRITTEN: Final = 4000
"""Characters of what it wrote."""
NUM_BINS: Final = 15
"""Of confidence, as Guo et al. have them (2017, arXiv:1706.04599)."""
NO_STEP: Final = -1
"""Stands where a sequence has no step."""

_MOST_VALUES: Final = 1 << 24
"""Of an array."""
_LARGEST_COUNT: Final = 1 << 48
"""So that sums of them are exact."""


def _array(kinds: str, axes: int, most: int = _MOST_VALUES) -> PlainValidator:
    """Of a field that holds an array of such kinds (`numpy.dtype.kind`) with so many axes and at most so many values."""

    def checked(array: Any) -> NDArray[Any]:
        if not isinstance(array, np.ndarray):
            raise ValueError("there is no array")
        if array.dtype.kind not in kinds or array.ndim != axes or array.size > most:
            raise ValueError(f"an array of {array.dtype} and shape {array.shape} can't be meant")
        return array

    return PlainValidator(checked)


def _counted(array: NDArray[Any]) -> NDArray[Any]:
    if array.size and not 0 <= array.min() <= array.max() < _LARGEST_COUNT:
        raise ValueError("a count is below 0, or too large")
    return array


def _within_one(array: NDArray[Any]) -> NDArray[Any]:
    if array.size and not (array.min() >= 0 and array.max() <= 1 + 1e-6):
        raise ValueError("a probability is not between 0 and 1")
    return array


Name = Annotated[str, Field(max_length=200)]
Counts = Annotated[NDArray[Any], _array("iu", 1, MOST_COUNTED + 1), AfterValidator(_counted)]
Table = Annotated[NDArray[Any], _array("iu", 2), AfterValidator(_counted)]
Probabilities = Annotated[NDArray[Any], _array("f", 1, MOST_ROWS), AfterValidator(_within_one)]
Numbers = Annotated[NDArray[Any], _array("f", 1, MOST_COUNTED)]
Rows = Annotated[NDArray[Any], _array("f", 2)]
Classes = Annotated[NDArray[Any], _array("iu", 1, MOST_ROWS)]
ClassesOfSteps = Annotated[NDArray[Any], _array("iu", 2)]
PixelsOfPictures = Annotated[NDArray[Any], _array("u", 4)]
ValuesOfSeries = Annotated[NDArray[Any], _array("f", 3)]


class Part(BaseModel):
    """A record: nothing unknown in it, and nothing that changes."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def check_alike(*parts: Sized) -> None:
    """Raises ValueError unless all have the same length."""
    lengths = [len(part) for part in parts]
    if len(set(lengths)) > 1:
        raise ValueError(f"what belongs together has the lengths {lengths}")
