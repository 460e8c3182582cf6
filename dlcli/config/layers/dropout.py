"""Dropout (Srivastava et al., 2014): values, or whole channels, set to 0 in training and the rest scaled by 1 / (1 - p)."""

from typing import ClassVar

from dlcli.config.layers.base import ElementwiseSpec
from dlcli.config.shapes import Sequence, Shape, ShapeError
from dlcli.config.values import Fraction


class _Dropout(ElementwiseSpec):
    main: ClassVar[str] = "p"

    p: Fraction = 0.5
    """The chance of being dropped."""


class Dropout(_Dropout):
    """Drops single values."""

    kind: ClassVar[str] = "dropout"

    variational: bool = False
    """Whether the same values are dropped at all steps of a sequence (Gal and Ghahramani, 2016, arXiv:1512.05287)."""

    def output_shape(self, shape: Shape) -> Shape:
        if self.variational and not isinstance(shape, Sequence):
            message = f"`{self.kind}` with `variational: true` reads a sequence, and its input is {shape}"
            raise ShapeError(message, help="leave out `variational`, or put it where there still are steps")
        return shape


class Dropout1d(_Dropout):
    """Drops whole features of a sequence, all its steps at once, as `dropout` with `variational: true` does."""

    kind: ClassVar[str] = "dropout1d"
    accepts: ClassVar[tuple[str, ...]] = ("series",)


class Dropout2d(_Dropout):
    """Drops whole channels of an image."""

    kind: ClassVar[str] = "dropout2d"
    accepts: ClassVar[tuple[str, ...]] = ("image",)
