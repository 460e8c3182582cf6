"""What the methods say of a picture, beside the picture or over it; of a clip or a volume the same for some of its frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

from dlcli.app.explain.attributions import Attribution
from dlcli.app.explain.blocks import Gallery, Picture
from dlcli.app.explain.cells import Row, rounded
from dlcli.app.explain.colours import Numbers, Pixels, grey, heat, overlaid, scaled, signed
from dlcli.app.explain.samples import Sample
from dlcli.app.explain.subject import Subject
from dlcli.config.shapes import Image, Volume
from dlcli.config.shapes import Sequence as SequenceShape

MOST_SIDE: Final = 112
"""Pixels of a side that are shown; larger pictures are shown smaller."""
_MOST_FRAMES: Final = 6

READING: Final[Mapping[str, str]] = {
    "picture": "what the network was given",
    "saliency": (
        "bright where a small change of the pixel would change the explained number most, up or down: a slope, not a "
        "share, and small where the answer is settled anyway"
    ),
    "integrated gradients": (
        "orange pixels brought the explained number up and blue ones down, compared with the baseline that is named; "
        "all together they make up the difference; a pixel that is as in the baseline has no share, whatever it means"
    ),
    "Grad-CAM": (
        "bright where the last convolution found what speaks for the answer; its map is coarse, and each of its places has seen "
        "more of the picture than lies below it"
    ),
    "occlusion": (
        "orange where hiding a small window (of a picture that is read step by step, a step) makes the explained number fall, "
        "blue where it makes it rise; where two parts say the same, hiding one of them changes little"
    ),
}
"""How to read each method."""


@dataclass(frozen=True)
class Maps:
    """An input as pictures, and what the methods say of their pixels: (frames, height, width) each.

    Attributes:
        pictures: (frames, height, width, 3).
        values: by method.
        frames: which frames they are, counted from 1; of a single picture none.
        was_larger: the size that was shown smaller; None where it was not.
    """

    pictures: Pixels
    values: Mapping[str, Numbers]
    frames: Sequence[int]
    was_larger: tuple[int, int] | None


def is_picture(subject: Subject, name: str) -> bool:
    """Whether an input can be shown as pictures."""
    shape = subject.shapes[name]
    item = shape.item if isinstance(shape, SequenceShape) else shape
    return isinstance(item, Image | Volume) or subject.view_of(name) in ("rows", "pixels")


def maps_of(subject: Subject, sample: Sample, attribution: Attribution, cam: Tensor | None) -> Maps:
    """What is shown of an input."""
    name = attribution.entry.input
    pictures = pictures_of(sample, name)
    sizes = pictures.shape[:3]
    layout = _Layout(subject, name, sizes)
    values = {
        "saliency": layout.of(attribution.gradient).abs().amax(-1),
        "integrated gradients": layout.of(attribution.share).sum(-1),
        "occlusion": layout.of(attribution.fall).mean(-1),
    }
    if cam is not None:
        values["Grad-CAM"] = _enlarged(cam, sizes)
    frames = _some(range(sizes[0]), _MOST_FRAMES)
    was_larger = sizes[1:] if max(sizes[1:]) > MOST_SIDE else None
    shown = {method: _shrunk(value[frames]) for method, value in values.items()}
    small = _shrunk(torch.from_numpy(pictures[frames]).permute(3, 0, 1, 2).float().flatten(0, 1))
    small = small.reshape(3, len(frames), *small.shape[1:]).transpose(1, 2, 3, 0)
    numbers = [frame + 1 for frame in frames] if sizes[0] > 1 else []
    return Maps(small.round().astype(np.uint8), shown, numbers, was_larger)


def pictures_of(sample: Sample, name: str) -> Pixels:
    """An input as pictures (frames, height, width, 3): 8-bit values as they are, others from the smallest to the largest."""
    raw = sample.raw_of(name)
    values = raw[0].float().numpy()
    if values.ndim == 3:
        values = values[None]
    if raw.dtype == torch.uint8:
        values = values / 255
    else:
        low, high = float(values.min()), float(values.max())
        values = (values - low) / (high - low or 1)
    if values.shape[-1] == 3:
        coloured: Pixels = (values * 255).round().astype(np.uint8)
        return coloured
    return grey(values.mean(-1))


class _Layout:
    """Brings values of an input into the order (frames, height, width, channels)."""

    def __init__(self, subject: Subject, name: str, sizes: tuple[int, ...]) -> None:
        shape = subject.shapes[name]
        self._sizes = sizes
        self._is_flat = isinstance(shape, SequenceShape) and not isinstance(shape.item, Image)
        self._is_clip = isinstance(shape, SequenceShape)
        self._is_volume = isinstance(shape, Volume)

    def of(self, values: Tensor) -> Tensor:
        if self._is_flat:
            return values.reshape(*self._sizes, -1)
        if self._is_volume:
            return values.permute(1, 2, 3, 0)
        return values.permute(0, 2, 3, 1) if self._is_clip else values.permute(1, 2, 0)[None]


def _enlarged(cam: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """A map at each pixel: (1, height, width), for each frame (frames, height, width), or (1, depth, height, width)."""
    if cam.ndim == 4:
        return F.interpolate(cam[None], size=sizes, mode="trilinear")[0, 0]
    return F.interpolate(cam[None], size=sizes[1:], mode="bilinear")[0].expand(sizes)


def _shrunk(values: Tensor) -> NDArray[np.float32]:
    """(n, height, width) with sides of at most `MOST_SIDE`, each place the mean of those that it stands for."""
    height, width = values.shape[1:]
    most = max(height, width)
    if most > MOST_SIDE:
        size = max(1, height * MOST_SIDE // most), max(1, width * MOST_SIDE // most)
        values = F.adaptive_avg_pool2d(values.float()[:, None], size)[:, 0]
    numbers: NDArray[np.float32] = values.float().numpy()
    return numbers


def _some(places: range, most: int) -> list[int]:
    """At most so many, spread evenly."""
    if len(places) <= most:
        return list(places)
    return [places[round(at * (len(places) - 1) / (most - 1))] for at in range(most)]


def painted(maps: Maps) -> Iterator[tuple[str, list[Pixels]]]:
    """Each method with its pictures, the input itself first."""
    yield "picture", list(maps.pictures)
    for method in ("saliency", "integrated gradients", "Grad-CAM", "occlusion"):
        values = maps.values.get(method)
        if values is None:
            continue
        shares = scaled(values)
        if method == "saliency":
            yield method, [heat(share) for share in shares]
        elif method == "Grad-CAM":
            yield method, [_over(picture, share) for picture, share in zip(maps.pictures, shares, strict=True)]
        else:
            yield method, [signed(share) for share in shares]


def _over(picture: Pixels, share: Numbers) -> Pixels:
    """A picture with a map over it, large enough that the map is smooth."""
    times = max(1, MOST_SIDE // max(picture.shape[:2]))
    size = picture.shape[0] * times, picture.shape[1] * times
    smooth = F.interpolate(torch.from_numpy(share)[None, None], size=size, mode="bilinear")[0, 0].numpy()
    return overlaid(picture.repeat(times, axis=0).repeat(times, axis=1), smooth)


def galleries(maps: Maps, name: str, title: str, reading: str) -> Iterator[Gallery]:
    """What is shown: the methods side by side, or of several frames one gallery each."""
    if not maps.frames:
        pictures = [Picture(method, "", pixels) for method, [pixels] in painted(maps)]
        yield Gallery(name, title, reading, pictures, _numbers(maps), size="large")
        return
    for number, (method, frames) in enumerate(painted(maps)):
        pictures = [Picture(f"frame {frame}", "", pixels) for frame, pixels in zip(maps.frames, frames, strict=True)]
        reading = f"{READING[method][0].upper()}{READING[method][1:]}."
        yield Gallery(f"{name}-{number + 1}", method[0].upper() + method[1:], reading, pictures, _numbers(maps), size="large")


def _numbers(maps: Maps) -> list[Row]:
    """A row for each pixel."""
    frames, height, width = next(iter(maps.values.values())).shape
    brightness = maps.pictures.mean(-1)
    rows: list[Row] = [["frame", "row", "column", "brightness", *maps.values]]
    for frame in range(frames):
        for row in range(height):
            for column in range(width):
                place = frame, row, column
                values = (rounded(value[place]) for value in maps.values.values())
                number = maps.frames[frame] if maps.frames else 1
                rows.append([number, row + 1, column + 1, round(float(brightness[place]), 1), *values])
    return rows


def input_of_cam(subject: Subject, cam: Tensor) -> str | None:
    """The input that Grad-CAM can be laid over: the only one that is made of pictures, or of steps."""
    is_over_time = cam.ndim == 2
    names = []
    for name, shape in subject.shapes.items():
        item = shape.item if isinstance(shape, SequenceShape) else shape
        is_visual = isinstance(item, Image | Volume)
        if isinstance(shape, SequenceShape) and not is_visual if is_over_time else is_visual:
            names.append(name)
    return names[0] if len(names) == 1 else None


def cam_gallery(cam: Tensor, layer: str, *, name: str) -> Gallery:
    """Grad-CAM by itself, where it can't be laid over an input: (frames, height, width), of a volume its slices, or (1, time)."""
    maps = cam[0] if cam.ndim == 4 else cam if cam.ndim == 3 else cam[:, None]
    frames = _some(range(len(maps)), _MOST_FRAMES)
    shown = _shrunk(maps[frames])
    rows: list[Row] = [["frame", "row", "column", "Grad-CAM"]]
    rows += [[frames[at] + 1, row + 1, column + 1, rounded(value)] for (at, row, column), value in np.ndenumerate(shown)]
    pictures = [
        Picture(f"frame {frame + 1}" if len(maps) > 1 else "", "", heat(share))
        for frame, share in zip(frames, scaled(shown), strict=True)
    ]
    return Gallery(name, f"Grad-CAM of {layer}", f"{READING['Grad-CAM'][0].upper()}{READING['Grad-CAM'][1:]}.", pictures, rows)
