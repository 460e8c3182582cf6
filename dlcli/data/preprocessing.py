"""From samples as they are kept to what a network reads, a batch at a time and on its device."""

from __future__ import annotations

import copy
from typing import Final, Self

import torch
from torch import Tensor

from dlcli.config.data import DataSpec, FixedNormalize, ImageDataSpec
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Image, Shape, Volume, holds_tokens, token_of
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.data import pictures
from dlcli.data.augmentation import Augmenter
from dlcli.data.counter_random import mixed, random_order
from dlcli.errors import DataError

_PIXEL_ORDER: Final = 6
"""Keeps the order of permuted pixels apart from the draws in `splits`, which have the same seed."""

_Factor = float | Tensor
"""One number, or one for each channel: (C,)."""


class Preprocessing:
    """Scales 8-bit values to 0 to 1, changes training pictures at random, normalises, and reads pictures as the view says.

    Args:
        spec: with its normalisation resolved, as `Dataset.spec` has it.
        facts: tells the shape that comes out.
        seed: of the augmentation.
    """

    def __init__(self, spec: DataSpec, facts: DataFacts, *, seed: int = 0) -> None:
        self._shape = facts.input
        self._view = spec.view if isinstance(spec, ImageDataSpec) else "image"
        self._resize = spec.resize if isinstance(spec, ImageDataSpec) else None
        self._augmenter = Augmenter(spec.augment, seed) if isinstance(spec, ImageDataSpec) and spec.augment else None
        self._axes = _torch_axes(self._shape) if self._view == "image" else None
        self._channels: int | None = None
        self._scale: _Factor = 1.0
        self._shift: _Factor = 0.0
        self._order: Tensor | None = None
        if isinstance(spec.normalize, FixedNormalize):
            mean, std = (torch.tensor(numbers, dtype=torch.float64) for numbers in (spec.normalize.mean, spec.normalize.std))
            self._channels = len(mean)
            self._scale, self._shift = _factor(1 / std), _factor(-mean / std)
        self._byte_scale = self._scale / 255
        if self._view == "permuted_pixels":
            assert isinstance(self._shape, SequenceShape)
            self._order = random_order(mixed(spec.split.seed, _PIXEL_ORDER), self._shape.time)

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        moved = copy.copy(self)
        for name in ("_scale", "_byte_scale", "_shift", "_order"):
            value = getattr(self, name)
            if isinstance(value, Tensor):
                setattr(moved, name, value.to(device))
        return moved

    def __call__(self, raw: Tensor, samples: Tensor | None = None, epoch: int | None = None) -> Tensor:
        """A batch for the network.

        Args:
            raw: samples as a split keeps them, the channels or features last; it is left as it is.
            samples: int64 (batch,), the number of each sample, for pictures that are to be changed at random.
            epoch: for the same.

        Returns:
            (batch, *sizes of the network's input); pictures (batch, C, H, W) with the channels last in memory.
        """
        if self._augmenter is not None and samples is not None and epoch is not None:
            images = raw.to(torch.float32).permute(0, 3, 1, 2)
            values = self._normalised(self._augmenter(images, samples, epoch).permute(0, 2, 3, 1), raw.dtype)
        else:
            values = self._normalised(raw, raw.dtype)
        return self._viewed(values)

    def checked(self, inputs: Tensor) -> Tensor:
        """Samples from outside, as a split would keep them.

        Args:
            inputs: pictures (N, H, W) or (N, H, W, C), 8-bit values or floats as the training had them; series (N, T, F);
                vectors (N, F); tokens (N, T).

        Returns:
            The same values in the type and shape that can be called with.

        Raises:
            DataError: they are not like the samples of the training.
        """
        if holds_tokens(self._shape):
            return self._checked_tokens(inputs)
        is_picture = self._view != "image" or isinstance(self._shape, Image)
        is_visual = is_picture or self._axes is not None
        if is_picture and inputs.ndim == 3:
            inputs = inputs.unsqueeze(-1)
        if is_visual and not inputs.is_floating_point() and inputs.dtype != torch.uint8:
            if inputs.numel() and (inputs.min() < 0 or inputs.max() > 255):
                raise DataError(
                    "whole numbers of pictures are 0 to 255", help="give 8-bit values, or floats as the training had them"
                )
            inputs = inputs.to(torch.uint8)
        samples = inputs if is_visual and inputs.dtype == torch.uint8 else inputs.to(torch.float32)
        if is_picture and self._resize is not None and samples.ndim == 4:
            samples = torch.from_numpy(pictures.resized(samples.cpu().numpy(), self._resize))
        if samples.ndim < 2 or self._sizes_of(samples.shape[1:]) != self._shape.sizes:
            raise DataError(
                f"samples of shape {list(inputs.shape[1:])} don't give {self._shape}, which the network reads", help=_HELP
            )
        return samples

    def _checked_tokens(self, inputs: Tensor) -> Tensor:
        values = token_of(self._shape).num_values
        if inputs.is_floating_point() or inputs.shape[1:] != self._shape.sizes:
            what = f"{inputs.dtype} of shape {list(inputs.shape)} are not {self._shape}"
            raise DataError(what, help=_HELP)
        if inputs.numel() and (inputs.min() < 0 or inputs.max() >= values):
            raise DataError(f"tokens are 0 to {values - 1}, and these {inputs.min()} to {inputs.max()}", help=_HELP)
        return inputs.to(torch.int64)

    def _normalised(self, values: Tensor, dtype: torch.dtype) -> Tensor:
        """Values of the type that samples have, now or before they were changed, with the channels last."""
        if dtype == torch.uint8:
            values = values.to(torch.float32).mul_(self._byte_scale)
        elif self._channels is not None:
            values = values.mul(self._scale)
        return values.add_(self._shift) if self._channels is not None else values

    def _viewed(self, values: Tensor) -> Tensor:
        if self._axes is not None:
            return values.permute(self._axes)
        if self._view == "image":
            return values
        if self._view == "rows":
            return values.flatten(2)
        pixels = values.flatten(1, 2)
        return pixels if self._order is None else pixels.index_select(1, self._order)

    def _sizes_of(self, sizes: torch.Size) -> tuple[int, ...] | None:
        """What samples of these sizes become; None where they have the wrong number of axes or channels."""
        axes = 3 if self._view != "image" else len(self._shape.sizes)
        if len(sizes) != axes or self._channels not in (None, sizes[-1]):
            return None
        if self._axes is not None:
            return tuple(sizes[axis - 1] for axis in self._axes[1:])
        if self._view == "image":
            return tuple(sizes)
        height, width, channels = sizes
        return (height, width * channels) if self._view == "rows" else (height * width, channels)


_HELP: Final = "give samples like those of the training, along the first axis; of pictures the channels come last: (N, H, W, C)"


def _torch_axes(shape: Shape) -> tuple[int, ...] | None:
    """How to permute a batch whose channels are last into torch's order; None where that is the same."""
    if isinstance(shape, Image):
        return (0, 3, 1, 2)
    if isinstance(shape, Volume):
        return (0, 4, 1, 2, 3)
    if isinstance(shape, SequenceShape) and isinstance(shape.item, Image):
        return (0, 1, 4, 2, 3)
    return None


def _factor(numbers: Tensor) -> _Factor:
    """A number where there is only one: multiplying by it is quicker than by a tensor."""
    return float(numbers) if len(numbers) == 1 else numbers.to(torch.float32)
