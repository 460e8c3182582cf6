"""What a run's folder holds, read as that of a stranger, for a report of it. Needs neither the data nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dlcli.app.kept_runs.epochs import read_epochs
from dlcli.app.kept_runs.record import KeptRun, number, text_at, value_at
from dlcli.app.runs import recorded_experiment
from dlcli.config.compose import MAX_BYTES
from dlcli.config.data import Text
from dlcli.config.diagnostics import ConfigError
from dlcli.config.experiment import Experiment
from dlcli.errors import CheckpointError, DlcliError
from dlcli.training.manifest import read_limited
from dlcli.training.run_folder import RunFolder

if TYPE_CHECKING:
    from dlcli.training.outcomes.outcome import Judgement, Outcome

_MOST_EPOCHS: Final = 2000
"""That are drawn: of more, evenly spread ones."""
_SHOWN: Final = {" ": "space", "\n": "new line", "\t": "tab"}
_MOST_NAMES: Final = 100_000


@dataclass(frozen=True)
class Saved:
    """A run as it was saved.

    Attributes:
        run: the folder and its record.
        epochs: what was measured, one after the other.
        outcome: what it has kept for its report; None where it has nothing, or what it has can't be read.
        experiment: its config and the facts of its data; None where they can't be read.
        given: the config as it was given.
        resolved: the config with nothing left open.
        problems: why something can't be shown.
    """

    run: KeptRun
    epochs: tuple[Mapping[str, Any], ...]
    outcome: Outcome | None
    experiment: Experiment | None
    given: str | None
    resolved: str | None
    problems: tuple[str, ...]

    @property
    def judgement(self) -> Judgement | None:
        """How the best network did on the samples that were held out."""
        return self.outcome.judgement if self.outcome is not None else None

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called, where the record says it."""
        names = value_at(self.run.record, "data", "classes")
        fits = isinstance(names, list) and len(names) <= _MOST_NAMES and all(isinstance(name, str) for name in names)
        return tuple(names) if isinstance(names, list) and fits else ()

    def names_of(self, classes: int) -> tuple[str, ...]:
        """What so many classes are called; their numbers where nothing else is known."""
        names = self.class_names or self._tokens
        return names if len(names) == classes else tuple(map(str, range(classes)))

    @property
    def is_language_model(self) -> bool:
        """Whether the answers are what follows in a text."""
        return self.experiment is not None and isinstance(self.experiment.data, Text)

    @cached_property
    def _tokens(self) -> tuple[str, ...]:
        """What the tokens of a language model stand for."""
        if self.experiment is None or not isinstance(self.experiment.data, Text):
            return ()
        from dlcli.data.sources.vocabulary import Vocabulary  # noqa: PLC0415  # numpy, as above

        vocabulary = Vocabulary.of(self.experiment.data)
        names = (vocabulary.decode([token]) for token in range(vocabulary.num_tokens))
        return tuple(_SHOWN.get(name, name) for name in names)

    def figures(self) -> Mapping[str, float]:
        """Metrics and, behind them, losses on the samples that were held out, as far as they are numbers."""
        found = value_at(self.run.record, "test")
        if not isinstance(found, dict):
            found = self.judgement.figures if self.judgement is not None else {}
        figures = {str(name)[:200]: value for name, given in list(found.items())[:200] if (value := number(given)) is not None}
        return dict(sorted(figures.items(), key=lambda figure: figure[0].endswith("loss")))

    @property
    def best_epoch(self) -> int | None:
        """The number of the best one."""
        epoch = value_at(self.run.record, "best", "epoch")
        return epoch if type(epoch) is int else None

    @property
    def data_name(self) -> str:
        """The source that was used."""
        return text_at(self.run.record, "data", "used") or "unknown data"


def read_saved(path: Path) -> Saved:
    """Reads a run's folder.

    Raises:
        CheckpointError: its record can't be read.
    """
    run = KeptRun.at(path)
    if run.problem is not None:
        raise CheckpointError(run.problem)
    folder, problems = RunFolder(path), list[str]()
    outcome = _outcome(folder, problems)
    experiment = _experiment(folder, problems)
    epochs = [event for _, event in sorted(read_epochs(path).items())]
    given, resolved = (_text(file) for file in (path / "config.yaml", folder.resolved_config))
    return Saved(run, tuple(_thinned(epochs)), outcome, experiment, given, resolved, tuple(problems))


def _outcome(folder: RunFolder, problems: list[str]) -> Outcome | None:
    from dlcli.training.outcomes.storage import read_outcome  # noqa: PLC0415  # numpy: only where there is something to read

    if not folder.outcome.exists():
        return None
    try:
        return read_outcome(folder.outcome)
    except DlcliError as error:
        problems.append(error.message)
        return None


def _experiment(folder: RunFolder, problems: list[str]) -> Experiment | None:
    """The run's, for its network; whatever a stranger's record makes of reading it is a problem and no more."""
    try:
        return recorded_experiment(folder)
    except ConfigError as error:
        problems.append(f"the config can't be read: {error.diagnostics[0].message}")
    except DlcliError as error:
        problems.append(error.message + (f" ({error.help})" if error.help else ""))
    except Exception as error:
        problems.append(f"the network can't be told: {type(error).__name__}: {error}")
    return None


def _text(path: Path) -> str | None:
    try:
        return read_limited(path, MAX_BYTES).decode("utf-8-sig", errors="replace")
    except DlcliError:
        return None


def _thinned(epochs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most so many, evenly spread, the last among them."""
    if len(epochs) <= _MOST_EPOCHS:
        return epochs
    step = (len(epochs) - 1) / (_MOST_EPOCHS - 1)
    return [epochs[round(place * step)] for place in range(_MOST_EPOCHS)]
