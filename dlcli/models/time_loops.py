"""The loops over time of a GRU, an LSTM and Elman's network, forward and back, in one call of the library or in torch's calls.

A step multiplies the state by the weights and opens the gates. In the library each thread goes through all steps with its own
rows of the batch, and waits for the others once in a pass; in torch's calls it does in each step.

Arrays are time-first. `states` holds the first state and that after each step, (time + 1, batch, hidden), and `weight` is
torch's, (gates * hidden, hidden). What a way back reads of a step takes the place of what comes from the inputs, which halves
what has to be fetched from memory.
"""

from __future__ import annotations

from ctypes import CDLL
from typing import Final, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.models import kernels

_PANEL: Final = 32
"""Columns of a matrix that the library multiplies at a time."""


class TimeLoops(Protocol):
    """One way to do it.

    Of a GRU `gates` holds reset, update and new gate, (time, batch, 3 * hidden), beside the new gate's share of the state,
    (time, batch, hidden); their gradients stand in the order new, reset, update, share. Of an LSTM both hold input, forget, cell
    and output gate. Before a loop forward `gates` holds what comes from the inputs.

    Going back, `grad` (batch, hidden) is the gradient of the last state and becomes that of the first; `more` is that of each
    step's output, (time, batch, hidden), its features side by side.
    """

    def gru_forward(self, weight: Tensor, bias: Tensor, states: Tensor, gates: Tensor, shares: Tensor) -> None:
        """From the first state to all others; `bias` (hidden,) is that of the share."""

    def gru_backward(
        self, weight: Tensor, grad: Tensor, more: Tensor, gates: Tensor, shares: Tensor, states: Tensor, grad_gates: Tensor
    ) -> None:
        """From the gradients of the states to those of the gates."""

    def rnn_forward(self, weight: Tensor, from_inputs: Tensor, states: Tensor, *, relu: bool) -> None:
        """From the first state to all others, with tanh unless `relu`."""

    def rnn_backward(self, weight: Tensor, grad: Tensor, more: Tensor, states: Tensor, grad_sums: Tensor, *, relu: bool) -> None:
        """From the gradients of the states to those of the sums they were made of."""

    def lstm_forward(self, weight: Tensor, states: Tensor, cells: Tensor, gates: Tensor) -> None:
        """From the first state and cell to all others."""

    def lstm_backward(
        self, weight: Tensor, grad: Tensor, more: Tensor, gates: Tensor, cells: Tensor, grad_gates: Tensor, grad_cell: Tensor
    ) -> None:
        """As for a GRU; `grad_cell` is that of the last cell, and becomes that of the first."""


class TorchLoops:
    """In calls of torch, for any floating-point type and device."""

    def gru_forward(self, weight: Tensor, bias: Tensor, states: Tensor, gates: Tensor, shares: Tensor) -> None:
        hidden, from_state = states.shape[2], torch.empty_like(gates[0])
        for of_step, share, before, following in zip(gates, shares, states, states[1:], strict=False):
            torch.mm(before, weight.t(), out=from_state)
            opened, new = of_step[:, : 2 * hidden], of_step[:, 2 * hidden :]
            opened.add_(from_state[:, : 2 * hidden]).sigmoid_()
            torch.add(from_state[:, 2 * hidden :], bias, out=share)
            new.addcmul_(opened[:, :hidden], share).tanh_()
            torch.lerp(new, before, opened[:, hidden:], out=following)

    def gru_backward(
        self, weight: Tensor, grad: Tensor, more: Tensor, gates: Tensor, shares: Tensor, states: Tensor, grad_gates: Tensor
    ) -> None:
        hidden, past = states.shape[2], torch.zeros_like(grad)
        for step in reversed(range(len(gates))):
            reset, update, new = gates[step].chunk(3, dim=1)
            grad_new, grad_reset, grad_update, grad_share = grad_gates[step].chunk(4, dim=1)
            both = grad + more[step] + past
            torch.mul(both * (1 - update), 1 - new * new, out=grad_new)
            torch.mul(grad_new, reset, out=grad_share)
            torch.mul(grad_share * shares[step], 1 - reset, out=grad_reset)
            torch.mul(both, update, out=past)
            torch.mul(past * (states[step] - new), 1 - update, out=grad_update)
            torch.mm(grad_gates[step, :, hidden:], weight, out=grad)
        grad += past

    def rnn_forward(self, weight: Tensor, from_inputs: Tensor, states: Tensor, *, relu: bool) -> None:
        for from_input, before, following in zip(from_inputs, states, states[1:], strict=False):
            torch.addmm(from_input, before, weight.t(), out=following)
            following.relu_() if relu else following.tanh_()

    def rnn_backward(self, weight: Tensor, grad: Tensor, more: Tensor, states: Tensor, grad_sums: Tensor, *, relu: bool) -> None:
        for step in reversed(range(len(grad_sums))):
            following = states[step + 1]
            slope = (following > 0).to(following.dtype) if relu else 1 - following * following
            torch.mul(grad + more[step], slope, out=grad_sums[step])
            torch.mm(grad_sums[step], weight, out=grad)

    def lstm_forward(self, weight: Tensor, states: Tensor, cells: Tensor, gates: Tensor) -> None:
        hidden = states.shape[2]
        for step, of_step in enumerate(gates):
            of_step.addmm_(states[step], weight.t())
            put_in, forget, new, output = of_step.chunk(4, dim=1)
            of_step[:, : 2 * hidden].sigmoid_()
            new.tanh_()
            output.sigmoid_()
            torch.addcmul(forget * cells[step], put_in, new, out=cells[step + 1])
            torch.mul(output, cells[step + 1].tanh(), out=states[step + 1])

    def lstm_backward(
        self, weight: Tensor, grad: Tensor, more: Tensor, gates: Tensor, cells: Tensor, grad_gates: Tensor, grad_cell: Tensor
    ) -> None:
        for step in reversed(range(len(gates))):
            put_in, forget, new, output = gates[step].chunk(4, dim=1)
            grad_in, grad_forget, grad_new, grad_output = grad_gates[step].chunk(4, dim=1)
            both, shown = grad + more[step], cells[step + 1].tanh()
            grad_cell += both * output * (1 - shown * shown)
            torch.mul(grad_cell * new, put_in * (1 - put_in), out=grad_in)
            torch.mul(grad_cell * cells[step], forget * (1 - forget), out=grad_forget)
            torch.mul(grad_cell * put_in, 1 - new * new, out=grad_new)
            torch.mul(both * shown, output * (1 - output), out=grad_output)
            grad_cell *= forget
            torch.mm(grad_gates[step], weight, out=grad)


class CompiledLoops:
    """In one call of the library; of `more` any strides over time and batch are read."""

    def __init__(self, library: CDLL) -> None:
        self._library = library

    def gru_forward(self, weight: Tensor, bias: Tensor, states: Tensor, gates: Tensor, shares: Tensor) -> None:
        kept = (_panels(weight.t()), bias, states, gates, shares, torch.empty_like(gates[0]))
        self._library.gru_forward(*shares.shape, *(tensor.data_ptr() for tensor in kept))

    def gru_backward(
        self, weight: Tensor, grad: Tensor, more: Tensor, gates: Tensor, shares: Tensor, states: Tensor, grad_gates: Tensor
    ) -> None:
        panels, past = _panels(weight), torch.zeros_like(grad)
        read = (panels.data_ptr(), grad.data_ptr(), more.data_ptr(), *more.stride()[:2])
        kept = (gates, shares, states, grad_gates, past)
        self._library.gru_backward(*shares.shape, *read, *(tensor.data_ptr() for tensor in kept))
        grad += past

    def rnn_forward(self, weight: Tensor, from_inputs: Tensor, states: Tensor, *, relu: bool) -> None:
        kept = (_panels(weight.t()), from_inputs, states, torch.empty_like(states[0]))
        self._library.rnn_forward(*from_inputs.shape, relu, *(tensor.data_ptr() for tensor in kept))

    def rnn_backward(self, weight: Tensor, grad: Tensor, more: Tensor, states: Tensor, grad_sums: Tensor, *, relu: bool) -> None:
        panels = _panels(weight)
        read = (panels.data_ptr(), grad.data_ptr(), more.data_ptr(), *more.stride()[:2])
        self._library.rnn_backward(*grad_sums.shape, relu, *read, states.data_ptr(), grad_sums.data_ptr())

    def lstm_forward(self, weight: Tensor, states: Tensor, cells: Tensor, gates: Tensor) -> None:
        kept = (_panels(weight.t()), states, cells, gates, torch.empty_like(gates[0]))
        self._library.lstm_forward(len(gates), *states.shape[1:], *(tensor.data_ptr() for tensor in kept))

    def lstm_backward(
        self, weight: Tensor, grad: Tensor, more: Tensor, gates: Tensor, cells: Tensor, grad_gates: Tensor, grad_cell: Tensor
    ) -> None:
        panels = _panels(weight)
        read = (panels.data_ptr(), grad.data_ptr(), more.data_ptr(), *more.stride()[:2])
        kept = (gates, cells, grad_gates, grad_cell)
        self._library.lstm_backward(len(gates), *grad.shape, *read, *(tensor.data_ptr() for tensor in kept))


def _panels(matrix: Tensor) -> Tensor:
    """The columns of (depth, columns) in panels, the last filled up with 0: (panels, depth, columns of one)."""
    filled = F.pad(matrix, (0, -matrix.shape[1] % _PANEL))
    return filled.view(len(matrix), -1, _PANEL).transpose(0, 1).contiguous()


def loops_for(values: Tensor) -> TimeLoops:
    """The faster way for values of this type and device."""
    library = kernels.library_for(values)
    return TorchLoops() if library is None else CompiledLoops(library)
