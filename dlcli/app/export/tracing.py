"""A network as a program of torch, with every recurrent layer as one operation.

Torch's exporters follow a recurrent layer step by step, so that the number of steps is fixed or, worse, wrong at another one.
While a network is traced, such a layer calls an operator of ours, of which torch knows nothing but the shapes; whoever writes a
file puts another in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from dlcli.app.export.batches import numbers_of_steps, padded_with, random_batch
from dlcli.config.graph import Graph
from dlcli.config.shapes import has_any_time
from dlcli.errors import CheckpointError
from dlcli.models.network import Network, Values
from dlcli.models.recurrent import Recurrent

_NAMESPACE: Final = "dlcli_export"
_BATCH: Final = 3
"""Samples to trace with. Torch takes a size of 0 or 1 for one that never differs."""


def _shapes(values: Tensor, states: Tensor | list[Tensor], *rest: Any) -> tuple[Tensor, ...]:
    """What a recurrent layer gives: the outputs of all steps, and as many states as it starts from."""
    started = states if isinstance(states, list) else [states]
    directions = 2 if rest[-2] else 1
    return values.new_empty(*values.shape[:2], started[0].shape[2] * directions), *map(torch.empty_like, started)


def _defined(name: str, states: str, results: str) -> Any:
    """An operator with the arguments of torch's own of that name."""
    sizes = "bool has_biases, int num_layers, float dropout, bool train, bool bidirectional, bool batch_first"
    torch.library.define(f"{_NAMESPACE}::{name}", f"(Tensor input, {states} hx, Tensor[] params, {sizes}) -> ({results})")
    torch.library.register_fake(f"{_NAMESPACE}::{name}", _shapes)
    return getattr(getattr(torch.ops, _NAMESPACE), name).default


OPERATORS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "LSTM": _defined("lstm", "Tensor[]", "Tensor, Tensor, Tensor"),
        "GRU": _defined("gru", "Tensor", "Tensor, Tensor"),
        "RNN_TANH": _defined("rnn_tanh", "Tensor", "Tensor, Tensor"),
        "RNN_RELU": _defined("rnn_relu", "Tensor", "Tensor, Tensor"),
    }
)
"""By the mode of a recurrent layer."""


class Traceable(Network):
    """A network that can be traced, and that gives 0 behind the end of each sample.

    Args:
        graph: the layers.
        weights: from `state_dict`.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, Tensor]) -> None:
        super().__init__(graph)
        self.load_state_dict(weights)
        self.eval()
        for module in self.modules():
            if isinstance(module, Recurrent):
                module.function = OPERATORS[module.mode]
            if isinstance(module, nn.Embedding) and module.max_norm is not None:
                _shorten_all(module)

    def forward(self, inputs: Values, lengths: Tensor | None = None) -> Values:
        """As the network itself."""
        values = super().forward(inputs, lengths)
        shapes = self.graph.output_shapes
        if isinstance(values, Tensor):
            return padded_with(0, values, shapes[self.graph.outputs[0]], lengths)
        return {name: padded_with(0, value, shapes[name], lengths) for name, value in values.items()}


def _shorten_all(embedding: nn.Embedding) -> None:
    """Does to all vectors at once what torch does to those that are read: an export changes no weights."""
    assert embedding.max_norm is not None
    every = torch.arange(embedding.num_embeddings)
    with torch.no_grad():
        torch.embedding_renorm_(embedding.weight, every, embedding.max_norm, embedding.norm_type)
    embedding.max_norm = None


@torch.no_grad()
def trace(network: Traceable) -> ExportedProgram:
    """The operations of a network on a batch of any size and, where the number of steps is free, of any length.

    It takes what the network takes: the input, or a dict of them, and where `takes_lengths` says so the lengths.

    Raises:
        CheckpointError: torch can't follow a layer, or an axis did not stay free.
    """
    graph = network.graph
    batch = random_batch(graph, _BATCH, (numbers_of_steps(graph) or (0,))[0] + 1, seed=0)
    free = {name: {0: Dim.DYNAMIC} | ({1: Dim.DYNAMIC} if has_any_time(shape) else {}) for name, shape in graph.inputs.items()}
    of_inputs: Any = free if len(free) > 1 else next(iter(free.values()))
    arguments: tuple[Any, ...] = (batch.values,)
    axes: tuple[Any, ...] = (of_inputs,)
    if batch.lengths is not None:
        arguments, axes = (*arguments, batch.lengths), (*axes, {0: Dim.DYNAMIC})
    with _naming_the_layer(network):
        program = torch.export.export(network, arguments, dynamic_shapes=axes, strict=False)
    program.example_inputs = None
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names files of this machine
    return program


@contextmanager
def _naming_the_layer(network: Traceable) -> Iterator[None]:
    """Says of what torch can't trace which layer it was in.

    Raises:
        CheckpointError: instead of torch's errors.
    """
    running: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: running.append(name)

    def leave(*_: Any) -> None:
        running.pop()

    layers = [(name, module) for name, module in network.named_modules() if name]
    hooks = [module.register_forward_pre_hook(enter(name)) for name, module in layers]
    hooks += [module.register_forward_hook(leave) for _, module in layers]
    try:
        yield
    except Exception as error:
        where = f"`{running[-1]}`" if running else "the network"
        reason = " ".join(str(error).split())[:300]
        what = f"torch can't export {where}: {type(error).__name__}: {reason}"
        raise CheckpointError(what, help="export to safetensors, which keeps the weights and the config") from error
    finally:
        for hook in hooks:
            hook.remove()


def as_torch_has_it(program: ExportedProgram) -> None:
    """Puts torch's own recurrent layers in the place of ours; the program is changed."""
    own = {
        OPERATORS["LSTM"]: torch.ops.aten.lstm.input,
        OPERATORS["GRU"]: torch.ops.aten.gru.input,
        OPERATORS["RNN_TANH"]: torch.ops.aten.rnn_tanh.input,
        OPERATORS["RNN_RELU"]: torch.ops.aten.rnn_relu.input,
    }
    for node in program.graph.nodes:
        node.target = own.get(node.target, node.target)
    program.graph_module.recompile()
