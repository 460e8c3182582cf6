"""Optimisers: how weights are changed."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from dlcli.config.spec import Spec, table
from dlcli.config.values import Floats, Fraction, NonNegativeFloat, PositiveFloat

Betas = Annotated[Floats, Field(min_length=2, max_length=2)]


class OptimizerSpec(Spec):
    """How weights are changed."""

    lr: PositiveFloat
    """The learning rate before the schedule."""
    weight_decay: NonNegativeFloat = 0.0
    decay_biases_and_norms: bool = True
    """Whether weight decay also acts on biases and on the scales and shifts of normalisations."""


class Sgd(OptimizerSpec):
    """Stochastic gradient descent, with momentum on request."""

    kind: ClassVar[str] = "sgd"

    lr: PositiveFloat = 0.01
    momentum: Fraction = 0.0
    dampening: Fraction = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("`nesterov` needs a `momentum` above 0 and no `dampening`")
        return self


class _AdamFamily(OptimizerSpec):
    lr: PositiveFloat = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: PositiveFloat = 1e-8

    @model_validator(mode="after")
    def _betas_are_shares(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("`betas` are shares: at least 0 and less than 1")
        return self


class Adam(_AdamFamily):
    """Adam (Kingma and Ba, 2014, arXiv:1412.6980)."""

    kind: ClassVar[str] = "adam"

    amsgrad: bool = False


class AdamW(_AdamFamily):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2017, arXiv:1711.05101)."""

    kind: ClassVar[str] = "adamw"

    weight_decay: NonNegativeFloat = 1e-2
    amsgrad: bool = False


class NAdam(_AdamFamily):
    """Adam with Nesterov momentum (Dozat, 2016)."""

    kind: ClassVar[str] = "nadam"

    lr: PositiveFloat = 2e-3
    momentum_decay: NonNegativeFloat = 4e-3


class RAdam(_AdamFamily):
    """Rectified Adam (Liu et al., 2019, arXiv:1908.03265)."""

    kind: ClassVar[str] = "radam"


class RmsProp(OptimizerSpec):
    """RMSprop (Hinton, 2012)."""

    kind: ClassVar[str] = "rmsprop"

    lr: PositiveFloat = 0.01
    alpha: Fraction = 0.99
    eps: PositiveFloat = 1e-8
    momentum: Fraction = 0.0
    centered: bool = False


class Adagrad(OptimizerSpec):
    """Adagrad (Duchi et al., 2011)."""

    kind: ClassVar[str] = "adagrad"

    lr: PositiveFloat = 0.01
    lr_decay: NonNegativeFloat = 0.0
    eps: PositiveFloat = 1e-10


class Adadelta(OptimizerSpec):
    """Adadelta (Zeiler, 2012, arXiv:1212.5701)."""

    kind: ClassVar[str] = "adadelta"

    lr: PositiveFloat = 1.0
    rho: Fraction = 0.9
    eps: PositiveFloat = 1e-6


class Muon(OptimizerSpec):
    """Orthogonalised momentum for the matrices of hidden layers (Jordan et al., 2024); AdamW for all other weights."""

    kind: ClassVar[str] = "muon"

    lr: PositiveFloat = 1e-3
    """Of both, since each matrix's step is scaled to that of AdamW."""
    weight_decay: NonNegativeFloat = 0.1
    momentum: Fraction = 0.95
    nesterov: bool = True
    ns_steps: Annotated[int, Field(ge=1, le=20)] = 5
    """Newton-Schulz iterations."""
    betas: Betas = (0.9, 0.999)
    """Of AdamW."""


OPTIMIZERS = table(Sgd, Adam, AdamW, RmsProp, Adagrad, Adadelta, NAdam, RAdam, Muon)
