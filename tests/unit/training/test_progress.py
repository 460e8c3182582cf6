"""How far a training has come."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcli.training.progress import Best, Progress
from dlcli.training.schedules import PlateauState

counts = st.integers(0, 2**53)
seconds = st.floats(0, 1e9)
values = st.floats(allow_nan=False, allow_infinity=False)

progresses = st.builds(
    Progress,
    epoch=counts,
    step=counts,
    step_in_epoch=counts,
    loss_sum=values,
    samples=counts,
    epoch_seconds=seconds,
    train_seconds=seconds,
    total_samples=counts,
    elapsed_seconds=seconds,
    best=st.none() | st.builds(Best, value=values, loss=values, epoch=counts, step=counts),
    epochs_without_better=counts,
    to_beat=st.none() | values,
    plateau=st.builds(PlateauState, best=st.none() | values, bad_epochs=counts, factor=st.floats(0, 1)),
    finished=st.none() | st.sampled_from(["epochs", "max_steps", "max_time", "early_stopping"]),
)


def after(values: list[float], *, larger_is_better: bool = False, min_delta: float = 0.0) -> Progress:
    """The progress after epochs of these values, each of ten steps."""
    progress = Progress()
    for value in values:
        progress.step += 10
        progress.end_epoch(value, 1.0, larger_is_better=larger_is_better, min_delta=min_delta)
    return progress


@settings(deadline=None)
@given(progress=progresses)
def test_progress_survives_json(progress: Progress) -> None:
    """Written as JSON and read back it is the same, to the last digit of every number."""
    assert Progress.from_json(json.loads(json.dumps(progress.as_json()))) == progress


@pytest.mark.parametrize("key", ["unknown", "best", "plateau"])
def test_what_is_no_progress_is_refused(key: str) -> None:
    """A state with an unknown key, or without a known one, raises what the trainer turns into a CheckpointError."""
    state = Progress().as_json()
    if key in state:
        del state[key]
    else:
        state[key] = 1
    with pytest.raises((KeyError, TypeError)):
        Progress.from_json(state)


def test_an_epoch_that_ends_hands_its_sums_over() -> None:
    """Counts of the epoch under way start anew; seconds and samples are added to those of all epochs."""
    progress = Progress(step=7, step_in_epoch=7, loss_sum=3.5, samples=70, epoch_seconds=2.0, train_seconds=1.0, total_samples=30)
    progress.end_epoch(0.5, 1.0, larger_is_better=False, min_delta=0.0)
    assert (progress.epoch, progress.step, progress.step_in_epoch) == (1, 7, 0)
    assert (progress.loss_sum, progress.samples, progress.epoch_seconds) == (0.0, 0, 0.0)
    assert (progress.train_seconds, progress.total_samples) == (3.0, 100)


@settings(deadline=None)
@given(values=st.lists(st.integers(-5, 5).map(float), min_size=1), larger_is_better=st.booleans())
def test_the_best_is_the_first_of_the_best_epochs(values: list[float], larger_is_better: bool) -> None:
    """After any epochs of equal loss, the best is what max or min of all values says; of equal ones the earliest."""
    progress = after(values, larger_is_better=larger_is_better)
    best = max(values) if larger_is_better else min(values)
    epoch = values.index(best) + 1
    assert progress.best == Best(best, 1.0, epoch, 10 * epoch)
    assert progress.epochs_without_better == len(values) - epoch


def test_each_epoch_says_whether_it_is_the_best() -> None:
    """The answer of each call, for values that rise, fall and repeat."""
    progress = Progress()
    found = [progress.end_epoch(value, 1.0, larger_is_better=True, min_delta=0.0) for value in (0.5, 0.4, 0.5, 0.6, 0.6)]
    assert found == [True, False, False, True, False]


def test_of_equal_values_the_smaller_loss_is_the_better() -> None:
    """Accuracy 1.0 twice: the epoch with the smaller loss, whichever comes first; early stopping counts it as no gain."""
    progress = Progress()
    pairs = [(0.9, 0.1), (1.0, 0.5), (1.0, 0.3), (1.0, 0.4), (0.9, 0.0)]
    found = [progress.end_epoch(value, loss, larger_is_better=True, min_delta=0.0) for value, loss in pairs]
    assert found == [True, True, True, False, False]
    assert progress.best is not None
    assert (progress.best.epoch, progress.best.loss) == (3, 0.3)
    assert progress.epochs_without_better == 3


@pytest.mark.parametrize("larger_is_better", [True, False])
def test_min_delta_is_for_the_waiting_alone(larger_is_better: bool) -> None:
    """A gain below min_delta makes an epoch the best, and early stopping goes on counting."""
    sign = 1 if larger_is_better else -1
    progress = after([0.0, 0.05 * sign], larger_is_better=larger_is_better, min_delta=0.1)
    assert progress.best == Best(0.05 * sign, 1.0, 2, 20)
    assert progress.epochs_without_better == 1


@pytest.mark.parametrize("larger_is_better", [True, False])
def test_small_gains_add_up(larger_is_better: bool) -> None:
    """Slow but steady gains start the waiting anew once they come to more than min_delta together."""
    sign = 1 if larger_is_better else -1
    waiting = [
        after([0.06 * sign * step for step in range(epochs)], larger_is_better=larger_is_better, min_delta=0.1)
        for epochs in range(1, 7)
    ]
    assert [progress.epochs_without_better for progress in waiting] == [0, 1, 0, 1, 0, 1]


def test_a_gain_of_exactly_min_delta_is_not_enough() -> None:
    """Better by min_delta means by more than it."""
    assert after([1.0, 1.25], larger_is_better=True, min_delta=0.25).epochs_without_better == 1
    assert after([1.0, 1.375], larger_is_better=True, min_delta=0.25).epochs_without_better == 0


@pytest.mark.parametrize("larger_is_better", [True, False])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_nan_is_never_the_best(position: int, larger_is_better: bool) -> None:
    """NaN at any epoch, the first included, is not better than anything, and what comes after it is compared as before."""
    numbers = [1.0, 2.0]
    numbers.insert(position, math.nan)
    progress = after(numbers, larger_is_better=larger_is_better)
    clean = after([1.0, 2.0], larger_is_better=larger_is_better)
    assert progress.best is not None
    assert clean.best is not None
    assert progress.best.value == clean.best.value
    assert after([math.nan], larger_is_better=larger_is_better).best is None
    assert after([math.nan, math.nan]).epochs_without_better == 2


def test_infinity_is_only_better_than_nothing() -> None:
    """An infinite loss is beaten by any number."""
    progress = after([math.inf, 5.0])
    assert progress.best == Best(5.0, 1.0, 2, 20)
