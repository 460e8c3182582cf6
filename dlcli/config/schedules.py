"""Schedules: how the learning rate changes."""

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from dlcli.config.spec import Spec, table
from dlcli.config.values import NonNegativeFloat, PositiveFloat, PositiveInt, as_tuple


class ScheduleSpec(Spec):
    """How the learning rate changes. Each step has its own rate; `warmup` steps come before."""

    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps in which the rate rises linearly from 0 to its start."""


class Constant(ScheduleSpec):
    """The same rate throughout."""

    kind: ClassVar[str] = "constant"


class Step(ScheduleSpec):
    """Times `gamma` every `step_size` epochs."""

    kind: ClassVar[str] = "step"

    step_size: PositiveInt
    """In epochs."""
    gamma: PositiveFloat = 0.1


class MultiStep(ScheduleSpec):
    """Times `gamma` at each of some epochs."""

    kind: ClassVar[str] = "multistep"
    main: ClassVar[str] = "milestones"

    milestones: Annotated[tuple[PositiveInt, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    """Epochs, counted from 1 as they end."""
    gamma: PositiveFloat = 0.1


class Exponential(ScheduleSpec):
    """Times `gamma` every epoch."""

    kind: ClassVar[str] = "exponential"
    main: ClassVar[str] = "gamma"

    gamma: PositiveFloat = 0.95


class Cosine(ScheduleSpec):
    """Half a cosine down to `final` of the rate (Loshchilov and Hutter, 2016, arXiv:1608.03983)."""

    kind: ClassVar[str] = "cosine"

    final: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the rate at the end."""


class OneCycle(ScheduleSpec):
    """Up from lr / div_factor to lr, then down to lr / div_factor / final_div_factor (Smith and Topin, 2017)."""

    kind: ClassVar[str] = "one_cycle"

    pct_start: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the steps in which the rate rises."""
    div_factor: PositiveFloat = 25.0
    final_div_factor: PositiveFloat = 1e4


class Plateau(ScheduleSpec):
    """Times `factor` when the monitored value has not got better for more than `patience` epochs."""

    kind: ClassVar[str] = "plateau"

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Annotated[int, Field(ge=0)] = 10
    threshold: NonNegativeFloat = 1e-4
    """What counts as better, as a share of the best value."""
    min_lr: NonNegativeFloat = 0.0


SCHEDULES = table(Constant, Step, MultiStep, Exponential, Cosine, OneCycle, Plateau)
