"""Graphs from YAML, for tests that need a few layers and no whole config."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

from dlcli.config import yaml_source
from dlcli.config.diagnostics import Report, Source
from dlcli.config.facts import INPUT
from dlcli.config.graph import Graph
from dlcli.config.graph_reader import Vocabulary, read_graph
from dlcli.config.shapes import Shape


def read_layers(text: str, shape: Shape | Mapping[str, Shape]) -> Graph:
    """The graph of a list of layers that reads samples of this shape, or of several inputs by their names."""
    report = Report()
    node = yaml_source.parse(Source("layers.yaml", dedent(text)), report)
    assert node is not None
    graph = read_graph(node, shape if isinstance(shape, Mapping) else {INPUT: shape}, Vocabulary(report))
    report.raise_if_any()
    assert graph is not None
    return graph
