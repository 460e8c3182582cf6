"""Clips of the embedded digits."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from dlcli.config.data.made_up import MadeUp
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Image, Sequence
from dlcli.config.values import LARGEST_SIZE

DIRECTIONS: Final = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
"""Where digits move, clockwise; their classes are these in order."""


class MovingDigits(MadeUp):
    """Clips of a handwritten digit that moves straight on, one or two pixels a frame: which digit, or where it moves.

    What leaves the field on one side comes in on the other, from a start anywhere. So no single frame tells the direction, of
    which there are eight. The pictures are those of `digits`, and each is in the clips of one split alone; `split` shares out
    pictures as it does clips.
    """

    kind: ClassVar[str] = "moving_digits"

    label: Literal["direction", "digit"] = "direction"
    """What is to be told of a clip."""
    frames: Annotated[int, Field(ge=2, le=LARGEST_SIZE)] = 8
    """Of each clip."""
    size: Annotated[int, Field(ge=8, le=4096)] = 16
    """Height and width of the field, in pixels; a digit has 8."""

    def facts(self) -> DataFacts:
        classes = len(DIRECTIONS) if self.label == "direction" else 10
        return DataFacts.of(Sequence(self.frames, Image(1, self.size, self.size)), num_classes=classes)

    @property
    def values_per_sample(self) -> int:
        return self.frames * self.size**2
