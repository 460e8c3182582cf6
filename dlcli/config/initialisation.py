"""How weights start, where not as in `torch.nn`."""

from typing import Annotated, ClassVar, Literal

from dlcli.config.spec import Choice, Spec, table
from dlcli.config.values import PositiveFloat


class InitSpec(Spec):
    """A distribution that weights start from; biases keep torch's start."""


class XavierUniform(InitSpec):
    """Uniform, variance 2 gain^2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    kind: ClassVar[str] = "xavier_uniform"
    main: ClassVar[str] = "gain"

    gain: PositiveFloat = 1.0


class XavierNormal(InitSpec):
    """Normal, variance 2 gain^2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    kind: ClassVar[str] = "xavier_normal"
    main: ClassVar[str] = "gain"

    gain: PositiveFloat = 1.0


class _Kaiming(InitSpec):
    mode: Literal["fan_in", "fan_out"] = "fan_in"
    """Whether the forward or the backward pass keeps its variance."""
    nonlinearity: Literal["relu", "tanh", "sigmoid", "linear", "selu"] = "relu"
    """The activation behind the layer."""


class KaimingUniform(_Kaiming):
    """Uniform, variance gain^2 / fan (He et al., 2015, arXiv:1502.01852)."""

    kind: ClassVar[str] = "kaiming_uniform"


class KaimingNormal(_Kaiming):
    """Normal, variance gain^2 / fan (He et al., 2015, arXiv:1502.01852)."""

    kind: ClassVar[str] = "kaiming_normal"


class Orthogonal(InitSpec):
    """A random orthogonal matrix times gain (Saxe et al., 2013, arXiv:1312.6120)."""

    kind: ClassVar[str] = "orthogonal"
    main: ClassVar[str] = "gain"

    gain: PositiveFloat = 1.0


INITS = table(XavierUniform, XavierNormal, KaimingUniform, KaimingNormal, Orthogonal)

Init = Annotated[InitSpec | None, Choice("initialisation", lambda: INITS)]


class WithInit(Spec):
    """A layer with weights that `init:` can start."""

    init: Init = None
    """How the weights start; without it `model.init`, and without that as in torch.nn."""
