"""docs/tutorial: its configs run with nothing else, its commands are ones that there are, and what it shows of both is true."""

from __future__ import annotations

import contextlib
import io
import math
import re
import shlex
import shutil
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from dlcli.app.configs import diagnose
from dlcli.app.smoke import smoke
from dlcli.app.summary import summarise
from dlcli.cli.main import app
from dlcli.cli.train import resume_arguments
from tests.integration.conftest import CONFIGS as SHIPPED
from tests.integration.conftest import Cli

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"
CONFIGS = sorted((TUTORIAL / "configs").glob("*.yaml"))
PAGES = sorted(TUTORIAL.glob("*.md"))
MEANT_TO_FAIL = {"head", "no-nonlinearity"}
"""What a reader is asked to try because of what it says."""


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _sections() -> list[Any]:
    """Each numbered section of the pages, with the config that it is about."""
    found = [section for page in PAGES for section in re.split(r"^## (?=\d)", _text(page), flags=re.MULTILINE)[1:]]
    with_config = [(re.search(r"\d\d-[a-z-]+\.yaml", section), section) for section in found]
    return [pytest.param(name[0], section, id=name[0]) for name, section in with_config if name is not None]


def _commands() -> list[str]:
    """Every `dlcli ...` of the pages and of the configs' heads, without comments and redirections."""
    lines = [
        *(line for page in PAGES for line in re.findall(r"^ {4}(?:\$ )?(dlcli .+)$", _text(page), re.MULTILINE)),
        *(line for page in PAGES for line in re.findall(r"`(dlcli [^`]+)`", _text(page))),
        *(line for config in CONFIGS for line in re.findall(r"^# +(dlcli .+)$", _text(config), re.MULTILINE)),
    ]
    return sorted({re.split(r" +(?:#|<) ", line)[0] for line in lines})


def _overrides(arguments: list[str]) -> list[str]:
    return [value for option, value in pairwise(arguments) if option == "--set"]


@pytest.fixture
def first_steps(cli: Cli, tmp_path: Path, no_download: None) -> Path:
    """The configs in a folder of their own, which is the working directory; the machine has nothing else."""
    for config in CONFIGS:
        shutil.copy(config, tmp_path)
    return tmp_path


@pytest.mark.parametrize("config", CONFIGS, ids=[config.name for config in CONFIGS])
def test_every_config_runs_in_a_fresh_folder(config: Path, first_steps: Path) -> None:
    """No mistake, no warning, and a training, a checkpoint and an evaluation of what stands in where there is no data."""
    assert [found.render() for found in diagnose(config.name, (), None)] == []
    result = smoke(Path(config.name), device="cpu")
    assert result.ok, result.error


@pytest.mark.parametrize("config", CONFIGS, ids=[config.name for config in CONFIGS])
def test_every_config_says_how_to_run_it(config: Path) -> None:
    """In its head; and the list of steps names it."""
    assert f"#   dlcli train {config.name}" in _text(config)
    assert f"(configs/{config.name})" in _text(TUTORIAL / "README.md")


@pytest.mark.parametrize("line", _commands())
def test_every_command_is_one(line: str, first_steps: Path) -> None:
    """Its options exist, the config that it names is there, and `--set` changes what can be changed."""
    _, *arguments = resume_arguments(shlex.split(line))
    context = typer.Context(typer.main.get_command(app), info_name="dlcli")
    command: Any = context.command
    while hasattr(command, "get_command"):
        name = arguments.pop(0)
        command = command.get_command(context, name)
        assert command is not None, f"there is no command {name}"
    if arguments:
        command.make_context("dlcli", list(arguments))
    for config in (argument for argument in arguments if argument.endswith(".yaml")):
        codes = {found.code for found in diagnose(config, _overrides(arguments), None)}
        assert codes <= MEANT_TO_FAIL, codes


@pytest.mark.parametrize(("config", "section"), _sections())
def test_what_a_reader_is_asked_to_set_can_be_set(config: str, section: str, first_steps: Path) -> None:
    """`--set` in the text of a section is about its config."""
    for changes in re.findall(r"`(--set [^`]+)`", section):
        codes = {found.code for found in diagnose(config, _overrides(shlex.split(changes)), None)}
        assert codes <= MEANT_TO_FAIL, f"{changes}: {codes}"


@pytest.mark.parametrize(("config", "section"), _sections())
def test_what_is_shown_of_a_config_is_in_it(config: str, section: str) -> None:
    """The same network, and no key of the data and the training that is another there."""
    whole = yaml.safe_load(_text(TUTORIAL / "configs" / config))
    for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL):
        shown = yaml.safe_load(block)
        assert shown["model"] == whole["model"]
        for part in ("data", "train"):
            assert shown.get(part, {}).items() <= whole[part].items()


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_summaries_are_what_the_command_prints(page: Path, cli: Cli, first_steps: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last character, on a terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    lines = _text(page).splitlines()
    for number, line in enumerate(lines):
        if line.startswith("    dlcli summary "):
            shown = takewhile(lambda text: not text or text.startswith("    "), lines[number + 1 :])
            printed = cli(*shlex.split(line)[1:]).out
            assert "\n".join(text.removeprefix("    ") for text in shown).strip() == printed.strip()


def test_the_list_of_steps_counts_parameters_right(first_steps: Path, shared_data: Path) -> None:
    """As `dlcli summary` does, of the networks for the data that the figures were measured on."""
    rows = re.findall(r"^\| \[`(\S+)`\]\S+ \| [^|]+ \| ([\d,]+) \|", _text(TUTORIAL / "README.md"), re.MULTILINE)
    assert [name for name, _ in rows] == [config.name for config in CONFIGS]
    texts = {"13-words.yaml": SHIPPED, "14-characters.yaml": shared_data / "text"}
    counted = [(name, f"{summarise(name, (), texts.get(name)).parameters:,}") for name, _ in rows]
    assert counted == rows


def test_the_gradient_reaches_back_as_far_as_is_said(first_steps: Path) -> None:
    """The Python of the page prints the figures of its table, but for the rounding of other machines."""
    page = _text(TUTORIAL / "2-from-a-cnn-to-an-rnn.md")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "page", "exec"), {})  # noqa: S102  # the page's own lines, as a reader would run them
    measured = [[float(value) for value in line.split()[1:]] for line in printed.getvalue().splitlines()]
    shown = [[float(value) for value in re.findall(r"\d\.\de-\d\d", row)] for row in page.splitlines() if row.count("e-") == 5]
    assert [len(row) for row in measured] == [len(row) for row in shown] == [5, 5, 5]
    for row, other in zip(measured, shown, strict=True):
        assert all(math.isclose(value, expected, rel_tol=0.1) for value, expected in zip(row, other, strict=True))
