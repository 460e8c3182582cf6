"""What all layers have in common."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from dlcli.config.layers.windows import Window
from dlcli.config.shapes import Shape, ShapeError, channels_of, holds_tokens
from dlcli.config.spec import Spec
from dlcli.config.tree import describe_value
from dlcli.config.values import NAME, PositiveInt


def _names(value: Any) -> Any:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise ValueError(f"expected the name of a layer, or a list of names, found {describe_value(value)}")
    return tuple(names)


Names = Annotated[tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | tuple[str, ...]), Field(min_length=1)]

ANY_NUMBERS: tuple[str, ...] = ()
"""For `accepts`: every layout but tokens."""


class LayerSpec(Spec):
    """One entry of `layers`: its fields, its shape rule and its number of parameters."""

    accepts: ClassVar[tuple[str, ...]] = ANY_NUMBERS
    """The layouts that the layer reads."""
    joins: ClassVar[bool] = False
    """Whether it reads several inputs."""

    name: str | None = Field(None, pattern=f"^{NAME}$")
    """A letter, then letters, digits and `_`: other layers' `from:` refers to it, and the weights are saved under it."""
    from_: Names | None = Field(None, alias="from")
    """The layer whose output is the input; without it, the entry above."""
    repeat: PositiveInt = 1
    """How many such layers follow one another, each with weights of its own; a name gets a number behind it."""

    def output_shape(self, *inputs: Any, **_: Any) -> Shape:
        """The shape that comes out.

        Raises:
            ShapeError: the layer can't read such an input.
        """
        raise NotImplementedError

    def parameter_count(self, *_: Any, **__: Any) -> int:
        """The number of trainable values for an input of this shape."""
        return 0

    def windows(self) -> tuple[Window, ...] | None:
        """What slides along the window axes of the input, for layers that have such windows."""
        return None

    def flops(self, *_: Any, **__: Any) -> int:
        """Floating-point operations of a forward pass of one sample, as torch's FlopCounterMode counts them.

        Two for each multiply-add of a convolution or a matrix product, none for biases and for all other layers.

        Raises:
            ShapeError: the number of steps differs from sample to sample, and the count with it.
        """
        return 0

    def same_weights(self, first: Shape, second: Shape) -> bool:
        """Whether one set of weights serves inputs of both shapes, as `share` needs it."""
        if holds_tokens(first):
            return first == second
        return first.layout == second.layout and channels_of(first) == channels_of(second)


class OwnLayer(LayerSpec):
    """A layer that makes its module itself, as those of plug-ins do."""

    @abstractmethod
    def build(self, *inputs: Shape) -> Any:
        """The module for inputs of these shapes; it reads and gives tensors with the batch as their first axis."""


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
