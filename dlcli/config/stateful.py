"""Whether a state can be carried from batch to batch, where `train.stateful` asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dlcli.config import tree
from dlcli.config.data.base import DataSpec
from dlcli.config.diagnostics import Place, Report
from dlcli.config.graph import Graph, LayerNode
from dlcli.config.layers.nesting import TimeDistributed
from dlcli.config.layers.recurrent import Recurrent
from dlcli.config.training import TrainSpec
from dlcli.config.tree import Mapping

_STATELESS = "carry no state (`stateful: false`)"


def check_stateful(graph: Graph, data: DataSpec, train: TrainSpec, composed: Mapping, report: Report) -> None:
    """Reports what leaves no one state for each row of a batch to go on from.

    Args:
        graph: the network.
        data: its source, with the fallbacks.
        train: says whether anything is carried.
        composed: the config, for places.
        report: where mistakes are recorded.
    """
    if not train.stateful:
        return
    _check_layers(graph, tree.place_of(composed, ["train", "stateful"]), report)
    path, source = ["data"], data
    while _fits(source, path, composed, report) and source.fallback is not None:
        path, source = [*path, "fallback"], source.fallback


def _check_layers(graph: Graph, place: Place, report: Report) -> None:
    uses = [*_uses(graph)]
    if not uses:
        message = "`stateful` carries the state of recurrent layers, and the network has none"
        report.error("value", message, place, help="leave `stateful` out")
    for use in uses:
        name, spec = use.node.name, use.node.spec
        assert isinstance(spec, Recurrent)
        if spec.bidirectional and use.shares is None:
            message = f"`{name}` is bidirectional, and `stateful` would have it read what comes first last"
            report.error("value", message, use.node.place, help=f"leave out its `bidirectional`, or {_STATELESS}")
        if use.shares is not None:
            message = f"`{use.shares.shares}` runs a second time here, and `stateful` has one state for each recurrent layer"
            report.error("value", message, use.shares.place, help=f"give each place a layer of its own, or {_STATELESS}")
        if use.over_steps:
            message = f"`{name}` reads each step of a sample by itself, and `stateful` carries a state over all of them"
            report.error("value", message, use.node.place, help=f"put it outside of `time_distributed`, or {_STATELESS}")


def _fits(source: DataSpec, path: list[str], composed: Mapping, report: Report) -> bool:
    """Whether the samples are one long sequence, read once an epoch."""
    if not source.is_one_sequence:
        message = f"the samples of `{source.kind}` don't follow one another, and `stateful` carries a state from one to the next"
        place = tree.place_of(composed, path)
        report.error("value", message, place, help=f"use data that is one long sequence (`text`), or {_STATELESS}")
    elif source.repeat > 1:
        message = f"`repeat` is {source.repeat}, and with `stateful` an epoch goes over its one long sequence once"
        place = tree.place_of(composed, [*path, "repeat"])
        report.error("value", message, place, help="leave `repeat` out, and train for more `epochs`")
    return source.is_one_sequence and source.repeat == 1


class _Use(NamedTuple):
    """A recurrent layer where it runs."""

    node: LayerNode
    over_steps: bool
    """Whether it stands inside of `time_distributed`."""
    shares: LayerNode | None
    """The entry that uses it, or a nesting around it, once more."""


def _uses(graph: Graph, *, over_steps: bool = False, shares: LayerNode | None = None) -> Iterator[_Use]:
    """Of every recurrent layer, those of nestings included."""
    for node in graph.nodes:
        around = shares or (node if node.shares is not None else None)
        if isinstance(node.spec, Recurrent):
            yield _Use(node, over_steps, around)
        elif node.body is not None:
            inside = over_steps or isinstance(node.spec, TimeDistributed)
            yield from _uses(node.body, over_steps=inside, shares=around)
