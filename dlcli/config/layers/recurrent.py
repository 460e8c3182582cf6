"""Recurrent layers over the steps of a sequence."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dlcli.config.initialisation import WithInit
from dlcli.config.layers.base import LayerSpec
from dlcli.config.shapes import Sequence, Shape, Vector, channels_of, fixed_sizes
from dlcli.config.values import FiniteFloat, Fraction, PositiveInt


class Recurrent(WithInit, LayerSpec):
    """A layer that reads the steps of a sequence in their order."""

    main: ClassVar[str] = "hidden_size"
    accepts: ClassVar[tuple[str, ...]] = ("series",)
    gates: ClassVar[int]

    hidden_size: PositiveInt
    """Size of the hidden state."""
    num_layers: Annotated[int, Field(ge=1, le=1000)] = 1
    """Layers on top of each other, each reading the one below."""
    bias: bool = True
    dropout: Fraction = 0.0
    """The chance of being dropped between the layers of the stack."""
    bidirectional: bool = False
    """Whether a second pass reads the sequence from its end; the outputs stand side by side."""
    return_: Literal["last", "sequence"] = Field("sequence", alias="return")
    """`last`: the state after each direction's last step; `sequence`: the output of every step."""

    @model_validator(mode="after")
    def _dropout_needs_two_layers(self) -> Self:
        if self.dropout and self.num_layers == 1:
            raise ValueError(f"the `dropout` of `{self.kind}` acts between layers, and `num_layers` is 1")
        return self

    def output_shape(self, sequence: Sequence) -> Shape:
        output = Vector(self.hidden_size * self.num_directions)
        return output if self.return_ == "last" else Sequence(sequence.time, output)

    @property
    def num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    def parameter_count(self, sequence: Shape) -> int:
        biases = 2 * self.hidden_size * self.gates * self.num_directions * self.num_layers
        return self._weight_count(sequence) + (biases if self.bias else 0)

    def flops(self, sequence: Shape) -> int:
        return 2 * fixed_sizes(sequence)[0] * self._weight_count(sequence)

    def _weight_count(self, sequence: Shape) -> int:
        """The values of the matrices, each of which every step is multiplied by."""
        hidden, directions = self.hidden_size, self.num_directions
        first = (channels_of(sequence) + hidden) * hidden
        above = (hidden * directions + hidden) * hidden
        return (first + (self.num_layers - 1) * above) * self.gates * directions


class Rnn(Recurrent):
    """h' = tanh(W x + U h + b) (Elman, 1990). (T, features) -> (T, hidden_size) or (hidden_size)."""

    kind: ClassVar[str] = "rnn"
    gates: ClassVar[int] = 1

    nonlinearity: Literal["tanh", "relu"] = "tanh"


class Lstm(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997). (T, features) -> (T, hidden_size) or (hidden_size)."""

    kind: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4

    forget_bias: FiniteFloat | None = None
    """The forget gate's bias at the start; 1 lets memory last from the first step (Jozefowicz et al., 2015)."""

    @model_validator(mode="after")
    def _forget_bias_needs_bias(self) -> Self:
        if self.forget_bias is not None and not self.bias:
            raise ValueError("`lstm` has a `forget_bias` and `bias: false`")
        return self


class Gru(Recurrent):
    """Gated recurrent unit (Cho et al., 2014, arXiv:1406.1078). (T, features) -> (T, hidden_size) or (hidden_size)."""

    kind: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3
