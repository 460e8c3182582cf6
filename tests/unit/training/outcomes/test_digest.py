"""What is kept of a run's data: counts, ranges, lengths and examples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from dlcli.config.data import Arrays, Csv, DataSpec
from dlcli.config.facts import DataFacts, Target
from dlcli.config.shapes import Sequence, Time, Vector
from dlcli.data.dataset import Dataset, Split
from dlcli.training.outcomes import digest as module
from dlcli.training.outcomes.digest import can_be_named, digest, value_names
from dlcli.training.outcomes.outcome import ClassCounts, ValueRanges

ARRAYS = Arrays(path="x.npz")


def dataset(facts: DataFacts, train: Split, test: Split | None = None, spec: DataSpec = ARRAYS) -> Dataset:
    return Dataset(spec, spec.kind, spec.kind, None, facts, train, None, test, None, "a test")


def _vectors(targets: Tensor | dict[str, Tensor]) -> Split:
    count = len(targets) if isinstance(targets, Tensor) else len(next(iter(targets.values())))
    return Split(torch.zeros(count, 2), targets)


def test_classes_are_counted_in_each_split() -> None:
    """Also those that never occur; a split that is not there has no counts."""
    facts = DataFacts.of(Vector(2), num_classes=4)
    found = digest(dataset(facts, _vectors(torch.tensor([0, 1, 1, 3])), _vectors(torch.tensor([1]))))
    counts = found.answers[""]
    assert isinstance(counts, ClassCounts)
    assert {split: values.tolist() for split, values in counts.splits.items()} == {"train": [1, 2, 0, 1], "test": [0, 1, 0, 0]}
    assert found.told[""].kind == "classes"
    assert found.told[""].answers[:, 0].tolist() == [0, 1, 1, 3]
    assert found.steps is None


@pytest.mark.parametrize("at_once", [1, 1 << 22])
def test_only_steps_that_are_there_are_counted(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are looked at at once; and the examples end where their sequences do."""
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    facts = DataFacts({"input": Sequence(Time(), Vector(1))}, {"target": Target(num_classes=2, per_step=True)})
    targets = torch.tensor([[0, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    found = digest(dataset(facts, Split(torch.zeros(3, 4, 1), targets, torch.tensor([2, 4, 1]))))
    counts = found.answers[""]
    assert isinstance(counts, ClassCounts)
    assert counts.splits["train"].tolist() == [3, 4]
    np.testing.assert_array_equal(found.told[""].answers[0], [0, 1, np.nan, np.nan])
    assert found.steps is not None
    assert found.steps.counts.sum() == 3
    assert found.steps.edges[0] == 1
    assert found.steps.edges[-1] > 4


def test_lengths_are_counted_between_whole_edges() -> None:
    """Against NumPy, over all sequences and in few bins."""
    lengths = torch.randint(3, 500, (1000,), generator=torch.Generator().manual_seed(1))
    facts = DataFacts({"input": Sequence(Time(), Vector(1))}, {"target": Target(num_classes=2)})
    split = Split(torch.zeros(1000, 500, 1), torch.zeros(1000, dtype=torch.int64), lengths)
    steps = digest(dataset(facts, split)).steps
    assert steps is not None
    assert steps.counts.sum() == 1000
    assert len(steps.counts) <= 30
    for low, high, count in zip(steps.edges[:-1], steps.edges[1:], steps.counts, strict=True):
        assert count == int(((lengths >= int(low)) & (lengths < int(high))).sum())


def test_values_have_a_range() -> None:
    """Mean, standard deviation, least and largest of each, of the training split."""
    targets = torch.randn(50, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 10, 100])
    found = digest(dataset(DataFacts.of(Vector(2), num_targets=3), _vectors(targets))).answers[""]
    assert isinstance(found, ValueRanges)
    assert found.columns == ("value 1", "value 2", "value 3")
    np.testing.assert_allclose(found.mean, targets.double().mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.std, targets.double().std(0, unbiased=False), rtol=1e-6)
    np.testing.assert_allclose(found.least, targets.amin(0))
    np.testing.assert_allclose(found.largest, targets.amax(0))


def test_a_forecast_has_the_range_of_its_columns_once() -> None:
    """Not once for each step."""
    spec = Csv(path="x.csv", features=("a", "b"), target=("a", "b"), window=4, horizon=3)
    facts = DataFacts({"input": Sequence(4, Vector(2))}, {"target": Target(num_targets=6)})
    split = Split(torch.zeros(5, 4, 2), torch.arange(30.0).reshape(5, 6))
    found = digest(dataset(facts, split, spec=spec)).answers[""]
    assert isinstance(found, ValueRanges)
    assert found.columns == ("a", "b")
    assert found.least.tolist() == [0, 1]


def test_values_are_called_as_the_table_calls_them() -> None:
    """As far as they fit; else they are numbered."""
    forecast = Csv(path="x.csv", features=("a", "b"), target=("a", "b"), window=4, horizon=3)
    table = Csv(path="x.csv", features=("c",), target=("a", "b"))
    assert value_names(forecast, 6) == (("a", "b"), 3)
    assert value_names(forecast, 4) == (("value 1", "value 2", "value 3", "value 4"), 1)
    assert value_names(table, 2) == (("a", "b"), 1)
    assert value_names(ARRAYS, 1) == (("value",), 1)


def test_several_targets_have_their_names() -> None:
    """Each with its own kind; of very many classes nothing is counted."""
    facts = DataFacts({"input": Vector(2)}, {"kind": Target(num_classes=200_000), "size": Target(num_targets=1)})
    found = digest(dataset(facts, _vectors({"kind": torch.tensor([5, 6]), "size": torch.ones(2, 1)})))
    assert list(found.answers) == ["size"]
    assert list(found.told) == ["kind", "size"]


def test_more_values_than_can_be_named_are_left_out() -> None:
    """And the rest is kept: examples with the first of their answers, and the other target."""
    targets = {"many": Target(num_targets=10_001), "few": Target(num_targets=2)}
    facts = DataFacts({"input": Vector(2)}, targets)
    found = digest(dataset(facts, _vectors({"many": torch.zeros(3, 10_001), "few": torch.ones(3, 2)})))
    assert list(found.answers) == ["few"]
    assert found.told["many"].answers.shape == (3, 64)
    assert can_be_named(ARRAYS, 10_000)
