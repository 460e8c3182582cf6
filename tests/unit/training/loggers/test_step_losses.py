"""Losses of steps: which are noted, and when the device is waited for."""

from __future__ import annotations

import pytest
import torch

from dlcli.training.loggers.step_losses import PER_EPOCH, StepLosses


class Clock:
    """Seconds, as somebody sets them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("steps_per_epoch", [1, 7, 99, 100, 199, 200, 1234, 100_000])
def test_about_a_hundred_steps_of_an_epoch_are_noted(steps_per_epoch: int) -> None:
    """All where there are fewer; evenly spaced, each with its own loss."""
    losses = StepLosses(steps_per_epoch)
    steps = min(steps_per_epoch, 2000)
    for step in range(1, steps + 1):
        losses.note(step, torch.tensor(float(step)))
    read = losses.read()
    every = steps_per_epoch // PER_EPOCH or 1
    assert read == {step: float(step) for step in range(every, steps + 1, every)}
    assert len(range(every, steps_per_epoch + 1, every)) <= max(2 * PER_EPOCH, 1)
    assert losses.read() == {}


def test_a_training_that_is_resumed_notes_the_same_steps() -> None:
    """Wherever it was interrupted."""
    whole, parts = StepLosses(300), {}
    for step in range(1, 301):
        whole.note(step, torch.tensor(1.0))
    for begin, end in ((1, 100), (101, 152), (153, 300)):
        part = StepLosses(300)
        for step in range(begin, end + 1):
            part.note(step, torch.tensor(1.0))
        parts |= part.read()
    assert parts == whole.read()


class Unreadable(torch.Tensor):
    """A loss whose value nobody may ask for yet."""

    def item(self) -> float:
        raise AssertionError("the device was waited for")

    __float__ = tolist = item  # type: ignore[assignment]


def test_the_device_is_waited_for_every_few_seconds_at_most() -> None:
    """A note only says when it is time to read."""
    clock = Clock()
    losses = StepLosses(10, clock)
    loss = torch.tensor(1.0).as_subclass(Unreadable)
    due = []
    for step in range(1, 21):
        clock.now += 1
        due.append(losses.note(step, loss))
        if due[-1]:
            losses._losses.clear()
            losses._steps.clear()
            losses.read()
    assert [step for step, is_due in enumerate(due, start=1) if is_due] == [5, 10, 15, 20]
