"""The cells against NumPy, written from the formulas of the papers, in torch's order of the gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.unit.models.recurrent_cells import CELLS, cell, random_sequences

Array = npt.NDArray[np.float64]
State = tuple[Array, ...]
Step = Callable[[Mapping[str, Array], Array, State], State]
"""From one layer's weights, an input and the state before it to the state behind it, whose first part is the output."""


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _rnn(activation: Callable[[Array], Array]) -> Step:
    """h' = activation(W x + b + U h + c) (Elman, 1990)."""

    def step(weights: Mapping[str, Array], x: Array, state: State) -> State:
        before = weights["weight_ih"] @ x + weights["bias_ih"] + weights["weight_hh"] @ state[0] + weights["bias_hh"]
        return (activation(before),)

    return step


def _lstm(weights: Mapping[str, Array], x: Array, state: State) -> State:
    """With forget gates (Gers et al., 2000), and a projection where there is one (Sak et al., 2014, equations 1 to 7)."""
    output, memory = state
    before = weights["weight_ih"] @ x + weights["bias_ih"] + weights["weight_hh"] @ output + weights["bias_hh"]
    write, keep, new, show = np.split(before, 4)
    memory = _sigmoid(keep) * memory + _sigmoid(write) * np.tanh(new)
    hidden = _sigmoid(show) * np.tanh(memory)
    return (weights["weight_hr"] @ hidden if "weight_hr" in weights else hidden, memory)


def _gru(weights: Mapping[str, Array], x: Array, state: State) -> State:
    """Cho et al., 2014, with the reset gate behind the product, as in cuDNN; an open update gate keeps the old state."""
    (hidden,) = state
    of_input = np.split(weights["weight_ih"] @ x + weights["bias_ih"], 3)
    of_hidden = np.split(weights["weight_hh"] @ hidden + weights["bias_hh"], 3)
    reset, keep = (_sigmoid(one + other) for one, other in zip(of_input[:2], of_hidden[:2], strict=True))
    new = np.tanh(of_input[2] + reset * of_hidden[2])
    return (keep * hidden + (1 - keep) * new,)


STEPS: dict[str, Step] = {
    "rnn-tanh": _rnn(np.tanh),
    "rnn-relu": _rnn(lambda x: np.maximum(x, 0)),
    "lstm": _lstm,
    "lstm-projected": _lstm,
    "gru": _gru,
}


def _pass(step: Step, weights: Mapping[str, Array], sequence: Array) -> Array:
    """(time, features) -> (time, output)."""
    gates = {_gru: 3, _lstm: 4}.get(step, 1)
    hidden = len(weights["weight_ih"]) // gates
    state: State = (np.zeros(weights["weight_hh"].shape[1]), np.zeros(hidden))[: 2 if step is _lstm else 1]
    outputs = []
    for x in sequence:
        state = step(weights, x, state)
        outputs.append(state[0])
    return np.stack(outputs)


@pytest.mark.parametrize("returned", ["last", "sequence"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_outputs_are_those_of_the_formulas(name: str, bidirectional: bool, returned: str) -> None:
    """Two layers on sequences of different lengths in one batch, to 1e-10."""
    module = cell(name, num_layers=2, bidirectional=bidirectional, **{"return": returned})
    parameters = {key: value.detach().numpy() for key, value in module.named_parameters()}
    sequences, lengths = random_sequences(4, 8), torch.tensor([5, 8, 1, 3])
    outputs = module(sequences, lengths).detach().numpy()
    for row, length in enumerate(lengths.tolist()):
        values = sequences[row, :length].numpy()
        for layer in range(2):
            passes = []
            for direction in ["", "_reverse"][: 1 + bidirectional]:
                end = f"_l{layer}{direction}"
                weights = {key.removesuffix(end): value for key, value in parameters.items() if key.endswith(end)}
                turned = values[::-1] if direction else values
                output = _pass(STEPS[name], weights, turned)
                passes.append(output[::-1] if direction else output)
            values = np.concatenate(passes, axis=1)
        size = values.shape[1] // len(passes)
        expected = np.concatenate((values[-1, :size], values[0, size:])) if returned == "last" else values
        found = outputs[row] if returned == "last" else outputs[row, :length]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
