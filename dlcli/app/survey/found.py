"""What a survey finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dlcli.app.commented_yaml import printable
from dlcli.config.data import DataSpec
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Image, Sequence, Shape, Token, Vector
from dlcli.data.catalogue import SOURCES
from dlcli.data.directories import search_directories
from dlcli.data.raw import RawData

Field = tuple[str, Any, str]
"""A key, its value and why."""

_MOST_NAMES: Final = 8
FEW: Final = 200
"""So many samples are enough for the usual splits."""


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        source: the source's name in YAML.
        path: what its `path` is; None where it has none.
        facts: what a network has to know.
        samples: for training, before any split is taken from them.
        found: a sentence without a full stop.
        fields: of the source, beside its path.
        cautions: what should be known before a training.
        data_dir: what `--data-dir` has to be.
    """

    source: str
    path: Path | None
    facts: DataFacts
    samples: int
    found: str
    fields: tuple[Field, ...] = ()
    cautions: tuple[str, ...] = ()
    data_dir: Path | None = None


def facts_of(spec: DataSpec) -> DataFacts:
    """What the spec's source says of it.

    Raises:
        DataError: the data is damaged, or not what the spec says.
    """
    return SOURCES[type(spec)].facts(spec, search_directories(None, None))


def raw_of(spec: DataSpec) -> RawData:
    """All that the spec's source reads.

    Raises:
        DataError: the same, and where values can't be learned from.
    """
    return SOURCES[type(spec)].read(spec, search_directories(None, None), False)


def counted(number: int, one: str, many: str) -> str:
    """`1 class`, `1,234 classes`."""
    return f"{number:,} {one if number == 1 else many}"


def kind_of(shape: Shape) -> str:
    """What samples of a shape are called, in the plural."""
    if isinstance(shape, Image):
        return f"pictures of {shape.height}x{shape.width} pixels in {counted(shape.channels, 'channel', 'channels')}"
    if isinstance(shape, Sequence) and isinstance(shape.item, Token):
        steps = f"{shape.time} tokens" if isinstance(shape.time, int) else "different lengths"
        return f"texts of {steps}, each token one of {shape.item.num_values:,}"
    if isinstance(shape, Sequence) and isinstance(shape.item, Vector):
        steps = f"{shape.time} steps" if isinstance(shape.time, int) else "different lengths"
        return f"series of {steps} with {counted(shape.item.features, 'value', 'values')} each"
    return f"rows of {counted(shape.features, 'number', 'numbers')}" if isinstance(shape, Vector) else f"samples, each {shape}"


def answers_of(facts: DataFacts, class_names: tuple[str, ...] | None = None) -> str:
    """How many classes or values there are, and what the classes are called."""
    if facts.target.num_classes is not None:
        names = f": {listed(class_names)}" if class_names else ""
        return counted(facts.target.num_classes, "class", "classes") + names
    return f"{counted(facts.target.num_targets or 1, 'value', 'values')} to predict"


def few_fields(samples: int) -> tuple[Field, ...]:
    """The split where a tenth of the samples is too little to compare epochs on."""
    return (("split", {"valid": 0.2}, "a fifth to compare epochs on, since samples are few"),) if samples < FEW else ()


def listed(names: Iterable[str]) -> str:
    """Some names from outside, and how many more there are."""
    names = list(names)
    shown = ", ".join(printable(name) for name in names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else shown
