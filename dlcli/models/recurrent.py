"""Torch's recurrent layers, with one tensor as their output: the last state or that of every step.

Weights and their names are torch's. The dropout between layers, the directions and the gates' order too.

Sequences of different lengths are read padded, never packed: torch runs packed ones step by step, and many times slower
(pytorch#149194). That is exact. Forward, padding comes after all that counts; backward, each sequence is turned around within
its length, so that it does there too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.config.initialisation import InitSpec
from dlcli.models.recurrent_passes import has_pass, run_pass
from dlcli.models.valid_steps import fill_padding, is_valid

_FUNCTIONS: Final[Mapping[str, Callable[..., tuple[Tensor, ...]]]] = {
    "RNN_TANH": torch.rnn_tanh,
    "RNN_RELU": torch.rnn_relu,
    "LSTM": torch.lstm,
    "GRU": torch.gru,
}

States = tuple[Tensor, ...]
"""The hidden state, (layers * directions, batch, output), and of an LSTM the cell's, (layers * directions, batch, hidden)."""


class Recurrent(nn.RNNBase):
    """What all cells have in common. (batch, time, features) -> (batch, time, directions * output), or without time if `last`.

    Attributes:
        recurrent_init: how the hidden-to-hidden weights start; None as all others do.
        function: torch's calculation; an export has another in its place, which torch does not look into.
        carries: whether a call starts from the state that the call before it left, as `dlcli.models.carried_state` says.
        carried: that state; empty before the first call, which starts from 0.
    """

    reads_lengths = True

    def __init__(self, *sizes: Any, last: bool, recurrent_dropout: float = 0.0, **options: Any) -> None:
        super().__init__(*sizes, **{"batch_first": True, **options})
        self.last = last
        self.recurrent_dropout = recurrent_dropout
        self.recurrent_init: InitSpec | None = None
        self.function = _FUNCTIONS[self.mode]
        self.carries = False
        self.carried: States = ()

    def forward(self, sequence: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Each direction's output after its last step, or the outputs of all steps.

        Args:
            sequence: (batch, time, features).
            lengths: (batch,), where the numbers of steps differ; outputs behind a length are arbitrary, and finite.
        """
        weights = [self._with_dropped(group) for group in self.all_weights]
        if lengths is None:
            outputs, *states = self._run_stack(sequence, weights)
            if self.carries:
                self.carried = tuple(state.detach() for state in states)
            return _top(states[0], self.bidirectional) if self.last else outputs
        assert not self.carries, "a state is carried between batches whose sequences are equally long"
        sequence = fill_padding(sequence, lengths, 0)
        if self.bidirectional:
            return self._run_both_ways(sequence.transpose(0, 1).contiguous(), lengths, weights)
        outputs = self._run_stack(sequence, weights)[0]
        return outputs[torch.arange(lengths.shape[0], device=lengths.device), lengths - 1] if self.last else outputs

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Those of a step's output and, of an LSTM, of its cell."""
        return (self.proj_size or self.hidden_size, self.hidden_size)[: 2 if self.mode == "LSTM" else 1]

    def extra_repr(self) -> str:
        dropped = f", recurrent_dropout={self.recurrent_dropout}" if self.recurrent_dropout else ""
        return f"{super().extra_repr()}, last={self.last}{dropped}"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Takes the carried state along to another device or type."""
        self.carried = tuple(fn(state) for state in self.carried)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return self

    def _with_dropped(self, weights: list[nn.Parameter]) -> list[Tensor]:
        """The weights of one layer and direction; in training some of those from state to state are 0, the same at all steps.

        One mask for all steps leaves torch's fused calculation usable (DropConnect, Wan et al., 2013; on recurrent weights
        Merity et al., 2018, arXiv:1708.02182).
        """
        inputs, hidden, *others = weights
        return [inputs, F.dropout(hidden, self.recurrent_dropout, self.training) if self.recurrent_dropout else hidden, *others]

    def _run_stack(self, sequence: Tensor, weights: list[list[Tensor]]) -> tuple[Tensor, ...]:
        """All layers and directions on (batch, time, features): outputs and states."""
        start = self._carried_rows(sequence.shape[0]) if self.carried else self._zeros(sequence, len(weights), sequence.shape[0])
        if has_pass(sequence.transpose(0, 1), weights[0]):
            return self._run_passes(sequence.transpose(0, 1), start, weights)
        flat = [weight for group in weights for weight in group]
        return self._call(
            sequence,
            start,
            in_one_piece(flat) if flat[0].is_cuda and self.recurrent_dropout and self.training else flat,
            num_layers=self.num_layers,
            dropout=self.dropout,
            bidirectional=self.bidirectional,
            batch_first=True,
        )

    def _run_passes(self, values: Tensor, start: States, weights: list[list[Tensor]]) -> tuple[Tensor, ...]:
        """The same by passes over time-first values, (time, batch, features); outputs and states are as torch has them."""
        directions, ends = 2 if self.bidirectional else 1, []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(directions):
                place = directions * layer + direction
                read = values.flip(0) if direction else values
                given, end = run_pass(self.mode, read, tuple(state[place] for state in start), weights[place])
                outputs.append(given.flip(0) if direction else given)
                ends.append(end)
            values = torch.cat(outputs, dim=2) if self.bidirectional else outputs[0]
            if layer < self.num_layers - 1:
                values = F.dropout(values, self.dropout, self.training)
        return values.transpose(0, 1), *(torch.stack(states) for states in zip(*ends, strict=True))

    def _run_both_ways(self, values: Tensor, lengths: Tensor, weights: list[list[Tensor]]) -> Tensor:
        """Layer by layer and direction by direction: time-first (time, batch, features) to what the layer gives."""
        turned = _turned_rows(lengths, values.shape[0])
        for layer in range(self.num_layers):
            ahead = self._run_one_way(values, weights[2 * layer])
            back = self._run_one_way(_turn(values, turned), weights[2 * layer + 1])
            if self.last and layer == self.num_layers - 1:
                ends = lengths - 1, torch.arange(lengths.shape[0], device=lengths.device)
                return torch.cat((ahead[ends], back[ends]), dim=1)
            values = torch.cat((ahead, _turn(back, turned)), dim=2)
            if layer < self.num_layers - 1:
                values = F.dropout(values, self.dropout, self.training)
        return values.transpose(0, 1)

    def _run_one_way(self, values: Tensor, weights: list[Tensor]) -> Tensor:
        """One layer in one direction: (time, batch, features) -> (time, batch, output)."""
        start = self._zeros(values, 1, values.shape[1])
        if has_pass(values, weights):
            return run_pass(self.mode, values, tuple(state[0] for state in start), weights)[0]
        options = {"num_layers": 1, "dropout": 0.0, "bidirectional": False, "batch_first": False}
        return self._call(values, start, in_one_piece(weights) if values.is_cuda else weights, **options)[0]

    def _call(self, values: Tensor, start: States, weights: list[Tensor], **options: Any) -> tuple[Tensor, ...]:
        states = start if self.mode == "LSTM" else start[0]
        with _without_remark() if self.proj_size else nullcontext():
            return self.function(values, states, weights, has_biases=self.bias, train=self.training, **options)

    def _zeros(self, values: Tensor, layers: int, batch: int) -> States:
        """The states that a sequence starts from."""
        return tuple(values.new_zeros(layers, batch, size) for size in self.state_sizes)

    def _carried_rows(self, batch: int) -> States:
        rows = self.carried[0].shape[1]
        assert batch <= rows, f"a batch of {batch} can't go on from the state of {rows} sequences"
        return tuple(state[:, :batch].contiguous() for state in self.carried)


class RNN(Recurrent, nn.RNN):  # type: ignore[misc]  # a layer of a graph gives one tensor
    """Elman's network."""


class LSTM(Recurrent, nn.LSTM):  # type: ignore[misc]  # a layer of a graph gives one tensor
    """Long short-term memory."""


class GRU(Recurrent, nn.GRU):  # type: ignore[misc]  # a layer of a graph gives one tensor
    """Gated recurrent unit."""


@contextmanager
def _without_remark() -> Iterator[None]:
    """Keeps from the user which of its implementations torch takes for a projected LSTM."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="LSTM with projections is not supported with oneDNN")
        yield


def _top(states: Tensor, bidirectional: bool) -> Tensor:
    """The top layer's final states side by side: (layers * directions, batch, output) -> (batch, directions * output)."""
    return torch.cat((states[-2], states[-1]), dim=1) if bidirectional else states[-1]


def _turned_rows(lengths: Tensor, time: int) -> Tensor:
    """Where each row of flattened (time, batch) stands once every sequence is turned around and its padding stays behind it."""
    steps = torch.arange(time, device=lengths.device)[:, None]
    turned = torch.where(is_valid(lengths, time).T, lengths - 1 - steps, steps)
    return (turned * lengths.shape[0] + torch.arange(lengths.shape[0], device=lengths.device)).flatten()


def _turn(values: Tensor, rows: Tensor) -> Tensor:
    """(time, batch, features) with its rows moved; twice is not at all."""
    return values.flatten(0, 1).index_select(0, rows).view_as(values)


def in_one_piece(weights: list[Tensor]) -> list[Tensor]:
    """The weights in one piece of memory, first the matrices, then the biases: cuDNN copies any others, and warns."""
    order = sorted(range(len(weights)), key=lambda index: -weights[index].dim())
    joined = torch.cat([weights[index].flatten() for index in order])
    parts = dict(zip(order, joined.split([weights[index].numel() for index in order]), strict=True))
    return [parts[index].view_as(weight) for index, weight in enumerate(weights)]
