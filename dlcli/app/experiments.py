"""A config and its data, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlcli.config import compose, experiment
from dlcli.config.data import DataSpec
from dlcli.config.experiment import Experiment
from dlcli.config.facts import DataFacts
from dlcli.data.catalogue import SOURCES
from dlcli.data.dataset import Dataset, open_dataset
from dlcli.data.directories import Directories, search_directories
from dlcli.data.raw import DataUnavailableError
from dlcli.errors import CheckpointError
from dlcli.training.run_folder import RunFolder

Config = str | Path | dict[str, Any]


def read_experiment(config: Config, overrides: Iterable[str], data_dir: Path | None) -> Experiment:
    """Reads and checks a config without reading its data.

    Raises:
        UsageError: the config can't be read.
        ConfigError: it has mistakes.
        DataError: its data is not there, and nothing can be known of it.
    """
    directories = _directories(config, data_dir)
    return experiment.resolve(compose.load(config, overrides), lambda spec: _declared_facts(spec, directories))


def open_experiment(
    config: Config,
    overrides: Iterable[str],
    data_dir: Path | None,
    on_notice: Callable[[str], None],
    *,
    downloads: bool = True,
) -> tuple[Experiment, Dataset]:
    """Reads a config and its data.

    The config is checked before anything is downloaded; where a fallback steps in, it is resolved again for that.

    Args:
        config: a path, or a dict of plain values.
        overrides: as for `--set`.
        data_dir: where data is looked for first.
        on_notice: takes a line about what a person should know.
        downloads: whether data that is not on disk may be fetched.

    Raises:
        UsageError, ConfigError, DataError: as `read_experiment`, and for what is wrong with the data itself.
    """
    overrides = tuple(overrides)
    asked = read_experiment(config, overrides, data_dir)
    directories = _directories(config, data_dir)
    dataset = open_dataset(asked.data, directories, on_notice, downloads=downloads)
    found = asked
    if dataset.facts != asked.facts:
        found = experiment.resolve(compose.load(config, overrides), lambda _: dataset.facts)
    return replace(found, data=dataset.spec), dataset


def recorded_experiment(folder: RunFolder) -> Experiment:
    """The experiment of a run from what it recorded: its data need not be there.

    Raises:
        CheckpointError: the record does not say what the data was.
    """
    try:
        facts = DataFacts.from_json(folder.read_record()["data"]["facts"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder.path / 'run.json'} does not say what the data was: {error}") from error
    return experiment.resolve(compose.load(folder.resolved_config), lambda _: facts)


def recorded_data_dir(folder: RunFolder, data_dir: Path | None) -> Path | None:
    """Where a run's data is looked for first: where somebody says, else where it was when the run was trained."""
    if data_dir is not None:
        return data_dir
    recorded = folder.read_record().get("data", {}).get("folder")
    return Path(recorded) if isinstance(recorded, str) and Path(recorded).is_dir() else None


def _directories(config: Config, data_dir: Path | None) -> Directories:
    return search_directories(data_dir, None if isinstance(config, dict) else Path(config).parent)


def _declared_facts(spec: DataSpec, directories: Directories) -> DataFacts:
    try:
        return SOURCES[type(spec)].facts(spec, directories)
    except DataUnavailableError:
        if spec.fallback is None:
            raise
        return _declared_facts(spec.fallback, directories)
