"""From samples as they are kept to what a network reads, a batch at a time and on its device."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Final, Self

import torch
from torch import Tensor

from dlcli.config.data import DataSpec, ImageDataSpec, View
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Image, Shape, Time, holds_tokens, token_of
from dlcli.data import pictures
from dlcli.data.augmentation import Augmenter
from dlcli.data.dataset import Tensors
from dlcli.data.named import each, first
from dlcli.data.normalisation import Normaliser
from dlcli.data.views import Viewer
from dlcli.errors import DataError


class Preprocessing:
    """Scales 8-bit values to 0 to 1, changes training pictures at random, normalises, and reads pictures as the view says.

    Args:
        spec: with its normalisation resolved, as `Dataset.spec` has it.
        facts: tells the shapes that come out.
        seed: of the augmentation.
    """

    def __init__(self, spec: DataSpec, facts: DataFacts, *, seed: int = 0) -> None:
        self._parts: _Part | dict[str, _Part]
        if len(facts.inputs) == 1 or len(_views(spec)) > 1:
            self._parts = _Part(spec, next(iter(facts.inputs)), dict(facts.inputs), seed)
        else:
            self._parts = {name: _Part(spec, name, {name: shape}, seed) for name, shape in facts.inputs.items()}

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        moved = copy.copy(self)
        moved._parts = each(self._parts, lambda part: part.to(device))
        return moved

    def __call__(self, raw: Tensors, samples: Tensor | None = None, epoch: int | None = None) -> Tensors:
        """A batch for the network.

        Args:
            raw: samples as a split keeps them, the channels or features last; they are left as they are.
            samples: int64 (batch,), the number of each sample, for pictures that are to be changed at random.
            epoch: for the same.

        Returns:
            (batch, *sizes of the network's input); pictures (batch, C, H, W) with the channels last in memory. Of several
            inputs each by its name.
        """
        if isinstance(self._parts, _Part):
            assert isinstance(raw, Tensor)
            return self._parts(raw, samples, epoch)
        assert isinstance(raw, dict)
        return {name: first(part(raw[name], samples, epoch)) for name, part in self._parts.items()}

    def checked(self, inputs: Tensor | Mapping[str, Tensor]) -> Tensors:
        """Samples from outside, as a split would keep them.

        Args:
            inputs: pictures (N, H, W) or (N, H, W, C), 8-bit values or floats as the training had them, also where the
                network reads several views of them; series (N, T, F); vectors (N, F); tokens (N, T). Of several inputs
                each by its name.

        Returns:
            The same values in the type and shape that can be called with.

        Raises:
            DataError: they are not like the samples of the training.
        """
        parts = self._parts
        if isinstance(parts, _Part):
            if isinstance(inputs, Mapping):
                raise DataError("there is one input, and a dict was given", help="give the array by itself")
            return parts.checked(inputs, "the samples")
        names = ", ".join(parts)
        help = f"give a dict with an array for each of: {names}"
        if not isinstance(inputs, Mapping):
            raise DataError(f"there are {len(parts)} inputs ({names}), and one array was given", help=help)
        odd = [f"no `{name}`" for name in parts if name not in inputs] + [f"`{name}`" for name in inputs if name not in parts]
        if odd:
            raise DataError(f"the inputs are {names}, and there is {odd[0]}", help=help)
        checked = {name: part.checked(inputs[name], f"the samples of {name}") for name, part in parts.items()}
        counts = {name: len(samples) for name, samples in checked.items()}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise DataError(
                f"the inputs have different numbers of samples: {found}", help="each row of one belongs to a row of all"
            )
        return checked


class _Part:
    """What the samples of one array go through; several views of pictures are changed at random and normalised once.

    Args:
        spec: as for `Preprocessing`.
        name: of the input, or of the first view.
        shapes: of what comes out, by name.
        seed: of the augmentation.
    """

    def __init__(self, spec: DataSpec, name: str, shapes: Mapping[str, Shape], seed: int) -> None:
        self._resize = spec.resize if isinstance(spec, ImageDataSpec) else None
        self._augmenter = Augmenter(spec.augment, seed) if isinstance(spec, ImageDataSpec) and spec.augment else None
        self._normaliser = Normaliser(spec.normalization_of(name))
        viewers = {
            input_name: Viewer(view, shape, spec.split.seed)
            for view, (input_name, shape) in zip(_views(spec), shapes.items(), strict=True)
        }
        self._viewers: Viewer | dict[str, Viewer] = viewers if len(viewers) > 1 else viewers[name]

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        moved = copy.copy(self)
        moved._normaliser = self._normaliser.to(device)
        moved._viewers = each(self._viewers, lambda viewer: viewer.to(device))
        return moved

    def __call__(self, raw: Tensor, samples: Tensor | None, epoch: int | None) -> Tensors:
        """As `Preprocessing`; each view by its name where there are several."""
        if self._augmenter is not None and samples is not None and epoch is not None:
            images = raw.to(torch.float32).permute(0, 3, 1, 2)
            values = self._normaliser(self._augmenter(images, samples, epoch).permute(0, 2, 3, 1), raw.dtype)
        else:
            values = self._normaliser(raw, raw.dtype)
        if isinstance(self._viewers, Viewer):
            return self._viewers(values)
        return {name: viewer(values) for name, viewer in self._viewers.items()}

    def checked(self, inputs: Tensor, title: str) -> Tensor:
        """As `Preprocessing`; one view is enough, since all are of the same pictures."""
        viewer = first(self._viewers)
        shape = viewer.shape
        if holds_tokens(shape):
            return _checked_tokens(inputs, shape, title)
        is_picture = viewer.is_sequence_of_a_picture or isinstance(shape, Image)
        is_visual = is_picture or viewer.axes is not None
        if is_picture and inputs.ndim == 3:
            inputs = inputs.unsqueeze(-1)
        if is_visual and not inputs.is_floating_point() and inputs.dtype != torch.uint8:
            if inputs.numel() and (inputs.min() < 0 or inputs.max() > 255):
                help = "give 8-bit values, or floats as the training had them"
                raise DataError(f"whole numbers of pictures are 0 to 255, and {title} hold others", help=help)
            inputs = inputs.to(torch.uint8)
        samples = inputs if is_visual and inputs.dtype == torch.uint8 else inputs.to(torch.float32)
        if is_picture and self._resize is not None and samples.ndim == 4:
            samples = torch.from_numpy(pictures.resized(samples.cpu().numpy(), self._resize))
        if samples.ndim < 2 or not self._fits(viewer, samples.shape[1:]):
            what = f"{title} have the shape {list(inputs.shape[1:])}, and don't give {shape}, which the network reads"
            raise DataError(what, help=_HELP)
        return samples

    def _fits(self, viewer: Viewer, sizes: torch.Size) -> bool:
        found = viewer.sizes_of(sizes)
        return self._normaliser.channels in (None, sizes[-1]) and found is not None and _are_of(viewer.shape, found)


def _views(spec: DataSpec) -> tuple[View, ...]:
    return spec.views if isinstance(spec, ImageDataSpec) else ("image",)


def _are_of(shape: Shape, sizes: Sequence[int]) -> bool:
    """Whether a sample of these sizes has the shape; a number of steps that is not fixed may be any."""
    expected = shape.sizes
    if len(sizes) != len(expected):
        return False
    return all(size > 0 if isinstance(wanted, Time) else size == wanted for size, wanted in zip(sizes, expected, strict=True))


def _checked_tokens(inputs: Tensor, shape: Shape, title: str) -> Tensor:
    values = token_of(shape).num_values
    if inputs.is_floating_point() or not _are_of(shape, inputs.shape[1:]):
        what = f"{title} are {inputs.dtype} of shape {list(inputs.shape)}, and not {shape}"
        raise DataError(what, help=_HELP)
    if inputs.numel() and (inputs.min() < 0 or inputs.max() >= values):
        raise DataError(f"tokens are 0 to {values - 1}, and {title} {inputs.min()} to {inputs.max()}", help=_HELP)
    return inputs.to(torch.int64)


_HELP: Final = "give samples like those of the training, along the first axis; of pictures the channels come last: (N, H, W, C)"
