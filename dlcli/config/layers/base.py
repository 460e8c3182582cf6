"""What all layers have in common."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from dlcli.config.shapes import Shape, ShapeError
from dlcli.config.spec import Spec


def _names(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]

ANY_NUMBERS: tuple[str, ...] = ()
"""For `accepts`: every layout but tokens."""


class LayerSpec(Spec):
    """One entry of `layers`: its fields, its shape rule and its number of parameters."""

    accepts: ClassVar[tuple[str, ...]] = ANY_NUMBERS
    """The layouts that the layer reads."""
    joins: ClassVar[bool] = False
    """Whether it reads several inputs."""

    name: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    """A letter, then letters, digits and `_`: other layers' `from:` refers to it, and the weights are saved under it."""
    from_: Names | None = Field(None, alias="from")
    """The layer whose output is the input; without it, the entry above."""

    def output_shape(self, *inputs: Any, **_: Any) -> Shape:
        """The shape that comes out.

        Raises:
            ShapeError: the layer can't read such an input.
        """
        raise NotImplementedError

    def parameter_count(self, *_: Any, **__: Any) -> int:
        """The number of trainable values for an input of this shape."""
        return 0


def resolved_axis(kind: str, dim: int, shape: Shape) -> int:
    """An axis as torch counts it, from the batch or from the end, counted from the batch.

    Raises:
        ShapeError: a sample has no such axis.
    """
    axes = len(shape.sizes) + 1
    axis = dim + axes if dim < 0 else dim
    if not 1 <= axis < axes:
        which = f"the axes of a sample are 1 to {axes - 1}" if axes > 1 else None
        raise ShapeError(f"`{kind}` goes along axis {dim}, and its input is {shape}", help=which)
    return axis


class ElementwiseSpec(LayerSpec):
    """A layer whose output has its input's shape."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape
