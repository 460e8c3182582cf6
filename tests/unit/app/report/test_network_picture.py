"""Networks as pictures: every layer is told, every connection drawn, and boxes don't lie on each other."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dlcli.app.configs import read_experiment
from dlcli.app.report.network_layout import chains, laid_out
from dlcli.app.report.network_picture import network_figure
from dlcli.config.graph import Graph
from dlcli.config.shapes import Image, Vector
from tests.integration.conftest import CONFIGS
from tests.unit.app.pages.markup import Markup
from tests.unit.models.graphs import read_layers

SVG = "{http://www.w3.org/2000/svg}"
PICTURE = Image(1, 16, 16)


def graph(layers: str) -> Graph:
    return read_layers(layers, PICTURE)


def zoo() -> list[Path]:
    return sorted(CONFIGS.rglob("*.yaml"))


@pytest.mark.parametrize("config", zoo(), ids=lambda path: path.stem)
def test_every_shipped_network_has_a_picture(config: Path) -> None:
    """Well-formed; boxes lie inside of it and not on each other; a line for each that a chain reads."""
    graph = read_experiment(config, (), None).graph
    found = network_figure(graph)
    assert found is not None
    root = ET.fromstring(found.svg)  # noqa: S314 - our own
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    boxes = [tuple(float(box.attrib[name]) for name in ("x", "y", "width", "height")) for box in root.iter(f"{SVG}rect")]
    for x, y, wide, high in boxes:
        assert x >= 0
        assert x + wide <= width
        assert y >= 0
        assert y + high <= height
    for place, (x, y, wide, high) in enumerate(boxes):
        for other_x, other_y, other_wide, other_high in boxes[place + 1 :]:
            apart = x + wide <= other_x or other_x + other_wide <= x or y + high <= other_y or other_y + other_high <= y
            assert apart
    assert Markup(found.svg).odd == []


def test_a_chain_is_one_box() -> None:
    """With a line for each layer, and the size of what it gives."""
    found = network_figure(graph("[conv2d: {out_channels: 4, kernel_size: 3}, relu, flatten, linear: 5]"))
    assert found is not None
    text = Markup(found.svg).text.replace("\N{MULTIPLICATION SIGN}", " x ").split("\n")
    told = [line.strip() for line in text if line.strip()]
    assert told == ["input", "1 x 16 x 16", "conv2d", "4 x 14 x 14", "relu", "4 x 14 x 14", "flatten", "784", "linear", "5"]
    assert found.svg.count("<rect") == 2
    assert [row[0] for row in found.numbers[1:]] == ["conv2d_1", "relu_1", "flatten_1", "linear_1"]


def test_of_a_long_chain_the_middle_is_told_together() -> None:
    """How many of what there are."""
    layers = ", ".join(["conv2d: {out_channels: 2, kernel_size: 1}", "relu"] * 20)
    found = network_figure(graph(f"[{layers}]"))
    assert found is not None
    assert "... 14 conv2d, 14 relu ..." in Markup(found.svg).text


def test_branches_stand_side_by_side_and_meet_again() -> None:
    """Each line leads from what is read to what reads it; one that passes a rank goes around its boxes."""
    split = graph(
        "[flatten, linear: {out_features: 4, name: left}, relu: {name: long}, linear: {out_features: 4, name: longer},"
        " linear: {out_features: 4, name: right, from: flatten_1}, add: [longer, right], add: {from: [add_1, flat], name: end}]"
        .replace("add_1, flat", "add_1, right")
    )  # fmt: skip
    found = chains(split)
    assert [chain.name for chain in found] == ["input", "flatten_1", "longer", "right", "add_1", "end"]
    assert [[source.name for source in chain.sources] for chain in found] == [
        [], ["input"], ["flatten_1"], ["flatten_1"], ["longer", "right"], ["add_1", "right"],
    ]  # fmt: skip
    layout = laid_out(found)
    for line in layout.lines:
        ranks = [next(number for number, rank in enumerate(layout.ranks) if place in rank) for place in line]
        assert ranks == list(range(ranks[0], ranks[-1] + 1))
    picture = network_figure(split)
    assert picture is not None
    assert picture.svg.count('fill="none"') == sum(len(chain.sources) for chain in found)


def test_outputs_end_their_chain() -> None:
    """Also where a layer reads on from one: it is told where each comes from."""
    two = Graph(
        {"input": Vector(3)},
        graph("[flatten, linear: {out_features: 3, name: early}, relu, linear: {out_features: 2, name: late}]").nodes,
        ("early", "late"),
    )
    picture = network_figure(two)
    assert picture is not None
    assert "output early" in Markup(picture.svg).text
    assert "output late" in Markup(picture.svg).text


def test_a_network_inside_of_one_layer_is_shown_itself() -> None:
    """Else there would be one box that says nothing."""
    found = network_figure(graph("[sequential: [flatten, linear: 4, relu]]"))
    assert found is not None
    assert "linear" in Markup(found.svg).text
    assert "inside of sequential" in found.reading


def test_nested_layers_are_counted() -> None:
    """A block beside others is one line."""
    found = network_figure(graph("[flatten, sequential: [linear: 4, relu], linear: 2]"))
    assert found is not None
    assert "sequential (2 layers)" in Markup(found.svg).text


def test_what_can_not_be_taken_in_has_no_picture() -> None:
    """A network with very many branches; as a table it is there all the same."""
    layers = "[flatten, " + ", ".join(f"linear: {{out_features: 4, from: flatten_1, name: b{number}}}" for number in range(80))
    joined = ", ".join(f"b{number}" for number in range(80))
    assert network_figure(graph(f"{layers}, add: [{joined}]]")) is None


def test_shared_layers_say_whose_weights_they_have() -> None:
    """And not that they have some of their own."""
    found = network_figure(graph("[flatten, linear: {out_features: 256, name: twice}, relu, share: twice]"))
    assert found is not None
    assert "share of twice" in Markup(found.svg).text
    assert re.search(r"share_1", str(found.numbers))
