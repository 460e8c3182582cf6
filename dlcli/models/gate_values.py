"""The gates, cells and states of a recurrent layer at each step, which its own calculation does not hand out.

The formulas are those of `torch.nn.RNN`, `LSTM` and `GRU`, step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.models.recurrent import Recurrent

Values = dict[str, Tensor]
"""Of one step, (batch, hidden) each: the gates by their names, `cell` of an LSTM, and `hidden`, which is the layer's output."""


@dataclass(frozen=True)
class Pass:
    """One layer of a stack in one direction.

    Attributes:
        layer: counted from 0.
        is_reverse: whether it reads from the end.
        values: each gate and state by its name, (batch, time, hidden), in the order of the sequence's steps.
    """

    layer: int
    is_reverse: bool
    values: Mapping[str, Tensor]


@torch.no_grad()
def gate_values(layer: Recurrent, sequence: Tensor) -> list[Pass]:
    """All layers and directions, in eval mode and from the state 0.

    Args:
        layer: a module of `dlcli.models.recurrent`.
        sequence: (batch, time, features), all steps of which are valid.
    """
    passes: list[Pass] = []
    directions = 2 if layer.bidirectional else 1
    for number in range(layer.num_layers):
        outputs = []
        for direction in range(directions):
            weights = layer.all_weights[directions * number + direction]
            read = sequence.flip(1) if direction else sequence
            steps = list(_steps(layer, read, weights))
            values = {name: torch.stack([step[name] for step in steps], 1) for name in steps[0]}
            if direction:
                values = {name: value.flip(1) for name, value in values.items()}
            passes.append(Pass(number, bool(direction), values))
            outputs.append(values["hidden"])
        sequence = torch.cat(outputs, 2)
    return passes


def _steps(layer: Recurrent, sequence: Tensor, weights: list[torch.nn.Parameter]) -> Iterator[Values]:
    """The values of each step, from the first that is read."""
    w_ih, w_hh, *others = weights
    b_ih, b_hh = others[:2] if layer.bias else (None, None)
    projection = weights[-1] if layer.proj_size else None
    from_inputs = F.linear(sequence, w_ih, b_ih)
    states = [sequence.new_zeros(len(sequence), size) for size in layer.state_sizes]
    for from_input in from_inputs.unbind(1):
        values = _STEPS[layer.mode](from_input, F.linear(states[0], w_hh, b_hh), states)
        if projection is not None:
            values["hidden"] = F.linear(values["hidden"], projection)
        states = [values["hidden"], *([values["cell"]] if "cell" in values else [])]
        yield values


def _rnn_step(activation: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, list[Tensor]], Values]:
    return lambda from_input, from_state, _: {"hidden": activation(from_input + from_state)}


def _lstm_step(from_input: Tensor, from_state: Tensor, states: list[Tensor]) -> Values:
    put_in, forget, new, output = (from_input + from_state).chunk(4, 1)
    put_in, forget, new, output = put_in.sigmoid(), forget.sigmoid(), new.tanh(), output.sigmoid()
    cell = forget * states[1] + put_in * new
    return {"input": put_in, "forget": forget, "output": output, "new": new, "cell": cell, "hidden": output * cell.tanh()}


def _gru_step(from_input: Tensor, from_state: Tensor, states: list[Tensor]) -> Values:
    reset, update, new = from_input.chunk(3, 1)
    reset_by_state, update_by_state, new_by_state = from_state.chunk(3, 1)
    reset, update = (reset + reset_by_state).sigmoid(), (update + update_by_state).sigmoid()
    new = (new + reset * new_by_state).tanh()
    return {"reset": reset, "update": update, "new": new, "hidden": (1 - update) * new + update * states[0]}


_STEPS: Final[Mapping[str, Callable[[Tensor, Tensor, list[Tensor]], Values]]] = {
    "RNN_TANH": _rnn_step(torch.tanh),
    "RNN_RELU": _rnn_step(torch.relu),
    "LSTM": _lstm_step,
    "GRU": _gru_step,
}
"""What a step makes of what comes from the input, what comes from the state, and the states before it, by torch's `mode`."""
