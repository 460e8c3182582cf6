"""Recurrent layers over the steps of a sequence."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from dlcli.config.initialisation import Init, WithInit
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
    recurrent_dropout: Fraction = 0.0
    """The chance of a hidden-to-hidden weight to be dropped in training, at all steps of a batch alike (arXiv:1708.02182)."""
    recurrent_init: Init = None
    """How the hidden-to-hidden weights start, each gate by itself; without it as all weights, by `init`."""
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
        output = Vector(self.output_size * self.num_directions)
        return output if self.return_ == "last" else Sequence(sequence.time, output)

    @property
    def output_size(self) -> int:
        """What one direction gives at a step, and reads at the next."""
        return self.hidden_size

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
        output, directions = self.output_size, self.num_directions
        read = channels_of(sequence) + (self.num_layers - 1) * output * directions
        gates = (read + self.num_layers * output) * self.hidden_size * self.gates
        return (gates + self.num_layers * self._projection_count()) * directions

    def _projection_count(self) -> int:
        """The values of the matrix from the hidden state to the output, of one layer and direction."""
        return 0


class Rnn(Recurrent):
    """h' = tanh(W x + U h + b) (Elman, 1990). (T, features) -> (T, hidden_size) or (hidden_size)."""

    kind: ClassVar[str] = "rnn"
    gates: ClassVar[int] = 1

    nonlinearity: Literal["tanh", "relu"] = "tanh"


class _Gated(Recurrent):
    chrono: Annotated[int, Field(ge=2, le=1_000_000_000)] | None = None
    """The most steps that memory has to last: gates' biases start so that it fades over 1 to so many (arXiv:1804.11188)."""

    @model_validator(mode="after")
    def _chrono_needs_bias(self) -> Self:
        if self.chrono is not None and not self.bias:
            raise ValueError(f"the `chrono` of `{self.kind}` starts biases, and `bias` is false")
        return self


class Lstm(_Gated):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997). (T, features) -> (T, hidden_size) or (hidden_size)."""

    kind: ClassVar[str] = "lstm"
    gates: ClassVar[int] = 4

    forget_bias: FiniteFloat | None = None
    """The forget gate's bias at the start; 1 lets memory last from the first step (Jozefowicz et al., 2015)."""
    proj_size: Annotated[int, Field(ge=0)] = 0
    """Size of the output, below `hidden_size`, that a matrix makes of the hidden state (arXiv:1402.1128); 0: the state itself."""

    @model_validator(mode="after")
    def _forget_bias_needs_bias(self) -> Self:
        if self.forget_bias is not None and not self.bias:
            raise ValueError("`lstm` has a `forget_bias` and `bias: false`")
        return self

    @model_validator(mode="after")
    def _one_start_of_the_forget_gate(self) -> Self:
        if self.forget_bias is not None and self.chrono is not None:
            raise ValueError("`lstm` has a `forget_bias` and `chrono`, which both start the forget gate's bias: keep one")
        return self

    @model_validator(mode="after")
    def _projection_is_smaller(self) -> Self:
        if self.proj_size >= self.hidden_size:
            raise ValueError(
                f"the `proj_size` of `lstm` must be below its `hidden_size`, {self.hidden_size}, not {self.proj_size}"
            )
        return self

    @property
    def output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _projection_count(self) -> int:
        return self.hidden_size * self.proj_size


class Gru(_Gated):
    """Gated recurrent unit (Cho et al., 2014, arXiv:1406.1078). (T, features) -> (T, hidden_size) or (hidden_size)."""

    kind: ClassVar[str] = "gru"
    gates: ClassVar[int] = 3
