"""Sequences that are made up, with answers that only a network with a memory finds."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from dlcli.config.data.made_up import MadeUp
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence, Size, Time, Token, Vector
from dlcli.config.values import LARGEST_SIZE

_Steps = Annotated[int, Field(ge=2, le=LARGEST_SIZE)]
_Size = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]


class _UpToSteps(MadeUp):
    """Sequences of one length or, with `min_steps`, of many."""

    main: ClassVar[str] = "steps"

    steps: _Steps
    """Of each sequence, or of the longest."""
    min_steps: _Steps | None = None
    """Of the shortest, where sequences differ: each length from this to `steps` is as likely."""

    @property
    def has_lengths(self) -> bool:
        """Whether sequences differ in their number of steps."""
        return self.min_steps is not None and self.min_steps < self.steps

    @property
    def time(self) -> Size:
        """The number of steps, where it is one."""
        return Time() if self.has_lengths else self.steps

    @model_validator(mode="after")
    def _lengths_are_in_order(self) -> Self:
        if self.min_steps is not None and self.min_steps > self.steps:
            raise ValueError(f"`min_steps` must be at most `steps`, {self.steps}, not {self.min_steps}")
        return self


class Adding(_UpToSteps):
    """The sum of two marked values among many (Hochreiter and Schmidhuber, 1997): (T, 2) -> one value.

    Each step is a value, uniform from 0 to 1, and a marker: 1 at one step of the first half and at one of the second, else 0.
    Who always answers 1, the mean, has a mean squared error of 1/6 = 0.167.
    """

    kind: ClassVar[str] = "adding"

    steps: _Steps = 200
    """Of each sequence, or of the longest."""

    def facts(self) -> DataFacts:
        return DataFacts.of(Sequence(self.time, Vector(2)), num_targets=1)

    @property
    def values_per_sample(self) -> int:
        return 2 * self.steps


class CopyMemory(MadeUp):
    """Symbols to be repeated after a delay (Hochreiter and Schmidhuber, 1997; as in Arjovsky et al., 2016, arXiv:1511.06464).

    A sequence has `delay + 2 * length` steps: `length` symbols, `delay - 1` blanks, a delimiter, `length` blanks; as tokens, the
    symbols from 0, then blank and delimiter. The answer at each step is blank, and the symbols in their order at the last
    `length` steps: `num_symbols + 1` classes, since the delimiter is never an answer. Who knows the step, but not the symbols,
    has a cross-entropy of `length * ln(num_symbols) / (delay + 2 * length)` and an accuracy of
    `(delay + length + length / num_symbols) / (delay + 2 * length)`.
    """

    kind: ClassVar[str] = "copy_memory"
    main: ClassVar[str] = "delay"

    delay: _Size
    """Steps from the last symbol to the delimiter, itself included."""
    num_symbols: Annotated[int, Field(ge=2, le=LARGEST_SIZE)] = 8
    """How many symbols there are."""
    length: _Size = 10
    """How many are to be repeated."""

    @property
    def steps(self) -> int:
        """Of each sequence."""
        return self.delay + 2 * self.length

    @property
    def blank(self) -> int:
        """The token, and the class, of nothing to be said."""
        return self.num_symbols

    @property
    def delimiter(self) -> int:
        """The token that asks for the symbols."""
        return self.num_symbols + 1

    def facts(self) -> DataFacts:
        inputs = Sequence(self.steps, Token(self.num_symbols + 2))
        return DataFacts.of(inputs, num_classes=self.num_symbols + 1, per_step=True)

    @property
    def values_per_sample(self) -> int:
        return self.steps


class Parity(_UpToSteps):
    """Whether the ones so far are odd in number: bits as tokens (T), and at each step the class even or odd.

    A guess is right half of the time, and each bit matters to all later steps.
    """

    kind: ClassVar[str] = "parity"

    def facts(self) -> DataFacts:
        return DataFacts.of(Sequence(self.time, Token(2)), num_classes=2, per_step=True)

    @property
    def values_per_sample(self) -> int:
        return self.steps


class Sine(MadeUp):
    """A sine of unknown frequency and phase, with noise: (T, 1) -> at each step the next value, without noise.

    The amplitude is 1, the frequency uniform from a cycle in 50 steps to one in 10. Who always answers 0 has a mean squared
    error of 1/2.
    """

    kind: ClassVar[str] = "sine"
    main: ClassVar[str] = "steps"

    steps: _Size = 100
    """Of each sequence."""
    noise: Annotated[float, Field(ge=0, le=100)] = 0.1
    """The standard deviation of what is added to each value that the network reads."""

    def facts(self) -> DataFacts:
        return DataFacts.of(Sequence(self.steps, Vector(1)), num_targets=1, per_step=True)

    @property
    def values_per_sample(self) -> int:
        return self.steps
