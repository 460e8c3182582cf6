"""Activations: one value in, one value out (softmax: over one axis)."""

from typing import ClassVar, Literal

from dlcli.config.layers.base import ElementwiseSpec, resolved_axis
from dlcli.config.shapes import Shape, ShapeError, channel_axis, channels_of
from dlcli.config.values import FiniteFloat, NonNegativeFloat, PositiveFloat, PositiveInt


class Relu(ElementwiseSpec):
    """max(0, x)."""

    kind: ClassVar[str] = "relu"


class Relu6(ElementwiseSpec):
    """min(6, max(0, x)) (Krizhevsky, 2010)."""

    kind: ClassVar[str] = "relu6"


class LeakyRelu(ElementwiseSpec):
    """x where positive, `negative_slope` x elsewhere."""

    kind: ClassVar[str] = "leaky_relu"
    main: ClassVar[str] = "negative_slope"

    negative_slope: NonNegativeFloat = 0.01


class Prelu(ElementwiseSpec):
    """Leaky ReLU whose slope is learnt (He et al., 2015, arXiv:1502.01852)."""

    kind: ClassVar[str] = "prelu"
    main: ClassVar[str] = "num_parameters"

    num_parameters: PositiveInt = 1
    """1, or one slope for each channel."""
    init: FiniteFloat = 0.25

    def output_shape(self, shape: Shape) -> Shape:
        if self.num_parameters not in (1, channels_of(shape)):
            message = f"`prelu` has {self.num_parameters} slopes, and its input is {shape}"
            raise ShapeError(message, help=f"write `num_parameters: 1` or `num_parameters: {channels_of(shape)}`")
        return shape

    def parameter_count(self, *_: Shape) -> int:
        return self.num_parameters


class Elu(ElementwiseSpec):
    """x where positive, alpha (exp(x) - 1) elsewhere (Clevert et al., 2015, arXiv:1511.07289)."""

    kind: ClassVar[str] = "elu"
    main: ClassVar[str] = "alpha"

    alpha: PositiveFloat = 1.0


class Selu(ElementwiseSpec):
    """Scaled ELU that keeps mean 0 and variance 1 (Klambauer et al., 2017, arXiv:1706.02515)."""

    kind: ClassVar[str] = "selu"


class Gelu(ElementwiseSpec):
    """x times the normal distribution function of x (Hendrycks and Gimpel, 2016, arXiv:1606.08415)."""

    kind: ClassVar[str] = "gelu"
    main: ClassVar[str] = "approximate"

    approximate: Literal["none", "tanh"] = "none"


class Silu(ElementwiseSpec):
    """x times sigmoid(x)."""

    kind: ClassVar[str] = "silu"


class Mish(ElementwiseSpec):
    """x times tanh(softplus(x)) (Misra, 2019, arXiv:1908.08681)."""

    kind: ClassVar[str] = "mish"


class Hardswish(ElementwiseSpec):
    """Piecewise SiLU (Howard et al., 2019, arXiv:1905.02244)."""

    kind: ClassVar[str] = "hardswish"


class Tanh(ElementwiseSpec):
    """Hyperbolic tangent: into (-1, 1)."""

    kind: ClassVar[str] = "tanh"


class Sigmoid(ElementwiseSpec):
    """1 / (1 + exp(-x)): into (0, 1)."""

    kind: ClassVar[str] = "sigmoid"


class Softplus(ElementwiseSpec):
    """log(1 + exp(beta x)) / beta; the line x where beta x is above `threshold`."""

    kind: ClassVar[str] = "softplus"
    main: ClassVar[str] = "beta"

    beta: PositiveFloat = 1.0
    threshold: PositiveFloat = 20.0


class _OverAxis(ElementwiseSpec):
    main: ClassVar[str] = "dim"

    dim: int | None = None
    """Axis as torch counts it, the batch being 0. Without it: channels of images, features elsewhere."""

    def output_shape(self, shape: Shape) -> Shape:
        self.resolved_dim(shape)
        return shape

    def resolved_dim(self, shape: Shape) -> int:
        """The axis, counted from the batch."""
        return channel_axis(shape) if self.dim is None else resolved_axis(self.kind, self.dim, shape)


class Softmax(_OverAxis):
    """exp(x) / sum of exp(x) over one axis. Not before `cross_entropy`, which applies it."""

    kind: ClassVar[str] = "softmax"


class LogSoftmax(_OverAxis):
    """Logarithm of softmax over one axis."""

    kind: ClassVar[str] = "log_softmax"
