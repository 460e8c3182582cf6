"""Metrics: what is measured at the end of an epoch."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal, Protocol

from dlcli.config.spec import Spec, table
from dlcli.config.values import PositiveInt


class MetricSpec(Spec):
    """What is measured at the end of an epoch."""

    judges: ClassVar[Literal["classes", "values"]]
    larger_is_better: ClassVar[bool] = True


class Measure(Protocol):
    """A metric at work."""

    def update(self, outputs: Any, targets: Any) -> None:
        """Takes one batch: the network's outputs and the targets, tensors."""

    def value(self) -> float:
        """The metric over all that was taken."""


class OwnMetric(MetricSpec):
    """A metric that measures itself, as those of plug-ins do."""

    @abstractmethod
    def build(self) -> Measure:
        """An empty measure."""


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


def check_each_once(specs: tuple[Spec, ...], key: str) -> None:
    """Raises ValueError where one of the choices in the list at a key is named twice."""
    names = [spec.kind for spec in specs]
    if len(set(names)) < len(names):
        raise ValueError(f"`{key}` names one of them twice")
