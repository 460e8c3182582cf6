"""docs/reference: it is what the code says, whatever the terminal is like, and its examples are valid."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from dlcli.config.augmentation import AUGMENTATIONS
from dlcli.config.data import SOURCES
from dlcli.config.layers import LAYERS
from dlcli.config.loggers import LOGGERS
from dlcli.config.losses import LOSSES
from dlcli.config.metrics import METRICS
from dlcli.config.optimizers import OPTIMIZERS
from dlcli.config.schedules import SCHEDULES
from dlcli.config.training import TrainSpec
from tests.integration.conftest import Cli

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "reference.py"
REFERENCE = ROOT / "docs" / "reference"
PAGES = ("commands", "data", "layers", "training")


@cache
def _page(name: str) -> str:
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def _examples() -> list[Any]:
    found = [(name, text) for name in PAGES for text in re.findall(r"```yaml\n(.*?)```", _page(name), re.DOTALL)]
    return [pytest.param(text, id=f"{name}-{number}") for number, (name, text) in enumerate(found)]


@pytest.fixture
def read_example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """What reads a config as the script does, with something known of files that are not there."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    function: Callable[[str], Any] = import_module("reference_examples").read_example
    return function


def test_the_reference_is_what_the_code_says(tmp_path: Path) -> None:
    """To the last character; and so on a narrow terminal with colours, in another language and place."""
    odd = {"COLUMNS": "23", "FORCE_COLOR": "1", "TERM": "xterm-256color", "LANG": "C", "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, SCRIPT, tmp_path / "new"], env={**os.environ, **odd}, cwd=tmp_path, check=True)
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "new").iterdir()}
    assert set(written) == {path.name for path in REFERENCE.iterdir()}
    stale = [name for name, text in written.items() if text != (REFERENCE / name).read_text(encoding="utf-8")]
    assert stale == [], f"docs/reference is older than the code: run `make reference` ({', '.join(stale)})"


@pytest.mark.parametrize("text", _examples())
def test_every_example_is_valid(text: str, read_example: Callable[[str], Any], tmp_path: Path) -> None:
    """A whole config without a mistake and without a warning."""
    config = tmp_path / "example.yaml"
    config.write_text(text, encoding="utf-8")
    assert read_example(str(config)) is not None


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("layers", LAYERS),
        ("data", SOURCES),
        ("training", {**OPTIMIZERS, **SCHEDULES, **LOSSES, **METRICS, **LOGGERS, **AUGMENTATIONS}),
    ],
    ids=["layers", "data", "training"],
)
def test_every_name_has_its_section(page: str, names: dict[str, type]) -> None:
    """With an example that uses it."""
    sections = {part.partition("`")[0]: part for part in _page(page).split("\n### `")[1:]}
    for name in names:
        examples = re.findall(r"```yaml\n(.*?)```", sections[name], re.DOTALL)
        assert any(re.search(rf"\b{name}\b", example) for example in examples), name


def test_every_key_of_the_training_is_there() -> None:
    """As the first cell of a row."""
    for key in TrainSpec.model_fields:
        assert f"| `{key}` |" in _page("training")


def test_every_command_is_there_with_its_options(cli: Cli) -> None:
    """What `--help` of a command names, the page names too."""
    shown = re.findall(r"^  ([a-z]+)  ", cli("--help").out.partition("Commands:")[2], re.MULTILINE)
    assert {"train", "eval", "smoke"} <= {*shown}
    for command in shown:
        inner = re.findall(r"^  ([a-z]+)  ", cli(command, "--help").out.partition("Commands:")[2], re.MULTILINE)
        for name in (f"{command} {part}".strip() for part in inner or [""]):
            section = _page("commands").partition(f"\n## `dlcli {name}`\n")[2].partition("\n## ")[0]
            options = {*re.findall(r"--[a-z-]+", cli(*name.split(), "--help").out)}
            assert options
            assert {option for option in options if option not in section} == set(), name
