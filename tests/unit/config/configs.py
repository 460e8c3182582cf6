"""Short ways from a text to what a config says or what is wrong with it. Nothing here needs data or torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from dlcli.config import compose, experiment, tree, yaml_source
from dlcli.config.data import DataSpec, KnownImages
from dlcli.config.diagnostics import ConfigError, Diagnostic, Report, Source
from dlcli.config.experiment import Experiment
from dlcli.config.facts import DataFacts

PROFILE = settings(max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))

Mistake = tuple[int, int, str]
"""Line, column, code."""


def parse(text: str) -> tree.Node:
    """The tree of a text without mistakes."""
    report = Report()
    node = yaml_source.parse(Source("test.yaml", text), report)
    report.raise_if_any()
    assert node is not None
    return node


def mistakes_in_yaml(text: str) -> list[Diagnostic]:
    """What is wrong with a text as YAML."""
    report = Report()
    yaml_source.parse(Source("test.yaml", text), report)
    return report.diagnostics


def value_of(text: str) -> Any:
    """What stands after `key: `."""
    return tree.plain(parse(f"key: {text}\n"))["key"]


def facts_of(data: DataSpec) -> DataFacts:
    """What is known of a public data set before it is read."""
    assert isinstance(data, KnownImages)
    return data.facts()


def load(text: str, overrides: Iterable[str] = (), facts: DataFacts | None = None) -> Experiment:
    """The experiment that a file with this text describes.

    Args:
        text: the config, indented as one likes.
        overrides: as after `--set`.
        facts: of the data; without them those of the public data set that the config names.
    """
    with TemporaryDirectory() as folder:
        composed = compose.load(write(Path(folder) / "config.yaml", text), overrides)
    return experiment.resolve(composed, lambda data: facts or facts_of(data))


def mistakes(text: str, overrides: Iterable[str] = (), facts: DataFacts | None = None) -> list[Diagnostic]:
    """All that is wrong with a config, in the order in which it is shown."""
    with pytest.raises(ConfigError) as caught:
        load(text, overrides, facts)
    return list(caught.value.diagnostics)


def places(diagnostics: Iterable[Diagnostic]) -> list[Mistake]:
    """Line, column and code of each."""
    return [(mistake.place.line, mistake.place.column, mistake.code) for mistake in diagnostics]


def write(path: Path, text: str) -> Path:
    """A file with this text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path
