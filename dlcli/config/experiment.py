"""A whole config: composed, interpolated, read, every shape inferred, and written out again in full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Annotated, Any, Final

import yaml

from dlcli.config import tree
from dlcli.config.data import SOURCES, DataSpec
from dlcli.config.diagnostics import Report, did_you_mean, one_of
from dlcli.config.facts import DataFacts
from dlcli.config.graph import Graph, read_graph
from dlcli.config.initialisation import Init
from dlcli.config.interpolation import UNKNOWN, interpolate
from dlcli.config.losses import BinaryCrossEntropy, CrossEntropy
from dlcli.config.metrics import METRICS, TopK
from dlcli.config.shapes import Sequence, Vector, window_sizes
from dlcli.config.spec import Choice, RawNode, Spec, dump, near_enough, read, read_choice
from dlcli.config.training import TrainSpec
from dlcli.config.tree import Mapping, Node, Scalar, describe
from dlcli.config.yaml_source import resolve as resolve_scalar
from dlcli.errors import DataError

SECTIONS: Final = ("extends", "vars", "data", "model", "train")

RESERVED_NAMES: Final[frozenset[str]] = frozenset(
    [
        "T_destination",
        "add_module",
        "apply",
        "bfloat16",
        "buffers",
        "call_super_init",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "eval",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "graph",
        "half",
        "ipu",
        "load_state_dict",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "xpu",
        "zero_grad",
    ]
)
"""Names that a torch module already uses for itself."""

_DATA: Final = Choice("data source", lambda: SOURCES)


class ModelSpec(Spec):
    """The network."""

    layers: Annotated[Any, RawNode]
    """The layers, from the input to the output."""
    init: Init = None
    """How weights start, for layers that don't say."""


@dataclass(frozen=True)
class Experiment:
    """All that a run needs to know."""

    data: DataSpec
    facts: DataFacts
    init: Init
    graph: Graph
    train: TrainSpec

    def resolved(self) -> dict[str, Any]:
        """The config with nothing left to infer: it gives this experiment again."""
        init = dump(self.init, with_name=True) if self.init is not None else None
        return {
            "data": dump(self.data, with_name=True),
            "model": {"init": init, "layers": self.graph.as_entries()},
            "train": dump(self.train),
        }


def read_data(composed: Mapping) -> DataSpec:
    """The data section alone, which is all that can be read before anything is known of the data.

    Raises:
        ConfigError: it has mistakes.
    """
    report = Report()
    spec = _data_spec(composed, _variables(composed, report), report)
    report.raise_if_any()
    assert spec is not None
    return spec


def resolve(composed: Mapping, facts_of: Callable[[DataSpec], DataFacts]) -> Experiment:
    """Reads a composed config.

    Args:
        composed: the tree from `compose.load`.
        facts_of: what is known of a source's data; called once the data section has no mistakes.

    Raises:
        ConfigError: with every mistake of the config.
        DataError: from `facts_of`, where the config has no mistake.
    """
    report = Report()
    _check_sections(composed, report)
    variables = _variables(composed, report)
    data = _data_spec(composed, variables, report)
    facts, missing = None, None
    try:
        facts = facts_of(data) if data is not None else None
    except DataError as error:  # mistakes of the config come first, and all at once
        missing = error
    names = variables | (facts.names() if facts else _unknown_facts())
    train = read(_section(composed, "train", names, report) or Mapping({}, composed.place), TrainSpec, "train", report)
    section = _section(composed, "model", names, report)
    model = read(section, ModelSpec, "model", report) if section else None
    layers = section.get("layers") if isinstance(section, Mapping) else None
    graph = read_graph(layers, facts.input if facts else None, RESERVED_NAMES, report) if layers else None
    if graph and facts and train:
        _check_head(graph, facts, train, composed, report)
    report.raise_if_any()
    if missing is not None:
        raise missing
    assert data is not None
    assert facts is not None
    assert train is not None
    assert model is not None
    assert graph is not None
    return Experiment(data, facts, model.init, graph, train)


def _section(composed: Mapping, key: str, names: dict[str, object], report: Report) -> Node | None:
    node = composed.get(key)
    return interpolate(node, names, report) if node is not None else None


def as_yaml(config: dict[str, Any]) -> str:
    """Plain values as YAML that reads back as the same values."""
    return yaml.dump(config, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes what would otherwise read back as something else."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(resolve_scalar(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _check_sections(composed: Mapping, report: Report) -> None:
    for key, entry in composed.entries.items():
        if key not in SECTIONS:
            report.error("unknown-key", f"a config has no key `{key}`", entry.key_place, help=did_you_mean(key, SECTIONS))
    for key in ("data", "model"):
        if key not in composed.entries and not any(near_enough(wrong, key) for wrong in composed.entries):
            report.error("missing-key", f"the config has no `{key}`", composed.place, help=_EXAMPLES[key])


_EXAMPLES: Final = {
    "data": "for example `data: {name: mnist, fallback: digits}`",
    "model": "for example `model: {layers: [flatten, {linear: '${data.num_classes}'}]}`",
}


def _variables(composed: Mapping, report: Report) -> dict[str, object]:
    """`vars.NAME` -> value; a variable may use those above it."""
    node = composed.get("vars")
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return {}
    if not isinstance(node, Mapping):
        report.error("type", f"`vars` takes a mapping of names and values, not {describe(node)}", node.place)
        return {}
    values: dict[str, object] = {}
    for key, entry in node.entries.items():
        value = interpolate(entry.node, values, report)
        if isinstance(value, Scalar):
            values[f"vars.{key}"] = value.value
        else:
            report.error("type", f"a variable is a number or a text, not {describe(value)}", value.place)
    return values


def _data_spec(composed: Mapping, variables: dict[str, object], report: Report) -> DataSpec | None:
    node = composed.get("data")
    if node is None:
        return None
    before = len(report.diagnostics)
    spec = read_choice(interpolate(node, variables, report), _DATA, report)
    assert spec is None or isinstance(spec, DataSpec)
    return spec.inheriting() if spec and len(report.diagnostics) == before else None


def _unknown_facts() -> dict[str, object]:
    """What each fact is while the data section has mistakes, so that the rest of a config can be checked."""
    names = ("num_classes", "num_targets", "time_steps", "channels", "height", "width", "vocabulary_size", "num_features")
    return {f"data.{name}": UNKNOWN for name in names}


def _check_head(graph: Graph, facts: DataFacts, train: TrainSpec, composed: Mapping, report: Report) -> None:
    """Whether output, loss, metrics and data fit together."""
    loss_place = tree.place_of(composed, ["train", "loss"])
    output, place = graph.output_shape, graph.nodes[-1].place
    is_classification = isinstance(train.loss, CrossEntropy)
    is_yes_or_no = isinstance(train.loss, BinaryCrossEntropy)
    if is_classification and facts.num_classes is None:
        help = "use mse, l1, huber or binary_cross_entropy, or give the classes as whole numbers"
        report.error("head", "`cross_entropy` needs classes, and the data has values to predict", loss_place, help=help)
        return
    if not is_classification and facts.num_targets is None and not (is_yes_or_no and facts.num_classes == 2):
        help = "use cross_entropy, or give the targets as numbers with a fraction (float)"
        report.error("head", f"`{train.loss.kind}` needs values to predict, and the data has classes", loss_place, help=help)
        return
    needed = facts.num_classes if is_classification else facts.num_targets or 1
    assert needed is not None
    what = "classes" if is_classification else "values to predict"
    if isinstance(output, Sequence) and isinstance(output.item, Vector):
        help = "does the last recurrent layer need `return: last`?"
        report.error("head", f"the data has one answer for each sample, and the network gives {output}", place, help=help)
    elif not isinstance(output, Vector):
        help = f"end with `- flatten` and `- linear: {needed}`"
        report.error("head", f"the data has {needed} {what}, and the network gives {output}", place, help=help)
    elif output.features < needed or (not is_classification and output.features != needed):
        name = "num_classes" if is_classification else "num_targets"
        help = f"end with `- linear: ${{data.{name}}}`" if facts.num_targets or is_classification else "end with `- linear: 1`"
        report.error("head", f"the data has {needed} {what}, and the network gives {output.features}", place, help=help)
    else:
        _check_weights(output, train, composed, report)
    _check_metrics(facts, train, composed, report)
    _check_batch_norm(graph, train, composed, report)


def _check_metrics(facts: DataFacts, train: TrainSpec, composed: Mapping, report: Report) -> None:
    judged = "classes" if isinstance(train.loss, CrossEntropy | BinaryCrossEntropy) else "values"
    for index, metric in enumerate(train.metrics):
        place = tree.place_of(composed, ["train", "metrics", index])
        if metric.judges != judged:
            fitting = [name for name, spec in METRICS.items() if spec.judges == judged]
            report.error("head", f"`{metric.kind}` judges {metric.judges}, and the loss {judged}", place, help=one_of(fitting))
        elif isinstance(metric, TopK) and isinstance(train.loss, BinaryCrossEntropy):
            report.error("head", "`top_k` ranks classes, and `binary_cross_entropy` has yes-or-no labels", place)
        elif isinstance(metric, TopK) and (facts.num_classes or 1) < metric.k:
            report.error("head", f"`top_k` looks at {metric.k} classes, and the data has {facts.num_classes or 'none'}", place)


def _check_weights(output: Vector, train: TrainSpec, composed: Mapping, report: Report) -> None:
    """Whether the loss has one weight for each score."""
    key, weights = "", None
    if isinstance(train.loss, CrossEntropy):
        key, weights = "class_weights", train.loss.class_weights
    elif isinstance(train.loss, BinaryCrossEntropy):
        key, weights = "pos_weight", train.loss.pos_weight
    if weights is not None and len(weights) != output.features:
        place = tree.place_of(composed, ["train", "loss", key])
        report.error("head", f"`{key}` has {len(weights)} numbers, and the network gives {output.features} scores", place)


def _check_batch_norm(graph: Graph, train: TrainSpec, composed: Mapping, report: Report) -> None:
    """Whether batches are large enough for what is normalised over them."""
    for node in graph.nodes:
        values = prod(window_sizes(node.input_shapes[0])) if not isinstance(node.input_shapes[0], Vector) else 1
        if train.batch_size == 1 and node.spec.kind.startswith("batch_norm") and values == 1:
            place = tree.place_of(composed, ["train", "batch_size"])
            message = f"`{node.spec.kind}` (line {node.place.line}) has one value of each channel in a batch of 1"
            report.error("range", message, place, help="use larger batches, or `layer_norm`")
            return
