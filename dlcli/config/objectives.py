"""`train.loss`: one loss, or one for each output of the network, with its weight and its metrics."""

from typing import Annotated, Any, Final, Self

from pydantic import model_validator

from dlcli.config import tree
from dlcli.config.diagnostics import Report, nearest
from dlcli.config.losses import LOSSES, CrossEntropy, LossSpec
from dlcli.config.metrics import METRICS, MetricSpec, check_each_once
from dlcli.config.spec import Choice, ReadBy, Spec, dump, keys_of, read, read_choice
from dlcli.config.tree import Mapping, Node, Scalar
from dlcli.config.values import NonNegativeFloat

LOSS: Final = Choice("loss", lambda: LOSSES)


class Objective(Spec):
    """What an output is trained for: a loss, its share in the whole, and what is measured."""

    loss: Annotated[LossSpec, LOSS]
    """What is made small."""
    weight: NonNegativeFloat = 1.0
    """What the loss is multiplied by before the losses of all outputs are added."""
    metrics: Annotated[tuple[MetricSpec, ...] | None, Choice("metric", lambda: METRICS)] = None
    """What is measured of this output; without it, `train.metrics`."""

    @model_validator(mode="after")
    def _each_metric_once(self) -> Self:
        check_each_once(self.metrics or (), "metrics")
        return self


Loss = LossSpec | dict[str, Objective]


def read_loss(node: Node, report: Report) -> Loss | None:
    """`cross_entropy`, `{name: cross_entropy, ...}` or `{OUTPUT: cross_entropy, OUTPUT: {name: mse, weight: 0.3}}`."""
    if not _is_by_output(node):
        loss = read_choice(node, LOSS, report, default=CrossEntropy)
        assert loss is None or isinstance(loss, LossSpec)
        return loss
    assert isinstance(node, Mapping)
    objectives = {name: _read_objective(entry.node, name, report) for name, entry in node.entries.items()}
    known = {name: objective for name, objective in objectives.items() if objective is not None}
    return known if len(known) == len(objectives) else None


def _is_by_output(node: Node) -> bool:
    """Whether the keys are outputs, and not those of one loss: each has a loss, a name or a mapping."""
    if not isinstance(node, Mapping) or not node.entries or _is_name(node.get("name")):
        return False
    if len(node.entries) == 1 and next(iter(node.entries)) in LOSSES:  # `{mse: ...}`, as a layer is written
        return False
    return all(isinstance(entry.node, Mapping) or _is_name(entry.node) for entry in node.entries.values())


def _is_name(node: Node | None) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str)


def _read_objective(node: Node, name: str, report: Report) -> Objective | None:
    own = {key: entry for key, entry in node.entries.items() if _is_own(key)} if isinstance(node, Mapping) else {}
    loss = node.without(*own) if isinstance(node, Mapping) else node
    place = node.place
    return read(tree.Mapping({"loss": tree.Entry(place, loss), **own}, place), Objective, name, report)


_OWN: Final = ("weight", "metrics")


def _is_own(key: str) -> bool:
    """Whether a key is the objective's, perhaps misspelt, and not one of its loss."""
    return key in _OWN or (key not in _keys_of_losses() and nearest(key, [*_OWN, *_keys_of_losses()]) in _OWN)


def _keys_of_losses() -> set[str]:
    return {"name", *(key for spec in LOSSES.values() for key in keys_of(spec))}


def dump_loss(loss: Loss) -> Any:
    """What `read_loss` reads as the same."""
    if isinstance(loss, LossSpec):
        return dump(loss, with_name=True)
    return {name: _dump_objective(objective) for name, objective in loss.items()}


def _dump_objective(objective: Objective) -> dict[str, Any]:
    fields = dump(objective)
    return {**fields.pop("loss"), **fields}


LossField = Annotated[Loss, ReadBy(read_loss, dump_loss, LOSS, "outputs", Objective)]
"""The type of `train.loss`."""
