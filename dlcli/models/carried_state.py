"""State that recurrent layers carry from one batch to the next: truncated backpropagation through time, text token by token.

Each call starts from the state that the call before it left, without its gradient; row i of a batch goes on where row i of the
batch before ended. A batch of fewer rows goes on from the first ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from torch import Tensor, nn

from dlcli.errors import CheckpointError, UsageError
from dlcli.models.network import Network
from dlcli.models.recurrent import Recurrent, States

_NAMES: Final = ("hidden", "cell")


def carry_state(network: nn.Module) -> None:
    """Makes all recurrent layers carry their state; the first call starts from 0.

    Args:
        network: a layer, or a module of any depth with layers inside.

    Raises:
        UsageError: a layer reads its input from both ends, or runs twice in one step, so that there is no one state to carry.
    """
    shared = set(_shared(network))
    for name, layer in _layers(network):
        if layer.bidirectional:
            message = f"`{name}` is bidirectional, and can't carry its state: it would have to read what comes first last"
            raise UsageError(message, help="leave out its `bidirectional`, or carry no state (`stateful: false`)")
        if layer in shared:
            message = f"`{name}` is used twice by `share`, and can't carry its state: each use leaves another one"
            raise UsageError(message, help="give each place a layer of its own, or carry no state (`stateful: false`)")
    for _, layer in _layers(network):
        layer.carries = True
        layer.carried = ()


def reset_state(network: nn.Module) -> None:
    """Forgets: the next call starts from 0."""
    for _, layer in _layers(network):
        layer.carried = ()


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """What is carried, for `restore_state` or a checkpoint; nothing before the first call.

    Returns:
        `LAYER.hidden`, (layers, batch, output), and of an LSTM `LAYER.cell`, (layers, batch, hidden).
    """
    return {
        _key(name, which): state.contiguous()
        for name, layer in _layers(network)
        for which, state in zip(_NAMES, layer.carried, strict=False)
    }


def restore_state(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Takes up a state again, on the device and in the type of the weights; layers without one start from 0.

    Args:
        network: carries its state.
        tensors: from `state_of` on a network of the same layers.

    Raises:
        CheckpointError: the tensors are not those of these layers.
    """
    restored = {name: _restored(name, layer, tensors) for name, layer in _layers(network)}
    known = {_key(name, which) for name, states in restored.items() for which, _ in zip(_NAMES, states, strict=False)}
    unknown = sorted(tensors.keys() - known)
    if unknown:
        raise CheckpointError(f"the carried state has `{unknown[0]}`, and the network no such recurrent layer")
    for name, layer in _layers(network):
        layer.carried = restored[name]


def _restored(name: str, layer: Recurrent, tensors: Mapping[str, Tensor]) -> States:
    sizes = {_key(name, which): size for which, size in zip(_NAMES, layer.state_sizes, strict=False)}
    if not sizes.keys() & tensors.keys():
        return ()
    states = [tensors.get(key) for key in sizes]
    batch = next(state.shape[1:2] for state in states if state is not None)
    for (key, size), state in zip(sizes.items(), states, strict=True):
        if state is None or state.shape != (layer.num_layers, *batch, size):
            found = "missing" if state is None else f"of {list(state.shape)}"
            message = f"the carried state `{key}` is {found}, and its layer has one of [{layer.num_layers}, batch, {size}]"
            raise CheckpointError(message)
    weight = next(layer.parameters())
    return tuple(state.to(weight) for state in states if state is not None)


def _key(name: str, which: str) -> str:
    return f"{name}.{which}" if name else which


def _layers(network: nn.Module) -> Iterator[tuple[str, Recurrent]]:
    return ((name, module) for name, module in network.named_modules() if isinstance(module, Recurrent))


def _shared(network: nn.Module) -> Iterator[nn.Module]:
    """All modules that run more than once in one pass."""
    for module in network.modules():
        if isinstance(module, Network):
            for node in module.graph.nodes:
                if node.shares is not None:
                    yield from module.get_submodule(node.shares).modules()
