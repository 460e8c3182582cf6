"""What somebody has to know who uses an exported network: its inputs, how raw values become them, and what its outputs mean."""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Any, Final

import torch

import dlcli
from dlcli.app.export.subject import Subject
from dlcli.config.data import Csv, DataSpec, ImageDataSpec, View
from dlcli.config.data.texts import TextDataSpec, TextLines
from dlcli.config.normalisation import AutoNormalize, FixedNormalize, NormalizeSpec
from dlcli.config.shapes import Image, Shape, has_any_time, holds_tokens, token_of
from dlcli.config.shapes import Sequence as SequenceShape
from dlcli.data.sources.vocabulary import UNKNOWN
from dlcli.data.views import Viewer
from dlcli.models.python_lengths import takes_lengths

MARK: Final = "Made by `dlcli export"
"""How what every export holds begins: only such files are replaced."""
LENGTHS: Final = "lengths"
"""What the input is called that says how many steps each sample has."""

Facts = dict[str, Any]
"""Plain values."""


def facts_of(subject: Subject) -> Facts:
    """The facts of a network, as they are written beside or into each file."""
    graph = subject.experiment.graph
    found: Facts = {"made_by": f"{MARK}`, dlcli {dlcli.__version__}", "network_of": subject.title}
    found["inputs"] = {name: _input(name, shape, subject.experiment.data) for name, shape in graph.inputs.items()}
    if takes_lengths(graph):
        found["lengths"] = {
            "name": lengths_name(graph.inputs),
            "axes": ["batch"],
            "type": "int64",
            "meaning": "steps of each sample, at least 1; what stands behind them is padding, and may be anything",
            "of": [name for name, shape in graph.inputs.items() if has_any_time(shape)],
        }
    found["outputs"] = {name: _output(name, shape, subject) for name, shape in graph.output_shapes.items()}
    found["data"] = subject.experiment.facts.as_json()
    return found


def as_text(facts: Facts) -> str:
    """The facts as JSON."""
    return json.dumps(facts, indent=1, ensure_ascii=False)


def lengths_name(inputs: Container[str]) -> str:
    """What the lengths are called, where an input may be called so already."""
    name = LENGTHS
    while name in inputs:
        name += "_"
    return name


def axes_of(shape: Shape) -> list[int | str]:
    """The axes of a batch: a size, or what it is called where it is free."""
    return ["batch", *(size if isinstance(size, int) else str(size).replace("T", "time") for size in shape.sizes)]


def _input(name: str, shape: Shape, spec: DataSpec) -> Facts:
    if holds_tokens(shape):
        tokens = token_of(shape).num_values
        found: Facts = {"axes": axes_of(shape), "type": "int64", "meaning": f"tokens, 0 to {tokens - 1}"}
        return found | (_text(spec) if isinstance(spec, TextDataSpec) else {})
    found = {"axes": axes_of(shape), "type": "float32"}
    if isinstance(spec, Csv) and spec.features:
        found["columns"] = list(spec.features)
    found |= _scale(spec.normalization_of(name))
    return found | (_picture(name, shape, spec) if isinstance(spec, ImageDataSpec) else {})


def _scale(normalize: NormalizeSpec) -> Facts:
    """How raw values become those that the network reads."""
    how = "8-bit values are divided by 255"
    if isinstance(normalize, AutoNormalize):
        return {"meaning": f"{how}; then mean and std of the training samples, which a training measures, are taken out"}
    if not isinstance(normalize, FixedNormalize):
        return {"meaning": f"{how}; other values are as they are"}
    taken = "then (value - mean) / std, with one number for each channel or feature of the raw samples, or one for all"
    return {"meaning": f"{how}; {taken}", "mean": list(normalize.mean), "std": list(normalize.std)}


def _picture(name: str, shape: Shape, spec: ImageDataSpec) -> Facts:
    """How a picture is laid out."""
    view: View = name if len(spec.views) > 1 else spec.views[0]  # type: ignore[assignment]  # inputs are called as their views
    found: Facts = {"resized_to": list(spec.resize)} if spec.resize else {}
    if view == "image":
        return found | ({"layout": "batch, channels, height, width"} if isinstance(shape, Image) else {})
    layouts = {"rows": "one step for each row, of width x channels", "pixels": "one step for each pixel, row by row"}
    if view != "permuted_pixels":
        return found | {"layout": layouts[view]}
    assert isinstance(shape, SequenceShape)
    assert isinstance(shape.time, int)
    pixels = torch.arange(shape.time).reshape(1, shape.time, 1, 1)
    order = Viewer(view, shape, spec.split.seed)(pixels).flatten().tolist()
    return found | {"layout": "one step for each pixel, in the order of `order`, which counts them row by row", "order": order}


def _text(spec: TextDataSpec) -> Facts:
    """How a text becomes tokens."""
    if spec.unit == "bytes":
        return {"unit": spec.unit}
    found: Facts = {"unit": spec.unit, "unknown": UNKNOWN, "vocabulary_from_1": list(spec.vocabulary or ())}
    return found | ({"lowercase": True} if isinstance(spec, TextLines) and spec.lowercase else {})


def _output(name: str, shape: Shape, subject: Subject) -> Facts:
    settled, target = subject.experiment, subject.experiment.facts.target_of(name)
    found: Facts = {"axes": axes_of(shape), "type": "float32"}
    judged = settled.train.objective_of(name).loss.judges
    if judged == "classes":
        found["meaning"] = "a score for each class; softmax over the last axis gives probabilities"
        if target is not None and isinstance(subject.classes, list) and len(subject.classes) == target.num_classes:
            found["classes"] = [str(name) for name in subject.classes]
    elif judged == "labels":
        found["meaning"] = "a score for each label, yes where it is above 0; sigmoid gives probabilities"
    else:
        found["meaning"] = "values, in the units of the data"
        scales = settled.data.normalize_targets
        scale = scales.get(name) if isinstance(scales, dict) else scales
        if isinstance(scale, FixedNormalize):
            found |= {"meaning": "values; value * std + mean is in the units of the data", "mean": list(scale.mean)}
            found["std"] = list(scale.std)
    return found
