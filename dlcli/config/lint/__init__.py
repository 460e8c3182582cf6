"""What runs but is probably not meant: every rule over a config whose shapes are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dlcli.config.diagnostics import Diagnostic, Place, in_order
from dlcli.config.facts import DataFacts
from dlcli.config.graph import Graph
from dlcli.config.lint.activations import REPEATED_ACTIVATION
from dlcli.config.lint.comments import UNKNOWN_RULE, is_ignored
from dlcli.config.lint.connections import DEAD_BRANCH
from dlcli.config.lint.linear_layers import BIAS_BEFORE_NORM, NO_NONLINEARITY
from dlcli.config.lint.optimisation import LARGE_LEARNING_RATE, MONITOR_WITHOUT_VALID
from dlcli.config.lint.outputs import ACTIVATION_BEFORE_LOSS, DROPOUT_AT_END, MISSING_HEAD, SOFTMAX_BEFORE_LOSS
from dlcli.config.lint.rule import Rule, Subject
from dlcli.config.lint.unused import UNUSED_BLOCK, UNUSED_VARIABLE
from dlcli.config.training import TrainSpec
from dlcli.config.tree import Mapping

RULES: Final = {
    rule.code: rule
    for rule in (
        SOFTMAX_BEFORE_LOSS,
        ACTIVATION_BEFORE_LOSS,
        MISSING_HEAD,
        DROPOUT_AT_END,
        REPEATED_ACTIVATION,
        NO_NONLINEARITY,
        BIAS_BEFORE_NORM,
        DEAD_BRANCH,
        UNUSED_BLOCK,
        UNUSED_VARIABLE,
        MONITOR_WITHOUT_VALID,
        LARGE_LEARNING_RATE,
        UNKNOWN_RULE,
    )
}
"""Every rule by its code."""


MAX_WARNINGS: Final = 100
"""Of one config; a generated file has thousands, and nobody reads them."""


def lint(graph: Graph, facts: DataFacts, train: TrainSpec, composed: Mapping) -> list[Diagnostic]:
    """The warnings for a config whose shapes are known.

    Args:
        graph: the network.
        facts: its data.
        train: how it is trained; where it has mistakes in what its losses are for, as it is written.
        composed: the config before `${...}` is replaced.

    Returns:
        Each mistake once for its place, in the order of the text, but for those that a comment in their line ignores; of
        more than MAX_WARNINGS the rest is counted in one more.
    """
    subject = Subject(graph, facts, train, composed, frozenset(RULES))
    found: dict[tuple[str, Place], Diagnostic] = {}
    for rule in RULES.values():
        for warning in _warnings(rule, subject):
            found.setdefault((warning.code, warning.place), warning)
    warnings = in_order(warning for warning in found.values() if not is_ignored(warning))
    if len(warnings) <= MAX_WARNINGS:
        return warnings
    rest = warnings[MAX_WARNINGS:]
    return [*warnings[:MAX_WARNINGS], Diagnostic("limit", _how_many_more(len(rest)), rest[0].place, severity="warning")]


def _how_many_more(count: int) -> str:
    return f"{count:,} more warning{'s' if count > 1 else ''} from here on"


def _warnings(rule: Rule, subject: Subject) -> Iterator[Diagnostic]:
    for finding in rule.check(subject):
        yield Diagnostic(rule.code, finding.message, finding.place, finding.help, finding.related, "warning")
