"""What a network has to know of its data before it can be built."""

from __future__ import annotations

from dataclasses import dataclass

from dlcli.config.shapes import Image, Sequence, Shape, Token, Volume, channels_of, holds_tokens


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
