"""A command line in the test's own process, and a config that trains in a second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dlcli import plugins
from dlcli.cli.main import run

CONFIGS = Path(__file__).parents[2] / "configs"

QUICK = """\
data: {name: digits, limit: 300}
model:
  layers:
    - conv2d: {out_channels: 8, kernel_size: 3}
    - relu
    - max_pool2d: 2
    - flatten
    - dropout: 0.1
    - linear: ${data.num_classes}
train:
  epochs: 2
  batch_size: 32
  optimizer: {name: adam, lr: 1e-2}
  metrics: [accuracy]
"""


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """All of stdout as one JSON object."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


class Cli:
    """Runs commands as a shell would, in a folder of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Outcome:
        self._capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Outcome(code, captured.out, captured.err)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line, in an empty folder, with no data but what is inside the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DLCLI_DATA", raising=False)
    return Cli(capsys)


@pytest.fixture(autouse=True)
def _no_plugin_stays() -> Iterator[None]:
    """What a test's plug-ins bring is forgotten with it; else it would stay for as long as the process."""
    tables = [family.table for family in plugins._FAMILIES] + [plugins.CATALOGUE, plugins._INSTALLED]
    before = [dict(table) for table in tables]
    yield
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """A config that trains in a second, on the embedded digits."""
    path = tmp_path / "quick.yaml"
    path.write_text(QUICK)
    return path


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that reaches nothing: every connection fails at once."""
    import socket

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "create_connection", refuse)
