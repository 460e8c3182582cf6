"""Entries that hold other layers, or stand for one."""

from typing import Annotated, Any, ClassVar

from dlcli.config.layers.base import LayerSpec
from dlcli.config.spec import RawNode

Layers = Annotated[Any, RawNode("layers", "a list; each entry is a layer: a name, or a name with its fields")]
"""The type of a field that holds layers."""


class Nesting(LayerSpec):
    """A layer made of layers, which see nothing outside but `input`."""

    main: ClassVar[str | None] = "layers"

    layers: Layers
    """The layers, as under `model.layers`."""


class Sequential(Nesting):
    """A list of layers as one: its input is their `input`, its output that of the last."""

    kind: ClassVar[str] = "sequential"


class TimeDistributed(Nesting):
    """A list of layers, the same weights for each step. A sequence of X becomes a sequence of what the layers make of X."""

    kind: ClassVar[str] = "time_distributed"


class Share(LayerSpec):
    """A layer above once more, with the same weights, on another input."""

    kind: ClassVar[str] = "share"
    main: ClassVar[str | None] = "layer"

    layer: str
    """The name of the layer."""
