"""Runs side by side: what their configs differ in, their curves and their results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dlcli.app.kept_runs.epochs import curve, read_epochs
from dlcli.app.kept_runs.record import KeptRun, find_kept, number_at, text_at, value_at, whole_at
from dlcli.config import yaml_source
from dlcli.config.compose import MAX_BYTES
from dlcli.config.diagnostics import ConfigError, Report, Source
from dlcli.config.tree import plain
from dlcli.errors import DlcliError, UsageError
from dlcli.training.manifest import read_limited
from dlcli.training.run_folder import RunFolder

Value = str | int | float | bool | None | list[Any] | dict[str, Any]

_TYPE: Final = ".type"
"""What the path of a layer's type ends in."""

ABSENT: Final = "-"
"""Stands for a key that a run's config has not."""
_LOSSES: Final = ("train/loss", "valid/loss")


@dataclass(frozen=True)
class Difference:
    """A key of the configs whose values are not all the same.

    Attributes:
        path: with dots, as `--set` takes it; an entry of a list stands there by its name.
        values: one for each run; `ABSENT` where its config has no such key.
    """

    path: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: these, in the order in which they were given.
        differences: of their resolved configs, in the order of the first; None where fewer than two can be read.
        curves: by the name of what was measured a curve for each run, all of one length: a value an epoch, or None.
        problems: why something can't be compared.
    """

    runs: tuple[KeptRun, ...]
    differences: tuple[Difference, ...] | None
    curves: Mapping[str, tuple[list[float | None], ...]]
    problems: tuple[str, ...]

    def results(self) -> dict[str, list[Value]]:
        """By its name a result for each run; a row that nobody has a value of is left out."""
        rows: dict[str, list[Value]] = {
            "data": [_data(run) for run in self.runs],
            "status": [run.status for run in self.runs],
            "epochs": [run.epochs for run in self.runs],
            "monitored": [run.monitored for run in self.runs],
            "best": [run.best for run in self.runs],
            "best_epoch": [whole_at(run.record, "best", "epoch") for run in self.runs],
        }
        for name in _figures(self.runs):
            rows[f"test/{name}"] = [number_at(run.record, "test", name) for run in self.runs]
        rows["train_seconds"] = [run.train_seconds for run in self.runs]
        rows["samples_per_second"] = [number_at(run.record, "samples_per_second") for run in self.runs]
        rows["parameters"] = [run.parameters for run in self.runs]
        rows["device"] = [text_at(run.record, "device") for run in self.runs]
        return {name: values for name, values in rows.items() if any(value is not None for value in values)}

    def as_json(self) -> dict[str, Any]:
        """What `runs compare --json` prints."""
        return {
            "runs": [run.as_json() for run in self.runs],
            "differences": None if self.differences is None else {each.path: list(each.values) for each in self.differences},
            "curves": {key: list(curves) for key, curves in self.curves.items()},
            "results": self.results(),
            "problems": list(self.problems),
        }


def compare(names: Sequence[str], runs: Path) -> Comparison:
    """Lays runs side by side.

    Args:
        names: their folders or names, at least two.
        runs: the folder of all runs.

    Raises:
        UsageError: there is no such run, or only one.
    """
    if len(names) < 2:
        raise UsageError("there is nothing to compare the run with", help="give two runs or more: dlcli runs compare RUN RUN")
    kept = tuple(find_kept(name, runs) for name in names)
    problems = [run.problem for run in kept if run.problem is not None]
    configs: list[dict[str, Value] | None] = []
    for run in kept:
        try:
            configs.append(dict(_flat("", _resolved(run.path))))
        except DlcliError as error:
            configs.append(None)
            problems.append(error.diagnostics[0].in_one_line() if isinstance(error, ConfigError) else error.message)
    differences = tuple(_differences(configs)) if len(configs) - configs.count(None) > 1 else None
    return Comparison(kept, differences, _curves(kept), tuple(problems))


def without_fields(differences: Sequence[Difference]) -> list[Difference]:
    """The differences; of a layer that some runs have not, one for all its fields: its type."""
    partial = {each.path.removesuffix(_TYPE) for each in differences if each.path.endswith(_TYPE) and ABSENT in each.values}
    rows = []
    for each in differences:
        layer = next((path for path in partial if each.path.startswith(f"{path}.")), None)
        if layer is None:
            rows.append(each)
        elif each.path == layer + _TYPE:
            rows.append(Difference(layer, each.values))
    return rows


def _resolved(run: Path) -> Any:
    """The config that a run was trained to, as plain values; it extends nothing.

    Raises:
        CheckpointError: it is not there, or is no file of a size that a config can have.
        ConfigError: it is no YAML.
    """
    path, report = RunFolder(run).resolved_config, Report()
    text = read_limited(path, MAX_BYTES).decode("utf-8-sig", errors="replace")
    tree = yaml_source.parse(Source(str(path), text), report)
    report.raise_if_any()
    return {} if tree is None else plain(tree)


def _flat(path: str, value: Any) -> Iterator[tuple[str, Value]]:
    """Each value that is no mapping, with its path; lists of named entries are taken apart too."""
    named = _by_name(value) if isinstance(value, list) else value if isinstance(value, dict) else None
    if not named:
        yield path, value
        return
    for key, inner in named.items():
        yield from _flat(f"{path}.{key}" if path else key, inner)


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """The entries of a list by the names that they all have: layers, whose type stands above their fields, and choices."""
    named: dict[str, Any] = {}
    for item in items:
        fields = next(iter(item.values())) if isinstance(item, dict) and len(item) == 1 and "name" not in item else item
        name = text_at(fields, "name")
        if name is None or name in named:
            return None
        kind = {"type": next(iter(item))} if fields is not item else {}
        named[name] = {**kind, **{key: value for key, value in fields.items() if key != "name"}}
    return named


def _differences(configs: Sequence[Mapping[str, Value] | None]) -> Iterator[Difference]:
    """Of the configs that could be read; a run whose config could not has no value of any key."""
    readable = [config for config in configs if config is not None]
    for path in dict.fromkeys(path for config in readable for path in config):
        found = [ABSENT if config is None else config.get(path, ABSENT) for config in configs]
        compared = [value for value, config in zip(found, configs, strict=True) if config is not None]
        if any(not _is_same(value, compared[0]) for value in compared):
            yield Difference(path, tuple(found))


def _is_same(value: Value, other: Value) -> bool:
    """Whether two values mean the same: NaN is itself, and true is not 1."""
    return repr(value) == repr(other)


def _curves(runs: Sequence[KeptRun]) -> dict[str, tuple[list[float | None], ...]]:
    """The losses and what the runs monitor, as far as a log has them."""
    logs = [read_epochs(run.path) for run in runs]
    length = max((epoch for log in logs for epoch in log), default=0)
    keys = dict.fromkeys([*_LOSSES, *(run.monitored for run in runs if run.monitored is not None)])
    drawn = {key: tuple(curve(log, key, length) for log in logs) for key in keys}
    return {key: curves for key, curves in drawn.items() if any(value is not None for each in curves for value in each)}


def _data(run: KeptRun) -> str | None:
    """`digits in place of mnist`."""
    used, asked = text_at(run.record, "data", "used"), text_at(run.record, "data", "asked")
    return used if used is None or asked in (None, used) else f"{used} in place of {asked}"


def _figures(runs: Iterable[KeptRun]) -> list[str]:
    """What was measured on the test split: metrics first, losses behind them."""
    tests = (value_at(run.record, "test") for run in runs)
    names = dict.fromkeys(str(name) for test in tests if isinstance(test, dict) for name in test)
    return sorted(names, key=lambda name: name.endswith("loss"))
