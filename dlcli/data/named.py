"""One value, or several by name: what a sample has as inputs and answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")
Result = TypeVar("Result")


def each(values: Value | dict[str, Value], function: Callable[[Value], Result]) -> Result | dict[str, Result]:
    """The result of a function for the one value, or for each of several."""
    if isinstance(values, dict):
        return {name: function(value) for name, value in values.items()}
    return function(values)


def first(values: Value | dict[str, Value]) -> Value:
    """The one value, or the first of several."""
    return next(iter(values.values())) if isinstance(values, dict) else values
