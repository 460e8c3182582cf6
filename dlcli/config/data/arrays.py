"""NumPy arrays."""

import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from dlcli.config.data.images import ImageDataSpec
from dlcli.config.reserved_names import RESERVED_NAMES
from dlcli.config.shapes import Layout
from dlcli.config.values import NAME, as_tuple


def _names(value: Any) -> Any:
    """A list of different names; one name stands for a list of it."""
    names = (value,) if isinstance(value, str) else as_tuple(value)
    if isinstance(names, tuple) and all(isinstance(name, str) for name in names):
        unfit = [name for name in names if not re.fullmatch(NAME, name)]
        if unfit:
            raise ValueError(f"'{unfit[0]}' is no name: use a letter, then letters, digits and `_`")
        if len(set(names)) < len(names):
            raise ValueError("one of them is named twice")
        taken = [name for name in names if name in RESERVED_NAMES]
        if taken:
            raise ValueError(f"no layer can be called '{taken[0]}', and an output has the name of its target: rename the array")
    return names


Names = Annotated[tuple[str, ...], BeforeValidator(_names, json_schema_input_type=str | tuple[str, ...]), Field(min_length=1)]


class Arrays(ImageDataSpec):
    """NumPy arrays of one .npz file: x_train, y_train and, where there are any, x_valid, y_valid, x_test, y_test.

    Where sequences are padded, lengths_train, lengths_valid and lengths_test have the steps of each before it was.
    """

    kind: ClassVar[str] = "arrays"
    main: ClassVar[str] = "path"

    path: Annotated[str, Field(min_length=1)]
    """The .npz file."""
    layout: Layout | None = None
    """What a sample is. Without it: (N, F) is a vector, (N, H, W) of 8-bit values and (N, C, H, W) or (N, H, W, C) an image,
    (N, T, F) of other values a series."""
    inputs: Names | None = None
    """What the arrays of the inputs are called in place of `x`: [image, meta] are image_train, meta_train and so on."""
    targets: Names | None = None
    """What the arrays of the answers are called in place of `y`: [digit, parity] are digit_train, parity_train and so on."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Of several inputs that are measured by themselves; of one, nothing."""
        return self.inputs if self.inputs is not None and len(self.inputs) > 1 else ()

    @model_validator(mode="after")
    def _one_input_is_described(self) -> Self:
        given = {"layout": self.layout, "resize": self.resize, "view": self.view != "image", "augment": self.augment}
        for name, value in given.items():
            if value and self.input_names:
                count = len(self.input_names)
                raise ValueError(f"`{name}` is for a single input, and `inputs` names {count}: they are read by their own axes")
        return self
