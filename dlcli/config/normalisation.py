"""`data.normalize`: one normalisation, or one for each input by its name."""

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import model_validator

from dlcli.config.diagnostics import Report
from dlcli.config.spec import Choice, ReadBy, Spec, dump, read_choice, table
from dlcli.config.tree import Mapping, Node, Scalar, Sequence
from dlcli.config.values import Floats


class NormalizeSpec(Spec):
    """What is subtracted and divided before a network reads a value."""


class AutoNormalize(NormalizeSpec):
    """Mean and standard deviation of the training samples, for each channel or feature."""

    kind: ClassVar[str] = "auto"


class NoNormalize(NormalizeSpec):
    """Values as they are; 8-bit images in 0 to 1."""

    kind: ClassVar[str] = "none"


class FixedNormalize(NormalizeSpec):
    """Given numbers, in units of the values (of 8-bit images: 0 to 1)."""

    kind: ClassVar[str] = "fixed"

    mean: Floats
    """One number for each channel or feature."""
    std: Floats
    """One number for each channel or feature, above 0."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if len(self.mean) != len(self.std) or not self.std or min(self.std) <= 0:
            raise ValueError("`mean` and `std` have one number for each channel, and those of `std` are above 0")
        return self


NORMALIZATIONS = table(AutoNormalize, NoNormalize, FixedNormalize)

Normalization = NormalizeSpec | dict[str, NormalizeSpec]

_CHOICE: Final = Choice("normalisation", lambda: NORMALIZATIONS)


def read_normalization(node: Node, report: Report) -> Normalization | None:
    """`auto`, `{name: fixed, ...}` or `{INPUT: none, INPUT: {name: fixed, ...}}`."""
    if not _is_by_input(node):
        return _read_one(node, report)
    assert isinstance(node, Mapping)
    read = {name: _read_one(entry.node, report) for name, entry in node.entries.items()}
    known = {name: normalize for name, normalize in read.items() if normalize is not None}
    return known if len(known) == len(read) else None


def _is_by_input(node: Node) -> bool:
    """Whether the keys are inputs, and not those of one normalisation: `name`, and lists of numbers."""
    if not isinstance(node, Mapping) or node.short is not None or not node.entries:
        return False
    if len(node.entries) == 1 and next(iter(node.entries)) in NORMALIZATIONS:  # `{fixed: ...}`, as a layer is written
        return False
    return not isinstance(node.get("name"), Scalar) and not any(isinstance(e.node, Sequence) for e in node.entries.values())


def _read_one(node: Node, report: Report) -> NormalizeSpec | None:
    normalize = read_choice(node, _CHOICE, report)
    assert normalize is None or isinstance(normalize, NormalizeSpec)
    return normalize


def dump_normalization(normalize: Normalization) -> Any:
    """What `read_normalization` reads as the same."""
    if isinstance(normalize, NormalizeSpec):
        return dump(normalize, with_name=True)
    return {name: dump(of_input, with_name=True) for name, of_input in normalize.items()}


NormalizationField = Annotated[Normalization, ReadBy(read_normalization, dump_normalization, _CHOICE, "inputs")]
"""The type of `data.normalize`."""

TargetScaleField = Annotated[Normalization, ReadBy(read_normalization, dump_normalization, _CHOICE, "targets")]
"""The type of `data.normalize_targets`."""
