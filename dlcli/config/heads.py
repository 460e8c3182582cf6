"""Whether the network's outputs, the losses, the metrics and the data fit together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

from dlcli.config import tree
from dlcli.config.diagnostics import Place, Report, did_you_mean, one_of
from dlcli.config.facts import DataFacts, Target
from dlcli.config.graph import Graph, LayerNode, all_nodes
from dlcli.config.losses import BinaryCrossEntropy, CrossEntropy, LossSpec
from dlcli.config.metrics import METRICS, MetricSpec, TopK
from dlcli.config.shapes import Sequence, Shape, Size, Vector, at_steps, channels_of, fixed_sizes
from dlcli.config.training import TrainSpec
from dlcli.config.tree import Mapping


@dataclass(frozen=True)
class _Head:
    """One output of the network and what it is judged by.

    Attributes:
        shape: of the output.
        place: of its layer.
        kind: of its layer.
        target: what it is compared with.
        loss: how.
        metrics: what is measured, with the place of each.
        loss_path: where the loss stands in the config.
        fact: what `${...}` calls the target: `data.` or `data.NAME.`.
        time: the steps of the data, where the target has an answer for each of them.
    """

    shape: Shape
    place: Place
    kind: str
    target: Target
    loss: LossSpec
    metrics: tuple[tuple[MetricSpec, Place], ...]
    loss_path: tuple[str, ...]
    fact: str
    time: Size | None


def check_heads(graph: Graph, facts: DataFacts, train: TrainSpec, composed: Mapping, report: Report) -> TrainSpec | None:
    """Reports what does not fit.

    Args:
        graph: the network.
        facts: its data.
        train: as it is written.
        composed: the config, for places.
        report: where mistakes are recorded.

    Returns:
        The training with one objective for each output, or None where its losses are not for these outputs.
    """
    if isinstance(train.loss, dict) and not _names_outputs(train.loss, graph, composed, report):
        return None
    full = train.for_outputs(graph.outputs)
    for output in graph.outputs:
        head = _head(output, graph, facts, full, composed)
        if head is None:
            help = f"the data has the targets {', '.join(f'`{name}`' for name in facts.targets)}: name the layer so"
            report.error("head", f"the data has no target `{output}`", graph.node(output).place, help=help)
        elif _check_kind(head, composed, report):
            _check_output(head, composed, report)
            _check_metrics(head, report)
    _check_weight(train, graph, composed, report)
    _check_sum(full, composed, report)
    _check_monitor(full, composed, report)
    _check_batch_norm(graph, train, composed, report)
    return full


def _names_outputs(losses: Collection[str], graph: Graph, composed: Mapping, report: Report) -> bool:
    node = tree.node_at(composed, ["train", "loss"])
    for name in sorted(set(losses) - set(graph.outputs)):
        place = node.entries[name].key_place if isinstance(node, Mapping) and name in node.entries else composed.place
        report.error("unknown-name", f"the network has no output `{name}`", place, help=did_you_mean(name, graph.outputs))
    for name in sorted(set(graph.outputs) - set(losses)):
        place = tree.place_of(composed, ["train", "loss"])
        report.error("missing-key", f"the output `{name}` has no loss", place, help=f"add `{name}:` with a loss")
    return set(losses) == set(graph.outputs)


def _head(output: str, graph: Graph, facts: DataFacts, train: TrainSpec, composed: Mapping) -> _Head | None:
    target = facts.target_of(output)
    if target is None:
        return None
    objective, path = train.objective_of(output), ["train", "loss"]
    losses = tree.node_at(composed, path)
    own = losses.get(output) if isinstance(losses, Mapping) else None
    path += [output] if own is not None else []
    metrics_path = [*path, "metrics"] if isinstance(own, Mapping) and own.get("metrics") else ["train", "metrics"]
    metrics = objective.metrics or ()
    placed = tuple((metric, tree.place_of(composed, [*metrics_path, index])) for index, metric in enumerate(metrics))
    fact = f"data.{output}." if len(facts.targets) > 1 else "data."
    times = [shape.time for shape in facts.inputs.values() if isinstance(shape, Sequence)]
    node = graph.node(output)
    return _Head(
        shape=node.output_shape,
        place=node.place,
        kind=node.spec.kind,
        target=target,
        loss=objective.loss,
        metrics=placed,
        loss_path=tuple(path),
        fact=fact,
        time=times[0] if times else None,
    )


def _check_kind(head: _Head, composed: Mapping, report: Report) -> bool:
    """Whether the loss is for classes where there are classes, and for values where there are values."""
    place = tree.place_of(composed, head.loss_path)
    loss, target = head.loss, head.target
    if loss.judges == "classes":
        if target.num_classes is not None:
            return True
        help = "use mse, l1, huber or binary_cross_entropy, or give the classes as whole numbers"
        report.error("head", f"`{loss.kind}` needs classes, and the data has values to predict", place, help=help)
        return False
    if target.num_targets is not None or (loss.judges == "labels" and target.num_classes == 2):
        return True
    help = "use cross_entropy, or give the targets as numbers with a fraction (float)"
    report.error("head", f"`{loss.kind}` needs values to predict, and the data has classes", place, help=help)
    return False


def _check_output(head: _Head, composed: Mapping, report: Report) -> None:
    """Whether the output has the sizes that the target asks for."""
    is_classification = head.loss.judges == "classes"
    needed = head.target.num_classes if is_classification else head.target.num_targets or 1
    assert needed is not None
    what = "classes" if is_classification else "values to predict"
    shape = head.shape
    if not head.target.per_step and isinstance(shape, Sequence) and isinstance(shape.item, Vector):
        help = "does the last recurrent layer need `return: last`?"
        report.error("head", f"the data has one answer for each sample, and the network gives {shape}", head.place, help=help)
        return
    if head.target.per_step:
        if not isinstance(shape, Sequence) or shape.time != head.time:
            message = f"the data has an answer for each of {head.time} steps, and the network gives {shape}"
            report.error("head", message, head.place, help="does the last recurrent layer need `return: sequence`?")
            return
        shape = shape.item
    fact = "num_classes" if is_classification else "num_targets"
    end = f"${{{head.fact}{fact}}}" if head.target.num_targets or is_classification else "1"
    if not isinstance(shape, Vector):
        help = f"end with `- flatten` and `- linear: {needed}`"
        report.error("head", f"the data has {needed} {what}, and the network gives {head.shape}", head.place, help=help)
    elif shape.features < needed or (not is_classification and shape.features != needed):
        message = f"the data has {needed} {what}, and the network gives {shape.features}"
        help = f"{'write' if head.kind == 'linear' else 'end with'} `- linear: {end}`"
        report.error("head", message, head.place, help=help)
    else:
        _check_weights(shape, head, composed, report)


def _check_metrics(head: _Head, report: Report) -> None:
    judged = "values" if head.loss.judges == "values" else "classes"
    classes = head.target.num_classes
    for metric, place in head.metrics:
        if metric.judges != judged:
            fitting = [name for name, spec in METRICS.items() if spec.judges == judged]
            report.error("head", f"`{metric.kind}` judges {metric.judges}, and the loss {judged}", place, help=one_of(fitting))
        elif isinstance(metric, TopK) and head.loss.judges == "labels":
            report.error("head", f"`top_k` ranks classes, and `{head.loss.kind}` has yes-or-no labels", place)
        elif isinstance(metric, TopK) and (classes or 1) < metric.k:
            report.error("head", f"`top_k` looks at {metric.k} classes, and the data has {classes or 'none'}", place)


def _check_weights(output: Vector, head: _Head, composed: Mapping, report: Report) -> None:
    """Whether the loss has one weight for each score."""
    key, weights = "", None
    if isinstance(head.loss, CrossEntropy):
        key, weights = "class_weights", head.loss.class_weights
    elif isinstance(head.loss, BinaryCrossEntropy):
        key, weights = "pos_weight", head.loss.pos_weight
    if weights is not None and len(weights) != output.features:
        place = tree.place_of(composed, [*head.loss_path, key])
        report.error("head", f"`{key}` has {len(weights)} numbers, and the network gives {output.features} scores", place)


def _check_weight(train: TrainSpec, graph: Graph, composed: Mapping, report: Report) -> None:
    """The weight of the only loss would do nothing but scale the learning rate."""
    if isinstance(train.loss, dict) and len(graph.outputs) == 1 and train.loss[graph.outputs[0]].weight != 1:
        place = tree.place_of(composed, ["train", "loss", graph.outputs[0], "weight"])
        message = "the network has one output, and its loss a `weight`, which is a share among several"
        report.error("value", message, place, help="remove it, or name more outputs in `model.outputs`")


def _check_sum(train: TrainSpec, composed: Mapping, report: Report) -> None:
    """Nothing can be learnt where no output counts."""
    if isinstance(train.loss, dict) and not any(objective.weight for objective in train.loss.values()):
        place = tree.place_of(composed, ["train", "loss"])
        report.error("value", "the losses of all outputs have a weight of 0", place, help="give one of them a `weight` above 0")


def _check_monitor(train: TrainSpec, composed: Mapping, report: Report) -> None:
    if train.monitor is None or train.monitor in ("loss", *train.measured):
        return
    known = ["loss", *train.measured]
    message = f"`monitor` is '{train.monitor}', and what is measured is: {', '.join(known)}"
    place = tree.place_of(composed, ["train", "monitor"])
    of_outputs = [name for name in known if name.rpartition("/")[2] == train.monitor]
    report.error("value", message, place, help=did_you_mean(train.monitor, of_outputs[:1] or known))


def _check_batch_norm(graph: Graph, train: TrainSpec, composed: Mapping, report: Report) -> None:
    """Whether batches are large enough for what is normalised over them."""
    node = needing_larger_batches(graph) if train.batch_size == 1 else None
    if node is not None:
        place = tree.place_of(composed, ["train", "batch_size"])
        message = f"`{node.spec.kind}` (line {node.place.line}) has one value of each channel in a batch of 1"
        report.error("range", message, place, help="use larger batches, or `layer_norm`")


def needing_larger_batches(graph: Graph) -> LayerNode | None:
    """The first `batch_norm` that has one value of each channel in a batch of one sample, from which it can't learn."""
    for node, steps in all_nodes(graph, unknown=2):
        if node.spec.kind.startswith("batch_norm") and steps * _values_of_channel(node.input_shapes[0]) == 1:
            return node
    return None


def _values_of_channel(shape: Shape) -> int:
    """How many values of a channel a sample has; of sequences whose length is not known, more than one."""
    sizes = fixed_sizes(at_steps(shape, 2))
    return prod(sizes) // channels_of(shape)
