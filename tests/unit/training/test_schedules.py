"""Learning rates against torch's own schedulers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from dlcli.config import schedules as specs
from dlcli.training.schedules import PlateauState, Schedule

BASE = 0.4
STEPS_PER_EPOCH = 5
EPOCHS = 6
TOTAL = EPOCHS * STEPS_PER_EPOCH

EVERY_SCHEDULE = [
    specs.Constant(),
    specs.Step(step_size=2),
    specs.MultiStep(milestones=(1, 4)),
    specs.Exponential(),
    specs.Cosine(final=0.1),
    specs.OneCycle(),
    specs.Plateau(),
]


def rates(spec: specs.ScheduleSpec, total: int = TOTAL) -> list[float]:
    """The rate of every step of a training in which nothing ever gets worse."""
    schedule = Schedule(spec, BASE, STEPS_PER_EPOCH, total)
    return [schedule.rate(step, PlateauState()) for step in range(total)]


def torch_rates(build: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], count: int) -> list[float]:
    """The rates that one of torch's schedulers gives in turn."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    scheduler = build(optimizer)
    found = []
    for index in range(count):
        found.append(float(optimizer.param_groups[0]["lr"]))
        if index < count - 1:
            optimizer.step()
            scheduler.step()
    return found


def by_epoch(values: list[float]) -> list[float]:
    """Each epoch's rate for each of its steps."""
    return [value for value in values for _ in range(STEPS_PER_EPOCH)]


def test_the_table_of_cases_is_complete() -> None:
    """Every schedule that a config can name is among those that the tests below go over."""
    assert {spec.kind for spec in EVERY_SCHEDULE} == set(specs.SCHEDULES)


def test_constant_stays() -> None:
    """Every step has the optimiser's rate."""
    assert rates(specs.Constant()) == [BASE] * TOTAL


@pytest.mark.parametrize(("step_size", "gamma"), [(1, 0.5), (2, 0.1), (4, 0.9), (100, 0.1)])
def test_step_is_torchs(step_size: int, gamma: float) -> None:
    """Each epoch has the rate that StepLR gives it."""
    expected = torch_rates(lambda optimizer: lr_scheduler.StepLR(optimizer, step_size, gamma), EPOCHS)
    assert rates(specs.Step(step_size=step_size, gamma=gamma)) == pytest.approx(by_epoch(expected), rel=1e-12)


@pytest.mark.parametrize("milestones", [(1,), (2, 3), (3, 3), (4, 2), (50,)])
def test_multistep_is_torchs(milestones: tuple[int, ...]) -> None:
    """Each epoch has the rate that MultiStepLR gives it, for milestones in any order, named twice or never reached."""
    expected = torch_rates(lambda optimizer: lr_scheduler.MultiStepLR(optimizer, list(milestones), 0.3), EPOCHS)
    assert rates(specs.MultiStep(milestones=milestones, gamma=0.3)) == pytest.approx(by_epoch(expected), rel=1e-12)


def test_exponential_is_torchs() -> None:
    """Each epoch has the rate that ExponentialLR gives it."""
    expected = torch_rates(lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.7), EPOCHS)
    assert rates(specs.Exponential(gamma=0.7)) == pytest.approx(by_epoch(expected), rel=1e-12)


@pytest.mark.parametrize("final", [0.0, 0.25, 1.0])
def test_cosine_is_torchs(final: float) -> None:
    """Each step has the rate that CosineAnnealingLR gives it; the last step has the final one."""
    expected = torch_rates(
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=TOTAL - 1, eta_min=BASE * final), TOTAL
    )
    found = rates(specs.Cosine(final=final))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found[-1] == pytest.approx(BASE * final, abs=1e-12)


@settings(deadline=None)
@given(
    total=st.integers(2, 60),
    pct_start=st.floats(0.01, 0.99),
    div_factor=st.floats(1, 50),
    final_div_factor=st.floats(1, 1e5),
)
def test_one_cycle_is_torchs(total: int, pct_start: float, div_factor: float, final_div_factor: float) -> None:
    """Each step has the rate that OneCycleLR gives it, for any shape of the cycle."""
    turn = pct_start * total - 1
    assume(abs(turn) > 1e-6 and abs(total - 1 - turn) > 1e-6)  # there torch divides by zero
    expected = torch_rates(
        lambda optimizer: lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=BASE,
            total_steps=total,
            pct_start=pct_start,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            cycle_momentum=False,
        ),
        total,
    )
    spec = specs.OneCycle(pct_start=pct_start, div_factor=div_factor, final_div_factor=final_div_factor)
    assert rates(spec, total) == pytest.approx(expected, rel=1e-9)


def test_one_cycle_turns_where_torch_divides_by_zero() -> None:
    """Where the rise would take no step at all, the training starts at the peak."""
    found = rates(specs.OneCycle(pct_start=0.25), total=4)
    assert found[0] == pytest.approx(BASE)
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("spec", EVERY_SCHEDULE, ids=lambda spec: spec.kind)
def test_a_training_of_one_step_moves(spec: specs.ScheduleSpec) -> None:
    """However short the training, its rate is above 0 and at most the optimiser's."""
    for total in (1, 2):
        assert all(0 < rate <= BASE for rate in rates(spec, total)[:1])


@pytest.mark.parametrize("spec", EVERY_SCHEDULE, ids=lambda spec: spec.kind)
def test_steps_beyond_the_end_keep_the_last_rate(spec: specs.ScheduleSpec) -> None:
    """A run that goes on for longer than was planned is not raised to the peak again."""
    schedule = Schedule(spec, BASE, 1000, TOTAL)
    last = schedule.rate(TOTAL - 1, PlateauState())
    assert [schedule.rate(TOTAL + more, PlateauState()) for more in (0, 1, 500)] == pytest.approx([last] * 3)


@pytest.mark.parametrize("warmup", [1, 3, 10])
@pytest.mark.parametrize("spec", EVERY_SCHEDULE, ids=lambda spec: spec.kind)
def test_warmup_rises_in_equal_steps_to_the_start(spec: specs.ScheduleSpec, warmup: int) -> None:
    """The rate of step s is (s + 1) / (warmup + 1) of that of the first step after the warm-up."""
    found = rates(spec.model_copy(update={"warmup": warmup}))
    assert found[:warmup] == pytest.approx([found[warmup] * (step + 1) / (warmup + 1) for step in range(warmup)])


@pytest.mark.parametrize("warmup", [1, 7])
@pytest.mark.parametrize("spec", [specs.Cosine(final=0.1), specs.OneCycle()], ids=lambda spec: spec.kind)
def test_after_the_warmup_the_curve_has_its_whole_shape(spec: specs.ScheduleSpec, warmup: int) -> None:
    """What is left of the training is what the curve is stretched over."""
    assert rates(spec.model_copy(update={"warmup": warmup}))[warmup:] == pytest.approx(rates(spec, TOTAL - warmup))


@pytest.mark.parametrize("warmup", [1, 7])
@pytest.mark.parametrize(
    "spec", [specs.Step(step_size=2), specs.MultiStep(milestones=(2, 4)), specs.Exponential()], ids=lambda spec: spec.kind
)
def test_a_warmup_does_not_shift_epochs(spec: specs.ScheduleSpec, warmup: int) -> None:
    """Schedules that count epochs count those of the training, warm-up included."""
    assert rates(spec.model_copy(update={"warmup": warmup}))[warmup:] == pytest.approx(rates(spec)[warmup:])


@pytest.mark.parametrize("spec", EVERY_SCHEDULE, ids=lambda spec: spec.kind)
def test_a_warmup_longer_than_the_training_only_rises(spec: specs.ScheduleSpec) -> None:
    """The training ends before the warm-up does, at a rate below the optimiser's."""
    found = rates(spec.model_copy(update={"warmup": 3 * TOTAL}))
    assert found == sorted(set(found))
    assert found[0] > 0
    assert found[-1] < BASE


@settings(deadline=None)
@given(
    values=st.lists(st.integers(1, 12).map(lambda eighths: eighths / 8), min_size=1, max_size=25),
    mode=st.sampled_from(["min", "max"]),
    patience=st.integers(0, 3),
    threshold=st.sampled_from([0.0, 0.125, 0.5]),
    min_lr=st.sampled_from([0.0, 0.05, 10.0]),
)
def test_plateau_is_torchs(values: list[float], mode: str, patience: int, threshold: float, min_lr: float) -> None:
    """After each epoch the rate is that of ReduceLROnPlateau, in both directions, ties and thresholds included."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE)
    reference = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=mode, factor=0.5, patience=patience, threshold=threshold, min_lr=min_lr, eps=0.0
    )
    spec = specs.Plateau(factor=0.5, patience=patience, threshold=threshold, min_lr=min_lr)
    schedule, state = Schedule(spec, BASE, 1, len(values)), PlateauState()
    for epoch, value in enumerate(values):
        optimizer.step()
        reference.step(value)
        schedule.after_epoch(value, state, larger_is_better=mode == "max")
        assert schedule.rate(epoch + 1, state) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


@pytest.mark.parametrize(
    ("value", "larger_is_better", "is_better"),
    [(-1.05, False, False), (-1.2, False, True), (-0.95, True, False), (-0.8, True, True)],
)
def test_plateau_measures_the_threshold_by_size(value: float, larger_is_better: bool, is_better: bool) -> None:
    """Of a negative best value too, only what is better by the threshold counts (torch counts worse values there)."""
    schedule = Schedule(specs.Plateau(patience=0, threshold=0.1), BASE, 1, 10)
    state = PlateauState(best=-1.0)
    schedule.after_epoch(value, state, larger_is_better=larger_is_better)
    assert (state.factor == 1.0) == is_better
    assert (state.best == value) == is_better


@pytest.mark.parametrize("spec", EVERY_SCHEDULE, ids=lambda spec: spec.kind)
def test_only_plateau_listens(spec: specs.ScheduleSpec) -> None:
    """Values that get worse and worse change the rate of `plateau` alone."""
    state = PlateauState()
    schedule = Schedule(spec, BASE, STEPS_PER_EPOCH, TOTAL)
    for epoch in range(20):
        schedule.after_epoch(float(epoch), state, larger_is_better=False)
    assert (state != PlateauState()) == isinstance(spec, specs.Plateau)


def test_plateau_shares_the_warmup() -> None:
    """A rate lowered during the warm-up is lowered for the rest of it."""
    schedule = Schedule(specs.Plateau(warmup=9), BASE, STEPS_PER_EPOCH, TOTAL)
    assert schedule.rate(4, PlateauState(factor=0.1)) == pytest.approx(BASE * 0.1 * 5 / 10)
