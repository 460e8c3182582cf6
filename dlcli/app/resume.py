"""Taking a run up again: which settings may differ from those it began with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from dlcli.app.experiments import read_experiment
from dlcli.config import compose, tree
from dlcli.errors import UsageError

_HARMLESS: Final = ("train.max_time", "train.early_stopping")
_CHANGES_COURSE: Final = ("train.epochs", "train.max_steps", "train.optimizer", "train.schedule", "train.clip_gradients")


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
        if not key.startswith((*_HARMLESS, *_CHANGES_COURSE)):
            help = "train anew with it, or leave it out: a run goes on with " + ", ".join(_HARMLESS + _CHANGES_COURSE) + " alone"
            raise UsageError(f"`{key}` can't change from {old} to {new} in a run that goes on", help=help)
        effect = "harmless" if key.startswith(_HARMLESS) else "changes the course from here on"
        lines.append(f"{key}: {old} -> {new} ({effect})")
    return lines


def check_same_config(config: Path, resolved: Path, data_dir: Path | None) -> None:
    """Whether a config is still the one that a run began with, apart from the data that was found.

    Raises:
        UsageError: it is not.
    """
    now, then = _flat(read_experiment(config, (), data_dir).resolved()), _flat(tree.plain(compose.load(resolved)))
    changed = sorted(key for key in now.keys() & then.keys() if not key.startswith("data.") and now[key] != then[key])
    if changed:
        help = "leave the config out to go on with the run's own: dlcli train --resume"
        raise UsageError(f"{config} is no longer what the run began with: {', '.join(changed[:5])} changed", help=help)


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """`a.b.0.c` -> value."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = {str(index): item for index, item in enumerate(value)}.items()
    else:
        return {key: value}
    return {path: leaf for name, inner in items for path, leaf in _flat(inner, f"{key}.{name}" if key else str(name)).items()}
