"""What a rule is, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property

from dlcli.config.diagnostics import Place, Related
from dlcli.config.facts import DataFacts
from dlcli.config.graph import Graph
from dlcli.config.lint.wiring import Wiring, wiring_of
from dlcli.config.training import TrainSpec
from dlcli.config.tree import Mapping


@dataclass(frozen=True)
class Subject:
    """A config whose shapes are known.

    Attributes:
        graph: the network.
        facts: its data.
        train: how it is trained.
        composed: the config before `${...}` is replaced.
        known_rules: the codes of all rules.
    """

    graph: Graph
    facts: DataFacts
    train: TrainSpec
    composed: Mapping
    known_rules: Collection[str]

    @cached_property
    def wiring(self) -> Wiring:
        """The network with its nestings opened."""
        return wiring_of(self.graph)


@dataclass(frozen=True)
class Finding:
    """What a rule found: a diagnostic but for the rule's code."""

    message: str
    place: Place
    help: str
    related: Related = ()


@dataclass(frozen=True)
class Rule:
    """One kind of mistake that runs.

    Attributes:
        code: its name, as in `# dlcli: ignore[CODE]`.
        meaning: what is found, in one sentence.
        reason: why it is hardly ever meant.
        mend: what to do.
        example: a config in which the rule finds one mistake and no other rule finds any.
        mended: the same config with nothing to find.
        check: the mistakes in a config.
    """

    code: str
    meaning: str
    reason: str
    mend: str
    example: str
    mended: str
    check: Callable[[Subject], Iterable[Finding]]
