"""The rule for activations that follow one another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dlcli.config.layers.activation import LogSoftmax, Softmax
from dlcli.config.lint.rule import Finding, Rule, Subject
from dlcli.config.lint.wiring import ACTIVATIONS, DROPOUTS, MOVES, POOLINGS, Site

_NEVER_NEGATIVE: Final = frozenset(("relu", "relu6", "sigmoid", "softmax", "softplus"))
_KEEPS_POSITIVE: Final = frozenset(("relu", "leaky_relu", "prelu"))
"""Activations that leave what is not negative as it is."""


def _without_effect(site: Site) -> Site | None:
    """The activation that leaves nothing for this one to do."""
    before = site.behind(DROPOUTS | MOVES | POOLINGS) if site.kind in _KEEPS_POSITIVE else None
    return before if before is not None and before.kind in _NEVER_NEGATIVE else None


def _applied_twice(site: Site) -> Site | None:
    """The same activation right before this one."""
    before = site.source
    if before is None or site.kind not in ACTIVATIONS or before.kind != site.kind:
        return None
    return before if _axis(before) == _axis(site) else None


def _axis(site: Site) -> int | None:
    """Along which axis it goes, if it is not for each value by itself."""
    return site.spec.resolved_dim(site.node.input_shapes[0]) if isinstance(site.spec, Softmax | LogSoftmax) else None


def _repeated_activation(subject: Subject) -> Iterator[Finding]:
    for site in subject.wiring.in_every_use(lambda site: bool(_without_effect(site) or _applied_twice(site))):
        before = _without_effect(site) or _applied_twice(site)
        assert before is not None
        effect = "does nothing there" if _without_effect(site) else "is applied twice"
        related = ((f"`{before.kind}` is here", before.place),) if before.place != site.place else ()
        help = f"remove this `{site.kind}`" if related else "remove `repeat`"
        yield Finding(f"`{site.kind}` reads what went through `{before.kind}`, and {effect}", site.place, help, related)


REPEATED_ACTIVATION: Final = Rule(
    "repeated-activation",
    meaning="An activation reads an activation: the same once more, or one that has nothing left to do.",
    reason="`relu` behind `relu`, `sigmoid`, `softmax` or `softplus` changes nothing, since nothing is negative there; `tanh` "
    "of `tanh` only flattens the values further. Most often the activation was already a part of the layer in the text that "
    "was copied.",
    mend="Remove the second one.",
    example="""\
data: digits
model:
  layers:
    - conv2d: {out_channels: 8, kernel_size: 3}
    - relu
    - relu
    - flatten
    - linear: ${data.num_classes}
""",
    mended="""\
data: digits
model:
  layers:
    - conv2d: {out_channels: 8, kernel_size: 3}
    - relu
    - flatten
    - linear: ${data.num_classes}
""",
    check=_repeated_activation,
)
