"""Metrics from sums that stay on the device: a confusion matrix, counts of labels, sums of errors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor

from dlcli.config.facts import Target
from dlcli.config.losses import LossSpec
from dlcli.config.metrics import F1, Accuracy, MetricSpec, OwnMetric, Precision, Recall, TopK


class Metric(ABC):
    """A number about all samples of a split, gathered batch by batch.

    Where there is an answer for each step, outputs and targets have the axis (time) after that of the batch, and the number
    is about all steps.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Takes one batch: the network's outputs and the targets."""

    @abstractmethod
    def value(self) -> float:
        """The metric over all that was taken."""


class ClassMetric(Metric):
    """Accuracy, precision, recall and F1 from counts of each class.

    Outputs are scores (batch, classes) with classes (batch,) as targets. A network may have scores for more classes than
    the data has: a sample that is called one of those is wrong.
    """

    def __init__(self, spec: MetricSpec, num_classes: int, device: torch.device) -> None:
        super().__init__(spec.kind)
        self._spec = spec
        self._confusion = torch.zeros(num_classes, num_classes + 1, dtype=torch.int64, device=device)

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        classes = len(self._confusion)
        cells = targets * (classes + 1) + outputs.argmax(dim=-1).clamp(max=classes)
        self._confusion += torch.bincount(cells.flatten(), minlength=self._confusion.numel()).reshape(classes, classes + 1)

    def value(self) -> float:
        confusion = self._confusion.cpu()
        called, of_it = confusion.sum(dim=0)[:-1], confusion.sum(dim=1)
        seen = (called + of_it) > 0
        return _averaged(self._spec, confusion.diagonal(), called, of_it, judged=seen, count=int(confusion.sum()))


class LabelMetric(Metric):
    """The same for yes-or-no labels.

    Outputs are scores (batch, labels), yes where above 0; targets are labels (batch, labels) or (batch,).
    """

    def __init__(self, spec: MetricSpec, num_labels: int, device: torch.device) -> None:
        super().__init__(spec.kind)
        self._spec = spec
        self._hits, self._called, self._of_it, self._right = torch.zeros(4, num_labels, dtype=torch.int64, device=device)
        self._count = 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        called = outputs.flatten(0, -2) > 0
        actual = targets.reshape(called.shape) > 0.5
        self._hits += (called & actual).sum(dim=0)
        self._called += called.sum(dim=0)
        self._of_it += actual.sum(dim=0)
        self._right += (called == actual).sum(dim=0)
        self._count += outputs.numel()

    def value(self) -> float:
        if isinstance(self._spec, Accuracy):
            return int(self._right.sum()) / self._count
        hits, called, of_it = self._hits.cpu(), self._called.cpu(), self._of_it.cpu()
        return _averaged(self._spec, hits, called, of_it, judged=torch.ones_like(hits), count=self._count)


class TopKMetric(Metric):
    """Share of samples whose class is among the k highest scores. Outputs (batch, classes), targets (batch,)."""

    def __init__(self, spec: TopK, device: torch.device) -> None:
        super().__init__(spec.kind)
        self._k = spec.k
        self._hits = torch.zeros((), dtype=torch.int64, device=device)
        self._count = 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        best = outputs.topk(self._k, dim=-1).indices
        self._hits += (best == targets[..., None]).any(dim=-1).sum()
        self._count += targets.numel()

    def value(self) -> float:
        return int(self._hits) / self._count


class ErrorMetric(Metric):
    """MAE, RMSE and R2 from sums. Outputs and targets are values (batch, targets)."""

    def __init__(self, spec: MetricSpec, num_targets: int, device: torch.device) -> None:
        super().__init__(spec.kind)
        precision = torch.float32 if device.type == "mps" else torch.float64
        self._absolute, self._squared, self._mean, self._spread = torch.zeros(4, num_targets, dtype=precision, device=device)
        self._count = 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        values = targets.flatten(0, -2).to(self._mean.dtype)
        errors = (outputs - targets).flatten(0, -2).to(self._mean.dtype)
        self._absolute += errors.abs().sum(dim=0)
        self._squared += errors.square().sum(dim=0)
        self._merge(values.mean(dim=0), (values - values.mean(dim=0)).square().sum(dim=0), len(values))

    def _merge(self, mean: Tensor, spread: Tensor, count: int) -> None:
        """Puts two means and sums of squares together without losing digits (Chan et al., 1979)."""
        total, shift = self._count + count, mean - self._mean
        self._spread += spread + shift.square() * (self._count * count / total)
        self._mean += shift * (count / total)
        self._count = total

    def value(self) -> float:
        targets = len(self._squared)
        if self.name == "mae":
            return float(self._absolute.sum()) / (self._count * targets)
        if self.name == "rmse":
            return math.sqrt(float(self._squared.sum()) / (self._count * targets))
        explained = 1 - self._squared / self._spread
        constant = torch.where(self._squared == 0, 1.0, 0.0).to(explained.dtype)
        return float(torch.where(self._spread > 0, explained, constant).mean())


class OwnMeasure(Metric):
    """A metric that a plug-in measures."""

    def __init__(self, spec: OwnMetric) -> None:
        super().__init__(spec.kind)
        self._measure = spec.build()

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self._measure.update(outputs, targets)

    def value(self) -> float:
        return float(self._measure.value())


def _averaged(spec: MetricSpec, hits: Tensor, called: Tensor, of_it: Tensor, *, judged: Tensor, count: int) -> float:
    """One number from counts of each class.

    Args:
        spec: which number.
        hits: samples rightly called it.
        called: samples called it.
        of_it: samples that are of it.
        judged: whether `macro` counts it. As in scikit-learn, a class that nothing is and nothing is called does not count,
            and a label does.
        count: samples, or samples times labels.
    """
    if isinstance(spec, Accuracy):
        return int(hits.sum()) / count
    assert isinstance(spec, Precision | Recall | F1)
    if spec.average == "micro":
        return float(_score(spec, hits.sum(), called.sum(), of_it.sum()))
    scores = _score(spec, hits, called, of_it)
    shares = judged.double() if spec.average == "macro" else of_it.double()
    return float((scores * shares).sum() / shares.sum()) if shares.sum() > 0 else 0.0


def _score(spec: MetricSpec, hits: Tensor, called: Tensor, of_it: Tensor) -> Tensor:
    """Hits over calls, over the class's size, or over the mean of both; 0 where there are none."""
    below = {"precision": called.double(), "recall": of_it.double(), "f1": (called + of_it) / 2}[spec.kind]
    return torch.where(below > 0, hits / below, 0.0)


def build_metrics(metrics: Iterable[MetricSpec], loss: LossSpec, target: Target, device: torch.device) -> list[Metric]:
    """The metrics that a config asks for, empty.

    Args:
        metrics: which.
        loss: tells whether classes, yes-or-no labels or values are judged.
        target: what outputs are compared with.
        device: where the outputs are.
    """
    built: list[Metric] = []
    for spec in metrics:
        if isinstance(spec, OwnMetric):
            built.append(OwnMeasure(spec))
        elif spec.judges == "values":
            built.append(ErrorMetric(spec, target.num_targets or 1, device))
        elif loss.judges == "labels":
            built.append(LabelMetric(spec, target.num_targets or 1, device))
        elif isinstance(spec, TopK):
            built.append(TopKMetric(spec, device))
        else:
            assert target.num_classes is not None
            built.append(ClassMetric(spec, target.num_classes, device))
    return built
