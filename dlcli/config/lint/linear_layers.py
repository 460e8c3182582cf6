"""Rules for linear maps and convolutions beside each other and before normalisations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dlcli.config.layers.convolution import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d
from dlcli.config.layers.dense import Linear
from dlcli.config.layers.normalisation import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm
from dlcli.config.lint.rule import Finding, Rule, Subject
from dlcli.config.lint.wiring import DROPOUTS, Site, Wiring
from dlcli.config.shapes import channels_of

_CONVOLUTIONS: Final = (Conv1d, Conv2d, Conv3d)


def _linear_pair(site: Site, wiring: Wiring) -> Site | None:
    """The layer before this one with which it makes one linear map that a single layer could be.

    Two layers are left alone where they are more than that: a narrow one between two wide ones is a map of low rank, shared
    weights are tied, and convolutions in groups or of a size of 1 along an axis are factors of a larger one.
    """
    before = _alone_before(site, wiring)
    if before is None or not all(map(wiring.has_own_weights, (site, before))):
        return None
    if isinstance(site.spec, Linear) and isinstance(before.spec, Linear):
        ends = (channels_of(before.node.input_shapes[0]), site.spec.out_features)
        return before if before.spec.out_features >= min(ends) else None
    if isinstance(site.spec, _CONVOLUTIONS) and isinstance(before.spec, type(site.spec)):
        whole = (spec.groups == 1 and min(spec.kernel_size) > 1 for spec in (site.spec, before.spec))
        return before if all(whole) else None
    return None


def _alone_before(site: Site, wiring: Wiring) -> Site | None:
    """What a layer reads, dropout between the two passed over, if nothing else reads any of that."""
    before = site.source
    while before is not None and before.kind in DROPOUTS and wiring.only_reader(before):
        before = before.source
    return before if before is not None and wiring.only_reader(before) else None


def _no_nonlinearity(subject: Subject) -> Iterator[Finding]:
    wiring = subject.wiring
    for site in wiring.in_every_use(lambda site: _linear_pair(site, wiring) is not None):
        before = _linear_pair(site, wiring)
        assert before is not None
        related = ((f"the `{before.kind}` before it is here", before.place),) if before.place != site.place else ()
        what = f"the two can do no more than one `{site.kind}`"
        message = f"`{site.kind}` reads `{before.kind}` with no activation between them: {what}"
        yield Finding(message, site.place, "put an activation between them, for example `- relu`", related)


NO_NONLINEARITY: Final = Rule(
    "no-nonlinearity",
    meaning="Two linear layers, or two convolutions, follow each other with no activation between them.",
    reason="A linear map of a linear map is a linear map: together they can do no more than one such layer. Not meant are maps "
    "of low rank (a narrow `linear` between wide ones), shared weights, and convolutions that are factors of a larger one "
    "(`groups`, or a kernel of size 1 along an axis).",
    mend="Put an activation between them.",
    example="""\
data: digits
model:
  layers:
    - flatten
    - linear: 64
    - linear: ${data.num_classes}
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
    check=_no_nonlinearity,
)


def _subtracting_norm(site: Site, wiring: Wiring) -> Site | None:
    """The only reader of a layer with a bias, if it subtracts the bias again and adds a shift of its own."""
    layer, reader = site.spec, wiring.only_reader(site)
    if not isinstance(layer, Linear | Conv1d | Conv2d | Conv3d | ConvTranspose1d | ConvTranspose2d) or not layer.bias:
        return None
    if reader is None or not wiring.has_own_weights(site):
        return None
    norm = reader.spec
    is_norm = isinstance(norm, BatchNorm1d | BatchNorm2d | BatchNorm3d | InstanceNorm) and norm.affine
    return reader if is_norm else None


def _bias_before_norm(subject: Subject) -> Iterator[Finding]:
    wiring = subject.wiring
    for site in wiring.in_every_use(lambda site: _subtracting_norm(site, wiring) is not None):
        norm = _subtracting_norm(site, wiring)
        assert norm is not None
        message = f"`{norm.kind}` subtracts the bias of this `{site.kind}` again, and has one of its own"
        yield Finding(message, site.place, "write `bias: false`", ((f"`{norm.kind}` is here", norm.place),))


BIAS_BEFORE_NORM: Final = Rule(
    "bias-before-norm",
    meaning="A layer with a bias stands right before a normalisation that subtracts it.",
    reason="`batch_norm` and `instance_norm` subtract the mean of each channel, and the bias is a part of that mean: it has no "
    "effect and its gradient is 0, but it takes memory and time. The normalisation adds a shift of its own. `layer_norm` and "
    "`group_norm` are another matter: their means are over several channels.",
    mend="Write `bias: false`; the network computes the same.",
    example="""\
data: digits
model:
  layers:
    - conv2d: {out_channels: 8, kernel_size: 3}
    - batch_norm2d
    - relu
    - flatten
    - linear: ${data.num_classes}
""",
    mended="""\
data: digits
model:
  layers:
    - conv2d: {out_channels: 8, kernel_size: 3, bias: false}
    - batch_norm2d
    - relu
    - flatten
    - linear: ${data.num_classes}
""",
    check=_bias_before_norm,
)
