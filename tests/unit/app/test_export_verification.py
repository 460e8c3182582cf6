"""Exports that are wrong in some way, each told from a right one; and what is noted of a right one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dlcli.app.export import writing
from dlcli.app.export.batches import Batch
from dlcli.app.export.verification import Outputs, Verified, answer_of, verify
from dlcli.config.shapes import Image, Sequence, Time, Vector
from dlcli.errors import CheckpointError, ResourceError, UsageError
from dlcli.models.network import Network
from tests.unit.app.export_cases import built, network_of

PER_STEP = "[gru: {hidden_size: 4, bidirectional: true}]"


@pytest.fixture
def network() -> Network:
    """One answer for each step of sequences of different lengths."""
    return built(Sequence(Time(), Vector(3)), PER_STEP)


def _changed(network: Network, change: Callable[[Tensor, Batch], Tensor]) -> Callable[[Batch], Outputs]:
    """An export that says almost the same."""
    return lambda batch: {name: change(output, batch) for name, output in answer_of(network, batch).items()}


def test_a_right_export_has_no_difference(network: Network) -> None:
    """It is compared at two batch sizes and two lengths."""
    verified = verify(network, _changed(network, lambda output, _: output.clone()), 0.0)
    assert verified == Verified((1, 5), (16, 39), {"gru_1": 0.0}, 0.0)
    assert str(verified) == "on random batches of 1 and 5 samples of up to 16 and 39 steps the outputs differ by at most 0"


def _one_more(output: Tensor, batch: Batch) -> Tensor:
    return torch.cat((output, output[:1]))


def _shifted(output: Tensor, batch: Batch) -> Tensor:
    return output + 2e-4


def _not_a_number(output: Tensor, batch: Batch) -> Tensor:
    return output.index_fill(2, torch.tensor([0]), math.nan)


def _padding_is_read(output: Tensor, batch: Batch) -> Tensor:
    return output + 0 * batch.inputs["input"].sum(2, keepdim=True)


def _frozen_time(output: Tensor, batch: Batch) -> Tensor:
    if output.shape[1] != 16:
        raise RuntimeError("Got: 39 Expected: 16\nPlease fix")
    return output


def _frozen_batch(output: Tensor, batch: Batch) -> Tensor:
    if len(output) != 1:
        raise AssertionError("Guard failed")
    return output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_one_more, r"gives `gru_1` of \[2, 16, 8\] in place of \[1, 16, 8\]"),
        (_shifted, r"gives other values: `gru_1` differs by 0.0002\d* on 1 sample of up to \d+ steps"),
        (_not_a_number, "gives other values: `gru_1` differs by nan"),
        (_padding_is_read, "gives other values: `gru_1` differs by nan"),
        (_frozen_time, "does not run on 1 sample of up to .* steps: RuntimeError: Got: 39 Expected: 16 Please fix"),
        (_frozen_batch, "does not run on 5 samples of up to .* steps: AssertionError: Guard failed"),
    ],
)
def test_a_wrong_export_is_told(network: Network, change: Callable[[Tensor, Batch], Tensor], message: str) -> None:
    """A shape, a value, padding that gets in, an axis that did not stay free: exit code 5."""
    with pytest.raises(CheckpointError, match=message):
        verify(network, _changed(network, change), 1e-4)


def test_an_output_of_another_name_is_told(network: Network) -> None:
    """Else two heads could change places."""
    with pytest.raises(CheckpointError, match="has the outputs other, and the network gru_1"):
        verify(network, lambda batch: {"other": answer_of(network, batch)["gru_1"]}, 1e-4)


def test_memory_that_runs_out_is_no_fault_of_the_export(network: Network) -> None:
    """Exit code 6."""

    def answer(batch: Batch) -> Outputs:
        raise MemoryError

    with pytest.raises(ResourceError, match="not enough memory"):
        verify(network, answer, 1e-4)


def test_differences_are_shares_of_large_values() -> None:
    """Float32 has no more than 7 digits."""
    network = built(Vector(3), "[linear: 2]")
    with torch.no_grad():
        network.get_submodule("linear_1").weight.fill_(1e4)  # type: ignore[union-attr]  # a Parameter
    verified = verify(network, _changed(network, lambda output, _: output * (1 + 5e-7)), 1e-6)
    assert verified.largest_difference["linear_1"] > 1e-4
    with pytest.raises(CheckpointError, match="gives other values"):
        verify(network, _changed(network, lambda output, _: output * (1 + 5e-6)), 1e-6)


def test_no_lone_sample_is_asked_of_where_it_has_no_answer() -> None:
    """A norm over the batch has no variance of one value."""
    network = built(Image(1, 1, 1), "[batch_norm2d: {track_running_stats: false}]")
    assert verify(network, _changed(network, lambda output, _: output), 1e-6).batch_sizes == (2, 5)


def test_answers_of_several_outputs_have_their_names() -> None:
    """And 0 behind the end of those that are for each step."""
    network = network_of("several inputs and outputs")
    verified = verify(network, lambda batch: answer_of(network, batch), 0.0)
    assert verified.largest_difference == {"second": 0.0, "first": 0.0, "shares": 0.0}


@pytest.mark.parametrize("before", [None, b"", b"[1]", b'{"onnx": 3, "pt2": {"file": "a"}}', b"[" * 100_000])
def test_notes_of_other_targets_stay_and_damaged_ones_are_replaced(before: bytes | None, tmp_path: Path) -> None:
    """A run's folder may hold anything."""
    if before is not None:
        (tmp_path / "verify.json").write_bytes(before)
    writing.note(tmp_path, "onnx", {"file": "model.onnx"})
    kept = {"pt2": {"file": "a"}} if before and b"pt2" in before else {}
    assert json.loads((tmp_path / "verify.json").read_bytes()) == {**kept, "onnx": {"file": "model.onnx"}}


def test_a_link_in_the_place_of_the_notes_is_not_followed(tmp_path: Path) -> None:
    """What it leads to stays as it is."""
    (tmp_path / "other.json").write_text('{"mine": 1}')
    (tmp_path / "verify.json").symlink_to("other.json")
    writing.note(tmp_path, "onnx", {})
    assert (tmp_path / "other.json").read_text() == '{"mine": 1}'
    assert json.loads((tmp_path / "verify.json").read_text()) == {"onnx": {}}


def test_windows_have_room_in_every_batch() -> None:
    """Where 16 steps are too few for them."""
    network = built(Sequence(Time(), Vector(1)), "[conv1d: {out_channels: 1, kernel_size: 40}]")
    verified = verify(network, lambda batch: answer_of(network, batch), 0.0)
    assert verified.lengths == (64, 135)


def test_a_file_that_can_not_be_read_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is somebody else's."""
    file = tmp_path / "model.py"
    file.write_text("# Made by `dlcli export --to python`.\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="is there already, and no export"):
        writing.check_free([file])


def test_only_exports_are_replaced(tmp_path: Path) -> None:
    """A file that says that it is one, near its begin or its end."""
    mine, theirs, pipe = tmp_path / "mine.onnx", tmp_path / "theirs.onnx", tmp_path / "unreadable"
    mine.write_bytes(b"\0" * 200_000 + b"Made by `dlcli export --to onnx`" + b"\0" * 60_000)
    theirs.write_bytes(b"\0" * 100_000 + b"Made by `dlcli export --to onnx`" + b"\0" * 100_000)
    writing.put({mine: b"new"})
    assert mine.read_bytes() == b"new"
    for file in (theirs, mine):
        with pytest.raises(UsageError, match="is there already, and no export"):
            writing.put({pipe: b"1", file: b"2"})
    assert not pipe.exists()
