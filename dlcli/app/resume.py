"""Taking a run up again: which settings may differ from those it began with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from dlcli.app.configs import read_experiment
from dlcli.app.runs import read_record
from dlcli.config import compose, tree
from dlcli.config.data.tables import ALL
from dlcli.config.tree import shortened
from dlcli.data.dataset import Dataset
from dlcli.errors import DataError, UsageError
from dlcli.training.run_folder import RunFolder

_HARMLESS: Final = ("train.max_time", "train.early_stopping")
_CHANGES_COURSE: Final = (
    "train.epochs",
    "train.max_steps",
    "train.optimizer.lr",
    "train.optimizer.weight_decay",
    "train.schedule",
    "train.clip_gradients",
)
_SETTLED_BY_DATA: Final = ("data.fallback", "data.normalize", "data.normalize_targets", "data.path")
"""What the resolved config has from the data that was found."""
_FOUND_IN_DATA: Final = ("data.vocabulary", "data.target", "data.features")
"""For the same, but only where the config leaves it open."""


def check_changes(resolved: Path, overrides: Iterable[str], data_dir: Path | None) -> list[str]:
    """What the overrides change in a run that goes on, as lines for a person.

    Args:
        resolved: the run's config.resolved.yaml.
        overrides: as for `--set`.
        data_dir: where data is looked for first.

    Raises:
        UsageError: a change that does not fit what was trained so far.
    """
    overrides = tuple(overrides)
    if not overrides:
        return []
    before = _flat(tree.plain(compose.load(resolved)))
    after = _flat(read_experiment(resolved, overrides, data_dir).resolved())
    lines = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if not _is_below(key, _HARMLESS + _CHANGES_COURSE):
            help = "train anew with it, or leave it out: a run goes on with " + ", ".join(_HARMLESS + _CHANGES_COURSE) + " alone"
            raise UsageError(f"`{key}` can't change from {old} to {new} in a run that goes on", help=help)
        effect = "harmless" if _is_below(key, _HARMLESS) else "changes the course from here on"
        lines.append(f"{key}: {old} -> {new} ({effect})")
    return lines


def check_same_config(config: Path, folder: RunFolder, data_dir: Path | None) -> None:
    """Whether a config, with the overrides that a run had, is still the one that the run was trained with.

    Raises:
        UsageError: it is not.
    """
    record = read_record(folder)
    then = _flat(tree.plain(compose.load(folder.resolved_config)))
    now = _flat(read_experiment(config, record.get("overrides", ()), data_dir).resolved())
    fell_back = record["data"].get("asked") != record["data"].get("used")
    settled: tuple[str, ...] = ("data",) if fell_back else _SETTLED_BY_DATA
    settled += tuple(key for key in _FOUND_IN_DATA if now.get(key) in (None, ALL))
    changed = sorted(key for key in now.keys() | then.keys() if not _is_below(key, settled) and now.get(key) != then.get(key))
    if changed:
        help = "leave the config out to go on with the run's own: dlcli train --resume"
        raise UsageError(f"{config} is no longer what the run began with: {', '.join(changed[:5])} changed", help=help)


def check_same_data(record: dict[str, Any], dataset: Dataset) -> None:
    """Whether a run that goes on has the samples that it began with.

    Raises:
        DataError: there are more or fewer, or they are of another kind.
    """
    before, now = record["data"], {"samples": dataset.counts(), "facts": dataset.facts.as_json()}
    for key, value in now.items():
        if before.get(key) != value:
            message = f"{dataset.origin} has changed since the run began: {key} were {before.get(key)}, and are {value}"
            raise DataError(message, help=_AS_IT_WAS)
    check_same_classes(record, dataset)


def check_same_classes(record: dict[str, Any], dataset: Dataset) -> None:
    """Whether each class still has the name that a run knows it by.

    Raises:
        DataError: it has another one.
    """
    before, now = record["data"].get("classes"), list(dataset.class_names) if dataset.class_names is not None else None
    if before != now:
        found = f"the classes were {shortened(_listed(before))}, and are {shortened(_listed(now))}"
        raise DataError(f"{dataset.origin} has changed since the run began: {found}", help=_AS_IT_WAS)


def _listed(classes: list[str] | None) -> str:
    return ", ".join(classes) if classes is not None else "numbers without names"


_AS_IT_WAS: Final = "train anew, or give the folder with the data as it was: --data-dir"


def _is_below(key: str, prefixes: tuple[str, ...]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """`a.b.0.c` -> value."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = {str(index): item for index, item in enumerate(value)}.items()
    else:
        return {key: value}
    return {path: leaf for name, inner in items for path, leaf in _flat(inner, f"{key}.{name}" if key else str(name)).items()}
