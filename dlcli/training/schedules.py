"""The learning rate as a function of the step. Only `plateau` remembers anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dlcli.config import schedules as specs


@dataclass
class PlateauState:
    """What `plateau` has seen."""

    best: float | None = None
    bad_epochs: int = 0
    factor: float = 1.0
    """What the rate is multiplied by."""


@dataclass(frozen=True)
class Schedule:
    """A schedule for a training of known length.

    Attributes:
        spec: which schedule.
        base: the optimiser's rate.
        steps_per_epoch: steps of a whole epoch.
        total_steps: steps of the whole training.
    """

    spec: specs.ScheduleSpec
    base: float
    steps_per_epoch: int
    total_steps: int

    def rate(self, step: int, plateau: PlateauState) -> float:
        """The rate of a step, counted from 0."""
        try:
            return self._rate(step, plateau)
        except OverflowError:
            return math.inf

    def _rate(self, step: int, plateau: PlateauState) -> float:
        warmup = self.spec.warmup
        if step < warmup:
            return self._after_warmup(0, plateau) * (step + 1) / (warmup + 1)
        return self._after_warmup(step - warmup, plateau)

    def _after_warmup(self, step: int, plateau: PlateauState) -> float:
        spec, base = self.spec, self.base
        epoch = (step + self.spec.warmup) // self.steps_per_epoch
        last = max(1, self.total_steps - self.spec.warmup - 1)
        progress = min(1.0, step / last)
        match spec:
            case specs.Step():
                return base * spec.gamma ** (epoch // spec.step_size)
            case specs.MultiStep():
                return base * spec.gamma ** sum(epoch >= milestone for milestone in spec.milestones)
            case specs.Exponential():
                return base * spec.gamma**epoch
            case specs.Cosine():
                return _cosine(base, base * spec.final, progress)
            case specs.OneCycle():
                return _one_cycle(spec, base, step, last + 1)
            case specs.Plateau():
                return max(base * plateau.factor, min(base, spec.min_lr))
        return base

    def after_epoch(self, value: float, plateau: PlateauState, *, larger_is_better: bool) -> None:
        """Tells `plateau` the monitored value of an epoch that has ended; others don't listen."""
        spec = self.spec
        if not isinstance(spec, specs.Plateau):
            return
        if plateau.best is None or _is_better(value, plateau.best, spec.threshold, larger_is_better):
            plateau.best, plateau.bad_epochs = value, 0
            return
        plateau.bad_epochs += 1
        if plateau.bad_epochs > spec.patience:
            plateau.factor *= spec.factor
            plateau.bad_epochs = 0


def _is_better(value: float, best: float, threshold: float, larger_is_better: bool) -> bool:
    margin = abs(best) * threshold
    return value > best + margin if larger_is_better else value < best - margin


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _one_cycle(spec: specs.OneCycle, peak: float, step: int, steps: int) -> float:
    start = peak / spec.div_factor
    end = start / spec.final_div_factor
    turn = spec.pct_start * steps - 1
    if step <= turn:
        return _cosine(start, peak, step / turn if turn > 0 else 1.0)
    rest = steps - 1 - turn
    return _cosine(peak, end, min(1.0, (step - turn) / rest) if rest > 0 else 1.0)
