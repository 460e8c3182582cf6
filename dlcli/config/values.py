"""Field types that several specs share: what may be written, and what is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from dlcli.config.tree import describe_value

NAME: Final = r"[A-Za-z][A-Za-z0-9_]*"
"""What layers, blocks, parameters and variables can be called."""
NAME_HELP: Final = "use a letter, then letters, digits and `_`"
LARGEST_FLOAT: Final = 1e38
"""A little below the largest number of float32."""
LARGEST_SIZE: Final = 65_536
"""Of a window, a stride, a padding."""


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _sizes(count: int, least: int, words: str = "") -> Callable[[Any], Any]:
    """A validator of `count` whole numbers; one number stands for all of them."""
    many = "" if count == 1 else f", or a list of {count}"

    def validate(value: Any) -> Any:
        if words and value in words.split("|"):
            return value
        sizes = (value,) * count if _is_whole(value) else tuple(value) if isinstance(value, list | tuple) else ()
        if len(sizes) != count or not all(_is_whole(size) for size in sizes):
            other = "".join(f", or '{word}'" for word in words.split("|") if word)
            raise ValueError(f"expected a whole number{many}{other}, found {describe_value(value)}")
        if max(sizes) > LARGEST_SIZE:
            raise ValueError(f"must be at most {LARGEST_SIZE:,}, not {max(sizes):,}")
        if min(sizes) < least:
            raise ValueError(f"must be at least {least}, not {min(sizes)}")
        return sizes

    return validate


def _size(count: int, least: int, words: str = "") -> BeforeValidator:
    """The same with what may be written: a number, a list of `count`, or one of the words."""
    number = Annotated[int, Field(ge=least, le=LARGEST_SIZE)]
    many = Annotated[tuple[number, ...], Field(min_length=count, max_length=count)]
    written: Any = number | many | Literal[tuple(words.split("|"))] if words else number | many
    return BeforeValidator(_sizes(count, least, words), json_schema_input_type=written)


def as_tuple(value: Any) -> Any:
    """A list, as YAML gives it, as a tuple."""
    return tuple(value) if isinstance(value, list) else value


_BYTES: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B)")


def as_bytes(value: Any) -> Any:
    """`16 GB` as a number of bytes; the units count in steps of 1024, as memory does."""
    if not isinstance(value, str):
        return value
    match = _BYTES.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"'{value}' is no size; write bytes, or a number with MB or GB: 512 MB, 16 GB")
    return int(float(match[1]) * 1024 ** ("KMGT".index(match[2][0]) + 1))


def _not_all_zero(weights: tuple[float, ...]) -> tuple[float, ...]:
    if weights and not any(weights):
        raise ValueError("at least one of them must be above 0")
    return weights


PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0, le=LARGEST_FLOAT, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, le=LARGEST_FLOAT, allow_inf_nan=False)]
FiniteFloat = Annotated[float, Field(ge=-LARGEST_FLOAT, le=LARGEST_FLOAT, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A share, 1 excluded."""

Floats = Annotated[tuple[FiniteFloat, ...], BeforeValidator(as_tuple)]
Weights = Annotated[tuple[NonNegativeFloat, ...], BeforeValidator(as_tuple), AfterValidator(_not_all_zero), Field(min_length=1)]
Ints = Annotated[tuple[int, ...], BeforeValidator(as_tuple)]

Single = Annotated[tuple[int], _size(1, least=1)]
Pair = Annotated[tuple[int, int], _size(2, least=1)]
Triple = Annotated[tuple[int, int, int], _size(3, least=1)]
SingleOrZero = Annotated[tuple[int], _size(1, least=0)]
PairOrZero = Annotated[tuple[int, int], _size(2, least=0)]
TripleOrZero = Annotated[tuple[int, int, int], _size(3, least=0)]

_Word = Literal["same", "valid"]
Padding1d = Annotated[_Word | tuple[int], _size(1, least=0, words="same|valid")]
Padding2d = Annotated[_Word | tuple[int, int], _size(2, least=0, words="same|valid")]
Padding3d = Annotated[_Word | tuple[int, int, int], _size(3, least=0, words="same|valid")]
