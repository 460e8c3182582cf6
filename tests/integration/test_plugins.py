"""Plug-ins: the worked example of docs/plugins.md, and files that are none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A folder with the page's two files."""
    (tmp_path / "my_parts.py").write_text(_blocks("python")[0], encoding="utf-8")
    (tmp_path / "my.yaml").write_text(_blocks("yaml")[0], encoding="utf-8")
    return tmp_path


def _dlcli(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: a plug-in stays for as long as its process."""
    command = [sys.executable, "-m", "dlcli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def test_the_worked_example_trains_and_is_judged_again(example: Path) -> None:
    """Layer, loss and metric in one run; the run needs the plug-in again, and says so."""
    trained = _dlcli(example, "train", "my.yaml", "--plugin", "my_parts.py", "--json", "--name", "one")
    assert trained.returncode == 0, trained.stderr
    summary = json.loads(trained.stdout)
    assert set(summary["test"]) == {"loss", "accuracy", "confidence"}
    assert summary["test"]["accuracy"] > 0.8
    without = _dlcli(example, "eval", "one")
    assert without.returncode == 2
    assert "trained with the plug-in my_parts.py" in without.stderr
    again = _dlcli(example, "eval", "one", "--plugin", "my_parts.py", "--json")
    assert json.loads(again.stdout)["metrics"] == summary["test"]


def test_without_the_plugin_its_names_are_unknown(example: Path) -> None:
    """And with it a misspelt field of it is found at its place."""
    unknown = _dlcli(example, "validate", "my.yaml", "--json")
    assert {found["code"] for found in json.loads(unknown.stdout)["diagnostics"]} == {"unknown-layer", "unknown-name"}
    text = (example / "my.yaml").read_text(encoding="utf-8")
    (example / "my.yaml").write_text(text.replace("squeeze_excite: 2", "squeeze_excite: {reducton: 2}"), encoding="utf-8")
    misspelt = _dlcli(example, "validate", "my.yaml", "--plugin", "my_parts.py", "--json")
    (found,) = json.loads(misspelt.stdout)["diagnostics"]
    assert (found["code"], found["line"], found["column"]) == ("unknown-key", 6, 24)
    assert found["help"] == "did you mean `reduction`?"


def test_summary_counts_what_the_meta_device_shows(example: Path) -> None:
    """16 channels squeezed to 8: (16 x 8 + 8) + (8 x 16 + 16) parameters, two products for each weight."""
    done = _dlcli(example, "summary", "my.yaml", "--plugin", "my_parts.py", "--json")
    assert done.returncode == 0, done.stderr
    (layer,) = [layer for layer in json.loads(done.stdout)["layers"] if layer["type"] == "squeeze_excite"]
    assert (layer["output_shape"], layer["parameters"], layer["flops"]) == ([16, 6, 6], 280, 2 * 2 * 16 * 8)


def test_a_shape_that_the_module_refuses_is_a_mistake_at_its_line(example: Path) -> None:
    """The module's own error, not a traceback."""
    text = (example / "my_parts.py").read_text(encoding="utf-8")
    (example / "my_parts.py").write_text(text.replace("x.mean((2, 3))", "x.mean((2, 3, 4))"), encoding="utf-8")
    done = _dlcli(example, "validate", "my.yaml", "--plugin", "my_parts.py", "--json")
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert (found["code"], found["line"], done.returncode) == ("shape", 6, 2)
    assert "`squeeze_excite` can't read an image (C=16, H=6, W=6)" in found["message"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no plug-in my_parts.py"),
        ("x = 1\n", "has no `PLUGIN`"),
        ("\n1 / 0\n", "fails: ZeroDivisionError: division by zero"),
        ("def f(:\n", "fails: SyntaxError"),
        (
            "from dlcli.plugins import *\nclass A(Layer):\n    kind = 'relu'\n    def build(self, x): pass\nPLUGIN = Plugin(layers=(A,))\n",
            "there is a layer `relu` already",
        ),
    ],
)
def test_a_file_that_is_no_plugin_is_refused(example: Path, text: str | None, message: str) -> None:
    """What is wrong, with the line where the file itself fails; exit code 2."""
    path = example / "my_parts.py"
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    done = _dlcli(example, "validate", "my.yaml", "--plugin", "my_parts.py")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
