"""Configs read and checked with what is known of their data, without reading it and without torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from dlcli.config import compose, experiment
from dlcli.config.data import DataSpec
from dlcli.config.diagnostics import ConfigError, Diagnostic, Place, Source, shown
from dlcli.config.experiment import Experiment
from dlcli.config.facts import DataFacts
from dlcli.config.tree import Mapping
from dlcli.data.catalogue import SOURCES
from dlcli.data.directories import Directories, search_directories
from dlcli.data.raw import DataUnavailableError
from dlcli.errors import UsageError

Config = str | Path | dict[str, Any]

_SUFFIXES: Final = (".yaml", ".yml", ".json")


def is_config(target: str) -> bool:
    """Whether a config is meant and not a run: `-` for standard input, a file, or a name that ends as those of configs."""
    path = Path(target)
    try:
        return target == compose.STDIN or path.is_file() or (path.suffix in _SUFFIXES and not path.is_dir())
    except OSError:  # a name too long for a file
        return False


def read_experiment(config: Config, overrides: Iterable[str], data_dir: Path | None) -> Experiment:
    """Reads and checks a config without reading its data.

    Raises:
        UsageError: the config can't be read.
        ConfigError: it has mistakes.
        DataError: its data is not there, and nothing can be known of it.
    """
    return declared_experiment(compose.load(config, overrides), directories_of(config, data_dir))


def declared_experiment(composed: Mapping, directories: Directories) -> Experiment:
    """The same of a config that was read already.

    Raises:
        ConfigError, DataError: as `read_experiment`.
    """
    return experiment.resolve(composed, lambda spec: declared_facts(spec, directories))


def diagnose(config: str | Path, overrides: Iterable[str], data_dir: Path | None) -> list[Diagnostic]:
    """Everything that is wrong with a config, in the order of the text.

    Data of which nothing can be known is one of the diagnostics (`data`), and so is a file that can't be read (`file`).

    Raises:
        UsageError: an override is not of the form `a.b.c=value`.
    """
    directories = directories_of(config, data_dir)
    try:
        compose.read_text(Path(config))
    except UsageError as error:
        return [Diagnostic("file", error.message, Place(Source(str(config), ""), 1, 1), error.help)]
    try:
        composed = compose.load(config, overrides)
        found = experiment.examine(composed, lambda spec: declared_facts(spec, directories))
    except ConfigError as error:
        return list(error.diagnostics)
    diagnostics = list(found.diagnostics)
    if found.missing is not None:
        diagnostics.append(Diagnostic("data", shown(found.missing.message), found.data_place, found.missing.help))
    return diagnostics


def directories_of(config: Config, data_dir: Path | None) -> Directories:
    """Where the data of a config is looked for."""
    return search_directories(data_dir, None if isinstance(config, dict) else Path(config).parent)


def declared_facts(spec: DataSpec, directories: Directories) -> DataFacts:
    """What is known of a source's data, or of its fallback's where it can't be had.

    Raises:
        DataError: nothing is known, or what is there is damaged.
    """
    try:
        return SOURCES[type(spec)].facts(spec, directories)
    except DataUnavailableError:
        if spec.fallback is None:
            raise
        return declared_facts(spec.fallback, directories)
