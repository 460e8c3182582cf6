"""What a person means who names data: a source, or the `data` section of a config."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from dlcli.app.configs import Config, directories_of, is_config
from dlcli.config import compose
from dlcli.config.data import SOURCES
from dlcli.config.diagnostics import did_you_mean
from dlcli.config.experiment import read_data
from dlcli.config.misplaced import source_of_path
from dlcli.config.tree import shortened
from dlcli.data.dataset import Dataset, open_dataset
from dlcli.data.raw import DataUnavailableError
from dlcli.data.sources.published import PUBLISHED
from dlcli.errors import UsageError


def open_target(target: str, overrides: Iterable[str], data_dir: Path | None, on_notice: Callable[[str], None]) -> Dataset:
    """Reads data; nothing is downloaded.

    Args:
        target: a YAML file, whose `data` section is meant, `-` for standard input, or the name of a source.
        overrides: as for `--set`.
        data_dir: where data is looked for first.
        on_notice: takes a line about what a person should know.

    Raises:
        UsageError: there is neither such a config nor such a source.
        ConfigError: the data section has mistakes.
        DataError: the data is not there, or is damaged.
    """
    config = _config_of(target)
    spec = read_data(compose.load(config, overrides))
    try:
        return open_dataset(spec, directories_of(config, data_dir), on_notice, downloads=False)
    except DataUnavailableError as error:
        if spec.kind not in PUBLISHED:
            raise
        raise DataUnavailableError(spec.kind, error.reason, help=f"download it: dlcli data fetch {spec.kind}") from error


def _config_of(target: str) -> Config:
    """The config that is meant.

    Raises:
        UsageError: none can be.
    """
    if target in SOURCES:
        return {"data": {"name": target}}
    source = source_of_path(target)
    is_data = source is not None and (source != "image_folder" or Path(target).is_dir())
    if is_data and not target.endswith((".yaml", ".yml", ".json")):
        what = f"{shortened(target)} is data, and a config or the name of a source is expected"
        raise UsageError(what, help=f"give the name of its source, and the path behind it: {source} --set data.path={target}")
    if is_config(target):
        return target
    help = did_you_mean(target, SOURCES, "dlcli data list")
    raise UsageError(f"`{shortened(target)}` is neither a config nor the name of a data source", help=help)
