"""What convolutional layers look for and what they find: the first layer's filters, and feature maps layer by layer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.app.explain.attributions import CONVOLUTIONS, channel_axis, is_elementwise, places_of
from dlcli.app.explain.blocks import Gallery, Picture
from dlcli.app.explain.cells import Row, rounded
from dlcli.app.explain.colours import Numbers, Pixels, heat, scaled, signed
from dlcli.app.explain.pictures import MOST_SIDE
from dlcli.models.recorded_calls import Call

MOST_FILTERS: Final = 32
MOST_STAGES: Final = 8
_MOST_MAPS: Final = 8
_MOST_STEPS: Final = 300
_MOST_CHANNELS: Final = 48

_POOLS: Final = re.compile(r"(max|avg)_pool\dd|adaptive_(max|avg)_pool\dd")
_FILTERS = (
    "The weights of the first convolution, each filter on a scale of its own: orange weights want the input bright there, "
    "blue ones dark. A filter that is orange on one side and blue on the other finds edges of that direction."
)
_COLOURED = "The weights of the first convolution as colours, grey where they are 0: a filter answers most to what looks like it."
_OVER_TIME = (
    "The weights of the first convolution, each filter on a scale of its own: a row for each feature, a column for each step, "
    "orange above 0 and blue below. A filter answers most strongly to a piece of the series that looks like it."
)


def first_filters(calls: Sequence[Call], inputs: Sequence[Tensor], *, name: str) -> Gallery | None:
    """The filters of the first convolution, where it reads an input of the network itself; None where there is nothing to see."""
    memories = {tensor.untyped_storage().data_ptr() for tensor in inputs}
    for call in calls:
        if isinstance(call.module, nn.Conv1d | nn.Conv2d) and call.inputs[0].untyped_storage().data_ptr() in memories:
            return _filters(call.path, call.module, name)
    return None


def _filters(path: str, layer: nn.Conv1d | nn.Conv2d, name: str) -> Gallery | None:
    weights = layer.weight.detach().float().cpu()
    if max(weights.shape[2:]) < 2:
        return None
    shown, channels = weights[:MOST_FILTERS].numpy(), weights.shape[1]
    if isinstance(layer, nn.Conv1d):
        pictures, reading = [signed(scaled(weight)) for weight in shown], _OVER_TIME
    elif channels == 3:
        pictures, reading = [_as_colours(weight) for weight in shown], _COLOURED
    else:
        pictures, reading = [signed(scaled(weight.mean(0))) for weight in shown], _FILTERS
        reading += f" Each is the mean over its {channels} channels." if channels > 1 else ""
    if len(weights) > len(shown):
        reading += f" Shown are the first {len(shown)} of {len(weights)}."
    rows: list[Row] = [["filter", "channel", *(("row", "column") if shown.ndim == 4 else ("step",)), "weight"]]
    for place, value in np.ndenumerate(shown):
        rows.append([place[0], place[1], *(axis + 1 for axis in place[2:]), rounded(value)])
    titled = [Picture(f"filter {number}", "", pixels) for number, pixels in enumerate(pictures)]
    return Gallery(name, f"Filters of {path}", reading, titled, rows)


def _as_colours(weight: Numbers) -> Pixels:
    """(3, height, width), 0 as grey, as (height, width, 3)."""
    top = float(np.abs(weight).max()) or 1.0
    pixels: Pixels = ((weight / top + 1) * 127.5).round().astype(np.uint8).transpose(1, 2, 0)
    return pixels


@dataclass(frozen=True)
class Stage:
    """Layers that keep places apart, one behind the other, seen from their end.

    Attributes:
        paths: of the layers.
        output: of the last one.
    """

    paths: tuple[str, ...]
    output: Tensor

    @property
    def title(self) -> str:
        """What the layers are called."""
        return " → ".join(self.paths)


def stages(calls: Sequence[Call]) -> list[Stage]:
    """Convolutions and pools, each with the activations and normalisations that are applied to what it gives."""
    found: list[Stage] = []
    for call in calls:
        kind = call.node.spec.kind
        if kind in CONVOLUTIONS or _POOLS.fullmatch(kind):
            found.append(Stage((call.path,), call.output))
        elif found and is_elementwise(call) and call.inputs[0] is found[-1].output:
            shown = () if kind.startswith("dropout") else (call.path,)
            found[-1] = Stage((*found[-1].paths, *shown), call.output)
    return [stage for stage in found if len([size for size in places_of(stage.output) if size > 1]) > 0]


def shown_stages(found: Sequence[Stage]) -> list[Stage]:
    """At most `MOST_STAGES`, the first and the last among them."""
    if len(found) <= MOST_STAGES:
        return list(found)
    return [found[round(at * (len(found) - 1) / (MOST_STAGES - 1))] for at in range(MOST_STAGES)]


def feature_maps(found: Sequence[Stage], *, name: str) -> Iterator[Gallery]:
    """The strongest channels of each stage."""
    for number, stage in enumerate(found, start=1):
        output = stage.output.float().cpu()
        if channel_axis(output) == 2:
            yield _channels_over_time(stage, output[0], f"{name}-{number}")
        else:
            yield _channels(stage, output, f"{name}-{number}")


def _channels(stage: Stage, output: Tensor, name: str) -> Gallery:
    """(1, channels, height, width); of the frames of a clip, and the slices of a volume, those in the middle."""
    beside = f", frame {len(output) // 2 + 1} of {len(output)}" if len(output) > 1 else ""
    maps = output[len(output) // 2]
    if maps.ndim == 4:
        beside = f", slice {maps.shape[1] // 2 + 1} of {maps.shape[1]}"
        maps = maps[:, maps.shape[1] // 2]
    strength = maps.abs().mean((1, 2))
    order = strength.topk(min(_MOST_MAPS, len(maps))).indices.tolist()
    small = _shrunk(maps[order])
    shares = scaled(small)
    has_negative = bool((small < 0).any())
    pictures = [
        Picture(f"channel {channel}", f"mean {float(strength[channel]):.3g}", signed(share) if has_negative else heat(share))
        for channel, share in zip(order, shares, strict=True)
    ]
    rows: list[Row] = [["channel", "row", "column", "value"]]
    for (at, row, column), value in np.ndenumerate(small):
        rows.append([order[at], row + 1, column + 1, rounded(value)])
    height, width = maps.shape[1:]
    of = f"{len(order)} of {len(maps)} channels of {height}x{width}{beside}."
    return Gallery(name, stage.title, of, pictures, rows)


def _channels_over_time(stage: Stage, output: Tensor, name: str) -> Gallery:
    """(time, channels) as one picture: a row for each channel."""
    strength = output.abs().mean(0)
    order = sorted(strength.topk(min(_MOST_CHANNELS, output.shape[1])).indices.tolist())
    together = -(-len(output) // _MOST_STEPS)
    maps = torch.stack([group.mean(0) for group in output[:, order].split(together)], 1).numpy()
    shares = scaled(maps)
    pixels = signed(shares) if (maps < 0).any() else heat(shares)
    rows: list[Row] = [["channel", "step", "value"]]
    for (at, step), value in np.ndenumerate(maps):
        rows.append([order[at], step * together + 1, rounded(value)])
    of = f"{len(order)} of {output.shape[1]} channels over {len(output)} steps."
    picture = Picture("a row for each channel, the first step at the left", "", pixels)
    return Gallery(name, stage.title, of, [picture], rows, size="wide")


def _shrunk(maps: Tensor) -> Numbers:
    height, width = maps.shape[1:]
    most = max(height, width)
    if most > MOST_SIDE // 2:
        size = max(1, height * MOST_SIDE // 2 // most), max(1, width * MOST_SIDE // 2 // most)
        maps = F.adaptive_avg_pool2d(maps[:, None], size)[:, 0]
    numbers: Numbers = maps.numpy()
    return numbers
