"""`flatten` behind a convolution: torch's values in torch's order, and a gradient in the layout the image came in.

Torch hands the gradient back as (batch, channels, height, width) in memory. Where the image lay channels-last, the
backward of the pool or ReLU before it then copies both into one layout first, which costs more than its own work.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class FlattenImage(nn.Module):
    """(batch, C, H, W) -> (batch, C * H * W)."""

    def forward(self, image: Tensor) -> Tensor:
        """All values of each sample, channel by channel."""
        if image.requires_grad and not image.is_contiguous() and image.is_contiguous(memory_format=torch.channels_last):
            return _FlattenChannelsLast.apply(image)  # type: ignore[no-any-return]
        return image.flatten(1)


class _FlattenChannelsLast(torch.autograd.Function):
    @staticmethod
    def forward(image: Tensor) -> Tensor:
        return image.flatten(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG004  # torch passes it
        ctx.sizes = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        batch, channels, height, width = ctx.sizes
        pixels_last = gradient.reshape(batch, channels, height * width)
        channels_last = pixels_last.transpose(1, 2).contiguous()  # faster than the copy of four axes
        return channels_last.view(batch, height, width, channels).permute(0, 3, 1, 2)
