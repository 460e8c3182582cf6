"""Taking a run up again: by one process alone, with which settings, and from where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import torch

from dlcli.app.configs import Config, read_experiment
from dlcli.config import compose, tree
from dlcli.config.data.tables import ALL
from dlcli.config.tree import shortened
from dlcli.data.dataset import Dataset
from dlcli.errors import DataError, UsageError
from dlcli.runtime.environment import environment
from dlcli.runtime.lock import HeldError, locked
from dlcli.training.checkpoint_folder import load_newest
from dlcli.training.progress import Observer
from dlcli.training.run_folder import LATEST, RunFolder, find_run
from dlcli.training.trainer import Trainer

_HARMLESS: Final = ("train.max_time", "train.early_stopping", "train.save_every")
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


_DECIDES_BITS: Final = {
    "dlcli": "dlcli",
    "torch": "torch",
    "numpy": "numpy",
    "platform": "platform",
    "device_name": "processor",
    "threads": "threads",
}
"""What of a machine decides to the last bit what it computes, by its key in run.json, and what people call it."""


@dataclass(frozen=True)
class Change:
    """A setting that is another in a run that goes on.

    Attributes:
        setting: its dotted key.
        before: what it was; None where it was not given.
        now: what it is.
        is_harmless: whether the run takes the same steps with it, up to its end.
    """

    setting: str
    before: Any
    now: Any
    is_harmless: bool

    def __str__(self) -> str:
        effect = "harmless" if self.is_harmless else "changes the course from here on"
        return f"{self.setting}: {self.before} -> {self.now} ({effect})"


@dataclass
class Resumption:
    """A run that goes on.

    Attributes:
        folder: the run's.
        record: its run.json as it was before.
        changes: settings that are others now.
        differences: what of the machine is another now, so that it does not go on bit for bit.
        step: the step after which it goes on.
        at: when it was taken up, in ISO 8601.
    """

    folder: RunFolder
    record: dict[str, Any]
    changes: list[Change]
    differences: list[str] = field(default_factory=list)
    step: int = 0
    at: str = field(default_factory=lambda: datetime.now().astimezone().isoformat(timespec="milliseconds"))

    def tell(self, on_notice: Callable[[str], None]) -> None:
        """Says what is not as it was."""
        for change in self.changes:
            on_notice(str(change))
        if self.record.get("status") == "running":
            on_notice(f"{self.folder.path} did not end in order: its process was killed, or the machine stopped")

    def as_json(self) -> list[dict[str, Any]]:
        """What run.json says of all times that the run was taken up."""
        this = {
            "at": self.at,
            "step": self.step,
            "changes": [asdict(change) for change in self.changes],
            "differences": self.differences,
        }
        return [*self.record["resumed"], this]


@contextmanager
def only_trainer_of(folder: RunFolder, on_notice: Callable[[str], None]) -> Iterator[None]:
    """Keeps other trainings out of a run's folder until the end of the block.

    Raises:
        UsageError: one is there already.
        ResourceError: the folder can't be written.
    """
    try:
        with locked(folder.path) as is_locked:
            if not is_locked:
                on_notice(f"there are no locks here: see that nothing else trains {folder.path} meanwhile")
            yield
    except HeldError as error:
        holder = error.holder
        stop = f", or stop it: kill {holder.pid}" if holder.pid else ""
        raise UsageError(f"{folder.path} is being trained by {holder}", help=f"wait until it ends{stop}") from error


def run_to_resume(run: str, runs: Path, config: Config | None) -> RunFolder:
    """The folder of the run that is to go on.

    Args:
        run: a folder, a name, or `latest`: the newest, with a config the newest of that config.
        runs: the folder of all runs.
        config: as it was given beside it.

    Raises:
        UsageError: there is no such run.
    """
    if isinstance(config, dict):
        raise UsageError("a run that goes on has its config", help="give None, and what changes by its dotted key")
    return find_run(run, runs, config=str(config) if config is not None and run == LATEST else None)


def settings_changed(
    folder: RunFolder, record: dict[str, Any], config: Config | None, overrides: Iterable[str], data_dir: Path | None
) -> list[Change]:
    """What a run goes on with that it did not begin with.

    Args:
        folder: the run's.
        record: its run.json.
        config: as it was given beside it; it must be the run's own.
        overrides: as for `--set`.
        data_dir: where data is looked for first.

    Raises:
        UsageError: a change that does not fit what was trained so far.
    """
    if isinstance(config, str | Path):
        check_same_config(Path(config), folder, record, data_dir)
    return check_changes(folder.resolved_config, overrides, data_dir)


def take_up(trainer: Trainer, resumption: Resumption, observer: Observer) -> None:
    """Puts a training back to its run's newest checkpoint.

    Raises:
        CheckpointError: none verifies, or they are of another network.
    """
    folder = resumption.folder
    checkpoint = load_newest(folder.checkpoints, observer.notice, set_aside=True)
    if checkpoint is None:
        observer.notice(f"{folder.path} has no checkpoint yet: starting with its first step")
        return
    trainer.restore(checkpoint)
    trainer.reopen()
    resumption.step = trainer.progress.step
    if trainer.progress.finished is not None:
        ended = f"the run is over ({trainer.progress.finished}, after epoch {trainer.progress.epoch})"
        observer.notice(f"{ended}: a higher limit, such as --set {_higher_limit(trainer)}, lets it go on")
        return
    resumption.differences = differences(resumption.record, trainer.device, deterministic=trainer.spec.deterministic)
    if resumption.differences:
        found = "; ".join(resumption.differences)
        observer.notice(f"not bit for bit what an undisturbed run would be from here on: {found}")


def differences(record: dict[str, Any], device: torch.device, *, deterministic: bool) -> list[str]:
    """What of the machine is another than a run had, or never gives the same bits twice.

    Args:
        record: the run's.
        device: the one that is used now.
        deterministic: as `train.deterministic`.
    """
    then, now = record.get("versions"), environment(device)
    found = []
    if record.get("device") != str(device):
        found.append(f"the device was {record.get('device')}, and is {device}")
    for key, called in _DECIDES_BITS.items():
        before = then.get(key) if isinstance(then, dict) else None
        if before != now[key]:
            found.append(f"{called} was {before}, and is {now[key]}")
    if device.type != "cpu" and not deterministic:
        found.append(f"{device.type} gives the same bits only with train.deterministic")
    return found


def _higher_limit(trainer: Trainer) -> str:
    """What would let a run go on that is over."""
    progress, spec = trainer.progress, trainer.spec
    match progress.finished:
        case "max_steps":
            return f"train.max_steps={2 * progress.step}"
        case "max_time":
            return f"train.max_time={2 * (spec.max_time or progress.elapsed_seconds):.0f}"
        case "early_stopping":
            return f"train.early_stopping.patience={progress.epochs_without_better + 5}"
    return f"train.epochs={progress.epoch + 5}"


def check_changes(resolved: Path, overrides: Iterable[str], data_dir: Path | None) -> list[Change]:
    """What the overrides change in a run that goes on.

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
    changes = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if not _is_below(key, _HARMLESS + _CHANGES_COURSE):
            help = "train anew with it, or leave it out: a run goes on with " + ", ".join(_HARMLESS + _CHANGES_COURSE) + " alone"
            raise UsageError(f"`{key}` can't change from {old} to {new} in a run that goes on", help=help)
        changes.append(Change(key, old, new, is_harmless=_is_below(key, _HARMLESS)))
    return changes


def check_same_config(config: Path, folder: RunFolder, record: dict[str, Any], data_dir: Path | None) -> None:
    """Whether a config, with the overrides that a run had, is still the one that the run was trained with.

    Raises:
        UsageError: it is not.
    """
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
