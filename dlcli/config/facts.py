"""What a network has to know of its data before it can be built."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dlcli.config.shapes import Image, Sequence, Shape, Token, Vector, Volume, channels_of, holds_tokens


@dataclass(frozen=True)
class DataFacts:
    """The facts that `${data.NAME}` refers to and that shapes start from."""

    input: Shape
    num_classes: int | None = None
    """Of a classification."""
    num_targets: int | None = None
    """Values to predict for each sample, of a regression or with several yes-or-no labels."""

    def names(self) -> dict[str, int]:
        """`${data.NAME}` -> value: those that this data has."""
        shape = self.input
        facts: dict[str, int | None] = {"num_classes": self.num_classes, "num_targets": self.num_targets}
        if isinstance(shape, Sequence):
            facts["time_steps"] = shape.time
        item = shape.item if isinstance(shape, Sequence) else shape
        if isinstance(item, Image | Volume):
            facts |= {"channels": item.channels, "height": item.height, "width": item.width}
        elif isinstance(item, Token):
            facts["vocabulary_size"] = item.num_values
        if not holds_tokens(shape):
            facts["num_features"] = channels_of(shape)
        return {f"data.{name}": value for name, value in facts.items() if value is not None}

    def as_json(self) -> dict[str, Any]:
        """Plain values for the record of a run."""
        return {"input": _shape_as_json(self.input), "num_classes": self.num_classes, "num_targets": self.num_targets}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> DataFacts:
        """The facts again.

        Raises:
            KeyError, TypeError: the values are not those of `as_json`.
        """
        return cls(_shape_from_json(values["input"]), values["num_classes"], values["num_targets"])


_SHAPES = {kind.__name__.lower(): kind for kind in (Vector, Image, Volume, Token)}


def _shape_as_json(shape: Shape) -> dict[str, Any]:
    if isinstance(shape, Sequence):
        return {"kind": "sequence", "time": shape.time, "item": _shape_as_json(shape.item)}
    return {"kind": type(shape).__name__.lower(), **asdict(shape)}


def _shape_from_json(values: dict[str, Any]) -> Shape:
    if values["kind"] == "sequence":
        return Sequence(values["time"], _shape_from_json(values["item"]))
    return _SHAPES[values["kind"]](**{name: value for name, value in values.items() if name != "kind"})
