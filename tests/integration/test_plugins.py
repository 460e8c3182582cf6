"""Plug-ins: the worked example of docs/plugins.md, and files that are none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Cli

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A folder with the page's two files."""
    (tmp_path / "my_parts.py").write_text(_blocks("python")[0], encoding="utf-8")
    (tmp_path / "my.yaml").write_text(_blocks("yaml")[0], encoding="utf-8")
    return tmp_path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with the page's data source and a config for it."""
    (tmp_path / "my_data.py").write_text(_blocks("python")[1], encoding="utf-8")
    (tmp_path / "quadrants.yaml").write_text(_blocks("yaml")[1], encoding="utf-8")
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


def test_what_a_plugin_prints_does_not_spoil_the_result(example: Path) -> None:
    """Under `--json` stdout is one object."""
    text = (example / "my_parts.py").read_text(encoding="utf-8")
    (example / "my_parts.py").write_text("print('hello')\n" + text, encoding="utf-8")
    done = _dlcli(example, "validate", "my.yaml", "--plugin", "my_parts.py", "--json")
    assert json.loads(done.stdout)["valid"]
    assert "hello" in done.stderr


def test_a_shape_that_the_module_refuses_is_a_mistake_at_its_line(example: Path) -> None:
    """The module's own error, not a traceback."""
    text = (example / "my_parts.py").read_text(encoding="utf-8")
    (example / "my_parts.py").write_text(text.replace("x.mean((2, 3))", "x.mean((2, 3, 4))"), encoding="utf-8")
    done = _dlcli(example, "validate", "my.yaml", "--plugin", "my_parts.py", "--json")
    (found,) = json.loads(done.stdout)["diagnostics"]
    assert (found["code"], found["line"], done.returncode) == ("shape", 6, 2)
    assert "`squeeze_excite` can't read an image (C=16, H=6, W=6)" in found["message"]


def test_a_data_source_is_trained_on_and_judged_again(source: Path) -> None:
    """Its facts size the network, its samples are split; the run reads them again, with the plug-in alone."""
    trained = _dlcli(source, "train", "quadrants.yaml", "--plugin", "my_data.py", "--json", "--name", "one")
    assert trained.returncode == 0, trained.stderr
    summary = json.loads(trained.stdout)
    assert summary["test"]["accuracy"] > 0.9
    record = json.loads((source / "runs" / "one" / "run.json").read_text(encoding="utf-8"))
    assert sum(record["data"]["samples"].values()) == 2000
    again = _dlcli(source, "eval", "one", "--plugin", "my_data.py", "--json")
    assert json.loads(again.stdout)["metrics"] == summary["test"]
    assert _dlcli(source, "eval", "one").returncode == 2
    wrong = _dlcli(source, "validate", "quadrants.yaml", "--plugin", "my_data.py", "--set", "data.samples=0", "--json")
    assert [found["code"] for found in json.loads(wrong.stdout)["diagnostics"]] == ["range"]


def test_a_plugin_is_loaded_from_python(source: Path) -> None:
    """The page's last lines."""
    code = _blocks("python")[3] + 'print(run.record["test"]["accuracy"])'
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0.9


OWN_SHAPES = (
    "    def output_shape(self, image):\n        return image\n\n    def parameter_count(self, image):\n        return 0\n\n"
)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("        return SqueezeExciteModule(image", "        return SqueezeExciteModul(image"),
        ("        return x * self", "        return 1 / 0 if self.training else x * self"),
        ("            log_p = ", "            log_p = outputs.no_such_thing() + "),
        ("        self.count += len", "        self.count += lenn"),
        ("        return float(self.total)", "        return float(self.totl)"),
    ],
)
def test_what_fails_in_a_training_names_the_line_of_the_plugin(example: Path, line: str, mistake: str) -> None:
    """Building, running, judging: exit code 2, in the run's record too, and no bug in dlcli."""
    path = example / "my_parts.py"
    text = path.read_text(encoding="utf-8").replace("    def build(self, image", OWN_SHAPES + "    def build(self, image")
    assert line in text
    path.write_text(text.replace(line, mistake, 1), encoding="utf-8")
    number = text[: text.index(line)].count("\n") + 1
    done = _dlcli(example, "train", "my.yaml", "--plugin", "my_parts.py", "--name", "one", "--set", "train.epochs=1")
    assert done.returncode == 2, done.stderr
    assert re.search(rf"^error: the plug-in .*my_parts.py fails: \w+Error: .*my_parts.py:{number}\)$", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr
    record = example / "runs" / "one" / "run.json"
    if record.exists():
        assert json.loads(record.read_text(encoding="utf-8"))["exit_code"] == 2


def test_a_loss_that_is_no_number_is_refused(example: Path) -> None:
    """The usual slip: the loss of each sample, and not their mean."""
    path = example / "my_parts.py"
    path.write_text(path.read_text(encoding="utf-8").replace("log_p).mean()", "log_p)"), encoding="utf-8")
    done = _dlcli(example, "train", "my.yaml", "--plugin", "my_parts.py")
    assert done.returncode == 2
    assert "the loss `focal` gives a tensor of sizes [64]" in done.stderr


@pytest.mark.parametrize("command", ["train", "eval", "smoke", "validate", "summary", "schema", "export"])
def test_every_command_that_reads_a_config_takes_plugins(cli: Cli, command: str) -> None:
    """`init` writes one, and reads none."""
    assert "--plugin" in cli(command, "--help").out


CLASSES = """
from typing import ClassVar
from torch import nn
from dlcli.plugins import *

class Mine(Layer):
    kind = "mine"
    def build(self, x): return nn.Identity()

class Other(Mine): pass

class Dashed(Mine):
    kind = "my-scale"

class Unbuilt(Layer):
    kind = "unbuilt"

class Aimless(Loss):
    kind = "aimless"
    def build(self): return None
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no plug-in my_parts.py"),
        ("x = 1\n", "has no `PLUGIN`"),
        ("\n1 / 0\n", "fails: ZeroDivisionError: division by zero"),
        ("def f(:\n", "fails: SyntaxError"),
        ("import sys\nsys.exit(0)\n", "fails: SystemExit: 0"),
        ("raise GeneratorExit\n", "fails: GeneratorExit"),
        ("\nimport no_such_module\n", "my_parts.py:2)"),
        ("\n\ndef f(:\n", "my_parts.py:3)"),
        (CLASSES + "Mine.kind = 'relu'\nPLUGIN = Plugin(layers=(Mine,))", "there is a layer `relu` already"),
        (CLASSES + "PLUGIN = Plugin(layers=(Mine, Other))", "Mine and Other are both called `mine`"),
        (CLASSES + "PLUGIN = Plugin(layers=(Dashed,))", "the `kind` of Dashed can't be 'my-scale'"),
        (CLASSES + "PLUGIN = Plugin(layers=(Mine))", "help: write layers=(MyLayer,), with a comma behind each class"),
        (CLASSES + "PLUGIN = Plugin(losses=(Mine,))", "Mine is among its `losses`"),
        (CLASSES + "PLUGIN = Plugin(layers=(Mine(),))", "is among its `layers`"),
        (CLASSES + "PLUGIN = Plugin(layers=(Unbuilt,))", "Unbuilt has no `build`"),
        (CLASSES + "PLUGIN = Plugin(losses=(Aimless,))", "Aimless does not say what it judges"),
        (
            "from dlcli.plugins import *\nclass A(Metric):\n    kind = 'loss'\n    judges = 'classes'\n    def build(self): pass\n"
            "PLUGIN = Plugin(metrics=(A,))\n",
            "A is called `loss`, as the loss is in logs",
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
