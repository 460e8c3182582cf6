"""What is to be exported: the network of a run with its weights, or that of a config with those it would start from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import torch

from dlcli.app.configs import is_config, read_experiment
from dlcli.app.runs import open_run, recorded_experiment
from dlcli.app.use import find_checkpoint, restored
from dlcli.config import compose, experiment
from dlcli.config.compose import STDIN
from dlcli.config.data import Text
from dlcli.config.diagnostics import ConfigError
from dlcli.config.experiment import Experiment
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence, Time
from dlcli.config.yaml_output import as_yaml
from dlcli.errors import UsageError
from dlcli.models.network import Network, build_network
from dlcli.runtime.memory import memory_errors
from dlcli.training.checkpoint_folder import best_checkpoint
from dlcli.training.run_folder import RunFolder

EXPORTS: Final = "exports"
"""The folder in a run's."""


@dataclass(frozen=True)
class Subject:
    """A network and what is known of it.

    Attributes:
        origin: `run` or `config`, and which.
        title: of the same, for people.
        experiment: whose network it is; that of a language model is for any number of tokens, where its layers are.
        network: with its weights, in eval mode.
        folder: where its exports belong.
        stem: what they are called there.
        checkpoint: whose weights they are, of a run.
        classes: their names as the run recorded them: expect anything.
    """

    origin: tuple[str, str]
    title: str
    experiment: Experiment
    network: Network
    folder: Path
    stem: str
    checkpoint: str | None = None
    classes: object = None

    @property
    def config(self) -> str:
        """The resolved config."""
        return as_yaml(self.experiment.resolved())


def read_subject(what: str | None, overrides: tuple[str, ...], *, runs: Path, data_dir: Path | None) -> Subject:
    """Finds and reads what is to be exported.

    Args:
        what: a run, by its folder or its name, a config, or `-` for one from standard input; None for the newest run.
        overrides: for a config: as for `--set`.
        runs: the folder of all runs.
        data_dir: for a config: where its data is looked for first.

    Raises:
        UsageError: there are overrides for a run, whose weights fit its own network alone.
        DlcliError: run or config can't be read.
    """
    if what is not None and is_config(what):
        return _of_config(what, overrides, data_dir)
    run = open_run(what, runs)
    if overrides:
        raise UsageError(f"{run.path} is a run, and --set changes a config", help="leave out --set, or export a config")
    return _of_run(run.folder, run.record["data"].get("classes"))


def _of_config(what: str, overrides: tuple[str, ...], data_dir: Path | None) -> Subject:
    declared = read_experiment(what, overrides, data_dir)
    settled = _for_any_length(declared)
    name = "model" if what == STDIN else Path(what).name
    torch.manual_seed(settled.train.seed)
    with memory_errors():
        network = build_network(settled.graph, settled.model.init).eval()
    return Subject(("config", what), name, settled, network, Path(), Path(name).stem)


def _of_run(folder: RunFolder, classes: object) -> Subject:
    settled = _for_any_length(recorded_experiment(folder))
    which = "best" if best_checkpoint(folder.checkpoints, _ignore) else "last"
    with memory_errors():
        found = find_checkpoint(folder, which)
        network = cast("Network", restored(settled, found)).eval()
    title = f"the run {folder.path.name}"
    place = folder.path / EXPORTS
    return Subject(("run", str(folder.path)), title, settled, network, place, "model", found.path.name, classes)


def _for_any_length(settled: Experiment) -> Experiment:
    """A language model's experiment for texts of any length; as it is where its layers need those of one length."""
    if not isinstance(settled.data, Text):
        return settled
    shapes = {name: replace(shape, time=Time()) for name, shape in settled.facts.inputs.items() if isinstance(shape, Sequence)}
    facts = DataFacts(shapes, settled.facts.targets)
    try:
        return experiment.resolve(compose.load(settled.resolved()), lambda _: facts)
    except ConfigError:
        return settled


def _ignore(text: str) -> None:
    """For notices about checkpoints that are not the chosen one."""
