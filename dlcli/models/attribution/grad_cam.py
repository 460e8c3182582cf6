"""Grad-CAM: where a convolutional layer saw what speaks for an answer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def grad_cam(score: Callable[[], Tensor], layer: nn.Module, channel_axis: int) -> Tensor:
    """Where a layer's channels, each times its mean gradient, add up to more than 0 (Selvaraju et al., 2017, arXiv:1610.02391).

    Args:
        score: runs the network, the layer once, and gives the number that is explained, (1,).
        layer: gives (batch, channels, ...), or a sequence with the channels last.
        channel_axis: of what it gives: 1, or 2 for a sequence.

    Returns:
        What the layer gives without its channels: (batch, height, width), or (batch, time).
    """
    given: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, output: given.append(output))
    try:
        with torch.enable_grad():
            total = score().sum()
            maps = given[-1]
            (gradient,) = torch.autograd.grad(total + 0 * maps.sum(), maps)
    finally:
        handle.remove()
    places = tuple(axis for axis in range(1, maps.ndim) if axis != channel_axis)
    return (gradient.mean(places, keepdim=True) * maps).sum(channel_axis).relu().detach()
