"""Where the parts of a network stand in a picture: one below the other, side by side where it branches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from dlcli.config.graph import Graph, LayerNode

_SWEEPS: Final = 4


@dataclass
class Chain:
    """Layers of which each reads the one before alone, and is read by the one behind it alone; or an input, without layers.

    Attributes:
        name: of its last layer, or of the input.
        layers: from first to last.
        sources: the chains that the first one reads.
        rank: how far below the inputs it stands.
    """

    name: str
    layers: list[LayerNode] = field(default_factory=list)
    sources: list[Chain] = field(default_factory=list)
    rank: int = 0


Key = tuple[int, int]
"""What tells a place from others."""


@dataclass(frozen=True)
class Place:
    """A chain, or a bend of the line between two, within its rank."""

    chain: Chain | None
    key: Key


def chains(graph: Graph) -> list[Chain]:
    """A network in chains, each behind those that it reads."""
    readers: dict[str, int] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    by_layer = {name: Chain(name) for name in graph.inputs}
    found = list(by_layer.values())
    for node in graph.nodes:
        before = by_layer[node.inputs[0]]
        is_alone = len(node.inputs) == 1 and readers[node.inputs[0]] == 1 and node.inputs[0] not in graph.outputs
        if before.layers and is_alone:
            before.layers.append(node)
            before.name = node.name
            by_layer[node.name] = before
            continue
        sources = [by_layer[name] for name in node.inputs]
        chain = Chain(node.name, [node], sources, 1 + max(source.rank for source in sources))
        by_layer[node.name] = chain
        found.append(chain)
    return found


@dataclass(frozen=True)
class Layout:
    """Chains and bends, rank by rank.

    Attributes:
        ranks: from top to bottom, each from left to right.
        lines: the places that each line leads through, from top to bottom.
    """

    ranks: Sequence[Sequence[Place]]
    lines: Sequence[Sequence[Place]]


def laid_out(found: Sequence[Chain]) -> Layout:
    """Chains in ranks; a line over several ranks has a bend in each between (Sugiyama et al., 1981), and few lines cross."""
    ranks: list[list[Place]] = [[] for _ in range(1 + max(chain.rank for chain in found))]
    own = {id(chain): Place(chain, (number, -1)) for number, chain in enumerate(found)}
    lines: list[list[Place]] = []
    for chain in found:
        ranks[chain.rank].append(own[id(chain)])
    for number, (source, chain) in enumerate(_edges(found)):
        bends = [Place(None, (len(found) + number, rank)) for rank in range(source.rank + 1, chain.rank)]
        for bend in bends:
            ranks[bend.key[1]].append(bend)
        lines.append([own[id(source)], *bends, own[id(chain)]])
    neighbours = _neighbours(lines)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for rank in range(len(ranks)) if down else reversed(range(len(ranks))):
            _order(ranks, rank, neighbours[0] if down else neighbours[1], -1 if down else 1)
    return Layout(ranks, lines)


def _edges(found: Sequence[Chain]) -> Iterator[tuple[Chain, Chain]]:
    for chain in found:
        yield from ((source, chain) for source in chain.sources)


Neighbours = Mapping[Key, list[Key]]


def _neighbours(lines: Sequence[Sequence[Place]]) -> tuple[Neighbours, Neighbours]:
    """What stands one rank above each place at the end of its lines, and what one below."""
    above: dict[Key, list[Key]] = {}
    below: dict[Key, list[Key]] = {}
    for line in lines:
        for first, second in pairwise(line):
            above.setdefault(second.key, []).append(first.key)
            below.setdefault(first.key, []).append(second.key)
    return above, below


def _order(ranks: list[list[Place]], rank: int, neighbours: Neighbours, towards: int) -> None:
    """Puts the places of a rank where their neighbours in the next one stand on average."""
    if not 0 <= rank + towards < len(ranks):
        return
    beside = ranks[rank + towards]
    at = {place.key: (number + 0.5) / len(beside) for number, place in enumerate(beside)}

    def mean(place: Place) -> float:
        found = [at[key] for key in neighbours.get(place.key, []) if key in at]
        return sum(found) / len(found) if found else 0.5

    ranks[rank].sort(key=mean)
