"""What is imported, and what works where torchvision can't be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = ("torch", "torchvision", "numpy", "matplotlib", "safetensors")


def _run(code: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["train", "--help"], ["eval", "--help"], ["smoke", "--help"]])
def test_help_imports_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    """Neither torch nor torchvision nor numpy for a page of help."""
    code = f"""
import sys
from dlcli.cli.main import run
code = run(sys.argv[1:])
print("loaded:", [name for name in {_HEAVY} if name in sys.modules])
sys.exit(code)
"""
    done = _run(code, *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "loaded: []" in done.stdout


def test_the_package_itself_imports_nothing_heavy(tmp_path: Path) -> None:
    """`import dlcli` and reading a config bring no torch."""
    code = f"import sys, dlcli, dlcli.config.experiment; print([name for name in {_HEAVY} if name in sys.modules])"
    assert _run(code, cwd=tmp_path).stdout.strip() == "[]"


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "muon", "nadam"])
def test_a_training_does_not_import_the_compiler_of_torch(optimizer: str, quick: Path, tmp_path: Path) -> None:
    """`torch._dynamo` takes a second, and nothing of torch's optimisers needs it here; the same for a run that goes on.

    Nor does it import what draws a report, until its record is closed.
    """
    code = """
import json, sys
import dlcli.app.report.page
from dlcli.cli.main import run
drawing = set()

def look(folder):
    assert json.loads((folder.path / "run.json").read_text())["status"] == "completed"
    drawing.update({"matplotlib", "jinja2"} & sys.modules.keys())

dlcli.app.report.page.write_report = look
codes = [run([*sys.argv[1:], "--set", "train.max_steps=3"]), run(["train", "--resume", "--set", "train.max_steps=4"])]
unneeded = ("torch._dynamo", "torch._inductor", "sympy", "matplotlib", "torchvision", "tensorboard", "mlflow", "rich")
print("loaded:", [*drawing, *(name for name in unneeded if name in sys.modules)])
sys.exit(max(codes))
"""
    done = _run(code, "train", quick, "--set", f"train.optimizer.name={optimizer}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "loaded: []" in done.stdout


_WITHOUT_TORCHVISION = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torchvision", "matplotlib"):
            raise RuntimeError("operator torchvision::nms does not exist")

sys.meta_path.insert(0, Refuse())
from dlcli.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


def test_digits_train_where_torchvision_can_not_be_imported(quick: Path, tmp_path: Path) -> None:
    """Training on the embedded digits, matplotlib refused too."""
    done = _run(_WITHOUT_TORCHVISION, "train", quick, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_mnist_on_disk_trains_where_torchvision_can_not_be_imported(quick: Path, tmp_path: Path, shared_data: Path) -> None:
    """The files are read by our own reader."""
    quick.write_text(quick.read_text().replace("name: digits", "name: mnist"))
    done = _run(_WITHOUT_TORCHVISION, "train", quick, "--json", "--data-dir", shared_data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
