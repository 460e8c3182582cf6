"""Whole configs that show one part of the language each, found by trying: the first without a mistake and without a warning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dlcli.config import compose, experiment
from dlcli.config.data import DataSpec, MadeUp
from dlcli.config.data.images import KnownImages
from dlcli.config.experiment import Experiment
from dlcli.config.facts import DataFacts
from dlcli.config.field_examples import layer_example
from dlcli.config.graph import LayerNode
from dlcli.config.layers.base import LayerSpec
from dlcli.config.shapes import Image, Sequence, Time, Token, Vector

Config = dict[str, Any]

_CLASSES: Final = {"linear": "${data.num_classes}"}
_VALUES: Final = {"linear": "${data.num_targets}"}
_SEEN: Final = [{"conv2d": {"out_channels": 16, "kernel_size": 3}}, "relu", "global_avg_pool"]
_READ: Final = {"gru": {"hidden_size": 32, "return": "last"}}
_BODIES: Final[tuple[list[Any], ...]] = (
    [*_SEEN, _CLASSES],
    [_CLASSES],
    [_VALUES],
    [_READ, _CLASSES],
    [_READ, _VALUES],
    [{"gru": 32}, _VALUES],
    [{"embedding": 16}, _READ, _CLASSES],
    [{"embedding": 16}, {"gru": 32}, _CLASSES],
    [{"time_distributed": _SEEN}, _READ, _CLASSES],
)
"""Small networks for data of any kind."""

_FILES: Final[Mapping[str, tuple[str, DataFacts]]] = {
    "image_folder": ("my_pictures", DataFacts.of(Image(3, 64, 64), num_classes=5)),
    "arrays": ("my_arrays.npz", DataFacts.of(Vector(12), num_classes=3)),
    "csv": ("my_table.csv", DataFacts.of(Vector(6), num_classes=3)),
    "ts": ("my_series_TRAIN.ts", DataFacts.of(Sequence(Time(), Vector(3)), num_classes=4)),
    "text_lines": ("my_texts.csv", DataFacts.of(Sequence(Time(), Token(60)), num_classes=2)),
    "text": ("my_text.txt", DataFacts.of(Sequence(128, Token(60)), num_classes=60, per_step=True)),
}
"""Of sources that read files: what one may be called, and what may be in it."""

_SAMPLES: Final[tuple[Config, ...]] = (
    {"name": "random", "sizes": [3, 32, 32]},
    {"name": "random", "sizes": [16]},
    {"name": "random", "sizes": [784]},
    {"name": "random", "sizes": [24, 6]},
    {"name": "random", "sizes": [24], "layout": "tokens", "vocabulary_size": 50},
    {"name": "random", "sizes": [8, 3, 16, 16], "layout": "clip"},
    {"name": "random", "sizes": [1, 16, 16, 16]},
)
_ENDS: Final[tuple[list[Any], ...]] = (
    [_CLASSES],
    ["relu", _CLASSES],
    ["relu", "global_avg_pool", _CLASSES],
    ["global_avg_pool", _CLASSES],
    [_READ, _CLASSES],
)
"""What makes answers of what a layer gives."""

_LAST: Final = {"hidden_size": 64, "return": "last"}
_LAYERS: Final[Mapping[str, Config]] = {
    "rnn": {"data": _SAMPLES[3], "model": {"layers": [{"rnn": _LAST}, _CLASSES]}},
    "lstm": {"data": _SAMPLES[3], "model": {"layers": [{"lstm": _LAST}, _CLASSES]}},
    "gru": {"data": _SAMPLES[3], "model": {"layers": [{"gru": _LAST}, _CLASSES]}},
    "sequential": {"data": _SAMPLES[0], "model": {"layers": [{"sequential": _SEEN}, _CLASSES]}},
    "time_distributed": {"data": _SAMPLES[5], "model": {"layers": [{"time_distributed": _SEEN}, _READ, _CLASSES]}},
    "reversible_norm": {
        "data": {"name": "random", "sizes": [24, 6], "num_targets": 12},
        "model": {"layers": [{"reversible_norm": [_READ, _VALUES]}]},
        "train": {"loss": "mse"},
    },
    "share": {
        "data": {"name": "digits", "view": ["image", "rows"]},
        "model": {
            "layers": [
                {"flatten": {"from": "image", "name": "pixels"}},
                {"linear": {"out_features": 32, "name": "encoder"}},
                {"flatten": {"from": "rows", "name": "lines"}},
                {"share": {"layer": "encoder", "from": "lines", "name": "twin"}},
                {"subtract": ["encoder", "twin"]},
                _CLASSES,
            ]
        },
    },
}
"""Where trying gives something that nobody would write."""

_TRAINED_ON: Final[tuple[Any, ...]] = (
    "digits",
    {"name": "random", "sizes": [8], "num_targets": 1},
    {"name": "text", "path": "my_text.txt"},
)


@dataclass(frozen=True)
class Example:
    """A config without mistakes, and what it says."""

    config: Config
    read: Experiment

    def layer(self, kind: str) -> LayerNode:
        """The layer that it is an example of."""
        is_shared = kind == "share"
        return next(node for node in self.read.graph.nodes if (node.shares is not None if is_shared else node.spec.kind == kind))


def read_example(config: Config | str) -> Experiment | None:
    """What a config says, a text or plain values; None where it has a mistake or a warning."""
    found = experiment.examine(compose.load(config), _facts)
    return found.experiment if not found.diagnostics else None


def _facts(spec: DataSpec) -> DataFacts:
    if isinstance(spec, KnownImages | MadeUp):
        return spec.facts()
    return _FILES[spec.kind][1]


def layer_config(spec_class: type[LayerSpec]) -> Example:
    """A network with this layer."""
    kind = spec_class.kind
    if kind in _LAYERS:
        return _first(kind, [_LAYERS[kind]])
    layers = layer_example(spec_class)
    return _first(kind, ({"data": data, "model": {"layers": [*layers, *end]}} for data in _SAMPLES for end in _ENDS))


def data_config(kind: str, fields: Mapping[str, Any]) -> Example:
    """A network for data of this source."""
    path = {"path": _FILES[kind][0]} if kind in _FILES else {}
    data = {"name": kind, **fields, **path} if fields or path else kind
    trains: tuple[Config, ...] = ({}, {"train": {"loss": "mse"}})
    return _first(kind, ({"data": data, "model": {"layers": body}} | train for body in _BODIES for train in trains))


def picture_config(fields: Mapping[str, Any]) -> Example:
    """A network for pictures that are read so."""
    return _first(str(fields), ({"data": {"name": "digits", **fields}, "model": {"layers": body}} for body in _BODIES))


def train_config(train: Mapping[str, Any]) -> Example:
    """A network that can be trained so."""
    return _first(str(train), _trained(train))


def _trained(train: Mapping[str, Any]) -> Iterator[Config]:
    for data in _TRAINED_ON:
        for body in _BODIES:
            for loss in ({}, {"loss": "mse"}):
                yield {"data": data, "model": {"layers": body}, "train": {**loss, **train}}


def _first(what: str, configs: Iterable[Config]) -> Example:
    for config in configs:
        read = read_example(config)
        if read is not None:
            return Example(config, read)
    raise SystemExit(f"error: no example of {what} is without a mistake\nhelp: write one into .ci/reference_examples.py")
