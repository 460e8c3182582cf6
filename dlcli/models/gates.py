"""What the gates of a GRU and an LSTM do in one step, forward and back: as calls of torch, or compiled.

Arrays are contiguous and of one step: states (batch, hidden), what comes from the inputs and from the state before it
(batch, gates * hidden). Results are written into arrays that are given; gates in the place of what comes
from the inputs, which halves what has to be fetched from memory.
"""

from __future__ import annotations

from ctypes import CDLL
from typing import Protocol

import torch
from torch import Tensor

from dlcli.models import kernels


class Steps(Protocol):
    """One way to do it.

    Of a GRU `gates` holds reset, update and new gate, (batch, 3 * hidden), beside the new gate's share of the state, (batch,
    hidden); their gradients stand in the order new, reset, update, share. Of an LSTM both hold input, forget, cell and output
    gate. Before a step forward `gates` holds what comes from the inputs.
    """

    def gru_forward(
        self, gates: Tensor, from_state: Tensor, bias: Tensor, state: Tensor, share: Tensor, following: Tensor
    ) -> None:
        """From the state to the following one; `bias` (hidden,) is that of `share`."""

    def gru_backward(
        self, grad: Tensor, more: Tensor, gates: Tensor, share: Tensor, state: Tensor, grad_gates: Tensor, kept: Tensor
    ) -> None:
        """From the gradients of the following state to those of the gates and, in part, of the state.

        The first are the sum of `grad`, of `more`, which is (batch, hidden) or (1, hidden) for all rows, and of `kept`, which
        then holds what the state gets of them past the gates.
        """

    def rnn_forward(self, from_input: Tensor, from_state: Tensor, following: Tensor, *, relu: bool) -> None:
        """To the following state, with tanh unless `relu`."""

    def rnn_backward(self, grad: Tensor, more: Tensor, following: Tensor, grad_sum: Tensor, *, relu: bool) -> None:
        """From the gradients of the following state, `grad` and `more` as for a GRU, to that of the sum it was made of."""

    def lstm_forward(self, gates: Tensor, from_state: Tensor, cell: Tensor, following_cell: Tensor, following: Tensor) -> None:
        """From the cell to the following one and the following hidden state."""

    def lstm_backward(
        self,
        grad: Tensor,
        more: Tensor,
        gates: Tensor,
        cell: Tensor,
        following_cell: Tensor,
        grad_gates: Tensor,
        grad_cell: Tensor,
    ) -> None:
        """The same as for a GRU; `grad_cell` is that of the following cell, and becomes that of the cell."""


class TorchSteps:
    """In calls of torch, for any floating-point type and device."""

    def gru_forward(
        self, gates: Tensor, from_state: Tensor, bias: Tensor, state: Tensor, share: Tensor, following: Tensor
    ) -> None:
        hidden = state.shape[1]
        opened, new = gates[:, : 2 * hidden], gates[:, 2 * hidden :]
        opened.add_(from_state[:, : 2 * hidden]).sigmoid_()
        torch.add(from_state[:, 2 * hidden :], bias, out=share)
        new.addcmul_(opened[:, :hidden], share).tanh_()
        torch.lerp(new, state, opened[:, hidden:], out=following)

    def gru_backward(
        self, grad: Tensor, more: Tensor, gates: Tensor, share: Tensor, state: Tensor, grad_gates: Tensor, kept: Tensor
    ) -> None:
        reset, update, new = gates.chunk(3, dim=1)
        grad_new, grad_reset, grad_update, grad_share = grad_gates.chunk(4, dim=1)
        both = grad + more + kept
        torch.mul(both * (1 - update), 1 - new * new, out=grad_new)
        torch.mul(grad_new, reset, out=grad_share)
        torch.mul(grad_share * share, 1 - reset, out=grad_reset)
        torch.mul(both, update, out=kept)
        torch.mul(kept * (state - new), 1 - update, out=grad_update)

    def rnn_forward(self, from_input: Tensor, from_state: Tensor, following: Tensor, *, relu: bool) -> None:
        torch.add(from_input, from_state, out=following)
        following.relu_() if relu else following.tanh_()

    def rnn_backward(self, grad: Tensor, more: Tensor, following: Tensor, grad_sum: Tensor, *, relu: bool) -> None:
        slope = (following > 0).to(following.dtype) if relu else 1 - following * following
        torch.mul(grad + more, slope, out=grad_sum)

    def lstm_forward(self, gates: Tensor, from_state: Tensor, cell: Tensor, following_cell: Tensor, following: Tensor) -> None:
        hidden = cell.shape[1]
        gates += from_state
        put_in, forget, new, output = gates.chunk(4, dim=1)
        gates[:, : 2 * hidden].sigmoid_()
        new.tanh_()
        output.sigmoid_()
        torch.addcmul(forget * cell, put_in, new, out=following_cell)
        torch.mul(output, following_cell.tanh(), out=following)

    def lstm_backward(
        self,
        grad: Tensor,
        more: Tensor,
        gates: Tensor,
        cell: Tensor,
        following_cell: Tensor,
        grad_gates: Tensor,
        grad_cell: Tensor,
    ) -> None:
        put_in, forget, new, output = gates.chunk(4, dim=1)
        grad_in, grad_forget, grad_new, grad_output = grad_gates.chunk(4, dim=1)
        both, shown = grad + more, following_cell.tanh()
        grad_cell += both * output * (1 - shown * shown)
        torch.mul(grad_cell * new, put_in * (1 - put_in), out=grad_in)
        torch.mul(grad_cell * cell, forget * (1 - forget), out=grad_forget)
        torch.mul(grad_cell * put_in, 1 - new * new, out=grad_new)
        torch.mul(both * shown, output * (1 - output), out=grad_output)
        grad_cell *= forget


class CompiledSteps:
    """In one pass over memory each."""

    def __init__(self, library: CDLL) -> None:
        self._library = library

    def gru_forward(
        self, gates: Tensor, from_state: Tensor, bias: Tensor, state: Tensor, share: Tensor, following: Tensor
    ) -> None:
        self._library.gru_forward(
            *state.shape,
            from_state.data_ptr(),
            bias.data_ptr(),
            state.data_ptr(),
            gates.data_ptr(),
            share.data_ptr(),
            following.data_ptr(),
        )

    def gru_backward(
        self, grad: Tensor, more: Tensor, gates: Tensor, share: Tensor, state: Tensor, grad_gates: Tensor, kept: Tensor
    ) -> None:
        self._library.gru_backward(
            *state.shape,
            grad.data_ptr(),
            more.data_ptr(),
            _row_stride(more),
            gates.data_ptr(),
            share.data_ptr(),
            state.data_ptr(),
            grad_gates.data_ptr(),
            kept.data_ptr(),
        )

    def rnn_forward(self, from_input: Tensor, from_state: Tensor, following: Tensor, *, relu: bool) -> None:
        read = (from_input.data_ptr(), from_state.data_ptr())
        self._library.rnn_forward(*following.shape, relu, *read, following.data_ptr())

    def rnn_backward(self, grad: Tensor, more: Tensor, following: Tensor, grad_sum: Tensor, *, relu: bool) -> None:
        read = (grad.data_ptr(), more.data_ptr(), _row_stride(more), following.data_ptr())
        self._library.rnn_backward(*following.shape, relu, *read, grad_sum.data_ptr())

    def lstm_forward(self, gates: Tensor, from_state: Tensor, cell: Tensor, following_cell: Tensor, following: Tensor) -> None:
        self._library.lstm_forward(
            *cell.shape,
            from_state.data_ptr(),
            cell.data_ptr(),
            gates.data_ptr(),
            following_cell.data_ptr(),
            following.data_ptr(),
        )

    def lstm_backward(
        self,
        grad: Tensor,
        more: Tensor,
        gates: Tensor,
        cell: Tensor,
        following_cell: Tensor,
        grad_gates: Tensor,
        grad_cell: Tensor,
    ) -> None:
        self._library.lstm_backward(
            *cell.shape,
            grad.data_ptr(),
            more.data_ptr(),
            _row_stride(more),
            gates.data_ptr(),
            cell.data_ptr(),
            following_cell.data_ptr(),
            grad_gates.data_ptr(),
            grad_cell.data_ptr(),
        )


def _row_stride(rows: Tensor) -> int:
    return 0 if len(rows) == 1 else rows.stride(0)


def steps_for(values: Tensor) -> Steps:
    """The faster way for values of this type and device."""
    library = kernels.library_for(values)
    return TorchSteps() if library is None else CompiledSteps(library)
