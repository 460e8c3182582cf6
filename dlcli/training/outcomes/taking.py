"""Chosen samples of a split as they are kept to be looked at: as they were read, and made smaller."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dlcli.config.data import Csv, DataSpec, TextDataSpec
from dlcli.config.facts import DataFacts
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.config.shapes import Shape, Vector, has_any_time, holds_tokens
from dlcli.data.dataset import Split
from dlcli.data.sources.vocabulary import Vocabulary
from dlcli.training.outcomes.arrays import MOST_SIDE, MOST_STEPS
from dlcli.training.outcomes.samples import Input, Pictures, Samples, Series, Texts, Vectors

_MOST_FRAMES: Final = 8
"""Of a clip or a volume, side by side."""
_MOST_FEATURES: Final = 8
"""Of a series."""
_MOST_COLUMNS: Final = 24
"""Of a row of numbers."""
_MOST_CHARACTERS: Final = 40
"""Of a word."""
_JOINTS: Final = {"characters": "", "words": " ", "bytes": ""}


def spread(count: int, most: int) -> Tensor:
    """Up to so many numbers below a count, evenly spread: int64, rising."""
    return torch.linspace(0, count - 1, min(count, most), dtype=torch.float64).round().to(torch.int64)


def taken(split: Split, numbers: Tensor, spec: DataSpec, facts: DataFacts) -> Samples:
    """The samples at these places.

    Args:
        split: whose they are, as it keeps them.
        numbers: the places, int64 (n,).
        spec: the data's, with nothing left open.
        facts: tells what the inputs are.
    """
    lengths = split.lengths.index_select(0, numbers.to(split.lengths.device)).cpu() if split.lengths is not None else None
    several = isinstance(split.inputs, dict)
    arrays = split.inputs if isinstance(split.inputs, dict) else {next(iter(facts.inputs)): split.inputs}
    inputs: dict[str, Input] = {}
    for name, array in arrays.items():
        shape = facts.inputs[name]
        values = array.index_select(0, numbers.to(array.device)).cpu()
        inputs[name if several else ""] = _input(values, lengths if has_any_time(shape) else None, shape, spec)
    return Samples(numbers=numbers.cpu().numpy(), inputs=inputs)


def _input(values: Tensor, lengths: Tensor | None, shape: Shape, spec: DataSpec) -> Input:
    """Samples (n, ...) of one input, the channels or features last."""
    if holds_tokens(shape):
        return _texts(values, lengths, spec)
    if values.ndim == 5:
        return Pictures(pixels=_pixels(_frames(values, lengths)))
    if values.ndim == 4:
        return Pictures(pixels=_pixels(values))
    if isinstance(shape, SequenceShape) and isinstance(shape.item, Vector) and values.ndim == 3:
        return _series(values, lengths, spec)
    rows = values.flatten(1)
    columns = tuple(name[:200] for name in _columns(spec, rows.shape[1])[:_MOST_COLUMNS])
    return Vectors(values=rows[:, :_MOST_COLUMNS].to(torch.float32).numpy(), columns=columns)


def _pixels(values: Tensor) -> np.ndarray:
    """Pictures (n, H, W, C) as 8-bit values in grey or in colour, none of their sides longer than `MOST_SIDE`."""
    if values.dtype != torch.uint8:
        values = values.to(torch.float32)
        finite = values.nan_to_num(0, 0, 0).flatten()
        low, high = finite.aminmax() if len(finite) else (finite.sum(), finite.sum())
        values = ((values - low) * (255 / (high - low).clamp(min=1e-12))).nan_to_num(0, 255, 0).clamp(0, 255)
    if values.shape[-1] not in (1, 3):
        values = values.to(torch.float32).mean(-1, keepdim=True)
    height, width = values.shape[1:3]
    longest = max(height, width)
    if longest > MOST_SIDE:
        size = max(1, height * MOST_SIDE // longest), max(1, width * MOST_SIDE // longest)
        smaller = functional.adaptive_avg_pool2d(values.to(torch.float32).permute(0, 3, 1, 2), size)
        values = smaller.permute(0, 2, 3, 1)
    return values.round().to(torch.uint8).contiguous().numpy() if values.is_floating_point() else values.contiguous().numpy()


def _frames(values: Tensor, lengths: Tensor | None) -> Tensor:
    """Clips or volumes (n, T, H, W, C) as pictures of some of their frames side by side, evenly spread."""
    count, time, height, width, channels = values.shape
    shown = min(time, _MOST_FRAMES)
    strips = values.new_zeros(count, height, shown * width, channels)
    for row, clip in enumerate(values):
        there = time if lengths is None else int(lengths[row])
        frames = clip[spread(there, _MOST_FRAMES)]
        strips[row, :, : len(frames) * width] = torch.cat([*frames], dim=1)
    return strips


def _series(values: Tensor, lengths: Tensor | None, spec: DataSpec) -> Series:
    """Series (n, T, F), each no longer than `MOST_STEPS`: of longer ones means over neighbours."""
    count, time = values.shape[:2]
    names = _columns(spec, values.shape[2])
    targets = spec.target or () if isinstance(spec, Csv) else ()
    first = sorted(range(values.shape[2]), key=lambda feature: not names or names[feature] not in targets)[:_MOST_FEATURES]
    steps = torch.full((count,), time) if lengths is None else lengths
    kept = torch.full((count, min(time, MOST_STEPS), len(first)), torch.nan)
    for row, there in enumerate(steps.tolist()):
        curve = values[row, :there, first].to(torch.float32)
        if there > MOST_STEPS:
            curve = functional.adaptive_avg_pool1d(curve.T, MOST_STEPS).T
        kept[row, : len(curve)] = curve
    columns = tuple(names[feature][:200] for feature in first) if names else ()
    return Series(values=kept.numpy(), steps=steps.numpy(), columns=columns)


def _columns(spec: DataSpec, count: int) -> tuple[str, ...]:
    """What so many features are called; nothing where that is not known."""
    if not isinstance(spec, Csv):
        return ()
    dates = (f"{name}, {part}" for name in spec.date_features for part in ("sine", "cosine"))
    names = (*(spec.features or ()), *dates)
    return names if len(names) == count else ()


def _texts(tokens: Tensor, lengths: Tensor | None, spec: DataSpec) -> Texts:
    """Tokens (n, T) as what they stand for; without a vocabulary as numbers."""
    if tokens.ndim == 1:
        tokens = tokens[:, None]
    tokens = tokens.flatten(1)
    steps = torch.full((len(tokens),), tokens.shape[1]) if lengths is None else lengths
    rows = [row[: min(there, MOST_STEPS)].tolist() for row, there in zip(tokens, steps.tolist(), strict=True)]
    if not isinstance(spec, TextDataSpec):
        texts, joint = [tuple(map(str, row)) for row in rows], " "
    elif spec.unit == "bytes":
        texts, joint = [_characters(bytes(row)) for row in rows], ""
    else:
        vocabulary, joint = Vocabulary.of(spec), _JOINTS[spec.unit]
        texts = [tuple(vocabulary.decode([token])[:_MOST_CHARACTERS] for token in row) for row in rows]
    return Texts(texts=tuple(texts), joint=joint, steps=steps.numpy())


def _characters(text: bytes) -> tuple[str, ...]:
    """The bytes of a text one by one: what several of them mean together stands at the first, and nothing at the others."""
    characters: list[str] = []
    for character in text.decode(errors="replace"):
        size = len(character.encode()) if character != "\N{REPLACEMENT CHARACTER}" else 1
        characters += [character, *[""] * (size - 1)]
    return tuple(characters[: len(text)])
