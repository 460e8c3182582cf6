"""A recurrent layer's pass over time in one direction, forward and back, on the CPU.

torch multiplies a GRU's and an Elman network's inputs by their weights in each step, and computes a share of the weights'
gradient in each step of the way back. Here that is one product each over all steps; what is left in a step, one product and the
gates, is in `time_loops.py`. The formulas are those of `torch.nn.RNN`, `LSTM` and `GRU`; only sums are taken in another order.

Arrays are time-first: values (time, batch, features), outputs (time, batch, hidden), states (batch, hidden). Weights and biases
are torch's; of a layer without biases both are None.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.models.kernels import are_plain, library_for, refuse_second_derivative
from dlcli.models.time_loops import loops_for

Gradients = tuple[Tensor | None, ...]

_FEW_SAMPLES: Final = 16
_MANY_WEIGHTS: Final = 500_000
"""2 MB of float32: more than a core's own cache holds on most processors."""


class GruPass(Function):
    """`apply(values, state, w_ih, w_hh, b_ih, b_hh)` gives the outputs and the last state."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, state: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        hidden, bias = state.shape[1], None
        bias_of_share = state.new_zeros(hidden)
        if b_ih is not None and b_hh is not None:
            bias, bias_of_share = torch.cat((b_ih[: 2 * hidden] + b_hh[: 2 * hidden], b_ih[2 * hidden :])), b_hh[2 * hidden :]
        gates, states = F.linear(values, w_ih, bias), _states(values, state)
        shares = torch.empty_like(states[1:])
        loops_for(values).gru_forward(w_hh, bias_of_share, states, gates, shares)
        ctx.save_for_backward(values, w_ih, w_hh, gates, shares, states)
        ctx.has_biases = b_ih is not None
        ctx.set_materialize_grads(False)
        return states[1:], states[-1].clone()

    @staticmethod
    def backward(ctx: Any, grad_outputs: Tensor | None, grad_last: Tensor | None) -> Gradients:
        refuse_second_derivative()
        values, w_ih, w_hh, gates, shares, states = ctx.saved_tensors
        hidden, grad = states.shape[2], _grad_of_last(grad_last, states)
        grad_gates = gates.new_empty(*gates.shape[:2], 4 * hidden)
        more = _grad_of_each(grad_outputs, states)
        loops_for(values).gru_backward(w_hh, grad, more, gates, shares, states, grad_gates)
        flat = grad_gates.flatten(0, 1)
        grad_values, grad_w_ih, grad_b_ih = _of_inputs(ctx, values, flat[:, : 3 * hidden], w_ih.roll(hidden, 0))
        grad_w_hh = flat[:, hidden:].t() @ states[:-1].flatten(0, 1)
        grad_w_ih, grad_b_ih = grad_w_ih.roll(-hidden, 0), grad_b_ih.roll(-hidden, 0)
        grad_b_hh = torch.cat((grad_b_ih[: 2 * hidden], flat[:, 3 * hidden :].sum(0)))
        return grad_values, grad, grad_w_ih, grad_w_hh, *((grad_b_ih, grad_b_hh) if ctx.has_biases else (None, None))


class LstmPass(Function):
    """`apply(values, state, cell, w_ih, w_hh, b_ih, b_hh)` gives the outputs, the last state and the last cell."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        state: Tensor,
        cell: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None,
        b_hh: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        bias = b_ih + b_hh if b_ih is not None and b_hh is not None else None
        gates, states, cells = F.linear(values, w_ih, bias), _states(values, state), _states(values, cell)
        loops_for(values).lstm_forward(w_hh, states, cells, gates)
        ctx.save_for_backward(values, w_ih, w_hh, gates, states, cells)
        ctx.has_biases = b_ih is not None
        ctx.set_materialize_grads(False)
        return states[1:], states[-1].clone(), cells[-1].clone()

    @staticmethod
    def backward(ctx: Any, grad_outputs: Tensor | None, grad_last: Tensor | None, grad_last_cell: Tensor | None) -> Gradients:
        refuse_second_derivative()
        values, w_ih, w_hh, gates, states, cells = ctx.saved_tensors
        grad_gates, more = torch.empty_like(gates), _grad_of_each(grad_outputs, states)
        grad, grad_cell = _grad_of_last(grad_last, states), _grad_of_last(grad_last_cell, cells)
        loops_for(values).lstm_backward(w_hh, grad, more, gates, cells, grad_gates, grad_cell)
        flat = grad_gates.flatten(0, 1)
        grad_values, grad_w_ih, grad_b = _of_inputs(ctx, values, flat, w_ih)
        grad_w_hh = flat.t() @ states[:-1].flatten(0, 1)
        return grad_values, grad, grad_cell, grad_w_ih, grad_w_hh, *((grad_b, grad_b) if ctx.has_biases else (None, None))


class RnnPass(Function):
    """`apply(values, state, w_ih, w_hh, b_ih, b_hh, relu)` gives the outputs and the last state; with tanh unless `relu`."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        state: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None,
        b_hh: Tensor | None,
        relu: bool,
    ) -> tuple[Tensor, Tensor]:
        bias = b_ih + b_hh if b_ih is not None and b_hh is not None else None
        from_inputs, states = F.linear(values, w_ih, bias), _states(values, state)
        loops_for(values).rnn_forward(w_hh, from_inputs, states, relu=relu)
        ctx.save_for_backward(values, w_ih, w_hh, states)
        ctx.has_biases, ctx.relu = b_ih is not None, relu
        ctx.set_materialize_grads(False)
        return states[1:], states[-1].clone()

    @staticmethod
    def backward(ctx: Any, grad_outputs: Tensor | None, grad_last: Tensor | None) -> Gradients:
        refuse_second_derivative()
        values, w_ih, w_hh, states = ctx.saved_tensors
        grad, grad_sums = _grad_of_last(grad_last, states), torch.empty_like(states[1:])
        loops_for(values).rnn_backward(w_hh, grad, _grad_of_each(grad_outputs, states), states, grad_sums, relu=ctx.relu)
        flat = grad_sums.flatten(0, 1)
        grad_values, grad_w_ih, grad_b = _of_inputs(ctx, values, flat, w_ih)
        grad_w_hh = flat.t() @ states[:-1].flatten(0, 1)
        return grad_values, grad, grad_w_ih, grad_w_hh, *((grad_b, grad_b) if ctx.has_biases else (None, None)), None


def _states(values: Tensor, first: Tensor) -> Tensor:
    """Room for the first state and that after each step, (time + 1, batch, hidden)."""
    states = values.new_empty(len(values) + 1, *first.shape)
    states[0] = first
    return states


def _grad_of_each(grad_outputs: Tensor | None, states: Tensor) -> Tensor:
    """Of each step's output, (time, batch, hidden), its features side by side."""
    if grad_outputs is None:
        return states.new_zeros(1, 1, states.shape[2]).expand_as(states[1:])
    return grad_outputs if grad_outputs.stride(2) == 1 else grad_outputs.contiguous()


def _grad_of_last(grad: Tensor | None, states: Tensor) -> Tensor:
    """A tensor of its own, to be changed."""
    return torch.zeros_like(states[0]) if grad is None else grad.clone(memory_format=torch.contiguous_format)


def _of_inputs(ctx: Any, values: Tensor, grad_sums: Tensor, w_ih: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
    """Gradients of the values, of the weights from them and of the bias, which a column of ones gives in the same product."""
    flat = values.flatten(0, 1)
    products = torch.cat((flat, flat.new_ones(len(flat), 1)), dim=1).t() @ grad_sums
    grad_values = (grad_sums @ w_ih).view_as(values) if ctx.needs_input_grad[0] else None
    return grad_values, products[:-1].t(), products[-1]


def run_pass(mode: str, values: Tensor, states: tuple[Tensor, ...], weights: list[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """One layer in one direction.

    Args:
        mode: as `torch.nn.RNNBase` has it.
        values: (time, batch, features).
        states: the state and, of an LSTM, the cell to start from, (batch, hidden).
        weights: of the layer and direction, as `torch.nn.RNNBase.all_weights` has them.

    Returns:
        The outputs, and the last states.
    """
    biases = weights[2:] or (None, None)
    match mode:
        case "GRU":
            outputs, *last = GruPass.apply(values, *states, *weights[:2], *biases)
        case "LSTM":
            outputs, *last = LstmPass.apply(values, *states, *weights[:2], *biases)
        case _:
            outputs, *last = RnnPass.apply(values, *states, *weights[:2], *biases, mode == "RNN_RELU")
    return outputs, tuple(last)


def has_pass(values: Tensor, weights: list[Tensor]) -> bool:
    """Whether the passes take a sequence and a layer's weights, and are faster than torch's own layer.

    In the library each thread reads all weights in each step: where they do not stay in its cache, a few samples are not
    worth that.
    """
    kinds = {(tensor.device.type, tensor.dtype) for tensor in (values, *weights)}
    are_taken = kinds in ({("cpu", torch.float32)}, {("cpu", torch.float64)}) and len(weights) in (2, 4)
    if not are_taken or not are_plain(values, *weights):
        return False
    return values.shape[1] >= _FEW_SAMPLES or weights[1].numel() <= _MANY_WEIGHTS or library_for(values) is None
