"""A whole config: composed, interpolated, read, every shape inferred, and written out again in full."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass
from typing import Any, Final

from dlcli.config import slips, tree
from dlcli.config.data import SOURCES, DataSpec, KnownImages
from dlcli.config.diagnostics import ConfigError, Diagnostic, Place, Report, did_you_mean, in_order, same_meaning
from dlcli.config.facts import FACT_NAMES, INPUT, DataFacts
from dlcli.config.forecasts import check_forecasts
from dlcli.config.graph import Graph
from dlcli.config.heads import check_heads
from dlcli.config.interpolation import UNKNOWN, Names, Variable, interpolate
from dlcli.config.limits import check_limits
from dlcli.config.lint import lint
from dlcli.config.misplaced import help_for_misplaced, help_for_option, source_of_path
from dlcli.config.model import ModelSpec, read_layers, without_blocks
from dlcli.config.normalisation import FixedNormalize
from dlcli.config.shapes import Shape
from dlcli.config.spec import Choice, dump, keys_of, near_enough, read, read_choice
from dlcli.config.stateful import check_stateful
from dlcli.config.training import TrainSpec
from dlcli.config.tree import Mapping, Node, Scalar, describe
from dlcli.config.values import NAME, NAME_HELP
from dlcli.errors import DataError

SECTIONS: Final = ("extends", "vars", "data", "model", "train")

_DATA: Final = Choice("data source", lambda: SOURCES)


@dataclass(frozen=True)
class Experiment:
    """All that a run needs to know."""

    data: DataSpec
    facts: DataFacts
    model: ModelSpec
    graph: Graph
    train: TrainSpec
    text: str
    """The config as it was given, without what it extends."""
    warnings: tuple[Diagnostic, ...] = ()
    """What runs but is probably not meant."""

    def label_targets(self) -> frozenset[str]:
        """The targets that a loss compares with yes-or-no labels."""
        several = len(self.facts.targets) > 1
        judged = ((output, self.train.objective_of(output).loss.judges) for output in self.graph.outputs)
        return frozenset(output if several else next(iter(self.facts.targets)) for output, what in judged if what == "labels")

    def resolved(self) -> dict[str, Any]:
        """The config with nothing left to infer: it gives this experiment again."""
        model = dump(self.model) | {"layers": self.graph.as_entries(), "outputs": list(self.graph.outputs)}
        del model["blocks"]
        return {"data": dump(self.data, with_name=True), "model": model, "train": dump(self.train)}


def read_data(composed: Mapping) -> DataSpec:
    """The data section of a composed config alone, whatever else the config says.

    Raises:
        ConfigError: it is not there, or has mistakes.
    """
    report = Report()
    if composed.get("data") is None:
        report.error("missing-key", "the config has no `data`", composed.place, help=_EXAMPLES["data"])
    data = _data_spec(composed, _variables(composed, report), report)
    report.raise_if_any()
    assert data is not None
    return data


@dataclass(frozen=True)
class Examination:
    """What was found in a config.

    Attributes:
        diagnostics: every mistake and every warning, in the order of the text.
        experiment: what the config says, where it has no mistake and its data is known.
        missing: why nothing is known of the data.
        data_place: where the data section stands.
    """

    diagnostics: tuple[Diagnostic, ...]
    experiment: Experiment | None
    missing: DataError | None
    data_place: Place


FactsOf = Callable[[DataSpec], DataFacts]
"""What is known of a source's data; called once the data section has no mistakes. Raises DataError."""


def resolve(composed: Mapping, facts_of: FactsOf) -> Experiment:
    """Reads a composed config.

    Args:
        composed: the tree from `compose.load`.
        facts_of: what is known of the data.

    Raises:
        ConfigError: with every mistake of the config.
        DataError: from `facts_of`, where the config has no mistake.
    """
    found = examine(composed, facts_of)
    mistakes = [diagnostic for diagnostic in found.diagnostics if diagnostic.severity == "error"]
    if mistakes:
        raise ConfigError(mistakes)
    if found.missing is not None:
        raise found.missing
    assert found.experiment is not None
    return found.experiment


def examine(composed: Mapping, facts_of: FactsOf) -> Examination:
    """Reads a composed config, and says all that is wrong with it."""
    report = Report()
    _check_sections(composed, report)
    variables = _variables(composed, report)
    data = _data_spec(composed, variables, report)
    facts, missing = None, None
    try:
        facts = facts_of(data) if data is not None else None
    except DataError as error:  # mistakes of the config come first, and all at once
        missing = error
    if isinstance(data, KnownImages):
        _check_normalize(data, composed, report)
    if data is not None and facts is not None:
        _check_target_names(data, facts, composed, report)
    names = {**variables, **facts.names()} if facts else _WithUnknownFacts(variables)
    section = _section(composed, "train", names, report) or Mapping({}, composed.place)
    train = read(section, TrainSpec, "train", report, lambda key, node: help_for_misplaced(key, node, "train"))
    model, graph = _model(composed, facts, names, report)
    full = check_heads(graph, facts, train, composed, report) if graph and facts and train else None
    if graph and data and facts and train:
        check_stateful(graph, data, train, composed, report)
        check_forecasts(graph, data, facts, report)
    if graph and full and model:
        check_limits(graph, full, model.limits, report)
    warnings = lint(graph, facts, full or train, composed) if graph and facts and train else ()
    experiment = None
    if not report.diagnostics and data and facts and model and graph and full:
        experiment = Experiment(data, facts, model, graph, full, composed.place.source.text, tuple(warnings))
    place = tree.place_of(composed, ["data"])
    return Examination(tuple(in_order([*report.diagnostics, *warnings])), experiment, missing, place)


def _check_normalize(data: KnownImages, composed: Mapping, report: Report) -> None:
    """Whether given numbers are one for each channel; of other sources that shows once they are read."""
    normalize, channels = data.normalize, data.picture.channels
    if isinstance(normalize, FixedNormalize) and len(normalize.mean) != channels:
        message = f"`mean` and `std` have {len(normalize.mean)} numbers, and the channels of `{data.kind}` are {channels}"
        report.error("range", message, tree.place_of(composed, ["data", "normalize", "mean"]))


def _check_target_names(data: DataSpec, facts: DataFacts, composed: Mapping, report: Report) -> None:
    """Whether `normalize_targets` names targets that there are."""
    node = tree.node_at(composed, ["data", "normalize_targets"])
    if not isinstance(data.normalize_targets, dict):
        return
    assert isinstance(node, Mapping)
    for name, entry in node.entries.items():
        if name not in facts.targets:
            help = did_you_mean(name, facts.targets)
            report.error("unknown-name", f"the data has no target `{name}`", entry.key_place, help=help)


def _model(composed: Mapping, facts: DataFacts | None, names: Names, report: Report) -> tuple[ModelSpec | None, Graph | None]:
    node = composed.get("model")
    if node is None:
        return None, None
    bare, blocks = without_blocks(node)
    section = interpolate(bare, names, report)
    if blocks is not None and isinstance(section, Mapping):
        section = section.with_entry("blocks", blocks)
    spec = read(section, ModelSpec, "model", report, lambda key, node: help_for_misplaced(key, node, "model"))
    inputs: dict[str, Shape | None] = dict(facts.inputs) if facts else {INPUT: None}
    graph = read_layers(section, inputs, names, spec, report) if isinstance(section, Mapping) else None
    return spec, graph


def _section(composed: Mapping, key: str, names: Names, report: Report) -> Node | None:
    node = composed.get(key)
    return interpolate(node, names, report) if node is not None else None


class _WithUnknownFacts(AbstractMapping[str, object]):
    """Variables, and the facts of the data while nothing is known of it, so that the rest of a config can be checked."""

    def __init__(self, variables: Names) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> object:
        if name.startswith("data.") and name.rpartition(".")[2] in FACT_NAMES:
            return UNKNOWN
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter([*self._variables, *(f"data.{fact}" for fact in FACT_NAMES)])

    def __len__(self) -> int:
        return len(self._variables) + len(FACT_NAMES)


def _check_sections(composed: Mapping, report: Report) -> None:
    for key, entry in composed.entries.items():
        if key not in SECTIONS:
            help = _section_of(key) or slips.help_for_key(key) or did_you_mean(key, SECTIONS)
            report.error("unknown-key", f"a config has no key `{key}`", entry.key_place, help=help)
    for key in ("data", "model"):
        if key not in composed.entries and not any(near_enough(wrong, key) for wrong in _sections_written(composed)):
            report.error("missing-key", f"the config has no `{key}`", composed.place, help=_EXAMPLES[key])


def _section_of(key: str) -> str | None:
    """What to do with a key that stands one level too high."""
    if same_meaning(key, SECTIONS):
        return None
    found = ((same_meaning(key, keys_of(spec)), section) for section, spec in (("model", ModelSpec), ("train", TrainSpec)))
    return next((f"write `{inner}` inside of `{section}`" for inner, section in found if inner), None) or help_for_option(key)


def _sections_written(composed: Mapping) -> Iterator[str]:
    """The keys at the top, and those one level too deep."""
    yield from composed.entries
    for entry in composed.entries.values():
        yield from (key for key in SECTIONS if isinstance(entry.node, Mapping) and key in entry.node.entries)


_EXAMPLES: Final = {
    "data": "for example `data: {name: mnist, fallback: digits}`",
    "model": "for example `model: {layers: [flatten, {linear: '${data.num_classes}'}]}`",
}


def _variables(composed: Mapping, report: Report) -> dict[str, object]:
    """`vars.NAME` -> value; a variable may use those above it."""
    node = composed.get("vars")
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return {}
    if not isinstance(node, Mapping):
        report.error("type", f"`vars` takes a mapping of names and values, not {describe(node)}", node.place)
        return {}
    values: dict[str, object] = {}
    for key, entry in node.entries.items():
        if not re.fullmatch(NAME, key):
            report.error("name", f"no variable can be called `{key}`", entry.key_place, help=NAME_HELP)
        value = interpolate(entry.node, values, report)
        if isinstance(value, Mapping):
            report.error("type", f"a variable is a number, a text or a list, not {describe(value)}", value.place)
        else:
            values[f"vars.{key}"] = Variable(value)
    return values


def _data_spec(composed: Mapping, variables: dict[str, object], report: Report) -> DataSpec | None:
    node = composed.get("data")
    if node is None:
        return None
    before = len(report.diagnostics)
    section = interpolate(node, variables, report)
    name = section.get("name") if isinstance(section, Mapping) else section
    if isinstance(name, Scalar) and isinstance(name.value, str) and name.value not in SOURCES:
        source = source_of_path(name.value)
        if source is not None:
            help = f"write `{{name: {source}, path: {name.value}}}`"
            report.error("unknown-name", f"`{name.value}` is a path, and no data source", name.place, help=help)
            return None
    spec = read_choice(section, _DATA, report, hint=lambda key, node: help_for_misplaced(key, node, "data"))
    assert spec is None or isinstance(spec, DataSpec)
    return spec.inheriting() if spec and len(report.diagnostics) == before else None
