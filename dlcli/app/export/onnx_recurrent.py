"""Recurrent layers as ONNX has them: RNN, GRU and LSTM, one node for each layer of a stack.

ONNX orders the gates otherwise than torch, stacks the directions along an axis of their own, and keeps both biases in one row.
Its LSTM has no projection, and needs none: where h = P o, the next step's W h is (W P) o, and the outputs are projected at the
end. Every sequence starts from 0, as ONNX has it where no state is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from onnxscript import opset18

from dlcli.app.export.tracing import OPERATORS

Value = Any
"""Of a graph of ONNX."""
op: Final[Any] = opset18
"""Its operators take plain numbers too, which its types don't say."""


@dataclass(frozen=True)
class _Cell:
    """What kind of layer it is.

    Attributes:
        operator: ONNX's.
        gates: where ONNX's first, second ... gate stands among torch's.
        options: of the operator, for one direction.
    """

    operator: Callable[..., Sequence[Value]]
    gates: tuple[int, ...]
    options: Mapping[str, Any]

    def reordered(self, weight: Value, size: int) -> Value:
        """Rows of torch's gates in the order of ONNX's, each of so many rows."""
        if len(self.gates) == 1:
            return weight
        return op.Concat(*(op.Slice(weight, [gate * size], [(gate + 1) * size], [0]) for gate in self.gates), axis=0)

    def run(self, values: Value, weights: Sequence[Sequence[Value]], *, has_biases: bool) -> tuple[Value, list[Value]]:
        """One layer of a stack.

        Args:
            values: (time, batch, features).
            weights: torch's, of each direction.
            has_biases: whether there are any among them.

        Returns:
            The outputs, (time, batch, directions * output); the last states, (directions, batch, output) each.
        """
        size = weights[0][0].shape[0] // len(self.gates)
        projections = [own[-1] for own in weights] if len(weights[0]) % 2 else []
        hidden = [op.MatMul(own[1], own[-1]) if projections else own[1] for own in weights]
        joined = [self.reordered(own[part], size) for own in weights for part in (2, 3)] if has_biases else []
        outputs, *states = self.operator(
            values,
            _stacked([self.reordered(own[0], size) for own in weights]),
            _stacked([self.reordered(weight, size) for weight in hidden]),
            _stacked([op.Concat(*joined[place : place + 2], axis=0) for place in range(0, len(joined), 2)]) if joined else None,
            direction="bidirectional" if len(weights) > 1 else "forward",
            hidden_size=size,
            **{name: value * len(weights) if isinstance(value, list) else value for name, value in self.options.items()},
        )
        if projections:
            projection = op.Transpose(_stacked(projections), perm=[0, 2, 1])
            outputs, states[0] = op.MatMul(outputs, projection), op.MatMul(states[0], projection)
        return op.Reshape(op.Transpose(outputs, perm=[0, 2, 1, 3]), [0, 0, -1]), states


def _stacked(values: Sequence[Value]) -> Value:
    return op.Concat(*(op.Unsqueeze(value, [0]) for value in values), axis=0)


def _translation(cell: _Cell) -> Callable[..., tuple[Value, ...]]:
    """What writes the operator of `tracing` as nodes of ONNX."""

    def write(  # noqa: PLR0917  # the exporter calls it so
        input: Value,
        hx: Value,  # noqa: ARG001  # always 0
        params: Sequence[Value],
        has_biases: bool,
        num_layers: int,
        dropout: float,  # noqa: ARG001  # nothing is dropped any more
        train: bool,  # noqa: ARG001  # it is not
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Value, ...]:
        values = op.Transpose(input, perm=[1, 0, 2]) if batch_first else input
        directions = 2 if bidirectional else 1
        count = len(params) // (num_layers * directions)
        own = [params[place : place + count] for place in range(0, len(params), count)]
        ends: list[list[Value]] = []
        for place in range(0, len(own), directions):
            values, states = cell.run(values, own[place : place + directions], has_biases=has_biases)
            ends.append(states)
        outputs = op.Transpose(values, perm=[1, 0, 2]) if batch_first else values
        return outputs, *(op.Concat(*of_layers, axis=0) for of_layers in zip(*ends, strict=True))

    return write


TRANSLATIONS: Final[Mapping[Any, Callable[..., Any]]] = {
    OPERATORS["LSTM"]: _translation(_Cell(op.LSTM, (0, 3, 1, 2), {})),
    OPERATORS["GRU"]: _translation(_Cell(op.GRU, (1, 0, 2), {"linear_before_reset": 1})),
    OPERATORS["RNN_TANH"]: _translation(_Cell(op.RNN, (0,), {"activations": ["Tanh"]})),
    OPERATORS["RNN_RELU"]: _translation(_Cell(op.RNN, (0,), {"activations": ["Relu"]})),
}
"""For `torch.onnx.export`."""
