"""Rules for the last layers of a network: what an output gives, and what its loss expects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dlcli.config.diagnostics import Place, Related
from dlcli.config.lint.rule import Finding, Rule, Subject
from dlcli.config.lint.wiring import ACTIVATIONS, DROPOUTS, MOVES, POOLINGS, Site
from dlcli.config.losses import BinaryCrossEntropy, CrossEntropy, LossSpec
from dlcli.config.shapes import Sequence, Vector, channels_of

_APPLIED: Final = {CrossEntropy.kind: ("softmax", "log_softmax"), BinaryCrossEntropy.kind: ("sigmoid",)}
"""Which activations a loss applies by itself."""
_KEEP_ORDER_AND_RANGE: Final = frozenset(("leaky_relu", "prelu"))
"""Activations behind which every score can still be reached."""
_WITH_WEIGHTS: Final = {"linear": "out_features"} | dict.fromkeys(("conv1d", "conv2d", "conv3d"), "out_channels")


@dataclass(frozen=True)
class _End:
    """One output of the network.

    Attributes:
        site: the layer that gives it.
        loss: what it is trained for.
        features: the size of its last axis.
        num_classes: of its target.
        head: what would give one score for each class.
    """

    site: Site
    loss: LossSpec
    features: int | None
    num_classes: int | None
    head: str

    @property
    def lacks_head(self) -> bool:
        """Whether there are more scores than classes."""
        more = self.features is not None and self.num_classes is not None and self.features > self.num_classes
        return more and isinstance(self.loss, CrossEntropy)


def _ends(subject: Subject) -> Iterator[_End]:
    """The outputs that have a loss and a target."""
    losses = subject.train.loss
    for output, site in subject.wiring.outputs.items():
        target = subject.facts.target_of(output)
        if target is None or (isinstance(losses, dict) and output not in losses):
            continue
        shape = subject.graph.output_shapes[output]
        item = shape.item if isinstance(shape, Sequence) and target.per_step else shape
        name = f"data.{output}.num_classes" if len(subject.facts.targets) > 1 else "data.num_classes"
        features = item.features if isinstance(item, Vector) else None
        yield _End(site, subject.train.objective_of(output).loss, features, target.num_classes, f"${{{name}}}")


def _last(end: _End, passed_over: frozenset[str]) -> Site | None:
    """The layer that makes an output what it is, those of these kinds behind it passed over."""
    return end.site.behind(passed_over) if end.site.kind in passed_over else end.site


def _pointing_at(site: Site, subject: Subject) -> tuple[Place, Related]:
    place = subject.wiring.place_of(site)
    return place, () if place == site.place else ((f"`{site.kind}` stands in the block", site.place),)


def _softmax_before_loss(subject: Subject) -> Iterator[Finding]:
    for end in _ends(subject):
        last = _last(end, DROPOUTS | MOVES | POOLINGS)
        if last is None or last.kind not in _APPLIED.get(end.loss.kind, ()):
            continue
        message = f"`{end.loss.kind}` applies {_APPLIED[end.loss.kind][0]} itself, and its input went through `{last.kind}`"
        place, related = _pointing_at(last, subject)
        yield Finding(message, place, f"remove `- {last.kind}`: the loss reads scores of any size", related)


SOFTMAX_BEFORE_LOSS: Final = Rule(
    "softmax-before-loss",
    meaning="The output goes through the softmax (or sigmoid) that its loss applies by itself.",
    reason="Applied twice, it makes the scores of all classes nearly equal: gradients are small, the network learns slowly and "
    "is never sure of anything. Metrics and `dlcli.predict` need no softmax either.",
    mend="Remove it: the network ends with the layer that gives the scores.",
    example="""\
data: digits
model:
  layers:
    - flatten
    - linear: ${data.num_classes}
    - softmax
train: {loss: cross_entropy}
""",
    mended="""\
data: digits
model:
  layers:
    - flatten
    - linear: ${data.num_classes}
train: {loss: cross_entropy}
""",
    check=_softmax_before_loss,
)


def _activation_before_loss(subject: Subject) -> Iterator[Finding]:
    for end in _ends(subject):
        last = _last(end, DROPOUTS | MOVES)
        applied = _APPLIED.get(end.loss.kind)
        if last is None or applied is None or end.lacks_head:
            continue
        if last.kind in ACTIVATIONS - _KEEP_ORDER_AND_RANGE - {*applied}:
            message = f"`{end.loss.kind}` reads scores of any size, and `{last.kind}` limits them"
            place, related = _pointing_at(last, subject)
            yield Finding(message, place, f"remove `- {last.kind}`: the output needs no activation", related)


ACTIVATION_BEFORE_LOSS: Final = Rule(
    "activation-before-loss",
    meaning="The scores go through an activation before a loss that reads scores of any size.",
    reason="Behind `relu` no score is below 0, behind `tanh` or `sigmoid` none is above 1: the network can't say that a class is "
    "very unlikely, or very likely. A class whose score is negative for every sample gets no gradient through `relu` at all.",
    mend="Remove the activation. Between hidden layers it belongs, behind the last one not.",
    example="""\
data: digits
model:
  layers:
    - flatten
    - linear: ${data.num_classes}
    - relu
""",
    mended="""\
data: digits
model:
  layers:
    - flatten
    - linear: ${data.num_classes}
""",
    check=_activation_before_loss,
)


def _missing_head(subject: Subject) -> Iterator[Finding]:
    for end in _ends(subject):
        if not end.lacks_head:
            continue
        last = _last(end, DROPOUTS | MOVES)
        size = _WITH_WEIGHTS.get(last.kind) if last is not None else None
        if last is None or size is None or channels_of(last.node.output_shape) != end.features:
            help, site = f"the class head is missing: end with `- linear: {end.head}`", end.site
        else:
            help, site = f"write `{size}: {end.head}` in the last `{last.kind}`", last
        place, related = _pointing_at(site, subject)
        yield Finding(f"the network gives {end.features} scores for {end.num_classes} classes", place, help, related)


MISSING_HEAD: Final = Rule(
    "missing-head",
    meaning="An output has more scores than there are classes.",
    reason="It trains, since `cross_entropy` asks only that each class has a score; the scores that belong to no class are "
    "trained to be small and are in the way. Most often the last layer was forgotten.",
    mend="End with `- linear: ${data.num_classes}`, which gives one score for each class.",
    example="""\
data: digits
model:
  layers:
    - flatten
    - linear: 64
    - relu
""",
    mended="""\
data: digits
model:
  layers:
    - flatten
    - linear: 64
    - relu
    - linear: ${data.num_classes}
""",
    check=_missing_head,
)


def _dropout_at_end(subject: Subject) -> Iterator[Finding]:
    for end in _ends(subject):
        last = _last(end, MOVES)
        if last is not None and last.kind in DROPOUTS and getattr(last.spec, "p", 0) > 0 and not end.lacks_head:
            place, related = _pointing_at(last, subject)
            message = f"`{last.kind}` drops what the network answers"
            yield Finding(message, place, "move it before the last layer with weights, or remove it", related)


DROPOUT_AT_END: Final = Rule(
    "dropout-at-end",
    meaning="Dropout is the last layer before an output.",
    reason="In training it sets answers to 0 that the loss then compares with what is right: noise that no weight can learn "
    "from.",
    mend="Move it before the last layer with weights.",
    example="""\
data: digits
model:
  layers:
    - flatten
    - linear: ${data.num_classes}
    - dropout: 0.2
""",
    mended="""\
data: digits
model:
  layers:
    - flatten
    - dropout: 0.2
    - linear: ${data.num_classes}
""",
    check=_dropout_at_end,
)
