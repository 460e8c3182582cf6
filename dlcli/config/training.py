"""What `train:` may say."""

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dlcli.config.loggers import LOGGERS, LoggerSpec
from dlcli.config.losses import CrossEntropy, LossSpec
from dlcli.config.metrics import METRICS, MetricSpec, check_each_once
from dlcli.config.objectives import LossField, Objective
from dlcli.config.optimizers import OPTIMIZERS, Adam, OptimizerSpec
from dlcli.config.schedules import SCHEDULES, Constant, ScheduleSpec
from dlcli.config.spec import Choice, Spec
from dlcli.config.values import NonNegativeFloat, PositiveFloat, PositiveInt


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
    loss: LossField = CrossEntropy()
    """What is made small, for example cross_entropy; of several outputs, one for each: {OUTPUT: {name: mse, weight: 0.3}}."""
    metrics: Annotated[tuple[MetricSpec, ...], Choice("metric", lambda: METRICS)] = ()
    """A list of what is measured, for example [accuracy, {name: top_k, k: 5}]."""
    monitor: Annotated[str | None, BeforeValidator(_without_split, json_schema_input_type=str | None)] = None
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
    max_time: Annotated[PositiveFloat | None, BeforeValidator(_duration, json_schema_input_type=PositiveFloat | str | None)] = (
        None
    )
    """Seconds, or a number with s, m or h, after which the training ends as if it had been its last epoch."""
    max_steps: PositiveInt | None = None
    """Steps after which the training ends."""
    save_every: Annotated[PositiveFloat, BeforeValidator(_duration, json_schema_input_type=PositiveFloat | str)] = 300.0
    """Seconds, or a number with s, m or h, after which a checkpoint is written also within an epoch; each epoch ends with one."""
    stateful: bool = False
    """Whether recurrent layers go on with the state that the batch before left: truncated backpropagation through time (Williams
    and Peng, 1990). Each row of a batch then follows the same row of the one before, for data that is one long sequence."""
    loggers: Annotated[tuple[LoggerSpec, ...], Choice("logger", lambda: LOGGERS)] = ()
    """A list of where else the course is written, for example [tensorboard]."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Of what is computed in a step: bfloat16 has the range of float32 and three digits; tf32 has four, in products on a CUDA GPU
    alone. Weights, losses and what is judged stay float32 (Kalamkar et al., 2019, arXiv:1905.12322)."""
    cuda_graph: bool = False
    """Whether a step on a CUDA GPU is recorded once and then replayed as a whole, which makes steps of small networks faster.
    Where that can't be, a line says why, and steps are run as ever; on other devices it changes nothing."""
    compile: bool = False
    """Whether `torch.compile` makes code of the network for training, which takes up to minutes in the first step."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of weights, order, augmentation and dropout."""
    deterministic: bool = False
    """Whether only operations are used that give the same bits each time; always so on the CPU."""

    def for_outputs(self, outputs: tuple[str, ...]) -> Self:
        """The same with one objective for each of several outputs, or one loss for the only one."""
        if len(outputs) == 1:
            if isinstance(self.loss, LossSpec):
                return self
            objective = self.loss[outputs[0]]
            metrics = self.metrics if objective.metrics is None else objective.metrics
            return self.model_copy(update={"loss": objective.loss, "metrics": metrics})
        given = self.loss if isinstance(self.loss, dict) else {name: Objective(loss=self.loss) for name in outputs}
        filled = {
            name: objective if objective.metrics is not None else objective.model_copy(update={"metrics": self.metrics})
            for name, objective in given.items()
        }
        return self.model_copy(update={"loss": filled, "metrics": ()})

    def objective_of(self, output: str) -> Objective:
        """What an output is trained for; see `for_outputs`."""
        if isinstance(self.loss, LossSpec):
            return Objective(loss=self.loss, metrics=self.metrics)
        return self.loss[output]

    @property
    def measured(self) -> dict[str, MetricSpec]:
        """Each metric by the name it has in logs: `accuracy`, of several outputs `OUTPUT/accuracy`."""
        if isinstance(self.loss, LossSpec):
            return {metric.kind: metric for metric in self.metrics}
        return {
            f"{output}/{metric.kind}": metric
            for output, objective in self.loss.items()
            for metric in (self.metrics if objective.metrics is None else objective.metrics)
        }

    @property
    def monitored(self) -> str:
        """`loss` or the name of a metric, as in `measured`."""
        return self.monitor or next(iter(self.measured), "loss")

    @property
    def larger_is_better(self) -> bool:
        """Whether more of the monitored value is better."""
        metric = self.measured.get(self.monitored)
        return metric is not None and metric.larger_is_better

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        check_each_once(self.metrics, "metrics")
        check_each_once(self.loggers, "loggers")
        return self
