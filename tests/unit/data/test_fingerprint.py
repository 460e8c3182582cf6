"""The checksum by which changed data is known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dlcli.data.dataset import Split
from dlcli.data.fingerprint import fingerprint
from tests.unit.training.trainings import vectors


def _values() -> Tensor:
    return torch.arange(24, dtype=torch.float32).reshape(4, 3, 2)


def test_it_is_the_sha_256_of_names_types_sizes_and_values() -> None:
    """As written down by hand, so that a run of today is known by a later version."""
    labels = torch.tensor([3, 1])
    content = b"train/inputs torch.float32 [4, 3, 2]\n" + _values().numpy().tobytes()
    content += b"train/targets torch.int64 [2]\n" + labels.numpy().tobytes()
    found = fingerprint([("train/inputs", _values()), ("train/targets", labels)])
    assert found == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.index_put((torch.tensor(3), torch.tensor(2), torch.tensor(1)), torch.tensor(-1.0)),
        lambda values: values.double(),
        lambda values: values.reshape(4, 6),
        lambda values: values[:3],
        lambda values: values.flip(0),
    ],
    ids=["a value", "a type", "a size", "a sample", "an order"],
)
def test_any_change_gives_another_one(change: Callable[[Tensor], Tensor]) -> None:
    """Of the last value too."""
    assert fingerprint([("x", change(_values()))]) != fingerprint([("x", _values())])


def test_where_values_lie_in_memory_does_not_matter() -> None:
    """A part of a larger array, and one with its axes in another order."""
    apart = torch.zeros(4, 3, 5)
    apart[..., 1:3] = _values()
    other_order = _values().permute(2, 1, 0).contiguous().permute(2, 1, 0)
    found = {fingerprint([("x", values)]) for values in (_values(), apart[..., 1:3], other_order)}
    assert len(found) == 1


def _windows(rows: Tensor, stride: int = 1) -> Tensor:
    return rows.unfold(0, 4, stride).transpose(1, 2)


def test_of_windows_that_overlap_each_row_is_read_once() -> None:
    """A row of theirs that changes is seen, one before or behind them is not, and other windows over equal rows are others."""
    rows = torch.arange(40, dtype=torch.float32).reshape(20, 2)
    before = fingerprint([("x", _windows(rows[1:-1]))])
    for row, is_seen in ((0, False), (1, True), (18, True), (19, False)):
        changed = rows.clone()
        changed[row] = -1
        assert (fingerprint([("x", _windows(changed[1:-1]))]) != before) is is_seen
    assert fingerprint([("x", _windows(rows, 2)[:4])]) != fingerprint([("x", _windows(rows)[:4])])


def test_a_dataset_tells_its_splits_and_their_parts_apart() -> None:
    """The same tensors in another split or by other names are other data; lengths count too; equal data is equal."""
    dataset, inputs = vectors(), torch.zeros(2, 3)
    assert vectors().fingerprint == dataset.fingerprint
    assert vectors(valid=0).fingerprint != dataset.fingerprint
    splits = [
        Split({"a": inputs, "b": inputs + 1}, inputs),
        Split({"a": inputs + 1, "b": inputs}, inputs),
        Split(inputs, {"a": inputs}),
        Split(inputs, inputs),
        Split(inputs, inputs, torch.tensor([3, 2])),
        Split(inputs, inputs, torch.tensor([2, 3])),
    ]
    assert len({fingerprint(split.named()) for split in splits}) == len(splits)
    turned = Split({"b": inputs + 1, "a": inputs}, inputs)
    assert fingerprint(turned.named()) == fingerprint(splits[0].named())
