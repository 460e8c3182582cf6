"""`dlcli export`: a run's network as plain PyTorch, where files go, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import dlcli
from dlcli.app.configs import read_experiment
from dlcli.app.export import python as app
from dlcli.models.network import Network, build_network
from tests.integration.conftest import CONFIGS, Cli
from tests.unit.models.layer_cases import random_input

ZOO = sorted((CONFIGS / "zoo").glob("*.yaml"))

_WITHOUT_DLCLI = """
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "dlcli":
            raise ImportError("dlcli is not installed here")

sys.meta_path.insert(0, Refuse())
from safetensors.torch import load_file, save_file

code, weights, inputs, outputs = sys.argv[1:]
network = runpy.run_path(code)["Network"]()
network.load_state_dict(load_file(weights))
save_file({"y": network.eval()(load_file(inputs)["x"]).detach()}, outputs)
assert not any(name.split(".")[0] == "dlcli" for name in sys.modules)
"""


def _trained(cli: Cli, config: Path) -> Path:
    outcome = cli("train", config, "--json", "--set", "train.epochs=1")
    assert outcome.code == 0, outcome.err
    return Path(outcome.json["run"])


def test_a_run_leaves_as_plain_pytorch(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """Where dlcli can't be imported, the file and the run's weights give the outputs of the run's network."""
    run = _trained(cli, quick)
    outcome = cli("export", "--json")
    assert outcome.code == 0, outcome.err
    code = run / "exports" / "model.py"
    largest = {"linear_1": pytest.approx(0, abs=1e-6)}
    verified = {"batch_sizes": [1, 5], "lengths": None, "largest_difference": largest, "tolerance": 1e-6}
    assert outcome.json == {"run": str(run), "to": "python", "file": str(code), "verified": verified}
    weights = next(run.glob("checkpoints/step-*/model.safetensors"))
    images = torch.randn(7, 1, 8, 8)
    save_file({"x": images}, tmp_path / "inputs.safetensors")
    files = [code, weights, tmp_path / "inputs.safetensors", tmp_path / "outputs.safetensors"]
    command = [sys.executable, "-I", "-c", _WITHOUT_DLCLI, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = load_file(tmp_path / "outputs.safetensors")["y"]
    torch.testing.assert_close(found, dlcli.load(run)(images), rtol=1e-6, atol=1e-6)


def test_an_export_can_be_made_again(cli: Cli, quick: Path) -> None:
    """The old file is an export, and is replaced by the same text."""
    run = _trained(cli, quick)
    texts = []
    for _ in range(2):
        assert cli("export", run).code == 0
        texts.append((run / "exports" / "model.py").read_text())
    assert texts[0] == texts[1]
    assert f"the run {run.name}" in texts[0]


def test_a_run_is_exported_as_it_is(cli: Cli, quick: Path) -> None:
    """Its weights fit its own network alone, which `--set` would change."""
    run = _trained(cli, quick)
    outcome = cli("export", run, "--set", "train.epochs=3")
    assert outcome.code == 2
    assert "is a run, and --set changes a config" in outcome.err
    assert not (run / "exports").exists()


def test_a_run_that_was_never_judged_is_exported_too(cli: Cli, quick: Path) -> None:
    """Without a best checkpoint the last one is what the code is checked with."""
    run = _trained(cli, quick)
    (run / "checkpoints" / "best.json").unlink()
    outcome = cli("export", run)
    assert outcome.code == 0, outcome.err
    assert "differ by at most" in outcome.out


def test_a_config_is_written_beside_nothing_it_could_harm(cli: Cli, quick: Path) -> None:
    """Under the config's name in the current folder, but never over another file."""
    Path("quick.py").write_text("print('mine')\n")
    outcome = cli("export", quick)
    assert outcome.code == 2
    assert "quick.py is there already" in outcome.err
    assert "--output" in outcome.err
    assert Path("quick.py").read_text() == "print('mine')\n"
    assert cli("export", quick, "--output", "network.py").code == 0
    assert "class Network" in Path("network.py").read_text()


def test_stdout_gets_the_code_alone(cli: Cli, quick: Path) -> None:
    """`--output -` prints what the file would hold, and writes nothing."""
    outcome = cli("export", quick, "--output", "-")
    assert outcome.code == 0, outcome.err
    compile(outcome.out, "stdout", "exec")
    assert not Path("quick.py").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["quick.yaml", "--output", "-", "--json"], ["both the code and --json want stdout"]),
        (
            ["quick.yaml", "--output", "-", "--to", "onnx"],
            ["--output - prints code, and onnx is none", "--to onnx --output FILE"],
        ),
        (["quick.yaml", "--to", "cobol"], ["cobol", "python"]),
        (["quick.yaml", "--output", "."], ["is a folder"]),
        (["quick.yaml", "--output", " "], ["no name for a file"]),
        (["quick.yaml", "--output", "nowhere/model.py"], ["there is no folder nowhere", "mkdir"]),
        (["quick.yaml", "--output", "quick.yaml"], ["quick.yaml is there already"]),
        (["missing.yaml"], ["missing.yaml"]),
        (["missing"], ["there is no run `missing`"]),
        ([], ["there is no run in runs"]),
    ],
)
def test_what_can_not_be_asked_for_is_refused(cli: Cli, quick: Path, arguments: list[str], words: list[str]) -> None:
    """Exit code 2, what was found and what to do; nothing is written."""
    before = quick.read_text()
    outcome = cli("export", *arguments)
    assert outcome.code == 2, outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err
    assert list(Path().iterdir()) == [quick.relative_to(Path.cwd())]
    assert quick.read_text() == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("torch.nn.functional as F", "torch.nn.functional as G", "does not run on 1 sample: NameError"),
        ("F.relu(x)", "F.gelu(x)", "gives other values"),
        ("self.linear_1", "self.linear_2", "does not run"),
    ],
)
def test_code_that_says_something_else_is_not_written(
    cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    """Exit code 5: the outputs are compared with those of dlcli's network before anything is kept."""
    right = app.python_module
    monkeypatch.setattr(app, "python_module", lambda *given: right(*given).replace(old, new))
    outcome = cli("export", quick)
    assert outcome.code == 5
    assert words in outcome.err
    assert not Path("quick.py").exists()


def test_exports_of_a_run_stay_in_its_folder(cli: Cli, quick: Path, tmp_path: Path) -> None:
    """A folder of exports that leads elsewhere is a stranger's; a pipe is no export that could be replaced."""
    run, elsewhere = _trained(cli, quick), tmp_path / "elsewhere"
    elsewhere.mkdir()
    (run / "exports").symlink_to(elsewhere)
    outcome = cli("export", run)
    assert outcome.code == 2
    assert "is a link, and the exports of a run stay in its folder" in outcome.err
    assert list(elsewhere.iterdir()) == []
    os.mkfifo(elsewhere / "pipe")
    outcome = cli("export", run, "--output", elsewhere / "pipe")
    assert outcome.code == 2
    assert "is there already, and no export" in outcome.err


def test_a_name_from_outside_can_not_get_into_the_code(cli: Cli, quick: Path) -> None:
    """A config whose name would end the docstring."""
    config = quick.rename('a"""; raise SystemExit(3)  # \\.yaml')
    outcome = cli("export", config, "--output", "network.py")
    assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("config", ZOO, ids=[path.stem for path in ZOO])
def test_every_network_of_the_zoo_leaves_as_plain_pytorch(cli: Cli, config: Path) -> None:
    """Each shipped architecture: equal keys and equal outputs."""
    graph = read_experiment(config, (), None).graph
    ours = build_network(graph, None).eval()
    namespace: dict[str, Any] = {"__name__": "exported"}
    exec(app.export_python(graph, config.name), namespace)  # noqa: S102  # that it runs is what is tested
    theirs = namespace["Network"]()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict(), strict=True)
    torch.testing.assert_close(*_outputs(theirs.eval(), ours), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def _outputs(theirs: nn.Module, ours: Network) -> tuple[Tensor, Tensor]:
    """All that both make of a batch of 3, in one tensor each."""
    inputs = {name: random_input(shape, 3) for name, shape in ours.graph.inputs.items()}
    given = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    written, own = theirs(*inputs.values()), ours(given)
    if isinstance(own, dict):
        assert list(written) == list(own)
        return torch.cat(list(written.values()), -1), torch.cat(list(own.values()), -1)
    assert isinstance(own, Tensor)
    return written, own
