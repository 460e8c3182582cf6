"""Traced networks as files of torch.export and ONNX: any batch, any lengths, no trace of this machine."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import dlcli
from dlcli.app.export import targets
from dlcli.app.export.batches import random_batches
from dlcli.app.export.exported_program import FACTS_FILE, open_program, write_program
from dlcli.app.export.facts import lengths_name
from dlcli.app.export.onnx import open_onnx, write_onnx
from dlcli.app.export.tracing import Traceable, as_torch_has_it, trace
from dlcli.app.export.verification import verify
from dlcli.config.shapes import Image, Sequence, Time, Vector, Volume
from dlcli.errors import CheckpointError, UsageError
from dlcli.models.network import Network
from dlcli.models.python_lengths import takes_lengths
from tests.unit.app.export_cases import NETWORKS, built, network_of


def _facts(network: Network) -> dict[str, Any]:
    facts: dict[str, Any] = {"network_of": "a test"}
    return facts | ({"lengths": {"name": lengths_name(network.graph.inputs)}} if takes_lengths(network.graph) else {})


def _as_onnx(network: Network, folder: Path) -> Path:
    program = trace(Traceable(network.graph, network.state_dict()))
    write_onnx(program, network.graph, _facts(network), folder / "model.onnx")
    return folder / "model.onnx"


@dataclass(frozen=True)
class Made:
    """A network and its files."""

    network: Network
    onnx: Path
    pt2: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Made]:
    """One of NETWORKS as files, each of which is written once."""

    @cache
    def make(name: str) -> Made:
        network, folder = network_of(name), tmp_path_factory.mktemp("made")
        program = trace(Traceable(network.graph, network.state_dict()))
        write_onnx(program, network.graph, _facts(network), folder / "model.onnx")
        as_torch_has_it(program)
        write_program(program, _facts(network), folder / "model.pt2")
        return Made(network, folder / "model.onnx", folder / "model.pt2")

    return make


@pytest.mark.parametrize("name", NETWORKS)
def test_files_say_what_the_network_says(name: str, made: Callable[[str], Made]) -> None:
    """Read back by torch and by onnxruntime, for one sample and for several, of short and of long sequences.

    In the file of ONNX the axes are called batch and time, inputs and outputs as in the graph.
    """
    network, graph = made(name).network, made(name).network.graph
    verify(network, open_onnx(made(name).onnx, graph), 1e-4)
    verified = verify(network, open_program(made(name).pt2, graph), 1e-5)
    assert list(verified.largest_difference) == list(graph.outputs)
    session = onnxruntime.InferenceSession(made(name).onnx, providers=["CPUExecutionProvider"])
    names = [*graph.inputs, *([lengths_name(graph.inputs)] if takes_lengths(graph) else [])]
    assert [read.name for read in session.get_inputs()] == names
    assert [given.name for given in session.get_outputs()] == list(graph.outputs)
    for read, shape in zip(session.get_inputs(), graph.inputs.values(), strict=False):
        assert read.shape == ["batch", *("time" if isinstance(size, Time) else size for size in shape.sizes)]


TEXTS = "LSTM both ways over tokens of different lengths"


def test_each_sequence_of_a_batch_gets_what_plain_torch_gives_it_alone(made: Callable[[str], Made]) -> None:
    """A stack both ways, the lengths in any order, anything in the padding: torch.nn.LSTM knows nothing of lengths."""
    network = made(TEXTS).network
    plain = nn.LSTM(5, 4, num_layers=2, bidirectional=True, batch_first=True)
    plain.load_state_dict(network.lstm_1.state_dict())
    session = onnxruntime.InferenceSession(made(TEXTS).onnx, providers=["CPUExecutionProvider"])
    lengths, tokens = [2, 7, 1, 5], torch.randint(11, (4, 7))
    padded = tokens.clone()
    for row, length in zip(padded, lengths, strict=True):
        row[length:] = -1
    (found,) = session.run(None, {"input": padded.numpy(), "lengths": np.array(lengths)})
    for row, length, read in zip(found, lengths, tokens, strict=True):
        _, (state, _) = plain(network.embedding_1(read[None, :length]))
        expected = network.linear_1(torch.cat((state[-2], state[-1]), dim=1))
        np.testing.assert_allclose(row, expected[0].detach(), rtol=1e-5, atol=1e-6)


def test_recurrent_layers_are_those_of_onnx(made: Callable[[str], Made]) -> None:
    """One node for each layer of a stack, and no loop; the weights stand in it as ONNX reads them."""
    expected = {
        "projected LSTM and GRU over series of different lengths": (1, 2, 0),
        "RNN over a fixed number of steps": (0, 0, 3),
    }
    for name, counts in expected.items():
        kinds = [node.op_type for node in onnx.load(made(name).onnx).graph.node]
        assert tuple(kinds.count(kind) for kind in ("LSTM", "GRU", "RNN")) == counts
        assert not {"Loop", "Scan", "Slice", "Split"} & set(kinds)


def test_files_hold_the_facts_and_nothing_of_this_machine(made: Callable[[str], Made]) -> None:
    """Torch notes for each operation the files that it came from, with their paths."""
    here = [str(Path(place).parent).encode() for place in (dlcli.__file__, sys.prefix, torch.__file__)]
    with zipfile.ZipFile(made(TEXTS).pt2) as parts:
        contents = [parts.read(name) for name in parts.namelist()]
        facts = json.loads(parts.read(f"model/extra/{FACTS_FILE}"))
    for content in (*contents, made(TEXTS).onnx.read_bytes()):
        assert not any(place in content for place in here)
    session = onnxruntime.InferenceSession(made(TEXTS).onnx, providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["facts"]) == facts == _facts(made(TEXTS).network)
    assert session.get_modelmeta().producer_name == "dlcli"


def test_windows_of_different_sizes_can_be_written(tmp_path: Path) -> None:
    """ONNX has none: each is cut out by itself."""
    inputs = {"series": Sequence(10, Vector(2)), "image": Image(2, 10, 9), "volume": Volume(2, 5, 7, 4)}
    layers = """
        - adaptive_max_pool1d: {output_size: 3, from: series, name: a}
        - adaptive_max_pool2d: {output_size: [4, 3], from: image, name: b}
        - adaptive_max_pool3d: {output_size: [2, 3, 1], from: volume, name: c}
        - adaptive_avg_pool3d: {output_size: [2, 3, 1], from: volume, name: d}
    """
    network = built(inputs, layers, ("a", "b", "c", "d"))
    verify(network, open_onnx(_as_onnx(network, tmp_path), network.graph), 1e-5)


class _Unsayable(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """An operation that ONNX has not."""
        return torch.linalg.matrix_exp(x[:, None] * x[:, :, None]).sum(2)


class _Deciding(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Looks at values, which a trace has not."""
        return x if x.sum() > 0 else -x


def _with(module: nn.Module) -> Traceable:
    """A network in the place of whose first layer stands another module."""
    network = built(Vector(3), "[relu: {name: own}, linear: 2]")
    traced = Traceable(network.graph, network.state_dict())
    traced.own = module
    traced._runs = None
    return traced


def test_what_torch_can_not_follow_is_refused_with_the_layer() -> None:
    """A module of a plug-in may do anything."""
    with pytest.raises(CheckpointError, match="torch can't export `own`: ") as caught:
        trace(_with(_Deciding()))
    assert "safetensors" in str(caught.value.help)


def test_what_onnx_can_not_say_is_refused_with_the_operation(tmp_path: Path) -> None:
    """The exporter's report is many lines long; the message is one."""
    traced = _with(_Unsayable())
    with pytest.raises(CheckpointError, match="torch can't write the network as ONNX: .*matrix_exp") as caught:
        write_onnx(trace(traced), traced.graph, {"network_of": "a test"}, tmp_path / "model.onnx")
    assert "\n" not in caught.value.message
    assert not (tmp_path / "model.onnx").exists()


def test_norms_that_mix_the_sequences_of_a_batch_are_refused() -> None:
    """What such a network says of one depends on the others; the message names the layer."""
    layers = "[sequential: [conv1d: {out_channels: 2, kernel_size: 1}, batch_norm1d: {track_running_stats: false, name: mixing}]]"
    with pytest.raises(UsageError, match="`mixing` normalises by the sequences that happen to be in a batch"):
        targets._check_norms(built(Sequence(Time(), Vector(3)), layers).graph)


def test_batches_have_nan_in_their_padding_and_no_padding_without_lengths() -> None:
    """Else a file that reads it would pass."""
    graph = network_of("several inputs and outputs").graph
    for batch in random_batches(graph, (1, 5)):
        assert batch.lengths is not None
        values = batch.inputs["series"]
        behind = torch.arange(values.shape[1]) >= batch.lengths[:, None]
        assert torch.equal(values.isnan().all(-1), behind)
        assert not batch.inputs["picture"].isnan().any()
    sizes = [(len(batch.inputs["picture"]), batch.inputs["series"].shape[1]) for batch in random_batches(graph, (1, 5))]
    assert sizes == [(1, 16), (1, 39), (5, 16), (5, 39)]
    assert [batch.lengths for batch in random_batches(network_of("convolutions").graph, (2, 5))] == [None, None]
