"""What each layer of a network read and gave while a sample went through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlcli.config.graph import LayerNode
from dlcli.models.network import Network


@dataclass(frozen=True)
class Call:
    """One call of a layer that holds no other layers.

    Attributes:
        path: the layer's name in the network, behind those of the nestings around it.
        node: what the layer is.
        module: the same.
        inputs: what it read.
        output: what it gave.
    """

    path: str
    node: LayerNode
    module: nn.Module
    inputs: tuple[Tensor, ...]
    output: Tensor


def recorded(network: nn.Module, run: Callable[[], object]) -> list[Call]:
    """The calls of all layers in their order, without gradients.

    Layers run one by one then: none as one with its neighbours, as `dlcli.models.fusion` has it.

    Args:
        network: hooks stand on its layers meanwhile, and are gone afterwards.
        run: runs it.
    """
    calls: list[Call] = []

    def hook(path: str, node: LayerNode) -> Callable[[nn.Module, tuple[Any, ...], Tensor], None]:
        def note(module: nn.Module, read: tuple[Any, ...], given: Tensor) -> None:
            calls.append(Call(path, node, module, read, given))

        return note

    handles = [module.register_forward_hook(hook(path, node)) for path, node, module in _layers(network)]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _layers(network: nn.Module, prefix: str = "") -> Iterator[tuple[str, LayerNode, nn.Module]]:
    """All layers that hold no others, with their paths."""
    if not isinstance(network, Network):
        return
    for node in network.graph.nodes:
        if node.shares is not None:
            continue
        module, path = network.get_submodule(node.name), f"{prefix}{node.name}"
        if isinstance(module, Network):
            yield from _layers(module, f"{path}.")
        else:
            yield path, node, module
