"""A new user's path, from the built wheel: no source tree, no network, an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image

_ROOT: Final = Path(__file__).parents[2]

_SITE: Final = """
import socket
def refuse(*arguments, **options):
    raise OSError("no network in tests")
socket.socket.connect = socket.create_connection = refuse
"""
"""Read by Python before anything else of the folder that the wheel is unpacked into."""


@dataclass(frozen=True)
class Newcomer:
    """Somebody with an empty folder and what a wheel has put on the disk.

    Attributes:
        folder: where the commands are given.
        site: where the wheel was unpacked.
    """

    folder: Path
    site: Path

    def __call__(self, *arguments: str) -> str:
        """What a command prints on stdout; it has to end with 0."""
        environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "MPLCONFIGDIR") if name in os.environ},
            "HOME": str(self.folder),
            "PYTHONPATH": str(self.site),
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "dlcli", *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        """The same as one JSON object."""
        value = json.loads(self(*arguments, "--json"))
        assert isinstance(value, dict)
        return value


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    """The wheel, built from the checkout as `pip install` builds it, and unpacked."""
    pytest.importorskip("hatchling", reason="building a wheel without the network needs hatchling installed")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(_ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    site, folder = tmp_path / "site", tmp_path / "empty"
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / "sitecustomize.py").write_text(_SITE)
    return Newcomer(folder, site)


def test_a_newcomer_comes_from_nothing_to_a_network_in_other_hands(newcomer: Newcomer) -> None:
    """`init`, `train`, `eval`, `explain`, `predict`, `export` and `runs compare`, each in a process of its own."""
    newcomer("init", "my.yaml")
    small = ("--set", "data={name: digits, limit: 300}", "--set", "train.epochs=2")
    first = newcomer.json("train", "my.yaml", "--name", "first", *small)
    assert Path(newcomer.folder, first["run"], "report.html").is_file()
    newcomer("train", "my.yaml", "--name", "second", *small, "--set", "train.optimizer.lr=0.01", "--quiet")

    judged = newcomer.json("eval", "first")
    assert judged["metrics"] == first["test"]

    newcomer("explain", "first")
    assert (newcomer.folder / "runs" / "first" / "explain.html").is_file()

    Image.new("L", (8, 8), 255).save(newcomer.folder / "white.png")
    [row] = newcomer.json("predict", "first", "white.png")["predictions"]
    assert abs(sum(row["probabilities"].values()) - 1) < 1e-5

    exported = newcomer.json("export", "first", "--to", "safetensors")
    assert Path(newcomer.folder, exported["file"]).exists()

    compared = newcomer("runs", "compare", "first", "second")
    assert "train.optimizer.lr" in compared
