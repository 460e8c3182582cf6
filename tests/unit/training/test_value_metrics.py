"""Metrics of values against torchmetrics and scikit-learn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn
from torch import Tensor
from torchmetrics.functional import regression as torchmetrics

from dlcli.config.losses import MeanSquaredError
from dlcli.config.metrics import R2, MeanAbsoluteError, MetricSpec, RootMeanSquaredError
from tests.unit.training.metric_cases import batch_sizes, in_batches, measured, seeds

LOSS = MeanSquaredError()


def outputs_and_values(seed: int, count: int, targets: int, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    """Values around an offset, each target with a spread of its own, and outputs somewhere near them."""
    generator = torch.Generator().manual_seed(seed)
    values = offset + torch.randn(count, targets, generator=generator) * torch.arange(1, targets + 1)
    return values + torch.randn(count, targets, generator=generator) / 2, values


def of_values(spec: MetricSpec, outputs: Tensor, values: Tensor, sizes: list[int]) -> float:
    """What dlcli says of all batches."""
    return measured(spec, LOSS, in_batches(outputs, values, sizes), num_targets=values.shape[1])


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=batch_sizes, targets=st.integers(1, 3))
def test_mae(seed: int, sizes: list[int], targets: int) -> None:
    """Mean of absolute differences over samples and targets."""
    outputs, values = outputs_and_values(seed, sum(sizes), targets)
    found = of_values(MeanAbsoluteError(), outputs, values, sizes)
    assert found == pytest.approx(sklearn.mean_absolute_error(values, outputs), rel=1e-5)
    assert found == pytest.approx(float(torchmetrics.mean_absolute_error(outputs, values)), rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=batch_sizes, targets=st.integers(1, 3))
def test_rmse(seed: int, sizes: list[int], targets: int) -> None:
    """Root of the mean of squared differences over samples and targets."""
    outputs, values = outputs_and_values(seed, sum(sizes), targets)
    found = of_values(RootMeanSquaredError(), outputs, values, sizes)
    assert found == pytest.approx(sklearn.mean_squared_error(values, outputs) ** 0.5, rel=1e-5)
    assert found == pytest.approx(float(torchmetrics.mean_squared_error(outputs, values)) ** 0.5, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, sizes=batch_sizes.filter(lambda sizes: sum(sizes) > 1), targets=st.integers(1, 3))
def test_r2(seed: int, sizes: list[int], targets: int) -> None:
    """The explained share of the variance, the mean over the targets."""
    outputs, values = outputs_and_values(seed, sum(sizes), targets)
    found = of_values(R2(), outputs, values, sizes)
    assert found == pytest.approx(sklearn.r2_score(values.double(), outputs.double()), rel=1e-4, abs=1e-6)
    reference = torchmetrics.r2_score(outputs.double(), values.double(), multioutput="uniform_average")
    assert found == pytest.approx(float(reference), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("offset", [0.0, 1e6, -1e6])
@pytest.mark.parametrize("sizes", [[500], [1, 499], [7] * 71 + [3]])
def test_r2_of_values_far_from_zero(offset: float, sizes: list[int]) -> None:
    """Values such as prices or years lose no digits: sums of squares are never subtracted from each other."""
    outputs, values = outputs_and_values(3, 500, 2, offset)
    found = of_values(R2(), outputs, values, sizes)
    assert found == pytest.approx(sklearn.r2_score(values.double(), outputs.double()), rel=1e-9)


@pytest.mark.parametrize("sizes", [[90], [1, 89], [13] * 6 + [12]])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3, -7.3])
def test_r2_of_a_target_that_never_changes(value: float, sizes: list[int]) -> None:
    """As in scikit-learn: 1 where it is met exactly, 0 where it is not, whatever the batches."""
    values = torch.full((90, 1), value)
    assert of_values(R2(), values.clone(), values, sizes) == 1.0
    assert of_values(R2(), values + 1, values, sizes) == 0.0


def test_r2_means_over_a_constant_and_a_changing_target() -> None:
    """A target that never changes takes part in the mean with its 0 or 1."""
    outputs, values = outputs_and_values(5, 60, 2)
    values[:, 0] = 2.5
    found = of_values(R2(), outputs, values, [20, 40])
    assert found == pytest.approx(sklearn.r2_score(values.double(), outputs.double()), rel=1e-6)


def test_a_mean_of_the_values_has_an_r2_of_zero() -> None:
    """A network that only says the mean explains nothing."""
    values = torch.tensor([[1.0], [2.0], [6.0]])
    assert of_values(R2(), torch.full((3, 1), 3.0), values, [2, 1]) == pytest.approx(0.0, abs=1e-12)


def test_errors_are_summed_in_wide_numbers() -> None:
    """A hundred thousand small errors beside a large one are not lost."""
    outputs = torch.full((100_001, 1), 1e-4)
    outputs[0] = 1e4
    found = of_values(MeanAbsoluteError(), outputs, torch.zeros(100_001, 1), [1] + [1000] * 100)
    assert found == pytest.approx((1e4 + 10) / 100_001, rel=1e-7)
