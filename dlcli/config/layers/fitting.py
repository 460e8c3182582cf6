"""Whether a layer reads an input of some layout, and what mends it where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Final

from dlcli.config.layers import LAYERS
from dlcli.config.layers.base import LayerSpec
from dlcli.config.layers.nesting import Sequential, TimeDistributed
from dlcli.config.shapes import Image, Sequence, Shape, ShapeError, Time, Vector, Volume, holds_tokens, num_values

MAX_VALUES: Final = 10**15
"""Of what one layer gives for one sample."""

_ARTICLES: Final[Mapping[str, str]] = {
    "vector": "a vector",
    "series": "a sequence of vectors",
    "tokens": "a sequence of tokens",
    "token": "a token",
    "image": "an image",
    "clip": "a sequence of images",
    "volume": "a volume",
}


def check_accepts(spec: LayerSpec, shape: Shape) -> None:
    """Compares the layout that comes with those that the layer reads.

    Raises:
        ShapeError: it is none of them.
    """
    if isinstance(spec, Sequential):
        return
    if isinstance(spec, TimeDistributed):
        if not isinstance(shape, Sequence):
            raise ShapeError(f"`{spec.kind}` reads a sequence, and its input is {shape}")
        return
    if not spec.accepts:
        if holds_tokens(shape):
            raise ShapeError(f"`{spec.kind}` reads numbers, and its input is {shape}", help="put `- embedding: 64` before it")
        return
    if shape.layout not in spec.accepts:
        raise ShapeError(f"{_reads(spec)}, and its input is {shape}", help=_mend(spec, shape))


def _reads(spec: LayerSpec) -> str:
    if spec.kind == "linear":
        return "`linear` reads the last axis"
    return f"`{spec.kind}` reads " + " or ".join(_ARTICLES[layout] for layout in spec.accepts)


def _mend(spec: LayerSpec, shape: Shape) -> str | None:
    """What to put before a layer that can't read its input."""
    if holds_tokens(shape):
        return "put `- embedding: 64` before it"
    if isinstance(shape, Sequence) and isinstance(shape.item, Image) and {"image", "vector"} & set(spec.accepts):
        return "put it, and what belongs to it, inside `- time_distributed: [...]`"
    other = _for_other_axes(spec, shape)
    if other is not None and spec.accepts == ("series",) and isinstance(shape, Image):
        return f"use `{other}`, or {_ROWS}"
    if other is not None:
        return f"use `{other}`"
    if "vector" in spec.accepts and all(isinstance(size, int) for size in shape.sizes):
        return f"put `- flatten` before it: it gives {num_values(shape)} features"
    if "series" in spec.accepts and isinstance(shape, Image):
        return _ROWS
    if "series" in spec.accepts and isinstance(shape, Vector):
        return "does a recurrent layer above it need `return: sequence`?"
    if "image" in spec.accepts and isinstance(shape, Vector | Volume):
        return f"put `- reshape: [C, H, W]` before it, three sizes that multiply to {num_values(shape)}"
    return None


_ROWS: Final = "read each picture as a sequence of its rows: `data: {name: NAME, view: rows}`"


def _for_other_axes(spec: LayerSpec, shape: Shape) -> str | None:
    """The same layer over as many axes as the input has: `conv1d` of `conv2d` for a sequence."""
    if not spec.kind.endswith(("1d", "2d", "3d")):
        return None
    others = (f"{spec.kind[:-2]}{axes}d" for axes in (1, 2, 3))
    return next((kind for kind in others if kind in LAYERS and shape.layout in LAYERS[kind].accepts), None)


def check_size(spec: LayerSpec, shape: Shape) -> None:
    """Refuses an output that no memory holds, before the sizes of what reads it grow beyond all numbers.

    Raises:
        ShapeError: it is one.
    """
    links = [number for size in shape.sizes if isinstance(size, Time) for link in size.links for number in link]
    if max(prod(size for size in shape.sizes if isinstance(size, int)), *map(abs, links), 0) > MAX_VALUES:
        raise ShapeError(f"`{spec.kind}` gives more than {MAX_VALUES:.0e} values for each sample")
