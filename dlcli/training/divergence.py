"""What is the first to hold NaN or infinity when a training diverges. Nothing in here runs while losses are finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn

from dlcli.config.graph import Graph, LayerNode
from dlcli.data.batches import Batch
from dlcli.data.dataset import Tensors
from dlcli.models.network import Network
from dlcli.models.valid_steps import fill_padding

LOWER_THE_RATE: Final = "lower train.optimizer.lr, or bound the gradients: --set train.clip_gradients=1"
MEND_THE_DATA: Final = "mend the data: fill in what is missing, or leave such samples out"

LossOf = Callable[[Batch], object]
"""Passes a batch through the network and to the loss."""


def first_bad(network: nn.Module, group: Sequence[Batch], run: LossOf) -> tuple[str, str]:
    """Where NaN or infinity came from in a step whose loss is not finite, as half a sentence, and what to do about it.

    It is looked for in the data, then in the weights, which the update before may have ruined, then in what each layer gives
    when the batches run once more (with other dropout, and with one more update of running statistics: the training can't go
    on from there).

    Args:
        network: before the update of the step.
        group: the batches of the step.
        run: as the step does.
    """
    for batch in group:
        for what, tensors in (("input", batch.inputs), ("target", batch.targets)):
            for name, tensor in _named(tensors).items():
                kind = _kind(_present(tensor, batch.lengths))
                if kind:
                    which = f"{what} `{name}`" if name else what
                    return f"the {which} of {_sample(_present(tensor, batch.lengths))} in the batch holds {kind}", MEND_THE_DATA
    weight = bad_weight(network)
    if weight is not None:
        return f"{weight} since the update before", LOWER_THE_RATE
    for batch in group:
        with _watched(network) as found:
            run(batch)
        if found:
            return found[0], LOWER_THE_RATE
    return "every layer gives finite numbers, and the loss of them is not", LOWER_THE_RATE


def bad_weight(network: nn.Module) -> str | None:
    """A weight or a buffer that holds NaN or infinity, and its layer; None where all are finite.

    Of several it is one of the last layer in the order of the network, which gradients reach first.
    """
    layers = _layers_of(network)
    bad = [(name, kind) for name, tensor in network.state_dict().items() if (kind := _kind(tensor))]
    if not bad:
        return None
    owners = {name: _owner(name, layers) for name, _ in bad}
    last = owners[bad[-1][0]]
    name, kind = next((name, kind) for name, kind in bad if owners[name] == last)
    return f"`{name}`{f' of {_called(layers[last])}' if last in layers else ''} holds {kind}"


def layers_of_modules(graph: Graph, prefix: str = "") -> dict[str, LayerNode]:
    """The layer of each module of a network, those inside of nestings included, by the module's name in `named_modules`."""
    layers = {}
    for node in graph.nodes:
        if node.shares is None:
            layers[prefix + node.name] = node
            if node.body is not None:
                layers |= layers_of_modules(node.body, f"{prefix}{node.name}.")
    return layers


def _layers_of(network: nn.Module) -> dict[str, LayerNode]:
    return layers_of_modules(network.graph) if isinstance(network, Network) else {}


def _owner(tensor: str, layers: Mapping[str, LayerNode]) -> str:
    """The name of the innermost layer that a tensor of this name belongs to; of what is no layer that of its module."""
    module = name = tensor.rpartition(".")[0]
    while name and name not in layers:
        name = name.rpartition(".")[0]
    return name or module


def _called(node: LayerNode) -> str:
    place = f"{node.place.source.name}:{node.place.line}"
    return f"`{node.name}` ({place})" if node.name.startswith(node.spec.kind) else f"`{node.name}` ({node.spec.kind}, {place})"


@contextmanager
def _watched(network: nn.Module) -> Iterator[list[str]]:
    """Notes the layers that give NaN or infinity, in the order in which they run, until the end of the block."""
    found: list[str] = []
    layers = _layers_of(network)

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def look(module: nn.Module, read: Any, given: Any) -> None:
            kind = _first_kind(given)
            if kind and not found:
                layer = _called(layers[name]) if name in layers else f"`{name or type(module).__name__}`"
                found.append(f"{layer} gives {kind}, and what it reads {'is finite' if not _first_kind(read) else 'is not'}")

        return look

    names = list(layers) or [name for name, module in network.named_modules() if not any(module.children())]
    handles = [network.get_submodule(name).register_forward_hook(watch(name)) for name in names]
    try:
        with torch.no_grad():
            yield found
    finally:
        for handle in handles:
            handle.remove()


def _first_kind(values: Any) -> str | None:
    """Of the tensors among these values, those in tuples and mappings included."""
    if isinstance(values, Tensor):
        return _kind(values)
    if isinstance(values, Mapping):
        values = values.values()
    return next(filter(None, map(_first_kind, values)), None) if isinstance(values, tuple | list | type({}.values())) else None


def _kind(tensor: Tensor) -> str | None:
    """`NaN` or `infinity`, if the tensor holds one of them."""
    if not tensor.is_floating_point() or torch.isfinite(tensor).all():
        return None
    return "NaN" if torch.isnan(tensor).any() else "infinity"


def _sample(tensor: Tensor) -> str:
    """The first of the samples (batch, ...) that holds NaN or infinity."""
    return f"sample {int((~torch.isfinite(tensor)).reshape(len(tensor), -1).any(dim=1).nonzero()[0])}"


def _present(tensor: Tensor, lengths: Tensor | None) -> Tensor:
    """The same without what lies in the padding, which never matters."""
    if lengths is None or tensor.ndim < 2 or len(tensor) != len(lengths) or tensor.shape[1] != int(lengths.max()):
        return tensor
    return fill_padding(tensor, lengths, 0)


def _named(tensors: Tensors) -> dict[str, Tensor]:
    return tensors if isinstance(tensors, dict) else {"": tensors}
