"""What a network has to know of its data before it can be built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from dlcli.config.shapes import (
    Image,
    Sequence,
    Shape,
    Token,
    Vector,
    Volume,
    channels_of,
    holds_tokens,
    shape_as_json,
    shape_from_json,
)

INPUT: Final = "input"
"""What the input is called where there is one."""
TARGET: Final = "target"
"""What the target is called where there is one."""


@dataclass(frozen=True)
class Target:
    """What is to be predicted of a sample: a class, or values.

    Attributes:
        num_classes: of a classification.
        num_targets: values to predict, of a regression or with several yes-or-no labels.
        per_step: whether there is an answer for each step of the sequence, and not one for all.
    """

    num_classes: int | None = None
    num_targets: int | None = None
    per_step: bool = False


@dataclass(frozen=True)
class DataFacts:
    """The facts that `${data.NAME}` refers to and that shapes start from.

    Attributes:
        inputs: the shape of each input by its name.
        targets: each target by its name.
    """

    inputs: Mapping[str, Shape]
    targets: Mapping[str, Target]

    @classmethod
    def of(
        cls, shape: Shape, *, num_classes: int | None = None, num_targets: int | None = None, per_step: bool = False
    ) -> DataFacts:
        """The facts of data with one input and one target."""
        return cls({INPUT: shape}, {TARGET: Target(num_classes, num_targets, per_step)})

    @property
    def input(self) -> Shape:
        """The input, where there is one."""
        (shape,) = self.inputs.values()
        return shape

    @property
    def target(self) -> Target:
        """The target, where there is one."""
        (target,) = self.targets.values()
        return target

    def target_of(self, output: str) -> Target | None:
        """What an output is compared with: the target of its name, or the only one there is."""
        return self.targets.get(output) if len(self.targets) > 1 else self.target

    def names(self) -> dict[str, int]:
        """`${data.NAME}` -> value: those that this data has; of several inputs or targets `${data.INPUT.NAME}`."""
        facts: dict[str, int | None] = {}
        for name, target in self.targets.items():
            prefix = f"{name}." if len(self.targets) > 1 else ""
            facts |= {f"{prefix}num_classes": target.num_classes, f"{prefix}num_targets": target.num_targets}
        for name, shape in self.inputs.items():
            prefix = f"{name}." if len(self.inputs) > 1 else ""
            facts |= {f"{prefix}{fact}": value for fact, value in _shape_facts(shape).items()}
        return {f"data.{name}": value for name, value in facts.items() if value is not None}

    def as_json(self) -> dict[str, Any]:
        """Plain values for the record of a run."""
        return {
            "inputs": {name: shape_as_json(shape) for name, shape in self.inputs.items()},
            "targets": {name: asdict(target) for name, target in self.targets.items()},
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> DataFacts:
        """The facts again.

        Raises:
            KeyError, TypeError: the values are not those of `as_json`.
        """
        return cls(
            {name: shape_from_json(shape) for name, shape in values["inputs"].items()},
            {name: Target(**target) for name, target in values["targets"].items()},
        )


def _shape_facts(shape: Shape) -> dict[str, int | None]:
    facts: dict[str, int | None] = {}
    if isinstance(shape, Sequence):
        facts["time_steps"] = shape.time if isinstance(shape.time, int) else None
    item = shape.item if isinstance(shape, Sequence) else shape
    if isinstance(item, Image | Volume):
        facts |= {"channels": item.channels, "height": item.height, "width": item.width}
    if isinstance(item, Token):
        facts["vocabulary_size"] = item.num_values
    else:
        assert isinstance(item, Vector | Image | Volume) or not holds_tokens(item)
        facts["num_features"] = channels_of(item)
    return facts


FACT_NAMES: Final = (
    "num_classes",
    "num_targets",
    "time_steps",
    "channels",
    "height",
    "width",
    "vocabulary_size",
    "num_features",
)
"""What `${data.NAME}` may name, where the data has it."""
