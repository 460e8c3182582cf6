"""A config from standard input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CONFIG = "data: digits\nmodel: {layers: [flatten, linear: '${data.num_classes}']}\ntrain: {epochs: 1}\n"


def _dlcli(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dlcli", *arguments]
    return subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=False, timeout=300)


def test_a_config_from_standard_input_trains(tmp_path: Path) -> None:
    """The run keeps the text as it was given, and goes on like any other."""
    done = _dlcli(tmp_path, CONFIG, "train", "-", "--json", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    run = tmp_path / json.loads(done.stdout)["run"]
    assert run.name.startswith("run-")
    assert (run / "config.yaml").read_text(encoding="utf-8") == CONFIG
    again = _dlcli(tmp_path, "", "train", "--resume", "--set", "train.epochs=2", "--json")
    assert json.loads(again.stdout)["epochs"] == 2


def test_mistakes_in_standard_input_are_shown_with_its_lines(tmp_path: Path) -> None:
    """The file is called `<stdin>`."""
    done = _dlcli(tmp_path, CONFIG.replace("flatten", "flaten"), "validate", "-", "--json")
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert (found["file"], found["line"], found["column"], found["code"]) == ("<stdin>", 2, 18, "unknown-layer")
    assert done.returncode == 2


def test_standard_input_without_text_is_an_empty_config(tmp_path: Path) -> None:
    """No traceback, and nothing is waited for."""
    done = _dlcli(tmp_path, "", "validate", "-")
    assert done.returncode == 2
    assert "the file is empty" in done.stderr
