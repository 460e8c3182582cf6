"""Tables: a row for each sample, or for each step of time."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from dlcli.config.data.base import DataSpec
from dlcli.config.values import PositiveInt, as_tuple


def _columns(value: Any) -> Any:
    """A list of different columns; one name stands for a list of it."""
    columns = (value,) if isinstance(value, str) else as_tuple(value)
    if isinstance(columns, tuple) and len(set(map(str, columns))) < len(columns):
        raise ValueError("one of them is named twice")
    return columns


Columns = Annotated[tuple[str, ...], BeforeValidator(_columns, json_schema_input_type=str | tuple[str, ...]), Field(min_length=1)]


class Csv(DataSpec):
    """A table of one file: a row for each sample, or for each step of time."""

    kind: ClassVar[str] = "csv"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The file: names of the columns in its first line; cells between `,`, `;`, tabs or `|`; numbers with a decimal point."""
    target: Columns | None = None
    """The column, or the columns, to predict; without it the last. Text and whole numbers are classes, numbers with a fraction
    values; with `window`, or where there are several columns, all numbers are values."""
    features: Columns | None = None
    """The columns that a network reads; without it all columns of numbers but `target` (with `window` also that) and `time`."""
    time: str | None = None
    """A column of numbers or of dates like 2016-07-01 12:30 that the rows are put in the order of; it is no feature."""
    window: PositiveInt | None = None
    """How many rows in a row are a sample. With this or `time`, the first rows are for training, the last for the test."""
    horizon: PositiveInt = 1
    """How many rows after the last row of a window its answer stands."""
    stride: PositiveInt = 1
    """How many rows after a window the next one begins."""

    @model_validator(mode="after")
    def _columns_have_one_use(self) -> Self:
        if self.window is None and (self.horizon, self.stride) != (1, 1):
            raise ValueError(f"`{'horizon' if self.horizon > 1 else 'stride'}` needs `window`: how many rows are a sample")
        for name, columns in (("features", self.features), ("target", self.target)):
            if self.time is not None and self.time in (columns or ()):
                raise ValueError(f"`{name}` names '{self.time}', which is `time`: it only says in which order the rows are")
        both = [column for column in self.features or () if column in (self.target or ())]
        if both and self.window is None:
            raise ValueError(f"`features` names '{both[0]}', which is to be predicted")
        return self
