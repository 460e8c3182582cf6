"""The learning rate of each step, as the schedule of a run has it."""

from __future__ import annotations

import math
from typing import Final

from dlcli.app.kept_runs.record import number_at, whole_at
from dlcli.app.report.gather import Saved
from dlcli.config.schedules import Plateau
from dlcli.training.schedules import PlateauState, Schedule

_MOST_STEPS: Final = 1000
"""That are drawn: of more, evenly spread ones."""


def rates_of_steps(saved: Saved) -> tuple[list[int], list[float]] | None:
    """Steps, counted from 1, and their rates.

    Returns:
        None where the schedule does not tell them: what `plateau` does depends on the training, and a run that was taken up again
        with other settings has had two schedules.
    """
    if saved.experiment is None or isinstance(saved.experiment.train.schedule, Plateau):
        return None
    found = [(whole_at(event, "epoch"), whole_at(event, "step"), number_at(event, "lr")) for event in saved.epochs]
    epochs = [(epoch, step, rate) for epoch, step, rate in found if epoch and step and rate is not None]
    if not epochs or len(epochs) < len(found) or epochs[0][1] % epochs[0][0]:
        return None
    train, steps_per_epoch = saved.experiment.train, epochs[0][1] // epochs[0][0]
    total = int(min(train.epochs * steps_per_epoch, train.max_steps or math.inf))
    schedule, untouched = Schedule(train.schedule, train.optimizer.lr, steps_per_epoch, total), PlateauState()
    firsts = ((schedule.rate((epoch - 1) * steps_per_epoch, untouched), rate) for epoch, _, rate in epochs)
    if not all(math.isclose(first, rate, rel_tol=1e-6) for first, rate in firsts):
        return None
    steps = _spread(epochs[-1][1])
    return [step + 1 for step in steps], [schedule.rate(step, untouched) for step in steps]


def _spread(count: int) -> list[int]:
    """At most so many steps, evenly spread, the first and the last among them."""
    if count <= _MOST_STEPS:
        return list(range(count))
    return [place * (count - 1) // (_MOST_STEPS - 1) for place in range(_MOST_STEPS)]
