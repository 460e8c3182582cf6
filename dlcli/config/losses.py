"""Losses: what is made small."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from dlcli.config.spec import Spec, table
from dlcli.config.values import PositiveFloat, Probability, Weights


class LossSpec(Spec):
    """What is made small."""

    judges: ClassVar[Literal["classes", "labels", "values"]]
    """What it compares the output with: one class, yes-or-no labels, or values. Of classes and labels it reads logits."""


class OwnLoss(LossSpec):
    """A loss that computes itself, as those of plug-ins do."""

    @abstractmethod
    def build(self) -> Callable[[Any, Any], Any]:
        """A function of outputs and targets of a batch that gives the mean over its samples, a tensor of no axes."""


class CrossEntropy(LossSpec):
    """Softmax and negative log-likelihood of the class. Reads scores of any size (logits), one for each class."""

    kind: ClassVar[str] = "cross_entropy"
    judges: ClassVar[Literal["classes", "labels", "values"]] = "classes"

    label_smoothing: Probability = 0.0
    """Share of the target spread over all classes."""
    class_weights: Weights | None = None
    """One number for each class, at least 0."""


class BinaryCrossEntropy(LossSpec):
    """Sigmoid and negative log-likelihood of each yes-or-no label. Reads scores of any size (logits)."""

    kind: ClassVar[str] = "binary_cross_entropy"
    judges: ClassVar[Literal["classes", "labels", "values"]] = "labels"

    pos_weight: Weights | None = None
    """One number for each label: how much more a yes counts than a no."""


class MeanSquaredError(LossSpec):
    """Mean of squared differences."""

    kind: ClassVar[str] = "mse"
    judges: ClassVar[Literal["classes", "labels", "values"]] = "values"


class L1(LossSpec):
    """Mean of absolute differences."""

    kind: ClassVar[str] = "l1"
    judges: ClassVar[Literal["classes", "labels", "values"]] = "values"


class Huber(LossSpec):
    """Squared up to `delta`, linear beyond (Huber, 1964)."""

    kind: ClassVar[str] = "huber"
    judges: ClassVar[Literal["classes", "labels", "values"]] = "values"
    main: ClassVar[str] = "delta"

    delta: PositiveFloat = 1.0


LOSSES = table(CrossEntropy, BinaryCrossEntropy, MeanSquaredError, L1, Huber)
