"""What is written into a checkpoint is what is read from it."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from dlcli.training.checkpoint import load_checkpoint
from tests.unit.training.checkpoint_cases import assert_is_of_step, assert_same_bits, contents, saved, write

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
WHOLE = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


def reread(folder: Path, model: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights after a trip through a checkpoint."""
    return load_checkpoint(saved(folder, 1, {"model": model}, {})).tensors["model"]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_fractions_keep_every_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    """Normal, subnormal and extreme numbers, both zeros, infinities and NaN."""
    limits = torch.finfo(dtype)
    numbers = [0.1, -0.0, 0.0, math.pi, limits.max, limits.tiny, limits.smallest_normal / 4, math.inf, -math.inf, math.nan]
    model = {"values": torch.tensor(numbers, dtype=dtype), "one": torch.tensor(1 / 3, dtype=dtype)}
    assert_same_bits(reread(tmp_path, model), model)


@pytest.mark.parametrize("dtype", WHOLE, ids=str)
def test_whole_numbers_keep_every_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    """Both ends of each type, as a list and as a single number."""
    ends = [False, True] if dtype == torch.bool else [torch.iinfo(dtype).min, 0, 1, torch.iinfo(dtype).max]
    model = {"values": torch.tensor(ends, dtype=dtype), "one": torch.tensor(ends[-1], dtype=dtype)}
    assert_same_bits(reread(tmp_path, model), model)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(12.0).reshape(3, 4).t(),
        torch.arange(20.0)[::3],
        torch.ones(1, 3).expand(4, 3),
        torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
        torch.empty(0, 3),
        torch.tensor(2.5),
        nn.Parameter(torch.ones(2)),
    ],
    ids=["transposed", "strided", "expanded", "channels last", "empty", "no axes", "parameter"],
)
def test_tensors_of_any_layout_are_kept(tensor: Tensor, tmp_path: Path) -> None:
    """However a tensor lies in memory, its values and its shape come back."""
    assert_same_bits(reread(tmp_path, {"tensor": tensor}), {"tensor": tensor})


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    """A network in which two layers share their weights is kept, and loads into one that shares them too."""

    def tied() -> nn.Sequential:
        network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        network[1].weight = network[0].weight
        return network

    network, other = tied(), tied()
    other.load_state_dict(reread(tmp_path, network.state_dict()))
    assert other[0].weight is other[1].weight
    assert_same_bits(dict(other.state_dict()), dict(network.state_dict()))


def test_views_of_one_tensor_can_be_saved(tmp_path: Path) -> None:
    """Parts that overlap, and one that is the whole, as flattened recurrent weights are."""
    memory = torch.arange(10.0)
    model = {"all": memory, "front": memory[:6], "back": memory[4:], "turned": memory.reshape(2, 5).t()}
    assert_same_bits(reread(tmp_path, model), model)


def test_recurrent_and_normalising_layers_come_back(tmp_path: Path) -> None:
    """Gates, running statistics and counts of batches: the same outputs from other weights at first."""
    network = nn.ModuleDict({"lstm": nn.LSTM(3, 4, num_layers=2, bidirectional=True), "norm": nn.BatchNorm1d(8)})
    network["norm"](torch.randn(16, 8))
    other = nn.ModuleDict({"lstm": nn.LSTM(3, 4, num_layers=2, bidirectional=True), "norm": nn.BatchNorm1d(8)})
    other.load_state_dict(reread(tmp_path, network.state_dict()))
    assert_same_bits(dict(other.state_dict()), dict(network.state_dict()))
    inputs = torch.randn(5, 2, 3)
    assert torch.equal(other["lstm"](inputs)[0], network["lstm"](inputs)[0])


def test_a_file_may_hold_nothing(tmp_path: Path) -> None:
    """SGD without momentum remembers nothing, and that is kept as nothing."""
    path = saved(tmp_path, 1, {"model": contents(1)["model"], "optimizer": {}}, {})
    assert load_checkpoint(path).tensors["optimizer"] == {}


def test_all_parts_come_back(tmp_path: Path) -> None:
    """Every file under its name, and the state."""
    path = write(tmp_path, 938)
    checkpoint = load_checkpoint(path)
    assert checkpoint.path == path == tmp_path / "step-00000938"
    assert_is_of_step(checkpoint, 938)


def test_plain_values_come_back(tmp_path: Path) -> None:
    """Numbers to the last digit, texts in any script, nested lists and mappings."""
    state = {"progress": {"loss": 0.1 + 0.2, "big": 2**60, "none": None, "name": "é中"}, "list": [1, [True, "x"]]}
    assert load_checkpoint(saved(tmp_path, 1, contents(1), state)).state == state


def test_what_is_used_is_the_average_where_there_is_one(tmp_path: Path) -> None:
    """`weights` is the moving average, or else the network's own."""
    plain = load_checkpoint(write(tmp_path, 1))
    assert plain.weights is plain.tensors["model"]
    averaged = load_checkpoint(saved(tmp_path, 2, {**contents(2), "ema": contents(3)["model"]}, {}))
    assert_same_bits(averaged.weights, contents(3)["model"])


def test_the_manifest_is_true(tmp_path: Path) -> None:
    """Size and SHA-256 of every file, counted here anew; no file is left out."""
    path = write(tmp_path, 5)
    manifest = json.loads((path / "MANIFEST.json").read_text())
    files = {file.name for file in path.iterdir()}
    assert files == {"MANIFEST.json", "state.json", "model.safetensors", "optimizer.safetensors", "random.safetensors"}
    assert manifest["format"] == 1
    assert manifest["files"] == {
        name: {
            "bytes": (path / name).stat().st_size,
            "sha256": hashlib.sha256((path / name).read_bytes()).hexdigest(),
        }
        for name in files - {"MANIFEST.json"}
    }


def test_other_programs_can_read_the_weights(tmp_path: Path) -> None:
    """The file is plain safetensors."""
    path = write(tmp_path, 5)
    with safe_open(path / "model.safetensors", framework="pt") as file:
        assert_same_bits({name: file.get_tensor(name) for name in file.keys()}, contents(5)["model"])  # noqa: SIM118 - no mapping


def test_equal_contents_give_equal_files(tmp_path: Path) -> None:
    """Two checkpoints of the same state are the same bytes, so that runs can be compared by their files."""
    first, second = write(tmp_path / "a", 7), write(tmp_path / "b", 7)
    assert {file.name: file.read_bytes() for file in first.iterdir()} == {
        file.name: file.read_bytes() for file in second.iterdir()
    }
