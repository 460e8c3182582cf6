"""Layers applied to each step of a sequence."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from dlcli.config.layers.base import LayerSpec
from dlcli.config.spec import RawNode


class TimeDistributed(LayerSpec):
    """A list of layers, the same weights for each step. A sequence of X becomes a sequence of what the layers make of X."""

    kind: ClassVar[str] = "time_distributed"
    main: ClassVar[str] = "layers"

    layers: Annotated[Any, RawNode]
    """The layers, as under `model.layers`."""
