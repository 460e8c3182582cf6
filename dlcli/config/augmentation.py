"""Random changes of training pictures. Pixels are those of the picture after `resize`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dlcli.config.spec import Spec, table
from dlcli.config.values import NonNegativeFloat, PositiveFloat, Probability


class AugmentationSpec(Spec):
    """One kind of change. What moves in from outside the picture is black."""


class Shift(AugmentationSpec):
    """Moves by up to so many pixels along each axis."""

    kind: ClassVar[str] = "shift"
    main: ClassVar[str] = "pixels"

    pixels: NonNegativeFloat = 2.0


class Rotate(AugmentationSpec):
    """Turns by up to so many degrees either way."""

    kind: ClassVar[str] = "rotate"
    main: ClassVar[str] = "degrees"

    degrees: Annotated[float, Field(ge=0, le=180)] = 10.0


class Scale(AugmentationSpec):
    """Makes larger or smaller by a factor of 1 - factor to 1 + factor."""

    kind: ClassVar[str] = "scale"
    main: ClassVar[str] = "factor"

    factor: Annotated[float, Field(ge=0, lt=1)] = 0.1


class Shear(AugmentationSpec):
    """Slants along the rows by up to so many degrees either way."""

    kind: ClassVar[str] = "shear"
    main: ClassVar[str] = "degrees"

    degrees: Annotated[float, Field(ge=0, le=60)] = 10.0


class Crop(AugmentationSpec):
    """Pads each side with black, then cuts out the old size at a random place."""

    kind: ClassVar[str] = "crop"
    main: ClassVar[str] = "padding"

    padding: Annotated[int, Field(ge=1, le=4096)] = 4


class Flip(AugmentationSpec):
    """Mirrors with chance `p`."""

    kind: ClassVar[str] = "flip"
    main: ClassVar[str] = "axis"

    axis: Literal["horizontal", "vertical"] = "horizontal"
    """horizontal swaps left and right."""
    p: Probability = 0.5


class Erase(AugmentationSpec):
    """Blackens a random rectangle with chance `p` (Zhong et al., 2017, arXiv:1708.04896)."""

    kind: ClassVar[str] = "erase"
    main: ClassVar[str] = "p"

    p: Probability = 0.25
    area: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The largest share of the picture that goes."""


class Elastic(AugmentationSpec):
    """Bends by a smooth random field (Simard et al., 2003)."""

    kind: ClassVar[str] = "elastic"
    main: ClassVar[str] = "pixels"

    pixels: PositiveFloat = 1.5
    """Standard deviation of how far a point moves."""
    grid: Annotated[int, Field(ge=2, le=16)] = 5
    """Points along each axis at which the field is drawn; more bend more finely."""


AUGMENTATIONS = table(Shift, Rotate, Scale, Shear, Crop, Flip, Erase, Elastic)
