"""Tables: a row for each sample, or for each step of time."""

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dlcli.config.data.base import DataSpec
from dlcli.config.tree import describe_value
from dlcli.config.values import PositiveInt, as_tuple

ALL: Final = "all"
"""Stands for every column of numbers but `time`, where it is not in a list."""


def _columns(value: Any) -> Any:
    """A list of different columns; one name stands for a list of it."""
    columns = (value,) if isinstance(value, str) else as_tuple(value)
    if isinstance(columns, tuple) and len(set(map(str, columns))) < len(columns):
        raise ValueError("one of them is named twice")
    return columns


def _columns_or_all(value: Any) -> Any:
    columns = value if value == ALL else _columns(value)
    if not columns or not isinstance(columns, str | tuple) or not all(isinstance(name, str) for name in columns):
        raise ValueError(f"expected the name of a column, a list of names, or `{ALL}`, found {describe_value(value)}")
    return columns


Columns = Annotated[tuple[str, ...], BeforeValidator(_columns, json_schema_input_type=str | tuple[str, ...]), Field(min_length=1)]
Targets = Annotated[
    Literal["all"] | tuple[str, ...], BeforeValidator(_columns_or_all, json_schema_input_type=str | tuple[str, ...])
]
DateFeature = Literal["minute", "hour", "weekday", "day", "month", "dayofyear"]
DateFeatures = Annotated[
    tuple[DateFeature, ...], BeforeValidator(_columns, json_schema_input_type=DateFeature | tuple[DateFeature, ...])
]


class Csv(DataSpec):
    """A table of one file: a row for each sample, or for each step of time."""

    kind: ClassVar[str] = "csv"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The file: names of the columns in its first line; cells between `,`, `;`, tabs or `|`; numbers with a decimal point. Or a
    .parquet file, which needs pyarrow."""
    target: Targets | None = None
    """The column, or the columns, to predict; without it the last but `time`. Text and whole numbers are classes, numbers with a
    fraction values; with `window`, or where there are several columns, all numbers are values. With `window`, `all` stands for
    every column of numbers but `time`; a column that is called so stands in a list: [all]."""
    features: Columns | None = None
    """The columns that a network reads; without it all columns of numbers but `target` (with `window` also that) and `time`."""
    time: str | None = None
    """A column of numbers or of dates like 2016-07-01 12:30 or 2016-07 that the rows are put in the order of; it is no feature.
    With `window`, each time may be there once."""
    date_features: DateFeatures = ()
    """What of the dates in `time` the network reads beside the features: minute, hour, weekday, day (of the month), month,
    dayofyear; each is two features, the sine and the cosine of where in its cycle it lies."""
    window: PositiveInt | None = None
    """How many rows in a row are a sample. With this or `time`, the first rows are for training, the last for the test; a
    window belongs to the split that its whole answer lies in, and may begin in the rows before."""
    horizon: PositiveInt = 1
    """How many rows after a window are its answer: their targets one after another, those of a row side by side. Of a column of
    text it is one class, that of the last of these rows."""
    stride: PositiveInt = 1
    """How many rows after a window the next one begins."""
    rows: PositiveInt | None = None
    """Only so many rows, the first in the order of time; without it all."""

    @model_validator(mode="after")
    def _columns_have_one_use(self) -> Self:
        for name, columns in (("features", self.features), ("target", self.target)):
            if self.time is not None and isinstance(columns, tuple) and self.time in columns:
                raise ValueError(f"`{name}` names '{self.time}', which is `time`: it only says in which order the rows are")
        both = [column for column in self.features or () if isinstance(self.target, tuple) and column in self.target]
        if both and self.window is None:
            raise ValueError(f"`features` names '{both[0]}', which is to be predicted")
        return self

    @model_validator(mode="after")
    def _fields_have_what_they_need(self) -> Self:
        if self.window is None and (self.horizon, self.stride) != (1, 1):
            raise ValueError(f"`{'horizon' if self.horizon > 1 else 'stride'}` needs `window`: how many rows are a sample")
        if self.window is None and self.target == ALL:
            raise ValueError(f"`target` is `{ALL}`, which needs `window`: without it nothing is left to predict them from")
        if self.date_features and self.time is None:
            raise ValueError("`date_features` needs `time`: the column that holds the dates")
        return self
