"""A network as a picture: a box for each chain of layers, a line in it for each layer, arrows between the boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

from dlcli.app.pages.figures import Figure, Rows, label, opening
from dlcli.app.report.network_layout import Chain, Key, Layout, Place, chains, laid_out
from dlcli.app.summary import sizes_text, type_of
from dlcli.config.graph import Graph, LayerNode
from dlcli.config.shapes import Shape

_ROW: Final = 14.0
_PADDING: Final = 6.0
_LETTER: Final = 5.9
"""Points that a letter of 9 points takes on average."""
_BETWEEN: Final = 16.0
"""Points between two boxes side by side."""
_BEND: Final = 10.0
_GAP: Final = 26.0
"""Points between two ranks."""
_MARGIN: Final = 4.0
_MOST_CHAINS: Final = 60
_MOST_ROWS: Final = 14
"""Layers of a box: of more, those in the middle are told together."""
_LEAST_WIDTH: Final = 70.0


@dataclass
class _Box:
    """A chain with its lines, and where it stands."""

    rows: list[tuple[str, str]]
    is_plain: bool
    """Whether it is an input or an output and no layer."""
    x: float = 0.0
    y: float = 0.0

    @property
    def width(self) -> float:
        widest = max(len(left) + len(right) + (2 if right else 0) for left, right in self.rows)
        return max(_LEAST_WIDTH, widest * _LETTER + 2 * _PADDING)

    @property
    def height(self) -> float:
        return len(self.rows) * _ROW + _PADDING


@dataclass(frozen=True)
class _Bend:
    """Where a line passes a rank: straight down, beside the boxes."""

    x: float
    top: float
    bottom: float


def network_figure(graph: Graph) -> Figure | None:
    """The picture; None where the network has more branches than one can take in."""
    inside = ""
    while len(graph.nodes) == 1 and graph.nodes[0].body is not None and graph.nodes[0].shares is None:
        inside, graph = f" All of it stands inside of {label(type_of(graph.nodes[0]))}.", graph.nodes[0].body
    found = chains(graph)
    if len(found) > _MOST_CHAINS:
        return None
    layout = laid_out(found)
    boxes = {place.key: _box(place.chain, graph) for rank in layout.ranks for place in rank if place.chain is not None}
    width, height, bends = _placed(layout, boxes)
    title = "The network"
    body = [*_arrows(layout, boxes, bends), *(part for box in boxes.values() for part in _drawn(box))]
    svg = "\n".join([opening(width, height, title), *body, "</svg>"])
    rows: Rows = [["layer", "kind", "reads", "output", "parameters"], *(_row(node) for node in graph.nodes)]
    reading = f"From top to bottom; at the right of each layer the size of what it gives for one sample.{inside}"
    return Figure("network", title, reading, svg, rows)


def _row(node: LayerNode) -> list[str | int | float | None]:
    return [node.name, type_of(node), " ".join(node.inputs), sizes_text(node.output_shape), node.parameter_count()]


def _box(chain: Chain, graph: Graph) -> _Box:
    if not chain.layers:
        return _Box([(label(chain.name), short_sizes(graph.inputs[chain.name]))], is_plain=True)
    rows = [*_told(chain.layers)]
    if chain.name in graph.outputs and len(graph.outputs) > 1:
        rows.append((f"output {label(chain.name)}", ""))
    return _Box(rows, is_plain=False)


def _told(layers: list[LayerNode]) -> Iterator[tuple[str, str]]:
    """A line for each layer; of very many those in the middle in one."""
    if len(layers) <= _MOST_ROWS:
        yield from map(_line, layers)
        return
    half = (_MOST_ROWS - 1) // 2
    yield from map(_line, layers[:half])
    middle = Counter(type_of(node) for node in layers[half:-half])
    kinds = ", ".join(f"{count} {kind}" for kind, count in middle.most_common(3)) + (", ..." if len(middle) > 3 else "")
    yield f"... {kinds} ...", ""
    yield from map(_line, layers[-half:])


def _line(node: LayerNode) -> tuple[str, str]:
    kind = type_of(node)
    own = kind if node.name.startswith(f"{kind}_") or node.name == kind else f"{kind} {node.name}"
    if node.shares is not None:
        own = f"share of {node.shares}"
    if node.body is not None and node.shares is None:
        own += f" ({len(node.body.nodes)} layers)"
    return label(own, 34), short_sizes(node.output_shape)


def short_sizes(shape: Shape) -> str:
    """`32×26×26`, in one piece."""  # noqa: RUF002  # the sign itself
    return sizes_text(shape).replace(" x ", "×")  # noqa: RUF001  # the sign that stands between sizes


def _placed(layout: Layout, boxes: dict[Key, _Box]) -> tuple[float, float, dict[Key, _Bend]]:
    """Gives each box its place; gives the size of the picture, and where lines bend."""

    def width_of(place: Place) -> float:
        return boxes[place.key].width if place.chain is not None else _BEND

    widths = [sum(map(width_of, rank)) + _BETWEEN * (len(rank) - 1) for rank in layout.ranks]
    width, y = max(widths) + 2 * _MARGIN, _MARGIN
    bends: dict[Key, _Bend] = {}
    for rank, taken in zip(layout.ranks, widths, strict=True):
        x = (width - taken) / 2
        tallest = max((boxes[place.key].height for place in rank if place.chain is not None), default=_ROW)
        for place in rank:
            if place.chain is not None:
                box = boxes[place.key]
                box.x, box.y = x, y + (tallest - box.height) / 2
            else:
                bends[place.key] = _Bend(x + _BEND / 2, y, y + tallest)
            x += width_of(place) + _BETWEEN
        y += tallest + _GAP
    return width, y - _GAP + _MARGIN, bends


def _arrows(layout: Layout, boxes: dict[Key, _Box], bends: dict[Key, _Bend]) -> Iterator[str]:
    """Lines from box to box, with a tip at the end."""
    for line in layout.lines:
        first, last = boxes[line[0].key], boxes[line[-1].key]
        tip = last.x + last.width / 2, last.y
        start, end = _Bend(first.x + first.width / 2, first.y, first.y + first.height), _Bend(tip[0], tip[1] - 4, tip[1])
        path = [f"M{start.x:.1f} {start.bottom:.1f}"]
        for above, below in pairwise([start, *(bends[place.key] for place in line[1:-1]), end]):
            middle = (above.bottom + below.top) / 2
            path.append(f"C{above.x:.1f} {middle:.1f} {below.x:.1f} {middle:.1f} {below.x:.1f} {below.top:.1f}")
            path.append(f"V{below.bottom:.1f}" if below is not end else "")
        yield f'<path d="{" ".join(path)}" fill="none" stroke="var(--faint)" stroke-width="1"/>'
        x, y = tip
        yield f'<path d="M{x - 3:.1f} {y - 5:.1f}L{x + 3:.1f} {y - 5:.1f}L{x:.1f} {y:.1f}Z" fill="var(--faint)"/>'


def _drawn(box: _Box) -> Iterator[str]:
    fill, radius = ("var(--paper)", _ROW / 2) if box.is_plain else ("var(--raised)", 3)
    yield (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{radius:g}" '
        f'fill="{fill}" stroke="var(--faint)" stroke-width="0.8"/>'
    )
    for number, (left, right) in enumerate(box.rows, start=1):
        y = box.y + number * _ROW - 1
        yield _text(box.x + _PADDING, y, left, "start", "ink")
        if right:
            yield _text(box.x + box.width - _PADDING, y, right, "end", "faint")


def _text(x: float, y: float, text: str, anchor: str, colour: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="9" font-family="DejaVu Sans, sans-serif" text-anchor="{anchor}" '
        f'fill="var(--{colour})">{escape(text)}</text>'
    )
