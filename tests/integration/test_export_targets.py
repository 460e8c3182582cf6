"""`dlcli export --to safetensors|pt2|onnx` of a trained run: the files used where there is no dlcli, and what is noted of them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import dlcli
from dlcli.app.export import child, fresh_process, targets
from dlcli.app.export import onnx as onnx_target
from dlcli.app.export.facts import Facts
from dlcli.app.export.safetensors import open_safetensors
from dlcli.app.export.subject import Subject
from dlcli.app.export.targets import TARGETS
from dlcli.app.export.verification import FAULT
from dlcli.cli.main import run as run_command
from dlcli.errors import CheckpointError
from tests.integration.conftest import QUICK, Cli

_WITHOUT_DLCLI = """
import sys
import numpy as np

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ImportError(f"{name} is not installed here")

target, file, arrays, outputs = sys.argv[1:]
refused = {"dlcli"} | ({"torch"} if target == "onnx" else set())
sys.meta_path.insert(0, Refuse())
given = dict(np.load(arrays))
if target == "onnx":
    import onnxruntime
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found = session.run(None, given)[0]
else:
    import torch
    program = torch.export.load(file).module()
    found = program(*map(torch.from_numpy, given.values())).detach().numpy()
np.save(outputs, found)
assert not any(name.split(".")[0] in refused for name in sys.modules)
"""

_TEXTS = """\
data: {name: text_lines, path: texts.csv}
model:
  layers:
    - embedding: 8
    - lstm: {hidden_size: 8, bidirectional: true, return: last}
    - linear: ${data.num_classes}
train: {epochs: 1, batch_size: 16, ema: 0.5, metrics: [accuracy]}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on texts of different lengths, with a moving average of the weights, and its exports."""
    place = tmp_path_factory.mktemp("exports")
    rows = (f"{'ab' * (index % 7 + 1)}{'c' * (index % 3)},{'xyz'[index % 3]}" for index in range(120))
    (place / "texts.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    (place / "texts.yaml").write_text(_TEXTS)
    train = ["train", str(place / "texts.yaml"), "--runs-dir", str(place), "--name", "r", "--device", "cpu"]
    assert run_command(train) == 0
    with pytest.MonkeyPatch.context() as monkeypatch:
        for to in ("safetensors", "pt2", "onnx"):
            if to == "pt2":
                _in_this_process(monkeypatch)
            assert run_command(["export", str(place / "r"), "--to", to]) == 0
            monkeypatch.undo()
    return place / "r"


TOKENS = np.array([[1, 2, 3, 1, 2], [3, 1, -9, -9, -9]])
LENGTHS = np.array([5, 2])


@pytest.mark.parametrize("to", ["pt2", "onnx"])
def test_a_run_leaves_as_a_file_that_needs_no_dlcli(run: Path, to: str, tmp_path: Path) -> None:
    """A program of torch needs torch alone, a file of ONNX not even that; padding may be anything."""
    np.savez(tmp_path / "inputs.npz", input=TOKENS, lengths=LENGTHS)
    files = [run / "exports" / f"model.{to}", tmp_path / "inputs.npz", tmp_path / "found.npy"]
    command = [sys.executable, "-I", "-c", _WITHOUT_DLCLI, to, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    network = dlcli.load(run)
    expected = network(torch.from_numpy(TOKENS), torch.from_numpy(LENGTHS))
    torch.testing.assert_close(torch.from_numpy(np.load(tmp_path / "found.npy")), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(expected[1:], network(torch.from_numpy(TOKENS[1:, :2])), rtol=1e-4, atol=1e-5)


def test_weights_leave_with_what_builds_the_network_again(run: Path) -> None:
    """The averaged ones, which are those that are judged; the config and the facts stand beside them."""
    exports = run / "exports"
    [averaged] = run.glob("checkpoints/step-*/ema.safetensors")
    weights, expected = load_file(exports / "model.safetensors"), load_file(averaged)
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    config = (exports / "model.config.yaml").read_text().splitlines()
    assert config[0] == "# Made by `dlcli export --to safetensors`."
    assert config[1:] == (run / "config.resolved.yaml").read_text().splitlines()
    facts = json.loads((exports / "model.facts.json").read_text())
    assert facts["inputs"]["input"]["vocabulary_from_1"]
    assert facts["outputs"]["linear_1"]["classes"] == ["x", "y", "z"]
    with safe_open(exports / "model.safetensors", "pt") as opened:
        assert opened.metadata() == {"made_by": "Made by `dlcli export --to safetensors`"}


def test_code_reads_padded_batches_too(cli: Cli, run: Path, tmp_path: Path) -> None:
    """It takes the lengths, says so, and is verified with them; the weights are those of `--to safetensors`."""
    outcome = cli("export", run, "--output", tmp_path / "code.py", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["verified"]["lengths"] == [16, 39]
    text = (tmp_path / "code.py").read_text()
    assert "`lengths` says how many steps each sample has" in text
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(text, namespace)  # noqa: S102  # our own text
    network = namespace["Network"]()
    network.load_state_dict(load_file(run / "exports" / "model.safetensors"))
    inputs = torch.from_numpy(TOKENS), torch.from_numpy(LENGTHS)
    torch.testing.assert_close(network.eval()(*inputs), dlcli.load(run)(*inputs), rtol=1e-5, atol=1e-6)


def test_what_was_verified_is_noted_beside_the_exports(run: Path) -> None:
    """One entry for each target, with the sums of its files."""
    notes = json.loads((run / "exports" / "verify.json").read_text())
    assert list(notes) == ["safetensors", "pt2", "onnx"]
    for to, noted in notes.items():
        assert noted["batch_sizes"] == [1, 5]
        assert noted["lengths"] == [16, 39]
        assert 0 <= noted["largest_difference"]["linear_1"] <= noted["tolerance"] == TARGETS[to].tolerance
        assert noted["checkpoint"].startswith("step-")
        assert noted["versions"]["torch"] == torch.__version__
        for name, expected in noted["sha256"].items():
            assert hashlib.sha256((run / "exports" / name).read_bytes()).hexdigest() == expected
    assert list(notes["safetensors"]["sha256"]) == ["model.safetensors", "model.config.yaml", "model.facts.json"]
    assert set(notes["onnx"]["versions"]) == {"dlcli", "torch", "onnx", "onnxscript", "onnxruntime"}


def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fresh process does, without its seconds."""

    def run_child(place: Path) -> int:
        child.main(str(place))
        return 0

    monkeypatch.setattr(fresh_process, "_run", run_child)


def _larger_weights(file: Path) -> None:
    """Makes the weights in a file one part in a thousand larger."""
    if file.suffix == ".safetensors":
        save_file({name: 1.001 * tensor for name, tensor in load_file(file).items()}, file)
        return
    model = onnx.load(file)
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            weight.CopyFrom(onnx.numpy_helper.from_array(1.001 * onnx.numpy_helper.to_array(weight), weight.name))
    onnx.save(model, file)


@pytest.mark.parametrize("to", ["safetensors", "onnx"])
def test_a_broken_export_is_not_kept(cli: Cli, run: Path, to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file holds other weights: exit code 5, and the export before stays."""
    exports = run / "exports"
    before = {path.name: path.read_bytes() for path in exports.iterdir()}

    def write(subject: Subject, facts: Facts, file: Path) -> None:
        for path in exports.glob("model.*"):
            file.with_name(path.name).write_bytes(path.read_bytes())
        _larger_weights(file)

    monkeypatch.setattr("dlcli.app.export.TARGETS", {to: replace(TARGETS[to], write=write)})
    outcome = cli("export", run, "--to", to)
    assert outcome.code == 5, outcome.err
    assert "gives other values: `linear_1` differs by" in outcome.err
    assert {path.name: path.read_bytes() for path in exports.iterdir()} == before


def test_an_export_is_made_again_and_elsewhere_it_is_not_noted(
    cli: Cli, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files; the run's own notes are of its own folder."""
    _in_this_process(monkeypatch)
    exports = run / "exports"
    before = {path.name: path.read_bytes() for path in exports.iterdir()}
    outcome = cli("export", run, "--to", "safetensors", "--output", tmp_path / "w.safetensors", "--json")
    assert outcome.code == 0, outcome.err
    assert list(outcome.json) == ["run", "to", "file", "verified"]
    assert outcome.json["file"] == str(tmp_path / "w.safetensors")
    for ending in ("safetensors", "config.yaml", "facts.json"):
        assert (tmp_path / f"w.{ending}").read_bytes() == before[f"model.{ending}"]
    assert cli("export", run, "--to", "pt2").code == 0
    assert {path.name: path.read_bytes() for path in exports.iterdir()} == before


def test_files_beside_the_weights_are_not_overwritten(cli: Cli, quick: Path) -> None:
    """Nothing is, where one of them is somebody's own."""
    Path("w.config.yaml").write_text("mine: 1\n")
    outcome = cli("export", quick, "--to", "safetensors", "--output", "w.safetensors")
    assert outcome.code == 2
    assert "w.config.yaml is there already" in outcome.err
    assert not Path("w.safetensors").exists()


def test_a_language_model_leaves_for_texts_of_any_length(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it is trained on windows of 8 characters; one that reads a whole window at once leaves for windows."""
    _in_this_process(monkeypatch)
    (tmp_path / "text.txt").write_text("abcde " * 400)
    config = "data: {name: text, path: text.txt, window: 8}\nmodel: {layers: [embedding: 4, gru: 6, linear: '${data.vocabulary_size}']}\n"
    (tmp_path / "lm.yaml").write_text(config + "train: {epochs: 1, stateful: true, batch_size: 8}\n")
    outcome = cli("export", "lm.yaml", "--to", "pt2", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["verified"]["lengths"] == [16, 39]
    windows = config.replace("gru: 6", "permute: [0, 2, 1], linear: 8, permute: [0, 2, 1]")
    (tmp_path / "windows.yaml").write_text(windows)
    outcome = cli("export", "windows.yaml", "--to", "python", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["verified"]["lengths"] is None


_SCALE = """
from typing import ClassVar
import torch
from torch import nn
from dlcli.plugins import Layer, Plugin

class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x

class Double(Layer):
    kind: ClassVar[str] = "double"
    def build(self, x):
        return Doubled()

PLUGIN = Plugin(layers=(Double,))
"""


@pytest.mark.slow
def test_layers_of_a_plugin_leave_too(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """The fresh process loads the same plug-in, though it doesn't look into the working folder."""
    (tmp_path / "parts.py").write_text(_SCALE)
    (tmp_path / "own.yaml").write_text(QUICK.replace("- relu", "- double"))
    command = [sys.executable, "-m", "dlcli", "export", "own.yaml", "--to", "pt2", "--plugin", "parts.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "writing the network of own.yaml"
    assert (tmp_path / "own.pt2").is_file()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.facts.json", b"{"),
        ("model.facts.json", b"[]"),
        ("model.facts.json", b'{"data": {"inputs": {}}}'),
        ("model.safetensors", b"\0" * 16),
    ],
)
def test_weights_that_can_not_be_read_back_are_no_export(run: Path, tmp_path: Path, name: str, damage: bytes) -> None:
    """A file that did not come out as it was meant."""
    for path in (run / "exports").glob("model.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes(damage)
    with pytest.raises(CheckpointError, match="the exported weights can't be read") as caught:
        open_safetensors(tmp_path / "model.safetensors")
    assert caught.value.help == FAULT


def test_weights_of_another_network_are_no_export(run: Path, tmp_path: Path) -> None:
    """They are of other sizes than the config beside them says."""
    for path in (run / "exports").glob("model.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = tmp_path / "model.config.yaml"
    config.write_text(config.read_text().replace("hidden_size: 8", "hidden_size: 9"))
    with pytest.raises(CheckpointError, match="the exported weights are of another network"):
        open_safetensors(tmp_path / "model.safetensors")


def test_what_is_missing_is_told_with_its_mend(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, before anything is read."""
    right = onnx_target.find_spec
    for missing, words in (
        (["onnxruntime"], "an export to ONNX needs onnxruntime, which is not installed here"),
        (["onnx", "onnxscript"], "an export to ONNX needs onnx, onnxscript, which are not installed here"),
    ):

        def find(name: str, missing: list[str] = missing) -> Any:
            return None if name in missing else right(name)

        monkeypatch.setattr(onnx_target, "find_spec", find)
        outcome = cli("export", quick, "--to", "onnx")
        assert outcome.code == 2
        assert words in outcome.err
        assert f"pip install {' '.join(missing)}" in outcome.err


def test_what_onnxruntime_can_not_run_is_refused(cli: Cli, tmp_path: Path) -> None:
    """By the name of the layer, before anything is written."""
    layers = (
        "[conv_transpose2d: {out_channels: 2, kernel_size: 3, dilation: 2, output_padding: 1, name: wide}, flatten, linear: 10]"
    )
    (tmp_path / "a.yaml").write_text(f"data: digits\nmodel: {{layers: {layers}}}\n")
    outcome = cli("export", "a.yaml", "--to", "onnx")
    assert outcome.code == 2
    assert "`wide` has an `output_padding` of 1, and onnxruntime takes only less than the stride, 1" in outcome.err


def test_weights_too_large_for_a_file_of_onnx_are_refused(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 GB, which protobuf allows; other targets have no such limit."""
    monkeypatch.setattr(targets, "MOST_BYTES", 1000)
    outcome = cli("export", quick, "--to", "onnx")
    assert outcome.code == 2
    assert "a file of ONNX holds 2 GB at most" in outcome.err
    assert "pt2 or safetensors" in outcome.err
