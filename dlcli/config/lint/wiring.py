"""A network with its nestings opened: which layer really reads which, through blocks, `sequential` and `time_distributed`."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from dlcli.config.diagnostics import Place
from dlcli.config.graph import Graph, LayerNode
from dlcli.config.layers import LAYERS, activation
from dlcli.config.layers.base import LayerSpec

ACTIVATIONS: Final = frozenset(kind for kind, spec in LAYERS.items() if spec.__module__ == activation.__name__)
DROPOUTS: Final = frozenset(kind for kind in LAYERS if kind.startswith("dropout"))
MOVES: Final = frozenset(("flatten", "reshape", "permute"))
"""Layers that change no value."""
POOLINGS: Final = frozenset(kind for kind in LAYERS if "_pool" in kind)


@dataclass(frozen=True, eq=False)
class Site:
    """One layer that holds no others, in one of its uses.

    Attributes:
        node: the layer.
        use: the names of the entries that it stands inside, from the outermost.
        entry: the place of the outermost of these; of a layer that stands in no other, its own.
        sources: what it reads; None is an input of the network.
    """

    node: LayerNode
    use: tuple[str, ...]
    entry: Place
    sources: tuple[Site | None, ...]

    @property
    def kind(self) -> str:
        return self.node.spec.kind

    @property
    def spec(self) -> LayerSpec:
        return self.node.spec

    @property
    def place(self) -> Place:
        return self.node.place

    @property
    def source(self) -> Site | None:
        """What it reads, where that is one layer."""
        return self.sources[0] if len(self.sources) == 1 else None

    def behind(self, kinds: Container[str]) -> Site | None:
        """The layer that it reads, the layers of these kinds between the two passed over."""
        found = self.source
        while found is not None and found.kind in kinds:
            found = found.source
        return found


@dataclass(frozen=True)
class Wiring:
    """All layers that hold no others, in the order in which they run.

    Attributes:
        sites: the layers.
        outputs: which of them gives each output.
    """

    sites: tuple[Site, ...]
    outputs: Mapping[str, Site] = field(default_factory=dict)

    @cached_property
    def _readers(self) -> Mapping[Site, list[Site]]:
        readers: dict[Site, list[Site]] = {site: [] for site in self.sites}
        for site in self.sites:
            for source in site.sources:
                if source is not None:
                    readers[source].append(site)
        return readers

    @cached_property
    def _uses(self) -> Mapping[Place, set[tuple[str, ...]]]:
        """In which uses the layer of a place stands: a block's layers stand in each use of it."""
        uses: dict[Place, set[tuple[str, ...]]] = {}
        for site in self.sites:
            uses.setdefault(site.place, set()).add(site.use)
        return uses

    @cached_property
    def _shared(self) -> set[tuple[tuple[str, ...], str]]:
        return {(site.use, name) for site in self.sites if site.node.shares for name in (site.node.name, site.node.shares)}

    def only_reader(self, site: Site) -> Site | None:
        """The layer that a layer's output goes to, if it goes nowhere else."""
        readers = self._readers[site]
        return readers[0] if len(readers) == 1 and site not in self.outputs.values() else None

    def has_own_weights(self, site: Site) -> bool:
        """Whether no other layer uses the weights of a layer."""
        return (site.use, site.node.name) not in self._shared

    def in_every_use(self, is_wrong: Callable[[Site], bool]) -> Iterable[Site]:
        """The layers that are wrong in every use of what they stand inside: those that can be mended where they stand.

        A layer of a block can be wrong beside one use of the block and right beside the next.
        """
        wrong: dict[Place, list[Site]] = {}
        for site in self.sites:
            if is_wrong(site):
                wrong.setdefault(site.place, []).append(site)
        return [sites[0] for place, sites in wrong.items() if {site.use for site in sites} == self._uses[place]]

    def place_of(self, site: Site) -> Place:
        """Where to point at a layer that is wrong in this use: at itself, or at the use where the block has others."""
        return site.place if len(self._uses[site.place]) == 1 else site.entry


def wiring_of(graph: Graph) -> Wiring:
    """The network with its nestings opened."""
    sites: list[Site] = []
    values = _open(graph, dict.fromkeys(graph.inputs), (), None, sites)
    outputs = {name: values[name] for name in graph.outputs}
    return Wiring(tuple(sites), {name: site for name, site in outputs.items() if site is not None})


def _open(
    graph: Graph, inputs: Mapping[str, Site | None], use: tuple[str, ...], entry: Place | None, sites: list[Site]
) -> Mapping[str, Site | None]:
    """Adds the layers of a graph to `sites`, and says which of them stands behind each name."""
    values = dict(inputs)
    for node in graph.nodes:
        sources = tuple(values[name] for name in node.inputs)
        if node.body is None:
            site = Site(node, use, entry or node.place, sources)
            values[node.name] = site
            sites.append(site)
        else:
            inside = dict.fromkeys(node.body.inputs, sources[0])
            found = _open(node.body, inside, (*use, node.name), entry or node.place, sites)
            values[node.name] = found[node.body.outputs[0]]
    return values
