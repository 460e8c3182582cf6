"""Rules for `train`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dlcli.config import tree
from dlcli.config.data import Arrays, ImageFolder
from dlcli.config.lint.rule import Finding, Rule, Subject
from dlcli.config.schedules import Plateau
from dlcli.config.tree import Mapping, Scalar

_MAY_HAVE_VALID: Final = (Arrays.kind, ImageFolder.kind)
"""Sources that can bring validation samples of their own."""


def _source_name(subject: Subject) -> object:
    node = tree.node_at(subject.composed, ["data"])
    name = (node.get("name") or node.short) if isinstance(node, Mapping) else node
    return name.value if isinstance(name, Scalar) else None


def _monitor_without_valid(subject: Subject) -> Iterator[Finding]:
    share = tree.node_at(subject.composed, ["data", "split", "valid"])
    is_zero = isinstance(share, Scalar) and not isinstance(share.value, bool) and share.value == 0
    if not is_zero or _source_name(subject) in _MAY_HAVE_VALID:
        return
    train = tree.node_at(subject.composed, ["train"])
    watching = {
        "early_stopping": subject.train.early_stopping is not None,
        "monitor": subject.train.monitor is not None,
        "schedule": isinstance(subject.train.schedule, Plateau),
    }
    for key, watches in watching.items():
        if watches and isinstance(train, Mapping) and key in train.entries:
            what = "the schedule `plateau`" if key == "schedule" else f"`{key}`"
            message = f"{what} looks at validation samples, and there are none: the training loss decides"
            help = "keep some: `data.split.valid: 0.1`, which is what holds without `valid`"
            yield Finding(message, train.entries[key].key_place, help, (("`valid` is 0 here", share.place),))


MONITOR_WITHOUT_VALID: Final = Rule(
    "monitor-without-valid",
    meaning="Something looks at validation samples, and `data.split.valid` leaves none.",
    reason="`early_stopping`, `monitor` and the schedule `plateau` then look at the training loss, which goes on falling while "
    "the network learns its samples by heart: the training does not stop when it should.",
    mend="Keep some samples for validation, or leave out what looks at them.",
    example="""\
data: {name: digits, split: {valid: 0}}
model:
  layers:
    - flatten
    - linear: ${data.num_classes}
train:
  early_stopping: 3
""",
    mended="""\
data: {name: digits, split: {valid: 0.1}}
model:
  layers:
    - flatten
    - linear: ${data.num_classes}
train:
  early_stopping: 3
""",
    check=_monitor_without_valid,
)

_LARGEST_RATES: Final = dict.fromkeys(("adam", "adamw", "nadam", "radam", "muon"), 0.1) | {"sgd": 10.0}
"""Far above any rate in common use.

A step of Adam and its kin moves every weight by about the rate, whatever the gradient, and torch starts the weights of a layer
with n inputs below 1 / sqrt(n): at 0.1 the first step is as large as the weights of a layer with 100 inputs. A step of SGD moves
by rate times gradient; rates up to a few units are found with large batches and normalisation (Goyal et al., 2017,
arXiv:1706.02677, at most 3.2 for batches of 8,192).
"""


def _large_learning_rate(subject: Subject) -> Iterator[Finding]:
    optimizer = subject.train.optimizer
    limit = _LARGEST_RATES.get(optimizer.kind)
    if limit is not None and optimizer.lr > limit:
        place = tree.place_of(subject.composed, ["train", "optimizer", "lr"])
        message = f"a learning rate of {optimizer.lr:g} is far above what trains with `{optimizer.kind}`"
        start = type(optimizer).model_fields["lr"].default
        yield Finding(message, place, f"begin with `lr: {start:g}`, and try ten times more or less")


LARGE_LEARNING_RATE: Final = Rule(
    "large-learning-rate",
    meaning="The learning rate is above 0.1 (`adam`, `adamw`, `nadam`, `radam`, `muon`) or above 10 (`sgd`).",
    reason="A step of Adam and its kin moves every weight by about the rate, whatever the gradient: above 0.1 the first step "
    "is larger than most weights are at the start. SGD's step is in proportion to the gradient, so its limit is higher.",
    mend="Begin with the optimiser's default, and try ten times more or less.",
    example="""\
data: digits
model:
  layers:
    - flatten
    - linear: ${data.num_classes}
train:
  optimizer: {name: adam, lr: 1}
""",
    mended="""\
data: digits
model:
  layers:
    - flatten
    - linear: ${data.num_classes}
train:
  optimizer: {name: adam, lr: 1e-3}
""",
    check=_large_learning_rate,
)
