"""A config and its data, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from dlcli.app.configs import Config, declared_experiment, directories_of
from dlcli.config import compose, experiment
from dlcli.config.experiment import Experiment
from dlcli.data.dataset import Dataset, open_dataset
from dlcli.training.run_folder import RunFolder


def open_experiment(
    config: Config,
    overrides: Iterable[str],
    data_dir: Path | None,
    on_notice: Callable[[str], None],
    *,
    downloads: bool = True,
) -> tuple[Experiment, Dataset]:
    """Reads a config and its data.

    The config is read once, and checked before anything is downloaded; where a fallback steps in, it is resolved again for that.

    Args:
        config: a path, or a dict of plain values.
        overrides: as for `--set`.
        data_dir: where data is looked for first.
        on_notice: takes a line about what a person should know.
        downloads: whether data that is not on disk may be fetched.

    Raises:
        UsageError, ConfigError, DataError: as `read_experiment`, and for what is wrong with the data itself.
    """
    composed, directories = compose.load(config, overrides), directories_of(config, data_dir)
    asked = declared_experiment(composed, directories)
    dataset = open_dataset(asked.data, directories, on_notice, downloads=downloads)
    found = asked
    if dataset.facts != asked.facts:
        found = experiment.resolve(composed, lambda _: dataset.facts)
    dataset = dataset.without_target_scale(found.label_targets())
    return replace(found, data=dataset.spec), dataset


def recorded_data_dir(folder: RunFolder, data_dir: Path | None) -> Path | None:
    """Where a run's data is looked for first: where somebody says, else where it was when the run was trained."""
    if data_dir is not None:
        return data_dir
    recorded = folder.read_record().get("data", {}).get("folder")
    return Path(recorded) if isinstance(recorded, str) and Path(recorded).is_dir() else None
