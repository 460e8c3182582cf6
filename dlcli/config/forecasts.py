"""Whether a network that undoes its normalisation forecasts the columns that it normalised."""

from __future__ import annotations

from dlcli.config.data import Csv, DataSpec
from dlcli.config.diagnostics import Report
from dlcli.config.facts import DataFacts
from dlcli.config.graph import Graph
from dlcli.config.layers.nesting import ReversibleNorm
from dlcli.config.shapes import channels_of


def check_forecasts(graph: Graph, data: DataSpec, facts: DataFacts, report: Report) -> None:
    """Reports a `reversible_norm` whose output would be scaled back as other columns than those it read.

    Args:
        graph: the network.
        data: its source.
        facts: what is known of it.
        report: where mistakes are recorded.
    """
    if not isinstance(data, Csv) or data.window is None or facts.target.num_targets is None:
        return
    columns = facts.target.num_targets // data.horizon
    for node in graph.nodes:
        if not isinstance(node.spec, ReversibleNorm) or node.name not in graph.outputs or node.inputs[0] not in graph.inputs:
            continue
        features = channels_of(node.input_shapes[0])
        same = not isinstance(data.target, tuple) or data.features is None or data.target == data.features
        if features != columns or not same:
            found = f"`reversible_norm` scales its output back as the features that it reads ({features})"
            help = "predict what is read: `target: all`, without `date_features`; or put no `reversible_norm` around it"
            report.error("head", f"{found}, and the columns to predict ({columns}) are others", node.place, help=help)
