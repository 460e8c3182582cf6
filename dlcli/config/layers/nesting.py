"""Entries that hold other layers, or stand for one."""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

from dlcli.config.layers.base import LayerSpec
from dlcli.config.shapes import Sequence, Shape, ShapeError, channels_of
from dlcli.config.spec import RawNode
from dlcli.config.values import PositiveFloat

Layers = Annotated[Any, RawNode("layers", "a list; each entry is a layer: a name, or a name with its fields")]
"""The type of a field that holds layers."""


class Nesting(LayerSpec):
    """A layer made of layers, which see nothing outside but `input`."""

    main: ClassVar[str | None] = "layers"
    own_weights: ClassVar[tuple[str, ...]] = ()
    """Names that its layers can't have: those of its own weights."""

    layers: Layers
    """The layers, as under `model.layers`."""

    @abstractmethod
    def inside(self, shape: Shape) -> Shape | None:
        """What its layers read; None where it can't read the input."""

    @abstractmethod
    def around(self, shape: Shape, given: Shape) -> Shape:
        """What comes out.

        Args:
            shape: of the input, which it can read.
            given: what its layers give.

        Raises:
            ShapeError: it can't do its work on that.
        """


class Sequential(Nesting):
    """A list of layers as one: its input is their `input`, its output that of the last."""

    kind: ClassVar[str] = "sequential"

    def inside(self, shape: Shape) -> Shape:
        return shape

    def around(self, shape: Shape, given: Shape) -> Shape:  # noqa: ARG002  # the nestings' own signature
        return given


class TimeDistributed(Nesting):
    """A list of layers, the same weights for each step. A sequence of X becomes a sequence of what the layers make of X."""

    kind: ClassVar[str] = "time_distributed"

    def inside(self, shape: Shape) -> Shape | None:
        return shape.item if isinstance(shape, Sequence) else None

    def around(self, shape: Shape, given: Shape) -> Shape:
        assert isinstance(shape, Sequence)
        return Sequence(shape.time, given)


class ReversibleNorm(Nesting):
    """A list of layers for forecasts, which never see where a series stands and how far it swings (Kim et al., ICLR 2022).

    Brings each feature of each sample to mean 0 and variance 1 over its steps, runs the layers on that, and undoes it on what
    they give: a vector (steps * features), the features of a step side by side, or a series (time', features).
    """

    kind: ClassVar[str] = "reversible_norm"
    accepts: ClassVar[tuple[str, ...]] = ("series",)
    own_weights: ClassVar[tuple[str, ...]] = ("weight", "bias")

    eps: PositiveFloat = 1e-5
    """Added to the variances."""
    affine: bool = False
    """Whether a scale and a shift are learnt for each feature, which are undone too."""

    def inside(self, shape: Shape) -> Shape | None:
        return shape if shape.layout in self.accepts else None

    def around(self, shape: Shape, given: Shape) -> Shape:
        features = channels_of(shape)
        if given.layout not in ("vector", "series"):
            raise ShapeError(f"`{self.kind}` undoes its work on a vector or a series, and its layers give {given}")
        if channels_of(given) % features:
            raise ShapeError(
                f"`{self.kind}` undoes its work on the {features} features of each step, and its layers give {given}",
                help=f"end its layers with a multiple of {features}: for a forecast `- linear: ${{data.num_targets}}`, "
                "where all columns are forecast",
            )
        return given

    def parameter_count(self, shape: Shape) -> int:
        return 2 * channels_of(shape) if self.affine else 0


class Share(LayerSpec):
    """A layer above once more, with the same weights, on another input."""

    kind: ClassVar[str] = "share"
    main: ClassVar[str | None] = "layer"

    layer: str
    """The name of the layer."""
