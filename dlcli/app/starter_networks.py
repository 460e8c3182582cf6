"""A network and its training for data of any shape, by a few rules that look at its shape and at how much there is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from dlcli.app.commented_yaml import Line, entry, field
from dlcli.config.facts import DataFacts, Target
from dlcli.config.shapes import Image, Sequence, Shape, Size, Token, Vector
from dlcli.errors import DataError

_SMALLEST_MAP: Final = 4
"""Pixels of the shorter side that pooling leaves."""
_MOST_CHANNELS: Final = 256
_LONGEST_RECURRENCE: Final = 256
"""Steps. Recurrence over more is slow and forgets: convolutions shorten the sequence first."""
_LITTLE: Final = 2_000
"""Samples below which networks are kept narrower."""
_TARGET_STEPS: Final = 1_500
"""Steps of the optimiser that a training aims at."""
_PASSES: Final = (10, 160)
"""Over the samples: at least and at most."""
_MOST_EPOCHS: Final = 40
_LONG_ENOUGH: Final = 32
"""Steps from which convolutions in front of a recurrent layer pay: they find the shapes, and it reads fewer steps."""


@dataclass(frozen=True)
class Pace:
    """How a training of so many samples is cut into steps and epochs.

    Attributes:
        batch_size: samples of a step.
        repeat: passes over the samples in an epoch.
        epochs: how often the network is judged.
    """

    batch_size: int
    repeat: int
    epochs: int


def pace_for(samples: int) -> Pace:
    """Smaller batches and more passes the fewer samples there are, so that there are steps enough to learn in."""
    batch_size = min(128, max(8, 1 << round(math.log2(samples / 50 + 1))))
    passes = min(_PASSES[1], max(_PASSES[0], round(_TARGET_STEPS * batch_size / samples)))
    repeat = math.ceil(passes / _MOST_EPOCHS)
    return Pace(batch_size, repeat, math.ceil(passes / repeat))


def layers(facts: DataFacts, samples: int) -> list[Line]:
    """The entries of `model.layers`.

    Args:
        facts: what the data is.
        samples: how many there are for training.

    Raises:
        DataError: nothing fits the data by itself.
    """
    shape = facts.input
    if isinstance(shape, Image):
        return [*_convolutional(shape, samples), _head(facts.target)]
    if isinstance(shape, Vector):
        return [*_dense(samples, facts.target), _head(facts.target)]
    if isinstance(shape, Sequence) and isinstance(shape.item, Token):
        return [*_embedded(shape.item, samples, facts.target), _head(facts.target)]
    if isinstance(shape, Sequence) and isinstance(shape.item, Vector):
        return [*_recurrent(shape.time, samples, facts.target), _head(facts.target)]
    raise DataError(f"init has no network for {shape}", help="start from a template: dlcli init --template conv_lstm")


def training(shape: Shape, target: Target, samples: int) -> list[Line]:
    """The fields of `train`: batches and epochs from the number of samples, the rest from the kind of network."""
    pace = pace_for(samples)
    lines = [
        field("epochs", pace.epochs, "more is better only as long as valid/loss falls"),
        field("batch_size", pace.batch_size),
        Line("optimizer: {name: adamw, lr: 2e-3, weight_decay: 0.01}", "try half and twice the rate"),
        field("schedule", "one_cycle", "the rate rises, then falls to nothing: good in few epochs"),
    ]
    if isinstance(shape, Sequence):
        lines.append(field("clip_gradients", 1, "long sequences can make gradients explode"))
    if target.num_classes is not None:
        return [*lines, field("loss", "cross_entropy"), field("metrics", ["accuracy"], "of the validation samples")]
    return [*lines, field("loss", "mse", "try huber where some values are far off"), field("metrics", ["mae"], "mean error")]


def augmentation(picture: Image) -> list[Line]:
    """The entries of `data.augment`: colour pictures are taken for photos, grey ones for scans and drawings."""
    shift = max(1, min(picture.height, picture.width) // 16)
    if picture.channels == 3:
        return [
            Line("- flip", "mirrors; remove it where left and right differ, as in text"),
            Line(f"- {{name: shift, pixels: {shift}}}"),
            Line("- {name: scale, factor: 0.1}", "up to 10 % larger or smaller"),
        ]
    return [
        Line(f"- {{name: shift, pixels: {shift}}}"),
        Line("- {name: rotate, degrees: 10}", "remove it where the angle matters"),
    ]


def _head(target: Target) -> Line:
    if target.num_classes is not None:
        return entry("linear", "${data.num_classes}", comment=f"a score for each class, {target.num_classes:,} of them")
    return entry("linear", "${data.num_targets}", comment=f"the values to predict, {target.num_targets} for each sample")


def _convolutional(picture: Image, samples: int) -> list[Line]:
    """A convolution and a pooling as often as the size allows; each stage has twice the channels of the one before."""
    shorter = min(picture.height, picture.width)
    stages = max(0, int(math.log2(max(1, shorter / _SMALLEST_MAP))))
    channels = 16 if samples < _LITTLE and shorter > 64 else 32
    lines: list[Line] = []
    for stage in range(max(1, stages)):
        words = "small patterns: edges, spots" if stage == 0 else "larger patterns, made of those above" if stage == 1 else ""
        lines += [
            entry("conv2d", out_channels=channels, kernel_size=3, padding=1, bias=False, comment=words),
            entry("batch_norm2d"),
            entry("relu"),
        ]
        if stages:
            lines.append(entry("max_pool2d", 2, comment="half the size" if stage == 0 else ""))
        channels = min(_MOST_CHANNELS, 2 * channels)
    end = entry("global_avg_pool", comment="the mean of each channel") if stages >= 3 else entry("flatten")
    return [*lines, end, entry("dropout", 0.3, comment="against learning by heart; try 0.5 where train/loss is far lower")]


def _dense(samples: int, target: Target) -> list[Line]:
    width = 32 if samples < 200 else 64 if samples < _LITTLE else 256
    return [
        entry("linear", width, comment="hidden units; try half and twice as many"),
        entry("relu"),
        *_dropout(0.1, target),
        entry("linear", width),
        entry("relu"),
    ]


def _recurrent(time: Size, samples: int, target: Target) -> list[Line]:
    """Series of classes begin with two convolutions, where they are long enough; any begin with as many as make them short."""
    lines: list[Line] = []
    steps = time if isinstance(time, int) and not target.per_step else 0
    wanted = 2 if target.num_classes is not None and steps >= _LONG_ENOUGH else 0
    while len(lines) < 3 * wanted or steps > _LONGEST_RECURRENCE:
        lines += [
            entry(
                "conv1d",
                out_channels=64 if lines else 32,
                kernel_size=7,
                stride=2,
                padding=3,
                bias=False,
                comment="" if lines else "shapes of 7 steps, at every other step",
            ),
            entry("batch_norm1d"),
            entry("relu"),
        ]
        steps = (steps - 1) // 2 + 1
    comment = "what it can remember; try half and twice as much"
    return [*lines, _reader("lstm", samples, target, comment), *_dropout(0.2, target)]


def _embedded(token: Token, samples: int, target: Target) -> list[Line]:
    dim = min(128, max(8, 1 << round(math.log2(token.num_values) / 2 + 2)))
    return [
        entry("embedding", dim, comment="a vector for each token, learnt"),
        _reader("gru", samples, target, "reads from both ends"),
        *_dropout(0.2, target),
    ]


def _reader(kind: str, samples: int, target: Target, comment: str) -> Line:
    """A recurrent layer; both directions unless values are predicted, of which most lie in the future."""
    fields: dict[str, object] = {"hidden_size": 64 if samples < _LITTLE else 128}
    if target.num_classes is not None:
        fields["bidirectional"] = True
    return entry(kind, **fields, return_="sequence" if target.per_step else "last", comment=comment)


def _dropout(chance: float, target: Target) -> list[Line]:
    """None where values are predicted: it changes the size of what the last layer reads from step to step."""
    return [entry("dropout", chance, comment="against learning by heart")] if target.num_classes is not None else []
