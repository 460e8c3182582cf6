"""What layers of plug-ins show on the meta device: shapes, operations, and how often that is asked."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from dlcli.config.shapes import Image, Sequence, Shape, ShapeError, Time, Vector
from dlcli.plugins import Layer

BUILT: list[Any] = []
"""A layer for each call of `build`."""


class _Applied(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


class Dense(Layer):
    """A product for each vector, with a field that may have no hash."""

    kind: ClassVar[str] = "dense"

    size: int = 5
    table: dict[str, int] | None = None

    def build(self, source: Shape) -> nn.Module:
        BUILT.append(self)
        return nn.Linear(source.sizes[-1], self.size)


class Doubled(Layer):
    """Twice the first input."""

    kind: ClassVar[str] = "doubled"

    def build(self, *_: Shape) -> nn.Module:
        return _Applied(lambda x, *_: 2 * x)


class SideBySide(Layer):
    """Sequences one after the other."""

    kind: ClassVar[str] = "side_by_side"
    joins: ClassVar[bool] = True

    def build(self, *_: Shape) -> nn.Module:
        return _Applied(lambda *tensors: torch.cat(tensors, 1))


class Broken(Layer):
    """It can't be built."""

    kind: ClassVar[str] = "broken"

    def build(self, *_: Shape) -> nn.Module:
        raise KeyError("lost")


def test_operations_that_depend_on_the_sample_are_not_none() -> None:
    """As for built-in layers, a ShapeError; 0 only where there are none, whatever the number of steps."""
    series = Sequence(Time(), Vector(3))
    assert Dense().flops(Sequence(4, Vector(3))) == 4 * 2 * 3 * 5
    assert Doubled().flops(series) == 0
    with pytest.raises(ShapeError, match="number differs from sample to sample"):
        Dense().flops(series)
    assert Dense().output_shape(series) == Sequence(Time(), Vector(5))
    assert Dense().parameter_count(series) == 3 * 5 + 5


def test_steps_that_a_layer_above_has_made_fewer_are_kept() -> None:
    """A layer that keeps the number of steps keeps half of T as well."""
    half = Sequence(Time().through(1, 0, 2), Vector(3))
    assert Doubled().output_shape(half) == half


def test_inputs_of_different_steps() -> None:
    """Those that the output has are found; an output with neither's is an error that a config can show."""
    whole, half = Sequence(Time(), Vector(3)), Sequence(Time().through(1, 0, 2), Vector(3))
    assert Doubled().output_shape(whole, half) == whole
    assert Doubled().output_shape(half, whole) == half
    with pytest.raises(ShapeError, match="`side_by_side` changes the number of steps"):
        SideBySide().output_shape(whole, half)


@pytest.mark.parametrize(("table", "times"), [(None, 1), ({"a": 1}, 3)])
def test_a_layer_is_built_once_for_what_is_asked_of_it(table: dict[str, int] | None, times: int) -> None:
    """Again only for other fields, for other inputs, and where its fields can't be compared by a hash."""
    BUILT.clear()
    layer, equal = Dense(size=7, table=table), Dense(size=7, table=table)
    shapes = (layer.output_shape(Vector(3)), layer.parameter_count(Vector(3)), equal.flops(Vector(3)))
    assert shapes == (Vector(7), 3 * 7 + 7, 2 * 3 * 7)
    assert len(BUILT) == times
    layer.output_shape(Vector(4))
    Dense(size=8, table=table).output_shape(Vector(3))
    assert len(BUILT) == times + 2


def test_what_fails_names_the_line_of_the_plugin() -> None:
    """In the help of the mistake, which stands at the layer's line in the config."""
    with pytest.raises(ShapeError, match="`broken` can't read an image") as caught:
        Broken().output_shape(Image(1, 2, 3))
    assert caught.value.help is not None
    line = Broken.build.__code__.co_firstlineno + 1
    assert caught.value.help.endswith(f"test_meta_inference.py:{line}")
