"""A run's network, and what is known of it, as all parts of an explanation need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from dlcli.app.pages.figures import label
from dlcli.app.runs import Run
from dlcli.config.data import Csv, ImageDataSpec, TextDataSpec
from dlcli.config.experiment import Experiment
from dlcli.config.shapes import Shape
from dlcli.data.dataset import Tensors
from dlcli.data.preprocessing import Preprocessing
from dlcli.data.sources.vocabulary import UNKNOWN, Vocabulary

_LONGEST: Final = 40
"""Characters of a name."""
_MARKS: Final = {" ": "␣", "\n": "↵", "\t": "⇥"}
"""What stands for a character that is not seen."""


def name_of(text: object) -> str:
    """What somebody has called something, as it may stand in a drawing."""
    return label(text, _LONGEST) or "·"


@dataclass(frozen=True)
class Subject:
    """What is explained.

    Attributes:
        run: the run and its record.
        checkpoint: the name of the checkpoint.
        network: with its weights, on the device, in eval mode.
        experiment: of the run, its normalisation settled.
        device: where to compute.
    """

    run: Run
    checkpoint: str
    network: nn.Module
    experiment: Experiment
    device: torch.device

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Of the network's inputs."""
        return self.experiment.facts.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the network's outputs."""
        return self.experiment.graph.outputs

    @cached_property
    def _preprocessing(self) -> Preprocessing:
        experiment = self.experiment
        return Preprocessing(experiment.data, experiment.facts, seed=experiment.train.seed).to(self.device)

    def prepared(self, raw: Tensors) -> dict[str, Tensor]:
        """What the network reads of samples as a split keeps them, each input by its name."""
        moved = {name: tensor.to(self.device) for name, tensor in raw.items()} if isinstance(raw, dict) else raw.to(self.device)
        with torch.no_grad():
            inputs = self._preprocessing(moved)
        named = inputs if isinstance(inputs, dict) else {next(iter(self.shapes)): inputs}
        return {name: tensor.contiguous() for name, tensor in named.items()}

    def view_of(self, name: str) -> str:
        """How an input shows a picture: image, rows, pixels, permuted_pixels; image where it is none."""
        spec = self.experiment.data
        if not isinstance(spec, ImageDataSpec):
            return "image"
        return name if len(spec.views) > 1 else spec.views[0]

    @cached_property
    def _vocabulary(self) -> Vocabulary | None:
        spec = self.experiment.data
        return Vocabulary.of(spec) if isinstance(spec, TextDataSpec) else None

    def token_names(self, tokens: list[int]) -> list[str]:
        """What tokens stand for; numbers where nothing is known of them."""
        vocabulary = self._vocabulary
        if vocabulary is None:
            return [str(token) for token in tokens]
        if vocabulary.unit == "bytes":
            return [name_of(_MARKS.get(chr(token), chr(token))) if token < 128 else f"x{token:02X}" for token in tokens]
        entries = vocabulary.entries
        known = [entries[token - 1] if UNKNOWN < token <= len(entries) else "\N{REPLACEMENT CHARACTER}" for token in tokens]
        return [name_of(_MARKS.get(text, text)) for text in known]

    def class_names(self, output: str) -> list[str]:
        """What the classes of an output are called."""
        target = self.experiment.facts.target_of(output)
        assert target is not None
        assert target.num_classes is not None
        given = self.run.record["data"].get("classes")
        if isinstance(given, list) and len(given) == target.num_classes:
            return [name_of(name) for name in given]
        if self._vocabulary is not None and target.per_step and target.num_classes == self._vocabulary.num_tokens:
            return self.token_names(list(range(target.num_classes)))
        return [str(number) for number in range(target.num_classes)]

    def value_names(self, output: str, count: int) -> list[str]:
        """What the values of an output are called; of a forecast those of a step, one step after the other."""
        spec = self.experiment.data
        columns = spec.target if isinstance(spec, Csv) and isinstance(spec.target, tuple) else ()
        if columns and count % len(columns) == 0:
            return [name_of(column) for column in columns] * (count // len(columns))
        name = output if len(self.outputs) > 1 else "value"
        return [name] if count == 1 else [f"{name} {number}" for number in range(1, count + 1)]

    def feature_names(self, count: int) -> list[str]:
        """What the features of a table or a series are called."""
        spec = self.experiment.data
        features = list(spec.features or ()) if isinstance(spec, Csv) else []
        if isinstance(spec, Csv) and features:
            features += [f"{date}, {part}" for date in spec.date_features for part in ("sine", "cosine")]
        return [*map(name_of, features), *(f"feature {number}" for number in range(len(features) + 1, count + 1))][:count]

    @property
    def horizon(self) -> int | None:
        """Steps of a forecast; None where the run makes none."""
        spec = self.experiment.data
        if not isinstance(spec, Csv) or spec.window is None or self.experiment.facts.target.num_targets is None:
            return None
        return spec.horizon

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.run.path
