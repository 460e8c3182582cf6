"""What every source has in common: its splits, its limits, its normalisation."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from dlcli.config.normalisation import AutoNormalize, NormalizationField, NormalizeSpec, TargetScaleField
from dlcli.config.spec import Choice, Spec
from dlcli.config.values import Fraction, PositiveInt


class SplitSpec(Spec):
    """How samples are shared out, where the source itself has no such split."""

    valid: Fraction = 0.1
    """Share of the training samples kept for validation; 0 for none."""
    test: Fraction = 0.2
    """Share of all samples kept for the test; 0 for none."""
    stratify: bool = True
    """Whether each split keeps the shares of the classes."""
    seed: int = Field(0, ge=0)
    """Of the split alone: another training seed is still judged on the same test samples."""


def _sources() -> Mapping[str, type[Spec]]:
    from dlcli.config.data import SOURCES  # noqa: PLC0415  # its specs are made of this module's

    return SOURCES


class DataSpec(Spec):
    """A source of samples."""

    is_one_sequence: ClassVar[bool] = False
    """Whether each sample goes on where the one before it ends."""
    given_to_fallback: ClassVar[tuple[str, ...]] = ("split", "limit", "repeat", "normalize", "normalize_targets")
    """Fields that say nothing of the source itself."""

    fallback: Annotated["DataSpec | None", Choice("data source", _sources)] = None
    """What to use, with a notice, where the source can't be had. What it does not say, it takes from the entry around it."""
    split: SplitSpec = SplitSpec()
    """How samples are shared out into train, valid and test."""
    limit: PositiveInt | None = None
    """At most so many samples of each split, the first of a seeded order; of one long text its begin."""
    repeat: PositiveInt = 1
    """How often an epoch goes over the training samples: small data sets need more than one pass between evaluations."""
    normalize: NormalizationField = AutoNormalize()
    """What is subtracted and divided: auto, none, or {name: fixed, mean: [...], std: [...]}; of several inputs that are
    measured by themselves, also {INPUT: none, INPUT: auto}."""

    normalize_targets: TargetScaleField = AutoNormalize()
    """What is subtracted from values to predict, and what they are divided by, before the loss compares them: as `normalize`;
    of several targets by their names. Metrics and predictions stay in the units of the data."""

    def inheriting(self) -> Self:
        """The same with what its fallback does not say filled in from here."""
        if self.fallback is None:
            return self
        shared = {*self.given_to_fallback} & type(self.fallback).model_fields.keys()
        own = {"fallback", *(name for name in ("normalize", "normalize_targets") if isinstance(getattr(self, name), dict))}
        passed = (shared & self.model_fields_set) - self.fallback.model_fields_set - own
        fallback = self.fallback.model_copy(update={name: getattr(self, name) for name in passed})
        return self.model_copy(update={"fallback": fallback.inheriting()})

    def normalization_of(self, name: str) -> NormalizeSpec:
        """Of an input: what `normalize` says of it, or of all of them."""
        return self.normalize.get(name, AutoNormalize()) if isinstance(self.normalize, dict) else self.normalize

    @model_validator(mode="after")
    def _normalizes_what_is_there(self) -> Self:
        if not isinstance(self.normalize, dict):
            return self
        names = self.input_names
        if not names:
            raise ValueError("`normalize` is by input only where `inputs` names several")
        unknown = [name for name in self.normalize if name not in names]
        if unknown:
            raise ValueError(f"`normalize` names '{unknown[0]}', and the inputs are: {', '.join(names)}")
        return self

    @property
    def input_names(self) -> tuple[str, ...]:
        """Of several inputs that are measured by themselves; of one, nothing."""
        return ()
