"""Losses: each is the mean over a batch, and knows over how much it is the mean."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from dlcli.config import losses as specs
from dlcli.errors import UsageError


class Loss(ABC):
    """What is made small.

    Called with the network's outputs and the targets of one batch it gives the mean over samples, and over steps where
    there is an answer for each, as a tensor of no axes.
    """

    @abstractmethod
    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor: ...

    def weight(self, targets: Tensor) -> float | Tensor:
        """What the mean was divided by, in samples or their steps: batches are put together by it."""
        is_one_number = targets.ndim == 1 or not targets.is_floating_point()
        return float(targets.numel() if is_one_number else targets.shape[:-1].numel())


class CrossEntropyLoss(Loss):
    """Scores (batch, classes) and classes (batch,), or for each step (batch, time, classes) and (batch, time)."""

    def __init__(self, spec: specs.CrossEntropy, device: torch.device) -> None:
        self._smoothing = spec.label_smoothing
        self._class_weights = torch.tensor(spec.class_weights, device=device) if spec.class_weights is not None else None

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        weights = self._class_weights.to(outputs.dtype) if self._class_weights is not None else None
        scores, classes = outputs.flatten(0, -2), targets.flatten()
        return functional.cross_entropy(scores, classes, weights, label_smoothing=self._smoothing)

    def weight(self, targets: Tensor) -> float | Tensor:
        return super().weight(targets) if self._class_weights is None else self._class_weights[targets].sum()


class BinaryCrossEntropyLoss(Loss):
    """Scores (batch, labels) and yes-or-no labels (batch, labels) or, for one label, (batch,).

    For each step (batch, time, labels) or, for one label, (batch, time).
    """

    def __init__(self, spec: specs.BinaryCrossEntropy, device: torch.device) -> None:
        self._pos_weight = torch.tensor(spec.pos_weight, device=device) if spec.pos_weight is not None else None

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        labels = targets.reshape(outputs.shape).to(outputs.dtype)
        return functional.binary_cross_entropy_with_logits(outputs, labels, pos_weight=self._pos_weight)


class RegressionLoss(Loss):
    """Values (batch, targets), or for each step (batch, time, targets), on both sides."""

    def __init__(self, spec: specs.MeanSquaredError | specs.L1 | specs.Huber) -> None:
        self._spec = spec

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        match self._spec:
            case specs.MeanSquaredError():
                return functional.mse_loss(outputs, targets)
            case specs.L1():
                return functional.l1_loss(outputs, targets)
            case specs.Huber(delta=delta):
                return functional.huber_loss(outputs, targets, delta=delta)


class OwnLoss(Loss):
    """A loss that a plug-in computes."""

    def __init__(self, spec: specs.OwnLoss) -> None:
        self._kind = spec.kind
        self._compute = spec.build()

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        loss = self._compute(outputs, targets)
        if not isinstance(loss, Tensor) or loss.ndim:
            found = f"a tensor of sizes {list(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise UsageError(f"the loss `{self._kind}` gives {found}", help="give the mean over the batch: a tensor of no axes")
        return loss


def build_loss(spec: specs.LossSpec, device: torch.device) -> Loss:
    """The loss that a spec asks for."""
    match spec:
        case specs.OwnLoss():
            return OwnLoss(spec)
        case specs.CrossEntropy():
            return CrossEntropyLoss(spec, device)
        case specs.BinaryCrossEntropy():
            return BinaryCrossEntropyLoss(spec, device)
        case specs.MeanSquaredError() | specs.L1() | specs.Huber():
            return RegressionLoss(spec)
    raise AssertionError(f"no loss for {type(spec).__name__}")
