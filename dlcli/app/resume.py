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
from dlcli.config.yaml_output import inline_yaml
from dlcli.data.dataset import Dataset
from dlcli.errors import DataError, ResourceError, UsageError
from dlcli.models import kernels
from dlcli.plugins import installed
from dlcli.runtime.environment import environment
from dlcli.runtime.lock import HeldError, locked
from dlcli.training.checkpoint_folder import list_checkpoints, load_newest, set_aside_after, step_of
from dlcli.training.progress import Observer
from dlcli.training.run_folder import LATEST, RunFolder, find_run
from dlcli.training.trainer import Trainer

_HARMLESS: Final = ("train.max_time", "train.early_stopping", "train.save_every", "train.loggers")
_CHANGES_COURSE: Final = (
    "train.epochs",
    "train.max_steps",
    "train.optimizer.lr",
    "train.optimizer.weight_decay",
    "train.schedule",
    "train.clip_gradients",
)
_PERMITTED: Final = _HARMLESS + _CHANGES_COURSE
_AS_A_WHOLE: Final = ("train.loggers",)
"""Lists whose entries are not told of one by one."""
_IN_SECONDS: Final = ("train.max_time", "train.save_every")
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
    "kernels": "compiled kernels",
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
        return f"{self.setting}: {_shown(self.setting, self.before)} -> {_shown(self.setting, self.now)} ({effect})"


@dataclass
class Resumption:
    """A run that goes on.

    Attributes:
        folder: the run's.
        record: its run.json as it was before.
        overrides: as for `--set`, of this time.
        changes: settings that are others now.
        is_closed: whether it is over, stays so, and has its result: then nothing of it is changed.
        differences: what of the machine is another now, so that it does not go on bit for bit.
        step: the step after which it goes on.
        at: when it was taken up, in ISO 8601.
    """

    folder: RunFolder
    record: dict[str, Any]
    overrides: tuple[str, ...]
    changes: list[Change]
    is_closed: bool = False
    differences: list[str] = field(default_factory=list)
    step: int = 0
    at: str = field(default_factory=lambda: datetime.now().astimezone().isoformat(timespec="milliseconds"))

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


def take_up(trainer: Trainer, resumption: Resumption, observer: Observer) -> None:
    """Puts a training back to its run's newest checkpoint. One that is over is as it was: what was to change is forgotten.

    Raises:
        UsageError: a limit is given that the training has passed.
        CheckpointError: no checkpoint verifies, or they are of another network.
    """
    folder, record = resumption.folder, resumption.record
    if record.get("status") == "running":
        observer.notice(f"{folder.path} did not end in order: its process was killed, or the machine stopped")
    checkpoint = load_newest(folder.checkpoints, observer.notice)
    if checkpoint is not None:
        trainer.restore(checkpoint)
        trainer.reopen()
        _check_limits(trainer, resumption.changes)
        resumption.step = trainer.progress.step
        if trainer.progress.finished is not None:
            _stay_over(trainer, resumption, observer)
            return
        set_aside_after(checkpoint)
    for change in resumption.changes:
        observer.notice(str(change))
    if checkpoint is None:
        observer.notice(f"{folder.path} has no checkpoint yet: starting with its first step")
        return
    resumption.differences = differences(record, trainer.device, deterministic=trainer.spec.deterministic)
    if resumption.differences:
        found = "; ".join(resumption.differences)
        observer.notice(f"not bit for bit what an undisturbed run would be from here on: {found}")


def _check_limits(trainer: Trainer, changes: Iterable[Change]) -> None:
    """Raises UsageError where one of the changes is a limit that the training has passed."""
    progress, given = trainer.progress, {change.setting: change.now for change in changes}
    epoch = progress.epoch + (progress.step_in_epoch > 0)
    done = f"{progress.epoch:,} epochs are done" if epoch == progress.epoch else f"epoch {epoch:,} is under way"
    passed = {"train.epochs": (epoch, done), "train.max_steps": (progress.step, f"{progress.step:,} steps are done")}
    for setting, (least, what) in passed.items():
        limit = given.get(setting)
        if limit is not None and limit < least:
            help = f"give what is done or more: --set {setting}={least}"
            raise UsageError(f"{what}, and {setting} is {limit}", help=help)


def _stay_over(trainer: Trainer, resumption: Resumption, observer: Observer) -> None:
    """Says that the run is over; nothing of it changes, but for the result that it may lack yet."""
    resumption.is_closed = resumption.record.get("status") == "completed" and resumption.folder.is_sealed
    unchanged = ", and nothing of it is changed" if resumption.changes else ""
    resumption.changes, resumption.overrides = [], ()
    ended = f"the run is over ({trainer.progress.finished}, after epoch {trainer.progress.epoch}){unchanged}"
    observer.notice(f"{ended}: a higher limit, such as --set {_higher_limit(trainer)}, lets it go on")


def what_is_saved(folder: RunFolder) -> str:
    """Up to which step a run that failed is saved, and how it can go on."""
    again = " ".join(["dlcli train --resume", str(folder.path), *(f"--plugin {origin}" for origin in installed())])
    try:
        saved = list_checkpoints(folder.checkpoints)
    except ResourceError as error:
        return error.message
    if not saved:
        return f"nothing was saved yet; to begin anew: {again}"
    return f"saved up to step {step_of(saved[-1]):,}; to go on from there: {again}"


def machine(device: torch.device) -> dict[str, Any]:
    """What a run runs on: versions, machine and device, and which compiled kernels there are for the CPU."""
    return environment(device) | {"kernels": kernels.level() if device.type == "cpu" else None}


def differences(record: dict[str, Any], device: torch.device, *, deterministic: bool) -> list[str]:
    """What of the machine is another than a run had, or never gives the same bits twice.

    Args:
        record: the run's.
        device: the one that is used now.
        deterministic: as `train.deterministic`.
    """
    then, now = record.get("versions"), machine(device)
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
        if not _is_below(key, _PERMITTED):
            help = f"train anew with it, or leave it out: a run goes on with {', '.join(_PERMITTED)} alone"
            what = f"from {_shown(key, old)} to {_shown(key, new)}"
            raise UsageError(f"`{key}` can't change {what} in a run that goes on", help=help)
        changes.append(Change(key, old, new, is_harmless=_is_below(key, _HARMLESS)))
    return changes


def changes_of_config(config: Path, folder: RunFolder, record: dict[str, Any], data_dir: Path | None) -> tuple[str, ...]:
    """What a config, with the overrides that a run had, says otherwise than the run does, as `--set` would say it.

    Raises:
        UsageError: it says something else that can't change in a run that goes on.
    """
    resolved = read_experiment(config, record.get("overrides", ()), data_dir).resolved()
    then, now = _flat(tree.plain(compose.load(folder.resolved_config))), _flat(resolved)
    fell_back = record["data"].get("asked") != record["data"].get("used")
    settled: tuple[str, ...] = ("data",) if fell_back else _SETTLED_BY_DATA
    settled += tuple(key for key in _FOUND_IN_DATA if now.get(key) in (None, ALL))
    changed = sorted(key for key in now.keys() | then.keys() if not _is_below(key, settled) and now.get(key) != then.get(key))
    refused = [key for key in changed if not _is_below(key, _PERMITTED)]
    if refused:
        help = "leave the config out to go on with the run's own: dlcli train --resume"
        raise UsageError(f"{config} is no longer what the run began with: {', '.join(refused[:5])} changed", help=help)
    settings = [setting for setting in _PERMITTED if any(_is_below(key, (setting,)) for key in changed)]
    return tuple(f"{setting}={inline_yaml(_value_of(resolved, setting))}" for setting in settings)


def check_same_data(record: dict[str, Any], dataset: Dataset) -> None:
    """Whether a run that goes on has the samples that it began with.

    Raises:
        DataError: there are more or fewer, they are of another kind, or have other values.
    """
    before, now = record["data"], {"samples": dataset.counts(), "facts": dataset.facts.as_json()}
    for key, value in now.items():
        if before.get(key) != value:
            message = f"{dataset.origin} has changed since the run began: {key} were {before.get(key)}, and are {value}"
            raise DataError(message, help=_AS_IT_WAS)
    check_same_classes(record, dataset)
    if has_other_values(record, dataset):
        message = f"{dataset.origin} has changed since the run began: there are as many samples, and some have other values"
        raise DataError(message, help=_AS_IT_WAS)


def has_other_values(record: dict[str, Any], dataset: Dataset) -> bool:
    """Whether the samples are others than those that a run began with, as far as that was noted."""
    return bool(record["data"].get("fingerprint", dataset.fingerprint) != dataset.fingerprint)


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


def _shown(setting: str, value: Any) -> str:
    """A value as a person would write it."""
    if value is None:
        return "not set"
    return f"{value:.10g}s" if setting in _IN_SECONDS else inline_yaml(value)


def _value_of(config: Any, setting: str) -> Any:
    """What stands at a dotted key; None where nothing does."""
    for key in setting.split("."):
        config = config.get(key) if isinstance(config, dict) else None
    return config


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """`a.b.0.c` -> value."""
    if key in _AS_A_WHOLE:
        return {key: value}
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = {str(index): item for index, item in enumerate(value)}.items()
    else:
        return {key: value}
    return {path: leaf for name, inner in items for path, leaf in _flat(inner, f"{key}.{name}" if key else str(name)).items()}
