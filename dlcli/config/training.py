"""What `train:` may say: optimisers, schedules, losses, metrics and the rest of a training."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dlcli.config.spec import Choice, Spec, table
from dlcli.config.values import Floats, Fraction, NonNegativeFloat, PositiveFloat, PositiveInt, Probability, Weights, as_tuple

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


class LossSpec(Spec):
    """What is made small."""


class CrossEntropy(LossSpec):
    """Softmax and negative log-likelihood of the class. Reads scores of any size (logits), one for each class."""

    kind: ClassVar[str] = "cross_entropy"

    label_smoothing: Probability = 0.0
    """Share of the target spread over all classes."""
    class_weights: Weights | None = None
    """One number for each class, at least 0."""


class BinaryCrossEntropy(LossSpec):
    """Sigmoid and negative log-likelihood of each yes-or-no label. Reads scores of any size (logits)."""

    kind: ClassVar[str] = "binary_cross_entropy"

    pos_weight: Weights | None = None
    """One number for each label: how much more a yes counts than a no."""


class MeanSquaredError(LossSpec):
    """Mean of squared differences."""

    kind: ClassVar[str] = "mse"


class L1(LossSpec):
    """Mean of absolute differences."""

    kind: ClassVar[str] = "l1"


class Huber(LossSpec):
    """Squared up to `delta`, linear beyond (Huber, 1964)."""

    kind: ClassVar[str] = "huber"
    main: ClassVar[str] = "delta"

    delta: PositiveFloat = 1.0


LOSSES = table(CrossEntropy, BinaryCrossEntropy, MeanSquaredError, L1, Huber)


class MetricSpec(Spec):
    """What is measured at the end of an epoch."""

    judges: ClassVar[Literal["classes", "values"]]
    larger_is_better: ClassVar[bool] = True


class Accuracy(MetricSpec):
    """Share of samples whose class is right."""

    kind: ClassVar[str] = "accuracy"
    judges: ClassVar[Literal["classes", "values"]] = "classes"


class TopK(MetricSpec):
    """Share of samples whose class is among the `k` with the highest scores."""

    kind: ClassVar[str] = "top_k"
    main: ClassVar[str] = "k"
    judges: ClassVar[Literal["classes", "values"]] = "classes"

    k: PositiveInt = 5


class _Averaged(MetricSpec):
    judges: ClassVar[Literal["classes", "values"]] = "classes"

    average: Literal["macro", "micro", "weighted"] = "macro"
    """macro: mean over the classes; micro: over all samples; weighted: mean over the classes by their size."""


class Precision(_Averaged):
    """Of those called a class, the share that is of it."""

    kind: ClassVar[str] = "precision"


class Recall(_Averaged):
    """Of those of a class, the share that is called so."""

    kind: ClassVar[str] = "recall"


class F1(_Averaged):
    """Harmonic mean of precision and recall."""

    kind: ClassVar[str] = "f1"


class MeanAbsoluteError(MetricSpec):
    """Mean of absolute differences."""

    kind: ClassVar[str] = "mae"
    judges: ClassVar[Literal["classes", "values"]] = "values"
    larger_is_better: ClassVar[bool] = False


class RootMeanSquaredError(MetricSpec):
    """Root of the mean of squared differences."""

    kind: ClassVar[str] = "rmse"
    judges: ClassVar[Literal["classes", "values"]] = "values"
    larger_is_better: ClassVar[bool] = False


class R2(MetricSpec):
    """Share of the variance that is explained; for several targets the mean over them."""

    kind: ClassVar[str] = "r2"
    judges: ClassVar[Literal["classes", "values"]] = "values"


METRICS = table(Accuracy, TopK, Precision, Recall, F1, MeanAbsoluteError, RootMeanSquaredError, R2)


class ClipSpec(Spec):
    """A bound on gradients."""

    main: ClassVar[str] = "max_norm"

    max_norm: PositiveFloat | None = None
    """Of all gradients together (Pascanu et al., 2012, arXiv:1211.5063)."""
    max_value: PositiveFloat | None = None
    """Of each gradient alone."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.max_norm is None) == (self.max_value is None):
            raise ValueError("`clip_gradients` takes `max_norm` or `max_value`")
        return self


class EmaSpec(Spec):
    """An exponential moving average of the weights, which is what is evaluated and kept."""

    main: ClassVar[str] = "decay"

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """Share of the old average in the new one at each step; less in the first steps: (1 + step) / (10 + step)."""


class EarlyStoppingSpec(Spec):
    """Ends the training when the monitored value no longer gets better."""

    main: ClassVar[str] = "patience"

    patience: PositiveInt = 5
    """Epochs without a better value."""
    min_delta: NonNegativeFloat = 0.0
    """By how much a value has to be better to count."""


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"'{value}' is no duration; write seconds, or a number with s, m or h: 90s, 20m, 1.5h")
    return float(match[1]) * _UNITS[match[2] or "s"]


def _without_split(value: Any) -> Any:
    """`valid/accuracy`, as it is printed, is `accuracy`."""
    return value.removeprefix("valid/") if isinstance(value, str) else value


class TrainSpec(Spec):
    """How the network is trained."""

    epochs: PositiveInt = 10
    """Passes over the training samples."""
    batch_size: PositiveInt = 64
    optimizer: Annotated[OptimizerSpec, Choice("optimizer", lambda: OPTIMIZERS)] = Adam()
    """A name, or name: with its fields, for example {name: sgd, lr: 0.1, momentum: 0.9}."""
    schedule: Annotated[ScheduleSpec, Choice("schedule", lambda: SCHEDULES)] = Constant()
    """How the learning rate changes, for example one_cycle."""
    loss: Annotated[LossSpec, Choice("loss", lambda: LOSSES)] = CrossEntropy()
    """What is made small, for example cross_entropy."""
    metrics: Annotated[tuple[MetricSpec, ...], Choice("metric", lambda: METRICS)] = ()
    """A list of what is measured, for example [accuracy, {name: top_k, k: 5}]."""
    monitor: Annotated[str | None, BeforeValidator(_without_split)] = None
    """What decides which epoch is best: loss, or one of the metrics, on the validation split. Without it the first metric;
    of epochs with equal values the one with the smaller loss."""
    clip_gradients: ClipSpec | None = None
    """A bound on gradients: a number for their norm."""
    accumulate: PositiveInt = 1
    """Batches whose gradients make one step."""
    ema: EmaSpec | None = None
    """A moving average of the weights."""
    early_stopping: EarlyStoppingSpec | None = None
    """Epochs to wait for a better value."""
    max_time: Annotated[PositiveFloat | None, BeforeValidator(_duration)] = None
    """Seconds, or a number with s, m or h, after which the training ends as if it had been its last epoch."""
    max_steps: PositiveInt | None = None
    """Steps after which the training ends."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of weights, order, augmentation and dropout."""
    deterministic: bool = False
    """Whether only operations are used that give the same bits each time; always so on the CPU."""

    @property
    def monitored(self) -> str:
        """`loss` or the name of a metric."""
        return self.monitor or (self.metrics[0].kind if self.metrics else "loss")

    @property
    def larger_is_better(self) -> bool:
        """Whether more of the monitored value is better."""
        return next((metric.larger_is_better for metric in self.metrics if metric.kind == self.monitored), False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [metric.kind for metric in self.metrics]
        if len(set(names)) < len(names):
            raise ValueError("`metrics` names one of them twice")
        if self.monitor is not None and self.monitor not in ("loss", *names):
            known = ", ".join(["loss", *names])
            raise ValueError(f"`monitor` is '{self.monitor}', and what is measured is: {known}")
        return self
